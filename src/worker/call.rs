//! A worker for one call, on the thread of the caller: it has a queue of its own, and closes from the start.
//!
//! So a call delivers by the same rules as the thread of the client: batches, splits, retries, back-off, and a last
//! attempt as late as it can succeed.

use std::{
    convert::Infallible,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Ahead, Worker, WorkerParts};
use crate::{
    accounting::Accounting,
    batch::size_limit::SizeLimit,
    catch_panic::catch_panic,
    clock,
    control::{Control, WorkerHandle},
    drop_reason::DropReason,
    exchange::Exchange,
    health::Published,
    queue::{Queue, WakeLimits},
    record::{Encoded, Endpoint},
    settings::WorkerSettings,
    sync::channel::{Receiver, RecvTimeoutError, TryRecvError, unbounded},
};

/// The largest bodies that the server accepts, for the next call to begin with.
pub(crate) type SizeLimits = [SizeLimit; Endpoint::ALL.len()];

/// No caller wakes this worker: all records are there when it begins.
const WAKE_LIMITS: WakeLimits = WakeLimits {
    records: 1,
    bytes: 1,
    records_while_polling: 1,
};

/// While a call waits, it looks this often for a withdrawal of the consent.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

impl Worker {
    /// A worker that has these records to deliver by the deadline, one request at a time.
    pub(crate) fn of_call(
        exchange: Arc<Exchange>,
        accounting: Arc<Accounting>,
        settings: &WorkerSettings,
        records: Vec<Encoded>,
        deadline: Instant,
    ) -> io::Result<Self> {
        let (queue, waiting) = Queue::new(WAKE_LIMITS, usize::MAX, accounting.clone());
        let (control, messages) = unbounded();
        let consent = exchange.consent().clone();
        let parts = WorkerParts {
            accounting,
            queue: Arc::new(queue),
            exchange,
            handle: Arc::new(WorkerHandle::new(control)),
            consent,
            wake_limits: WAKE_LIMITS,
            health: Arc::new(Published::new(clock::now())),
        };
        for record in records {
            // The queue takes more than fits into memory. A record that it refused would have no outcome, which the
            // caller reads as "not reached".
            let _ = parts.queue.push(record);
        }
        parts.queue.close();
        parts.handle.send(Control::Close { deadline });
        let settings = WorkerSettings {
            max_concurrent_requests: 1,
            ..settings.clone()
        };
        Self::new(parts, settings, None, messages, waiting)
    }

    pub(crate) fn with_size_limits(mut self, size_limits: SizeLimits) -> Self {
        self.size_limits = size_limits;
        self
    }

    /// All records were taken after this many withdrawals of the consent.
    pub(crate) fn with_records_after(mut self, withdrawals: u64) -> Self {
        self.forgotten = withdrawals;
        self
    }

    /// Works until all records are settled, the deadline has come, `closed` is disconnected, or `may_go_on` is false.
    /// Returns the size limits as they are then.
    pub(crate) fn run_call(
        mut self,
        closed: &Receiver<Infallible>,
        may_go_on: impl Fn() -> bool,
    ) -> SizeLimits {
        let worked = catch_panic(|| self.work_for_call(closed, may_go_on));
        let reason = match worked {
            Some(()) => DropReason::CloseTimeout,
            None => DropReason::Internal,
        };
        let size_limits = self.size_limits;
        // Records that a panic keeps from being abandoned are settled when the worker is dropped.
        let _ = catch_panic(move || self.abandon(reason));
        size_limits
    }

    fn work_for_call(&mut self, closed: &Receiver<Infallible>, may_go_on: impl Fn() -> bool) {
        while may_go_on() && closed.try_recv() == Err(TryRecvError::Empty) {
            match self.step() {
                Ahead::Work => {}
                Ahead::Wait(Some(until)) => {
                    let until = until.min(clock::now() + LOOK_INTERVAL);
                    if closed.recv_deadline(until) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                }
                // No message can come.
                Ahead::Wait(None) | Ahead::End => return,
            }
        }
    }
}

#[cfg(test)]
mod tests;
