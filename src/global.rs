//! One client for the whole process, for programs that do not hand it down.

#[cfg(feature = "testing")]
use std::cell::RefCell;
use std::{
    error::Error,
    fmt,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use crate::{client::Trubrics, error::FlushError, record::Record};

/// Locked only to copy or swap the handle, and never while a record is tracked or a client is flushed or closed.
static CLIENT: RwLock<Option<Trubrics>> = RwLock::new(None);

/// Makes a client the one of the process, which [`track`], [`flush`] and [`global`] use until the guard is dropped.
///
/// The guard closes the client, so keep it in `main`: bound to `_` it would be dropped at once.
///
/// Tests run in parallel in one process, so only one of them at a time could use this. With the feature `testing`,
/// `testing::with_global` gives each test a client of its own.
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
/// While the guard of another client is alive. That client stays, and the error returns this one. A library should
/// take a [`Trubrics`] as an argument instead of calling this.
pub fn init(client: Trubrics) -> Result<ClientGuard, InitError> {
    if of_thread().is_some() {
        return Err(InitError { client });
    }
    let mut current = CLIENT.write().unwrap_or_else(PoisonError::into_inner);
    if current.is_some() {
        return Err(InitError { client });
    }
    *current = Some(client.clone());
    Ok(ClientGuard {
        client: Some(client),
    })
}

/// Tracks with the client of the process, as [`Trubrics::track`]. Without one, it does nothing.
pub fn track(record: impl Into<Record>) {
    if let Some(client) = current() {
        client.track(record);
    }
}

/// Flushes the client of the process, as [`Trubrics::flush`]. Without one, it does nothing.
///
/// # Errors
///
/// As [`Trubrics::flush`].
pub fn flush(timeout: Duration) -> Result<(), FlushError> {
    global().flush(timeout)
}

/// Returns a handle of the client of the process. Without one, the handle is [disabled](Trubrics::disabled) for good.
///
/// ```
/// let chat = trubrics::global().for_user("user_1").thread_id("thread_7");
/// # let _ = chat;
/// ```
pub fn global() -> Trubrics {
    current().unwrap_or_else(Trubrics::disabled)
}

fn current() -> Option<Trubrics> {
    of_thread().or_else(|| {
        CLIENT
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    })
}

#[cfg(feature = "testing")]
thread_local! {
    static OF_THREAD: RefCell<Option<Trubrics>> = const { RefCell::new(None) };
}

/// The client that [`with_global`] gave to this thread.
fn of_thread() -> Option<Trubrics> {
    #[cfg(feature = "testing")]
    return OF_THREAD.try_with(|client| client.borrow().clone()).ok()?;
    #[cfg(not(feature = "testing"))]
    None
}

/// Runs a test's code with a client of its own in the place of the client of the process.
///
/// While `code` runs, [`track`], [`flush`] and [`global`] use this client on this thread, so that tests of programs
/// with a client of the process can run in parallel. [`init`] returns its error there. The client is not closed, so a
/// test flushes it before it looks at the events. Threads that `code` starts still use the client of the process.
///
/// ```
/// use std::time::Duration;
/// use trubrics::{Event, Trubrics, testing::{API_KEY, Recorder, with_global}};
///
/// fn sign_up(user_id: &str) {
///     trubrics::track(Event::new(user_id, "Sign up"));
/// }
///
/// let recorder = Recorder::new();
/// let client = Trubrics::builder(API_KEY).transport(recorder.clone()).build()?;
/// with_global(&client, || sign_up("user-1"));
/// client.flush(Duration::from_secs(5))?;
/// assert_eq!(recorder.events()[0]["user_id"], "user-1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "testing")]
pub fn with_global<T>(client: &Trubrics, code: impl FnOnce() -> T) -> T {
    /// Restores the client that was there before, also when the code panics.
    struct Restore(Option<Trubrics>);

    impl Drop for Restore {
        fn drop(&mut self) {
            let before = self.0.take();
            let _ = OF_THREAD.try_with(|client| client.replace(before));
        }
    }

    let _restore = Restore(OF_THREAD.replace(Some(client.clone())));
    code()
}

/// Keeps the client of the process; from [`init`].
///
/// When the guard is dropped, the process has no client any more. The client is closed even if other handles exist,
/// within [`shutdown_timeout`](crate::TrubricsBuilder::shutdown_timeout).
#[must_use = "a guard that is dropped at once closes the client at once"]
pub struct ClientGuard {
    /// None once it was closed.
    client: Option<Trubrics>,
}

impl ClientGuard {
    /// Takes the client from the process and closes it as [`Trubrics::close`] does, to see the result.
    ///
    /// # Errors
    ///
    /// As [`Trubrics::close`].
    pub fn close(mut self, timeout: Duration) -> Result<(), FlushError> {
        self.take().map_or(Ok(()), |client| client.close(timeout))
    }

    /// Takes the client from the process and from this guard.
    fn take(&mut self) -> Option<Trubrics> {
        let client = self.client.take()?;
        let former = CLIENT
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Outside of the lock, because the drop of a handle may take time.
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

/// The process has a client already; from [`init`].
pub struct InitError {
    client: Trubrics,
}

impl InitError {
    /// Returns the client that was not made the one of the process. It still works.
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
