//! One client for the whole process, for programs that would rather not hand it down.

use std::{
    error::Error,
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{PoisonError, RwLock},
    time::Duration,
};

use crate::{client::Trubrics, error::FlushError, record::Record};

/// Held for as long as it takes to copy or swap the handle; never while anything is tracked, flushed or closed.
static CLIENT: RwLock<Option<Trubrics>> = RwLock::new(None);

/// Makes a client the one of the process, which [`track`] and [`global`] then use, until the guard is dropped.
///
/// The guard closes the client, so keep it in `main`: bound to `_` it would be dropped at once.
///
/// ```
/// use trubrics::{Event, Trubrics, testing::{API_KEY, Recorder}};
///
/// fn sign_up(user_id: &str) {
///     trubrics::track(Event::new(user_id, "Sign up"));
/// }
///
/// let recorder = Recorder::new();
/// let client = Trubrics::builder(API_KEY).transport(recorder.clone()).build()?;
///
/// sign_up("too early: nothing happens");
/// let guard = trubrics::init(client)?;
/// sign_up("user_1");
/// drop(guard);
/// sign_up("too late: nothing happens");
///
/// assert_eq!(recorder.events().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// While the guard of another client lives: that one stays, and this one comes back in the error. A library should take
/// a [`Trubrics`] instead of calling this.
pub fn init(client: Trubrics) -> Result<ClientGuard, InitError> {
    let mut current = CLIENT.write().unwrap_or_else(PoisonError::into_inner);
    if current.is_some() {
        return Err(InitError { client });
    }
    *current = Some(client.clone());
    Ok(ClientGuard {
        client: Some(client),
    })
}

/// Tracks with the client of the process, as [`Trubrics::track`]; without one, nothing happens.
pub fn track(record: impl Into<Record>) {
    if let Some(client) = current() {
        client.track(record);
    }
}

/// Flushes the client of the process, as [`Trubrics::flush`]; without one, there is nothing to do.
///
/// # Errors
///
/// As [`Trubrics::flush`].
pub fn flush(timeout: Duration) -> Result<(), FlushError> {
    global().flush(timeout)
}

/// A handle of the client of the process; without one, a [disabled](Trubrics::disabled) one, which it stays.
///
/// ```
/// let chat = trubrics::global().for_user("user_1").thread_id("thread_7");
/// # let _ = chat;
/// ```
pub fn global() -> Trubrics {
    current().unwrap_or_else(Trubrics::disabled)
}

fn current() -> Option<Trubrics> {
    CLIENT
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Keeps the client of the process; from [`init`]. Its drop takes the client away and closes it, other handles or not,
/// with the time that [`shutdown_timeout`](crate::TrubricsBuilder::shutdown_timeout) allows.
#[must_use = "a guard that is dropped at once closes the client at once"]
pub struct ClientGuard {
    /// None once it was closed.
    client: Option<Trubrics>,
}

// As for the client: a panic cannot leave it half-changed.
impl UnwindSafe for ClientGuard {}
impl RefUnwindSafe for ClientGuard {}

impl ClientGuard {
    /// Takes the client away and closes it as [`Trubrics::close`] does: for programs that want to know how it went.
    ///
    /// # Errors
    ///
    /// As [`Trubrics::close`].
    pub fn close(mut self, timeout: Duration) -> Result<(), FlushError> {
        self.take().map_or(Ok(()), |client| client.close(timeout))
    }

    /// Takes the client away, from the process and from this guard.
    fn take(&mut self) -> Option<Trubrics> {
        let client = self.client.take()?;
        let former = CLIENT
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Outside of the lock, for a handle that goes may take its time.
        drop(former);
        Some(client)
    }
}

impl Drop for ClientGuard {
    fn drop(&mut self) {
        if let Some(client) = self.take() {
            client.close_in_time();
        }
    }
}

impl fmt::Debug for ClientGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientGuard").finish_non_exhaustive()
    }
}

/// There is a client of the process already; from [`init`].
pub struct InitError {
    client: Trubrics,
}

// As for the client: a panic cannot leave it half-changed.
impl UnwindSafe for InitError {}
impl RefUnwindSafe for InitError {}

impl InitError {
    /// The client that was not made the one of the process; it works all the same.
    pub fn into_client(self) -> Trubrics {
        self.client
    }
}

impl fmt::Debug for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InitError").finish_non_exhaustive()
    }
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the process has a client already, whose guard is alive")
    }
}

impl Error for InitError {}
