//! Models of the queue and the wake-up of its worker, which here only takes records.

use std::{num::NonZeroU32, sync::Arc};

use super::incoming::Incoming;
use crate::{
    accounting::{Accounting, Budget, Outcome},
    control::{Control, WorkerHandle},
    queue::{Queue, Wake, WakeLimits},
    record::{Encoded, Endpoint, RECORD_OVERHEAD},
    sync::{
        channel::{Receiver, unbounded},
        model::check,
        thread,
    },
};

const COST: usize = RECORD_OVERHEAD + 1;

fn record() -> Encoded {
    Encoded {
        json: vec![b'x'].into(),
        endpoint: Endpoint::Events,
        spool_entry: None,
    }
}

/// What callers have.
#[derive(Clone)]
struct Callers {
    queue: Arc<Queue>,
    handle: Arc<WorkerHandle>,
}

impl Callers {
    /// Tracks a record. Returns whether it was accepted.
    fn track(&self) -> bool {
        match self.queue.push(record()) {
            Ok(wake) => {
                if wake == Wake::Needed {
                    self.handle.wake();
                }
                true
            }
            Err(_) => false,
        }
    }
}

/// Takes records, as the worker does.
struct Taker {
    queue: Arc<Queue>,
    handle: Arc<WorkerHandle>,
    control: Receiver<Control>,
    incoming: Incoming,
    taken: usize,
    flushes: usize,
}

fn parts() -> (Callers, Taker) {
    let budget = Budget::new(10, 10 * COST);
    let accounting = Arc::new(Accounting::new(NonZeroU32::MIN, budget, None));
    let limits = WakeLimits {
        records: 5,
        bytes: 5 * COST,
        records_while_polling: 5,
    };
    let (queue, records) = Queue::new(limits, 10 * COST, accounting.clone());
    let (queue, (control, messages)) = (Arc::new(queue), unbounded());
    let handle = Arc::new(WorkerHandle::new(control));
    let taker = Taker {
        queue: queue.clone(),
        handle: handle.clone(),
        control: messages,
        incoming: Incoming::new(records, queue.clone(), accounting),
        taken: 0,
        flushes: 0,
    };
    (Callers { queue, handle }, taker)
}

impl Taker {
    fn look(&mut self) {
        while let Ok(message) = self.control.try_recv() {
            self.handle(&message);
        }
    }

    fn handle(&mut self, message: &Control) {
        if matches!(message, Control::Wake) {
            let requests = self.handle.take_flush_requests();
            self.flushes += requests.map_or(0, |_| 1);
        }
    }

    /// Takes the records that wait, and returns how many are left.
    fn take(&mut self, is_polling: bool) -> u64 {
        let taken = self.incoming.taken();
        let waiting = self.queue.set_taken(taken, 0, is_polling);
        if waiting == 0 {
            return 0;
        }
        let taken = self.incoming.take(false);
        self.taken += taken.len();
        taken.settle(&Outcome::Delivered);
        waiting
    }

    /// Works until it has this many records and flush requests, and sleeps without a limit where nothing waits.
    fn work(&mut self, records: usize, flushes: usize) {
        while self.taken < records || self.flushes < flushes {
            self.look();
            if self.taken >= records && self.flushes >= flushes {
                return;
            }
            if self.take(false) == 0 && self.taken < records + flushes {
                let message = self.control.recv().expect("the callers are there");
                self.handle(&message);
            }
        }
    }
}

#[test]
fn a_worker_that_falls_asleep_is_woken_for_each_record() {
    check("a caller of two records beside a worker", Some(4), || {
        let (callers, mut taker) = parts();
        let caller = thread::spawn(move || assert!(callers.track() && callers.track()));
        taker.work(2, 0);
        caller.join().expect("no panic");
    });
}
