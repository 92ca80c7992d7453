//! The state that all handles of a client share: it flushes, closes, and delivers on the caller's thread.

mod consent;

use std::{
    convert::Infallible,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

pub(super) use self::consent::Agreement;
use crate::{
    accounting::Accounting,
    batch::{size_limit::SizeLimit, write_body},
    clock,
    consent::Consent,
    control::{Control, WorkerHandle},
    deadline::after,
    error::{DeliveryErrorKind, FlushError},
    exchange::{Attempt, Call, Exchange},
    hand_off::HandOff,
    health::{Health, Published},
    hooks,
    intake::Intake,
    lifecycle::Lifecycle,
    record::{Endpoint, Record},
    settings::WorkerSettings,
    spool::ProjectFolder,
    sync::{
        channel::{Receiver, RecvTimeoutError, TryRecvError},
        thread::JoinHandle,
    },
    worker::SizeLimits,
};

/// What a running client is made of.
pub(crate) struct ClientParts {
    pub(crate) intake: Intake,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) worker: WorkerSettings,
    pub(crate) health: Arc<Published>,
    pub(crate) shutdown_timeout: Duration,
    /// Where the records of the spool are, if there is one.
    pub(crate) project: Option<ProjectFolder>,
    /// How another process is started that delivers, if one does.
    pub(crate) hand_off: Option<HandOff>,
    /// Another process makes all requests: this one has no transport.
    pub(crate) is_handed_off: bool,
}

impl ClientParts {
    /// For how long the oldest pending record has waited, if one is pending.
    pub(crate) fn oldest_pending(&self) -> Option<Duration> {
        let (accounting, health) = (&self.intake.accounting, &self.health);
        let in_memory = accounting.in_memory() > 0;
        let in_memory = in_memory.then(|| health.oldest_in_memory(clock::now()));
        let in_spool = accounting.in_spool() > 0;
        let in_spool = in_spool.then(|| health.oldest_in_spool(clock::system_now()));
        in_memory.max(in_spool)
    }
}

/// The owner of the state that all handles share. Its drop, with the last handle, closes the client.
pub(super) struct Inner {
    state: Arc<State>,
}

struct State {
    parts: ClientParts,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Disconnected when the worker has ended, and its thread-locals are dropped.
    running: Receiver<Infallible>,
    /// The largest bodies that the server accepts from calls of `deliver`, as the last of them left it.
    size_limits: Mutex<SizeLimits>,
}

impl Inner {
    pub(super) fn new(
        parts: ClientParts,
        thread: JoinHandle<()>,
        running: Receiver<Infallible>,
    ) -> Self {
        let largest = SizeLimit::new(parts.worker.batch.bytes);
        let state = State {
            size_limits: Mutex::new([largest; Endpoint::ALL.len()]),
            parts,
            thread: Mutex::new(Some(thread)),
            running,
        };
        Self {
            state: Arc::new(state),
        }
    }

    pub(super) fn intake(&self) -> &Intake {
        &self.state.parts.intake
    }

    pub(super) fn accounting(&self) -> &Accounting {
        &self.state.parts.intake.accounting
    }

    pub(super) fn parts(&self) -> &ClientParts {
        &self.state.parts
    }

    pub(super) fn size_limits(&self) -> &Mutex<SizeLimits> {
        &self.state.size_limits
    }

    pub(super) fn lifecycle(&self) -> &Lifecycle {
        &self.state.parts.intake.lifecycle
    }

    fn worker(&self) -> &WorkerHandle {
        &self.state.parts.intake.worker
    }

