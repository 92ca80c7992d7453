//! Who makes the requests: the worker itself, or threads of their own while the worker has to stay responsive.

use std::{io, mem, sync::Arc, time::Instant};

use crate::{
    batch::Batch,
    catch_panic::catch_panic,
    control::{Completed, Control, WorkerHandle},
    exchange::{Attempt, Exchange},
    hooks,
    reply::Verdict,
    sync::{
        channel::{Receiver, Sender, unbounded},
        thread::{self, JoinHandle},
    },
};

pub(super) struct Dispatcher {
    exchange: Arc<Exchange>,
    /// One place for the batch of each request that may be in flight.
    slots: Vec<Slot>,
    /// None if the worker makes the requests itself.
    senders: Option<Senders>,
    /// The buffers of bodies that are not in flight.
    bodies: Vec<Vec<u8>>,
}

enum Slot {
    Free,
    InFlight(Batch),
    /// The records were forgotten, and their request has not ended.
    Forgotten,
}

struct Senders {
    /// Takes each attempt with the slot of its batch.
    attempts: Sender<(usize, Attempt)>,
    threads: Vec<JoinHandle<()>>,
}

/// A buffer that grew beyond this is not kept for the next body.
const MAX_KEPT_BODY: usize = 256 * 1024;

impl Dispatcher {
    /// Requests are made one at a time, on the worker's own thread.
    pub(super) fn on_worker(exchange: Arc<Exchange>) -> Self {
        Self {
            exchange,
            slots: vec![Slot::Free],
            senders: None,
            bodies: Vec::new(),
        }
    }

    /// Up to this many requests are in flight, each on a thread of its own, while the worker goes on.
    pub(super) fn on_threads(
        exchange: Arc<Exchange>,
        worker: &Arc<WorkerHandle>,
        max_concurrent_requests: usize,
    ) -> io::Result<Self> {
        let (mut dispatcher, next) = Self::over_channel(exchange, max_concurrent_requests);
        let spawn = |_| {
            let exchange = dispatcher.exchange.clone();
            let (worker, next) = (worker.clone(), next.clone());
            thread::Builder::new()
                .name("trubrics-sender".into())
                .spawn(move || send_all(&exchange, &worker, &next))
        };
        let threads = (0..max_concurrent_requests)
            .map(spawn)
            .collect::<io::Result<_>>()?;
        if let Some(senders) = &mut dispatcher.senders {
            senders.threads = threads;
        }
        Ok(dispatcher)
    }

    /// Up to this many requests are in flight, and the owner of the channel makes them.
    pub(super) fn over_channel(
        exchange: Arc<Exchange>,
        max_concurrent_requests: usize,
    ) -> (Self, Receiver<(usize, Attempt)>) {
        let (attempts, next) = unbounded();
        let dispatcher = Self {
            exchange,
            slots: (0..max_concurrent_requests).map(|_| Slot::Free).collect(),
            senders: Some(Senders {
                attempts,
                threads: Vec::new(),
            }),
            bodies: Vec::new(),
        };
        (dispatcher, next)
    }

    pub(super) fn is_full(&self) -> bool {
        !self.slots.iter().any(Slot::is_free)
    }

    /// Whether no records are in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.batches().next().is_none()
    }

    /// Whether no request is under way, not even one whose records were forgotten.
    pub(super) fn is_unused(&self) -> bool {
        self.slots.iter().all(Slot::is_free)
    }

    /// Whether a request is in flight that began then or later.
    pub(super) fn has_begun_since(&self, since: Instant) -> bool {
        self.batches().any(|batch| batch.began >= since)
    }

    fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::InFlight(batch) => Some(batch),
            Slot::Free | Slot::Forgotten => None,
        })
    }

    /// A buffer for the body of an attempt.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.bodies.pop().unwrap_or_default()
    }

    /// Makes one attempt of the batch. If a sender thread makes it, the result arrives as [`Control::Completed`].
    pub(super) fn attempt(&mut self, batch: Batch, attempt: Attempt) -> Option<Completed> {
        let slot = self.slots.iter().position(Slot::is_free)?;
        self.slots[slot] = Slot::InFlight(batch);
        let Some(senders) = &self.senders else {
            let verdict = self.exchange.attempt(&attempt);
            let body = attempt.body;
            return Some(Completed {
                slot,
                verdict,
                body,
            });
        };
        // The threads live as long as this end of the channel.
        let _ = senders.attempts.send((slot, attempt));
        None
    }

    /// Returns the batch whose request has ended, and keeps the buffer of its body. None if its records were forgotten.
    pub(super) fn complete(&mut self, slot: usize, body: Vec<u8>) -> Option<Batch> {
        self.keep(body);
        mem::replace(self.slots.get_mut(slot)?, Slot::Free).into_batch()
    }

    /// Takes the batches in flight back without waiting for their answers, which will be ignored.
    pub(super) fn forget(&mut self) -> impl Iterator<Item = Batch> {
        let in_flight = |slot: &mut Slot| match slot {
            Slot::InFlight(_) => mem::replace(slot, Slot::Forgotten).into_batch(),
            Slot::Free | Slot::Forgotten => None,
        };
        self.slots.iter_mut().filter_map(in_flight)
    }

    /// Ends the threads, and waits for them unless one is in a request: then all of them end by themselves after it.
    pub(super) fn end(&mut self) {
        let is_unused = self.is_unused();
        if let Some(Senders { attempts, threads }) = self.senders.take() {
            drop(attempts);
            for thread in threads.into_iter().filter(|_| is_unused) {
                // A panic of the transport was caught where it happened.
                let _ = thread.join();
            }
        }
    }

    fn keep(&mut self, body: Vec<u8>) {
        if body.capacity() <= MAX_KEPT_BODY {
            self.bodies.push(body);
        }
    }
}

impl Slot {
    fn is_free(&self) -> bool {
        matches!(self, Self::Free)
    }

    fn into_batch(self) -> Option<Batch> {
        match self {
            Self::InFlight(batch) => Some(batch),
            Self::Free | Self::Forgotten => None,
        }
    }
}

fn send_all(exchange: &Exchange, worker: &WorkerHandle, attempts: &Receiver<(usize, Attempt)>) {
    hooks::mark_worker_thread(exchange.client());
    for (slot, attempt) in attempts {
        worker.send(Control::Completed(make(exchange, slot, attempt)));
    }
}

/// Makes an attempt of the batch in this slot.
pub(super) fn make(exchange: &Exchange, slot: usize, attempt: Attempt) -> Completed {
    // Without a result, the worker would wait forever: a panic counts as a missing answer.
    let verdict = catch_panic(|| exchange.attempt(&attempt)).unwrap_or(Verdict::NO_ANSWER);
    Completed {
        slot,
        verdict,
        body: attempt.body,
    }
}

#[cfg(test)]
#[cfg(not(trubrics_loom))]
mod tests;
