use std::{fmt, sync::Arc};

/// One request as it arrived.
///
/// A clone is cheap. `Debug` shows neither header values nor the body, which contain the key and users' data.
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

    /// Returns the target without its query.
    pub(super) fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(self.target.as_str(), |(path, _)| path)
    }
}

impl ReceivedRequest {
    /// Returns the method as it was sent.
    pub fn method(&self) -> &str {
        &self.head.method
    }

    /// Returns the whole target of the request line, with its query.
    pub fn path(&self) -> &str {
        &self.head.target
    }

    /// Returns the first header of this name, in upper or lower case. Bytes that are not UTF-8 are replaced.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.header(name)
    }

    /// Returns the body without its framing; empty if it was over the limit.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the status of its answer; `None` if the reply was raw bytes, a close or a hang.
    ///
    /// The status is known as soon as the request has been read, even if the answer is delayed.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// Returns the body of its answer, which says why a request was refused; empty without a [`status`](Self::status).
    pub fn answer(&self) -> &[u8] {
        &self.answer
    }

    /// Returns the number of its connection, counted from 1; 0 for a recorder.
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