    /// The calling thread makes requests until the result is dropped, unless the client was closed before. A close
    /// breaks them off when its time is over. The worker, if it has a spool, breaks them off after a withdrawal by
    /// another process.
    pub(super) fn begin_call(&self) -> Call<'_> {
        let call = self.state.parts.exchange.begin_call();
        if self.state.parts.project.is_some() {
            self.worker().wake();
        }
        call
    }

    /// Whether the caller is a hook, the transport or a thread of this client: it would wait for its own end.
    pub(super) fn is_inside(&self) -> bool {
        hooks::is_inside(self.state.parts.intake.client)
    }

    pub(super) fn track_sync(&self, record: Record) -> Result<(), DeliveryErrorKind> {
        // The connections are the parent's: two processes would write on them at once.
        if self.lifecycle().is_forked() {
            return Err(DeliveryErrorKind::Closed);
        }
        if self.is_inside() {
            return Err(DeliveryErrorKind::InHook);
        }
        if self.parts().is_handed_off {
            return Err(DeliveryErrorKind::HandedOff);
        }
        // Before the client is found open: a close from here on knows of this call.
        let _call = self.begin_call();
        let agreement = self.agreement().ok_or(DeliveryErrorKind::NoConsent)?;
        let encoded = self.state.parts.intake.prepare(record)?;
        if !agreement.holds() {
            return Err(DeliveryErrorKind::NoConsent);
        }
        let mut body = Vec::new();
        write_body([&encoded].into_iter(), &mut body);
        let attempted = self.state.parts.exchange.attempt_once(&Attempt {
            endpoint: encoded.endpoint,
            records: 1,
            body,
            deadline: after(clock::now(), self.state.parts.worker.request_timeout),
            withdrawals: agreement.withdrawals(),
        });
        match attempted {
            Ok(()) => {
                self.accounting().deliver_directly(1);
                Ok(())
            }
            Err(DeliveryErrorKind::NoAnswer(_)) if !agreement.holds() => {
                Err(DeliveryErrorKind::NoConsent)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        if self.lifecycle().is_forked() {
            return Err(self.not_delivered());
        }
        if self.is_inside() {
            return Err(FlushError::in_hook(self.accounting().pending()));
        }
        let pending = self.accounting().pending();
        if self.intake().consent.get() == Consent::Undecided && pending > 0 {
            return Err(FlushError::undecided(pending));
        }
        if timeout.is_zero() {
            self.worker().request_flush();
            return Ok(());
        }
        let dropped_before = self.accounting().dropped();
        let deadline = after(clock::now(), timeout);
        let is_settled = self.worker().flush(deadline);
        self.outcome(is_settled, dropped_before)
    }

    pub(super) fn close(&self, timeout: Duration) -> Result<(), FlushError> {
        if self.lifecycle().is_forked() {
            return Err(self.not_delivered());
        }
        if self.is_inside() {
            return Err(FlushError::in_hook(self.accounting().pending()));
        }
        let times = CloseTimes::new(clock::now(), timeout);
        self.begin_close(times.interrupt_at);
        let exchange = &self.state.parts.exchange;
        let is_at_rest =
            self.has_ended(times.interrupt_at) && exchange.await_calls(times.interrupt_at);
        if !is_at_rest && self.lifecycle().begin_interrupt(times.interrupt_at) {
            exchange.interrupt();
        }
        // Records that are not on disk yet are worth a moment more.
        let deadline = if self.state.parts.project.is_some()
            && self.lifecycle().is_latest(times.interrupt_at)
        {
            times.with_spool
        } else {
            times.deadline
        };
        if self.has_ended(deadline) && self.join() {
            self.hand_off();
        }
        self.outcome(false, 0)
    }

    pub(super) fn close_in_time(&self) {
        let timeout = self.state.parts.shutdown_timeout;
        if self.lifecycle().is_forked() {
            // The parent closes its own client.
        } else if self.is_inside() {
            // It cannot wait for itself; the worker goes on until it is done.
            self.begin_close(after(clock::now(), timeout));
        } else {
            // There is no caller to return the error to; the drops are logged.
            let _ = self.close(timeout);
        }
    }

    /// A forked child takes no lock: another thread of the parent may have held it at the fork.
    pub(super) fn health(&self) -> Health {
        let accounting = self.accounting();
        let (parts, is_forked) = (&self.state.parts, self.lifecycle().is_forked());
        let last = match is_forked {
            true => Default::default(),
            false => parts.exchange.last(),
        };
        let (last_failure, last_failure_cause) = last.failure.unzip();
        Health {
            disabled: false,
            worker_alive: !is_forked
                && self.state.running.try_recv() != Err(TryRecvError::Disconnected),
            key_refused: accounting.is_key_refused(),
            pending: accounting.pending(),
            memory_bytes: accounting.budget().bytes() as u64,
            oldest_pending: parts.oldest_pending(),
            in_spool: accounting.in_spool(),
            spool_bytes: parts.health.spool_bytes(),
            last_success: last.success,
            last_failure,
            last_failure_cause,
        }
    }

    fn begin_close(&self, deadline: Instant) {
        let counts = self.lifecycle().begin_close(deadline);
        self.state.parts.intake.queue.close();
        if counts {
            self.worker().send(Control::Close { deadline });
        }
    }

    /// Waits for the worker's end.
    fn has_ended(&self, deadline: Instant) -> bool {
        self.state.running.recv_deadline(deadline) == Err(RecvTimeoutError::Disconnected)
    }

    /// Joins the worker's thread, unless another close has done so.
    fn join(&self) -> bool {
        let thread = self
            .state
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // The worker catches its panics itself, and reports them.
        thread.map(JoinHandle::join).is_some()
    }

    /// Has another process deliver the records that this one left on disk.
    fn hand_off(&self) {
        let parts = &self.state.parts;
        if let (Some(hand_off), Some(project)) = (&parts.hand_off, &parts.project)
            && parts.intake.consent.get() == Consent::Granted
        {
            hand_off.start(project);
        }
    }

    /// The error of a forked child, which takes no lock: another thread of the parent may have held it at the fork.
    fn not_delivered(&self) -> FlushError {
        let accounting = self.accounting();
        FlushError::new(accounting.pending(), accounting.dropped(), None)
    }

    /// The result of a call that speaks of the drops after the first `dropped_before`.
    fn outcome(&self, is_settled: bool, dropped_before: u64) -> Result<(), FlushError> {
        let accounting = self.accounting();
        let pending = accounting.pending();
        let dropped = accounting.dropped().saturating_sub(dropped_before);
        if (is_settled || pending == 0) && dropped == 0 {
            return Ok(());
        }
        let cause = self.state.parts.exchange.last_failure();
        Err(FlushError::new(pending, dropped, cause))
    }
}

/// The moments of a close.
struct CloseTimes {
    /// When the request in flight is interrupted. The worker is to be done by then.
    interrupt_at: Instant,
    deadline: Instant,
    /// The deadline while the worker writes to the spool.
    with_spool: Instant,
}

/// How long before its deadline a close interrupts the request in flight: enough for the worker to notice, drop the
/// remaining records and end on a busy machine.
const INTERRUPT_GRACE: Duration = Duration::from_millis(100);

/// How long a close waits for the disk, however little time it was given. It usually takes a millisecond or two.
const SPOOL_GRACE: Duration = Duration::from_secs(1);

impl CloseTimes {
    fn new(now: Instant, timeout: Duration) -> Self {
        let deadline = after(now, timeout);
        Self {
            interrupt_at: deadline - INTERRUPT_GRACE.min(timeout / 4),
            deadline,
            with_spool: deadline.max(now + SPOOL_GRACE),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.lifecycle().is_forked() {
            // The drop of a channel takes a lock, which another thread of the parent may have held at the fork. One
            // count more keeps the state from being dropped.
            mem::forget(self.state.clone());
        } else if !self.lifecycle().is_closing() {
            // An explicit close had its own time.
            self.close_in_time();
        }
    }
}

#[cfg(test)]
#[cfg(not(trubrics_loom))]
mod tests;
