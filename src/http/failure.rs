//! The errors of `ureq` in words, and without a type of `ureq`.

use std::io;

use ureq::{Error, Timeout};

use super::{exchange::ExchangeError, keep_reading::loss};
use crate::transport::TransportError;

/// Makes the error of a call that [`interrupt`](crate::Transport::interrupt) has ended.
pub(super) fn interrupted() -> Error {
    Error::Io(interruption())
}

fn interruption() -> io::Error {
    let text = "interrupted before the answer was there";
    io::Error::new(io::ErrorKind::NotConnected, text)
}

/// Turns an error of `ureq` into one of the transport, when [`interrupt`](crate::Transport::interrupt) was called
/// meanwhile.
///
/// The client itself has shut the connection down, so a lost connection is an interruption. Other errors stay as they
/// are.
pub(super) fn explain_after_interruption(error: &Error) -> TransportError {
    match ExchangeError::of(error) {
        Some(ExchangeError::WhileSending(error)) if loss(error).is_some() => {
            TransportError::while_sending(interruption())
        }
        None if loss(error).is_some() => TransportError::new(interruption()),
        _ => explain(error),
    }
}

/// Says whether the request can go out again because its connection was stale.
pub(super) fn is_stale(error: &Error) -> bool {
    matches!(
        ExchangeError::of(error),
        Some(ExchangeError::StaleConnection)
    )
}

/// Turns an error of `ureq` into one of the transport.
///
/// The text contains neither the key nor the body of a request, because `ureq` puts only addresses, sizes and the words
/// of the system and the server into its errors.
pub(super) fn explain(error: &Error) -> TransportError {
    match ExchangeError::of(error) {
        Some(ExchangeError::WhileSending(error)) => {
            let cause = cause(error);
            if loss(error).is_none() {
                return TransportError::while_sending(cause);
            }
            let text = format!("{cause} while the request was being sent");
            TransportError::while_sending(io::Error::new(cause.kind(), text))
        }
        Some(ExchangeError::NotHttp) => TransportError::new("the answer was not HTTP"),
        Some(ExchangeError::StaleConnection) | None => TransportError::new(cause(error)),
    }
}

fn cause(error: &Error) -> io::Error {
    match error {
        Error::Timeout(timeout) => io::Error::new(io::ErrorKind::TimedOut, time_out(*timeout)),
        Error::Io(error) => {
            let kind = error.kind();
            let text = match kind {
                io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                io::ErrorKind::UnexpectedEof => {
                    "the connection was closed before the answer was complete".to_owned()
                }
                _ => error.to_string(),
            };
            io::Error::new(kind, text)
        }
        Error::HostNotFound => io::Error::other("the host was not found"),
        Error::Protocol(_) => io::Error::other("the answer was not HTTP"),
        Error::Other(error) => io::Error::other(error.to_string()),
        // As text: the error itself would bring a type of `ureq` among the causes.
        other => io::Error::other(other.to_string()),
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
        // The time of the whole request is over, and `ureq` does not say where the request was.
        _ => "timed out before the response was there",
    }
}
