use std::time::Duration;

/// The scripted reply to one request; see [`Service::script`](super::Service::script).
///
/// A [`status`](Self::status) from 200 to 299 accepts the request's records without checks. [`accept`](Self::accept)
/// accepts them if they are valid. Any other reply accepts none.
#[derive(Debug, Clone)]
#[must_use]
pub struct Reply {
    pub(super) kind: Kind,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
    pub(super) delay: Duration,
    pub(super) drip: Option<Duration>,
    pub(super) close_after: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Judge,
    Status(u16),
    Raw(Vec<u8>),
    Close,
    Hang,
}

impl Reply {
    /// Judges the request as if it were not scripted: 200 if it passes every check.
    pub fn accept() -> Self {
        Self::of(Kind::Judge)
    }

    /// Answers with this status, and an empty body unless [`body`](Self::body) sets one.
    pub fn status(status: u16) -> Self {
        Self::of(Kind::Status(status))
    }

    /// Sends these bytes as they are, even if they are not HTTP, and keeps the connection open.
    ///
    /// After a partial answer the client waits for the rest; with [`close_after`](Self::close_after) it sees a broken
    /// connection.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(Kind::Raw(bytes.into()))
    }

    /// Reads the whole request, then closes the connection without an answer.
    pub fn close() -> Self {
        Self::of(Kind::Close)
    }

    /// Never answers. The connection ends when the client closes it or the server is dropped.
    pub fn hang() -> Self {
        Self::of(Kind::Hang)
    }

    /// Adds a header, which replaces the server's own header of that name.
    ///
    /// It is sent as it is, so a `content-length` may be wrong.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body, which replaces the server's own.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Sets how long to wait before the reply, also before a [`close`](Self::close).
    pub fn delay(mut self, time: Duration) -> Self {
        self.delay = time;
        self
    }

    /// Sends the answer byte by byte, with this pause after each byte.
    pub fn drip(mut self, pause: Duration) -> Self {
        self.drip = Some(pause);
        self
    }

    /// Closes the connection after the answer, without a header that announces it.
    pub fn close_after(mut self) -> Self {
        self.close_after = true;
        self
    }

    fn of(kind: Kind) -> Self {
        Self {
            kind,
            headers: Vec::new(),
            body: None,
            delay: Duration::ZERO,
            drip: None,
            close_after: false,
        }
    }
}
