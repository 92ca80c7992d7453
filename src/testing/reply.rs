use std::time::Duration;

/// What one scripted request gets; see [`Service::script`](super::Service::script).
///
/// A status from 200 to 299 accepts the request's records, whether or not they are in order. Any
/// other reply accepts none.
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
    /// What an unscripted request gets: every check, and 200 when the request passes them.
    pub fn accept() -> Self {
        Self::of(Kind::Judge)
    }

    /// Answers with this status and, unless one is given, an empty body.
    pub fn status(status: u16) -> Self {
        Self::of(Kind::Status(status))
    }

    /// Sends these bytes as they are, HTTP or not; the connection then stays open.
    ///
    /// A cut-off answer stalls the client, or with [`close_after`](Self::close_after) breaks off.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::of(Kind::Raw(bytes.into()))
    }

    /// Reads the whole request, then closes the connection without an answer.
    pub fn close() -> Self {
        Self::of(Kind::Close)
    }

    /// Never answers; ends when the client goes away or the server is dropped.
    pub fn hang() -> Self {
        Self::of(Kind::Hang)
    }

    /// Adds a header, in the place of one of the same name that the server would set.
    ///
    /// Written as given, so a `content-length` may lie.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body, in the place of the one that the server would send.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Waits this long before the answer; also before a [`close`](Self::close).
    pub fn delay(mut self, time: Duration) -> Self {
        self.delay = time;
        self
    }

    /// Sends the answer byte by byte, with this pause after each.
    pub fn drip(mut self, pause: Duration) -> Self {
        self.drip = Some(pause);
        self
    }

    /// Closes the connection after the answer, which does not announce it.
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
