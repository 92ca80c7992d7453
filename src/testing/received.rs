use std::{fmt, sync::Arc};

/// One request as the server read it.
///
/// Cheap to clone. `Debug` shows neither header values nor the body, which hold the key and users' data.
#[derive(Clone)]
pub struct ReceivedRequest {
    pub(super) head: Arc<Head>,
    pub(super) body: Arc<Vec<u8>>,
    pub(super) status: Option<u16>,
    pub(super) answer: Arc<Vec<u8>>,
    pub(super) connection: u64,
}

pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Head {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The target without its query.
    pub(super) fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(self.target.as_str(), |(path, _)| path)
    }
}

impl ReceivedRequest {
    /// The method, as sent.
    pub fn method(&self) -> &str {
        &self.head.method
    }

    /// The whole target of the request line: path and query.
    pub fn path(&self) -> &str {
        &self.head.target
    }

    /// The first header of this name, in any case; bytes that are no UTF-8 are replaced.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// The body without its framing; empty if it was larger than the server takes.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The status it was given; `None` if it was closed, left hanging or got raw bytes.
    ///
    /// Set when the request was read, so a delayed answer may still be on its way.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The body of the answer that it was given: why it was refused. Empty if it got none, or raw bytes.
    pub fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// The number of the connection it came over; the server's first one is 1.
    pub fn connection(&self) -> u64 {
        self.connection
    }
}

impl fmt::Debug for ReceivedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceivedRequest")
            .field("method", &self.method())
            .field("path", &self.path())
            .field("body_len", &self.body.len())
            .field("status", &self.status)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
