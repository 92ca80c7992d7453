//! Keeps the key out of sight of `ureq`, which at its most talkative logs a request's head byte for byte.
//!
//! `ureq` gets asterisks for a key, as many as the key has characters. They are overwritten in the buffer that goes
//! to the socket. `ureq` does all its work on the thread that asks for it, so this is where the key waits meanwhile.

use std::{cell::RefCell, io, marker::PhantomData};

use ureq::{
    Error,
    http::{self, HeaderValue},
};

pub(super) const HEADER: &str = "x-api-key";

thread_local! {
    static PENDING_KEY: RefCell<Option<Secret>> = const { RefCell::new(None) };
}

struct Secret {
    key: String,
    /// The line of the head as `ureq` writes it.
    line: Vec<u8>,
}

/// The key waits as long as this lives, or until it is sent.
pub(super) struct KeyGuard {
    stays_on_its_thread: PhantomData<*const ()>,
}

/// The value to give to `ureq` in place of the key.
pub(super) fn mask_key(key: &str) -> Result<(HeaderValue, KeyGuard), Error> {
    // The key goes to the socket unseen by any other check.
    HeaderValue::from_str(key).map_err(http::Error::from)?;
    let placeholder = "*".repeat(key.len());
    let mut value = HeaderValue::from_str(&placeholder).map_err(http::Error::from)?;
    value.set_sensitive(true);
    let secret = Secret {
        key: key.to_owned(),
        line: format!("{HEADER}: {placeholder}\r\n").into_bytes(),
    };
    PENDING_KEY
        .try_with(|waiting| waiting.replace(Some(secret)))
        .map_err(|_| io::Error::other("the thread is ending: it can send nothing any more"))?;
    let guard = KeyGuard {
        stays_on_its_thread: PhantomData,
    };
    Ok((value, guard))
}

/// Puts the key where its asterisks are. It is done once for each request: what follows is the body's.
pub(super) fn insert(output: &mut [u8]) {
    PENDING_KEY.with_borrow_mut(|waiting| {
        let Some(secret) = waiting else { return };
        let found = output
            .windows(secret.line.len())
            .position(|bytes| bytes == secret.line);
        if let Some(start) = found {
            let start = start + HEADER.len() + ": ".len();
            output[start..start + secret.key.len()].copy_from_slice(secret.key.as_bytes());
            *waiting = None;
        }
    });
}

impl Drop for KeyGuard {
    fn drop(&mut self) {
        // A thread that is ending has nothing waiting any more.
        let _ = PENDING_KEY.try_with(|waiting| waiting.take());
    }
}
