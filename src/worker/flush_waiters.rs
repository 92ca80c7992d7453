//! Who waits for the end of which records.

use std::time::Instant;

use crossbeam_channel::Sender;

use crate::record::Endpoint;

/// How many records came so far, or met their fate: those of each lane, and those that went to the disk.
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

struct Flush {
    deadline: Instant,
    done: Sender<()>,
    target: Progress,
}

#[derive(Default)]
pub(super) struct FlushWaiters(Vec<Flush>);

impl FlushWaiters {
    /// Somebody waits until everything that came so far is settled.
    pub(super) fn add(&mut self, deadline: Instant, done: Sender<()>, came: Progress) {
        let target = came;
        self.0.push(Flush {
            deadline,
            done,
            target,
        });
    }

    /// Answers those who have what they wait for, and lets go of those who will not have it in time.
    pub(super) fn answer(
        &mut self,
        settled: &Progress,
        now: Instant,
        is_hopeless: impl Fn(Instant) -> bool,
    ) {
        self.0.retain(|flush| {
            let is_done = settled.reaches(&flush.target);
            if is_done {
                let _ = flush.done.try_send(());
            }
            !is_done && now < flush.deadline && !is_hopeless(flush.deadline)
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
