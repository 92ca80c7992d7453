//! The handle that programs hold: it checks and encodes records, hands them to the worker, and waits for it on request.

mod shared;

pub(crate) use shared::Shared;

use std::{
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::{
    builder::TrubricsBuilder,
    deadline::after,
    error::{
        ConfigError, DeliveryError, DeliveryErrorKind, FlushError, TrackError, TrackErrorKind,
    },
    hooks,
    queue::Overflow,
    record::Record,
    stats::{DropReason, Stats},
    worker::Control,
};

/// A client of Trubrics: takes records and returns at once, while one thread delivers them in batches.
///
/// Clones are cheap and share that thread. When the last one is dropped the client is closed as by
/// [`close`](Self::close), with the time that [`shutdown_timeout`](TrubricsBuilder::shutdown_timeout) allows. A client
/// in a `static` is never dropped, and `std::process::exit` drops nothing: call `close` there, as the
/// [recipes](crate::_docs::recipes) show.
///
/// ```no_run
/// use trubrics::{Event, Trubrics};
///
/// let client = Trubrics::from_env()?;
/// client.track(Event::new("user_123", "Sign up").property("plan", "team"));
/// # Ok::<(), trubrics::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use = "a client that is dropped at once is closed at once"]
pub struct Trubrics {
    /// None for a client that does nothing.
    inner: Option<Arc<Inner>>,
}

impl Trubrics {
    /// A client with default settings that sends to Trubrics.
    ///
    /// # Errors
    ///
    /// When the key is empty or no header value, or the worker thread cannot be started.
    pub fn new(api_key: impl Into<String>) -> Result<Self, ConfigError> {
        Self::builder(api_key).build()
    }

    /// A client with the key in `TRUBRICS_API_KEY`, and the host in `TRUBRICS_HOST` if that is set and not empty.
    ///
    /// # Errors
    ///
    /// When `TRUBRICS_API_KEY` is missing or not Unicode, and as [`new`](Self::new).
    pub fn from_env() -> Result<Self, ConfigError> {
        TrubricsBuilder::from_env()?.build()
    }

    /// Settings for a client.
    pub fn builder(api_key: impl Into<String>) -> TrubricsBuilder {
        TrubricsBuilder::new(api_key.into())
    }

    /// A client without thread or socket, whose calls all do nothing and succeed.
    pub fn disabled() -> Self {
        Self { inner: None }
    }

    pub(crate) fn is_disabled(&self) -> bool {
        self.inner.is_none()
    }

    pub(crate) fn running(
        shared: Arc<Shared>,
        worker: JoinHandle<()>,
        running: Receiver<Infallible>,
    ) -> Self {
        let inner = Inner {
            shared,
            worker: Mutex::new(Some(worker)),
            running,
        };
        Self {
            inner: Some(Arc::new(inner)),
        }
    }

    /// Takes a record for delivery and returns at once; it does not touch the network, and never fails or panics.
    ///
    /// When the queue is full the record is dropped, or with [`Overflow::Block`] this waits for room. A record that is
    /// invalid, or tracked after [`close`](Self::close), is dropped. Every drop is counted in [`stats`](Self::stats)
    /// and told to [`on_drop`](TrubricsBuilder::on_drop).
    pub fn track(&self, record: impl Into<Record>) {
        let Some(inner) = &self.inner else { return };
        let shared = &inner.shared;
        let may_wait = shared.overflow == Overflow::Block && !inner.is_inside();
        if let Err(rejected) = shared.offer(record.into(), may_wait, true) {
            let reason = match rejected.kind {
                TrackErrorKind::Full => DropReason::QueueFull,
                TrackErrorKind::Closed => DropReason::Closed,
                TrackErrorKind::Invalid(_) => DropReason::Invalid,
            };
            shared.report.rejected(reason, rejected.encoded.as_ref());
        }
    }

    /// Takes a record for delivery like [`track`](Self::track), or gives it back; it never waits, whatever
    /// [`Overflow`] says.
    ///
    /// A record that [`before_send`](TrubricsBuilder::before_send) refuses is dropped and counted, and this succeeds.
    ///
    /// # Errors
    ///
    /// When the queue is full, the client is closed or the record is invalid. It is then not counted in
    /// [`stats`](Self::stats): it is the caller's again.
    pub fn try_track(&self, record: impl Into<Record>) -> Result<(), TrackError> {
        let Some(inner) = &self.inner else {
            return Ok(());
        };
        let offered = inner.shared.offer(record.into(), false, false);
        offered.map_err(|rejected| TrackError::new(rejected.kind, rejected.record))
    }

    /// Delivers a record on the calling thread, past the queue, and waits for the answer: one attempt, for as long as
    /// [`request_timeout`](TrubricsBuilder::request_timeout) allows.
    ///
    /// # Errors
    ///
    /// When the record is invalid or refused, the server does not answer, or the client is closed;
    /// [`is_transient`](DeliveryError::is_transient) says whether to try again. Such a record is not counted in
    /// [`stats`](Self::stats). No answer does not mean that the server does not have it.
    pub fn track_sync(&self, record: impl Into<Record>) -> Result<(), DeliveryError> {
        match &self.inner {
            // The connections are the parent's: two processes would talk at once on them.
            Some(inner) if inner.shared.is_forked() => {
                Err(DeliveryError::new(DeliveryErrorKind::Closed))
            }
            Some(inner) => inner
                .shared
                .deliver_now(record.into())
                .map_err(DeliveryError::new),
            None => Ok(()),
        }
    }

    /// Waits until everything that was tracked before the call is delivered or dropped, at most for `timeout`.
    ///
    /// One attempt is made at once, even in a back-off, but not against a `Retry-After` of the server. When no attempt
    /// is left within the time, it returns early. With `Duration::ZERO` it does not wait, but has everything sent.
    ///
    /// # Errors
    ///
    /// When time ran out, or records were dropped since the last flush; the error says how many of each, and its source
    /// why the last request failed, if it did. A call from a hook, a transport, or a logger that the client's own threads
    /// call, does nothing and says so.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        match &self.inner {
            Some(inner) => inner.flush(timeout),
            None => Ok(()),
        }
    }

    /// Flushes, and ends the worker thread; returns within `timeout` whatever the network does.
    ///
    /// What is not delivered by then is dropped as [`DropReason::CloseTimeout`], and the request in flight is interrupted;
    /// where that is not possible (a connection that is being made, a transport without
    /// [`interrupt`](crate::Transport::interrupt)) its thread is let go: if it is the worker's, its records are still
    /// pending. Later records are dropped as [`DropReason::Closed`]. A second call waits for the same end, and the drop of
    /// the last handle no longer. `Duration::ZERO` gives up everything at once.
    ///
    /// With a [`spool`](TrubricsBuilder::spool) nothing is dropped: what is not delivered by then waits there for the
    /// next run, and with `Duration::ZERO` this returns when it is on disk, after a second at the most where the disk
    /// hangs. In the time that is left, what earlier runs left is delivered too.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    pub fn close(&self, timeout: Duration) -> Result<(), FlushError> {
        match &self.inner {
            Some(inner) => inner.close(timeout),
            None => Ok(()),
        }
    }

    /// Closes it as the drop of its last handle does.
    pub(crate) fn close_in_time(&self) {
        if let Some(inner) = &self.inner {
            inner.close_in_time();
        }
    }

    /// What became of all the records so far; takes no lock.
    pub fn stats(&self) -> Stats {
        self.inner
            .as_ref()
            .map(|inner| inner.shared.stats())
            .unwrap_or_default()
    }
}

