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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::sync::channel::{Receiver, TryRecvError, unbounded};

    use crate::control::WorkerHandle;

    fn progress(events: u64, stored: u64) -> Progress {
        Progress {
            queues: [events, 0],
            stored,
        }
    }

    /// A caller that waits until this deadline for this progress.
    fn wait(waiters: &mut FlushWaiters, deadline: Instant, target: Progress) -> Receiver<()> {
        let (control, _messages) = unbounded();
        let handle = WorkerHandle::new(control);
        let (_, answer) = handle.begin_flush(deadline).expect("a worker");
        waiters.add(handle.take_flush_requests().expect("one"), target);
        answer
    }

    #[test]
    fn callers_are_answered_once_their_records_are_settled() {
        let (mut waiters, now) = (FlushWaiters::default(), Instant::now());
        assert!(waiters.is_empty() && waiters.earliest_deadline().is_none());
        let later = now + Duration::from_secs(1);
        let first = wait(&mut waiters, later, progress(1, 0));
        let second = wait(&mut waiters, later + Duration::from_secs(1), progress(1, 1));
        assert_eq!(waiters.earliest_deadline(), Some(later));
        waiters.answer(&progress(0, 1), now);
        assert_eq!(first.try_recv(), Err(TryRecvError::Empty));
        waiters.answer(&progress(1, 0), now);
        assert_eq!(first.try_recv(), Ok(()));
        assert_eq!(second.try_recv(), Err(TryRecvError::Empty));
        assert!(!waiters.is_empty());
        waiters.answer(&progress(1, 1), now);
        assert_eq!(second.try_recv(), Ok(()));
        assert!(waiters.is_empty());
    }

    #[test]
    fn a_caller_whose_time_is_over_is_dropped() {
        let (mut waiters, now) = (FlushWaiters::default(), Instant::now());
        let deadline = now + Duration::from_secs(1);
        let answer = wait(&mut waiters, deadline, progress(1, 0));
        waiters.answer(&progress(0, 0), now);
        assert!(!waiters.is_empty());
        waiters.answer(&progress(0, 0), deadline);
        assert!(waiters.is_empty());
        assert_eq!(answer.try_recv(), Err(TryRecvError::Disconnected));
    }
}
