//! Keeps the key out of the log of `ureq`, which at level `trace` prints the head of a request byte for byte.
//!
//! `ureq` gets a placeholder of asterisks that is as long as the key. [`insert`] overwrites it in the buffer that goes
//! to the socket. `ureq` works on the thread that calls it, so the key is kept in a thread-local meanwhile.

use std::{cell::RefCell, io, marker::PhantomData};

use ureq::{
    Error,
    http::{self, HeaderValue},
};

pub(super) const HEADER: &str = "x-api-key";

thread_local! {
    static PENDING_KEY: RefCell<Option<PendingKey>> = const { RefCell::new(None) };
}

struct PendingKey {
    key: String,
    /// The line with the placeholder, as `ureq` writes it.
    line: Vec<u8>,
}

/// Keeps the key in the thread-local until it is sent or the guard is dropped.
pub(super) struct KeyGuard {
    stays_on_its_thread: PhantomData<*const ()>,
}

/// Returns the placeholder to give to `ureq` instead of the key.
pub(super) fn mask_key(key: &str) -> Result<(HeaderValue, KeyGuard), Error> {
    // `ureq` does not see the key, so it cannot check it.
    HeaderValue::from_str(key).map_err(http::Error::from)?;
    let placeholder = "*".repeat(key.len());
    let mut value = HeaderValue::from_str(&placeholder).map_err(http::Error::from)?;
    value.set_sensitive(true);
    let pending = PendingKey {
        key: key.to_owned(),
        line: format!("{HEADER}: {placeholder}\r\n").into_bytes(),
    };
    PENDING_KEY
        .try_with(|cell| cell.replace(Some(pending)))
        .map_err(|_| io::Error::other("the thread is ending and cannot send requests"))?;
    let guard = KeyGuard {
        stays_on_its_thread: PhantomData,
    };
    Ok((value, guard))
}

/// Replaces the placeholder in the head of a request by the key, once for each request.
///
/// Fails when the head ends without the placeholder: the server would refuse the request as one with a wrong key, and
/// the log would show nothing else.
pub(super) fn insert(output: &mut [u8]) -> Result<(), Error> {
    PENDING_KEY.with_borrow_mut(|cell| {
        let Some(pending) = cell else { return Ok(()) };
        if let Some(line) = position(output, &pending.line) {
            let start = line + HEADER.len() + ": ".len();
            output[start..start + pending.key.len()].copy_from_slice(pending.key.as_bytes());
            *cell = None;
        } else if position(output, b"\r\n\r\n").is_some() {
            let problem = "the API key could not be put into the head of the request";
            return Err(io::Error::other(problem).into());
        }
        Ok(())
    })
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        // A thread that is ending has no pending key.
        let _ = PENDING_KEY.try_with(|cell| cell.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_takes_the_place_of_its_placeholder_once() {
        let (placeholder, _guard) = mask_key("secret").expect("a usable key");
        assert_eq!(placeholder, "******");
        let head = b"POST / HTTP/1.1\r\nx-api-key: ******\r\n\r\n";
        let mut sent = head.to_vec();
        insert(&mut sent).expect("inserted");
        assert_eq!(sent, b"POST / HTTP/1.1\r\nx-api-key: secret\r\n\r\n");
        let mut body = head.to_vec();
        insert(&mut body).expect("nothing to insert");
        assert_eq!(body, head);
    }

    #[test]
    fn a_head_without_the_placeholder_is_not_sent() {
        let (_placeholder, _guard) = mask_key("secret").expect("a usable key");
        let mut first = b"POST / HTTP/1.1\r\n".to_vec();
        insert(&mut first).expect("the head goes on");
        let mut rest = b"X-Api-Key:******\r\n\r\n".to_vec();
        let error = insert(&mut rest).expect_err("no placeholder");
        assert!(error.to_string().contains("API key"), "{error}");
    }

    #[test]
    fn a_key_is_forgotten_with_its_guard() {
        drop(mask_key("secret").expect("a usable key"));
        let mut head = b"x-api-key: ******\r\n\r\n".to_vec();
        insert(&mut head).expect("nothing to insert");
        assert_eq!(head, b"x-api-key: ******\r\n\r\n");
    }
}
