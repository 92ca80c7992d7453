//! Which callers wait for the outcome of which records.

use std::time::Instant;

use crate::{control::FlushRequest, record::Endpoint};

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
    request: FlushRequest,
    target: Progress,
}

#[derive(Default)]
pub(super) struct FlushWaiters(Vec<FlushWaiter>);

impl FlushWaiters {
    /// Callers wait until all records received so far are settled.
    pub(super) fn add(&mut self, requests: Vec<FlushRequest>, received: Progress) {
        self.0
            .extend(requests.into_iter().map(|request| FlushWaiter {
                request,
                target: received,
            }));
    }

    /// Answers callers whose records are settled, and drops those whose time is over.
    pub(super) fn answer(&mut self, settled: &Progress, now: Instant) {
        self.0.retain(|waiter| {
            let is_done = settled.reaches(&waiter.target);
            if is_done {
                let _ = waiter.request.done.try_send(());
            }
            !is_done && now < waiter.request.deadline
        });
    }

    pub(super) fn earliest_deadline(&self) -> Option<Instant> {
        self.0.iter().map(|waiter| waiter.request.deadline).min()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
