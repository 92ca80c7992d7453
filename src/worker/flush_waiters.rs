//! Which callers wait for the outcome of which records.

use std::time::Instant;

use crossbeam_channel::Sender;

use crate::record::Endpoint;

/// How many records were received so far, or settled: those of each endpoint's queue, and those that went to the disk.
#[derive(Clone, Copy)]
pub(super) struct Progress {
    pub(super) queues: [u64; Endpoint::ALL.len()],
    pub(super) stored: u64,
}

impl Progress {
    fn reaches(&self, target: &Self) -> bool {
        let mut queues = self.queues.iter().zip(target.queues);
        queues.all(|(settled, target)| *settled >= target) && self.stored >= target.stored
    }
}

struct FlushWaiter {
    deadline: Instant,
    done: Sender<()>,
    target: Progress,
}

#[derive(Default)]
pub(super) struct FlushWaiters(Vec<FlushWaiter>);

impl FlushWaiters {
    /// A caller waits until all records received so far are settled.
    pub(super) fn add(&mut self, deadline: Instant, done: Sender<()>, received: Progress) {
        self.0.push(FlushWaiter {
            deadline,
            done,
            target: received,
        });
    }

    /// Answers callers whose records are settled, and drops those whose records will not be settled in time.
    pub(super) fn answer(
        &mut self,
        settled: &Progress,
        now: Instant,
        is_hopeless: impl Fn(Instant) -> bool,
    ) {
        self.0.retain(|waiter| {
            let is_done = settled.reaches(&waiter.target);
            if is_done {
                let _ = waiter.done.try_send(());
            }
            !is_done && now < waiter.deadline && !is_hopeless(waiter.deadline)
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
