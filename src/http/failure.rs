//! What went wrong, in words, and without naming a type of `ureq`.

use std::io;

use ureq::{Error, Timeout};

use crate::transport::TransportError;

/// The failure of a call that [`interrupt`](crate::Transport::interrupt) has ended.
pub(super) fn interrupted() -> Error {
    Error::Io(io::Error::new(
        io::ErrorKind::NotConnected,
        "interrupted before the answer was there",
    ))
}

/// Neither the key nor the body of a request is in any of these texts: `ureq` puts only addresses, sizes and what the
/// system and the server said into its errors.
pub(super) fn explain(error: Error) -> TransportError {
    match error {
        Error::Timeout(timeout) => {
            let text = time_out(timeout);
            TransportError::new(io::Error::new(io::ErrorKind::TimedOut, text))
        }
        Error::Io(error) => {
            let kind = error.kind();
            let text = match kind {
                io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                io::ErrorKind::UnexpectedEof => {
                    "the connection was closed before the answer was complete".to_owned()
                }
                _ => error.to_string(),
            };
            TransportError::new(io::Error::new(kind, text))
        }
        Error::HostNotFound => TransportError::new("the host was not found"),
        Error::Protocol(_) => TransportError::new("the answer was not HTTP"),
        // As text: the error itself would bring a type of `ureq` among the causes.
        other => TransportError::new(other.to_string()),
    }
}

fn time_out(timeout: Timeout) -> &'static str {
    match timeout {
        Timeout::Resolve => "timed out while looking up the host",
        Timeout::Connect => "timed out while connecting",
        Timeout::SendRequest | Timeout::SendBody | Timeout::PerWrite => {
            "timed out while sending the request"
        }
        Timeout::RecvResponse | Timeout::RecvBody | Timeout::PerRead => {
            "timed out while waiting for the response"
        }
        // The whole of the time is over, wherever the request was.
        _ => "timed out before the response was there",
    }
}