impl fmt::Debug for Trubrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut client = f.debug_struct("Trubrics");
        match &self.inner {
            Some(inner) => client.field("stats", &inner.shared.stats()),
            None => client.field("disabled", &true),
        };
        client.finish_non_exhaustive()
    }
}

/// What all handles share; the last one to go closes the client.
struct Inner {
    shared: Arc<Shared>,
    worker: Mutex<Option<JoinHandle<()>>>,
    /// Disconnected when the worker has ended.
    running: Receiver<Infallible>,
}

impl Inner {
    /// Whether the caller is a hook, the transport or a thread of this client: it would wait for its own end.
    fn is_inside(&self) -> bool {
        hooks::is_inside(self.shared.id)
    }

    fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        if self.shared.is_forked() {
            return self.outcome(false, self.shared.report.counters().reported_drops());
        }
        if self.is_inside() {
            return Err(FlushError::in_hook(self.shared.pending()));
        }
        let deadline = after(Instant::now(), timeout);
        let reported = self.shared.report.counters().reported_drops();
        if timeout.is_zero() {
            self.shared.worker_handle.request_flush();
            return self.outcome(false, reported);
        }
        let (done, settled) = bounded(1);
        self.shared
            .worker_handle
            .send(Control::Flush { deadline, done });
        let is_settled = settled.recv_deadline(deadline).is_ok();
        self.outcome(is_settled, reported)
    }

    fn close(&self, timeout: Duration) -> Result<(), FlushError> {
        if self.shared.is_forked() {
            return self.outcome(false, self.shared.report.counters().reported_drops());
        }
        if self.is_inside() {
            return Err(FlushError::in_hook(self.shared.pending()));
        }
        let now = Instant::now();
        let reported = self.shared.report.counters().reported_drops();
        let deadline = after(now, timeout);
        // The worker is to be done a little earlier, so that there is time to interrupt it.
        let last_call = deadline - INTERRUPT_GRACE.min(timeout / 4);
        self.shared.begin_close(last_call);
        if !self.has_ended(last_call) && self.shared.is_last_call(last_call) {
            self.shared.interrupt();
        }
        // What is not on disk yet is worth a moment more, where the worker has nothing else to do.
        let grace = if self.shared.has_spool && self.shared.is_last_call(last_call) {
            SPOOL_GRACE
        } else {
            Duration::ZERO
        };
        if self.has_ended(deadline.max(now + grace)) {
            self.join();
        }
        self.outcome(false, reported)
    }

    fn close_in_time(&self) {
        let timeout = self.shared.shutdown_timeout;
        if self.is_inside() {
            // It cannot wait for itself; the worker goes on until it is done.
            self.shared.begin_close(after(Instant::now(), timeout));
        } else {
            // Nobody is there to be reported; the report has logged what was dropped.
            let _ = self.close(timeout);
        }
    }

    /// Waits for the worker's end.
    fn has_ended(&self, deadline: Instant) -> bool {
        self.running.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected)
    }

    fn join(&self) {
        let worker = self
            .worker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(worker) = worker {
            // It caught its panics itself, and has told of them.
            let _ = worker.join();
        }
    }

    fn outcome(&self, is_settled: bool, reported: u64) -> Result<(), FlushError> {
        let pending = self.shared.pending();
        let counters = self.shared.report.counters();
        let dropped = counters.dropped();
        counters.mark_reported(dropped);
        let is_delivered = (is_settled || pending == 0) && dropped <= reported;
        if is_delivered {
            return Ok(());
        }
        let cause = self.shared.last_failure().clone();
        Err(FlushError::new(
            pending,
            dropped.saturating_sub(reported),
            cause,
        ))
    }
}

/// How long before its deadline a close interrupts the request in flight: enough for the worker to notice, drop what is
/// left, and end on a busy machine.
const INTERRUPT_GRACE: Duration = Duration::from_millis(100);

/// How long a close waits for the disk, however little time it was given. It takes a millisecond or two.
const SPOOL_GRACE: Duration = Duration::from_secs(1);

impl Drop for Inner {
    fn drop(&mut self) {
        // Whoever closed it before gave it its time.
        if self.shared.closing().is_none() {
            self.close_in_time();
        }
    }
}
