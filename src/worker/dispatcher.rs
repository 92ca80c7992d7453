//! Who makes the requests: the worker itself, or threads of their own while the worker has to stay responsive.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use crossbeam_channel::{Receiver, Sender, unbounded};

use crate::{
    batch::Batch,
    catch_panic::catch_panic,
    control::{Completed, Control, WorkerHandle},
    exchange::{Attempt, Exchange},
    hooks,
    reply::Verdict,
};

pub(super) struct Dispatcher {
    exchange: Arc<Exchange>,
    /// One place for the batch of each request that may be in flight.
    slots: Vec<Option<Batch>>,
    /// None if the worker makes the requests itself.
    senders: Option<Senders>,
    /// The buffers of bodies that are not in flight.
    bodies: Vec<Vec<u8>>,
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
            slots: vec![None],
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
            slots: (0..max_concurrent_requests).map(|_| None).collect(),
            senders: Some(Senders {
                attempts,
                threads: Vec::new(),
            }),
            bodies: Vec::new(),
        };
        (dispatcher, next)
    }

    pub(super) fn is_full(&self) -> bool {
        self.slots.iter().all(Option::is_some)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }

    /// Whether a request is in flight that began then or later.
    pub(super) fn has_begun_since(&self, since: Instant) -> bool {
        let mut batches = self.slots.iter().flatten();
        batches.any(|batch| batch.began >= since)
    }

    /// A buffer for the body of an attempt.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.bodies.pop().unwrap_or_default()
    }

    /// Makes one attempt of the batch. If a sender thread makes it, the result arrives as [`Control::Completed`].
    pub(super) fn attempt(&mut self, batch: Batch, attempt: Attempt) -> Option<Completed> {
        let slot = self.slots.iter().position(Option::is_none)?;
        self.slots[slot] = Some(batch);
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

    /// Returns the batch whose request has ended, and keeps the buffer of its body.
    pub(super) fn complete(&mut self, slot: usize, body: Vec<u8>) -> Option<Batch> {
        self.keep(body);
        self.slots.get_mut(slot)?.take()
    }

    /// Takes the batches in flight back without waiting for their answers.
    pub(super) fn recall(&mut self) -> impl Iterator<Item = Batch> {
        if let (false, Some(senders)) = (self.is_idle(), &mut self.senders) {
            // Some threads are in a request: all of them end by themselves after it.
            senders.threads.clear();
        }
        self.slots.iter_mut().filter_map(Option::take)
    }

    /// Ends the threads, and waits for those that have nothing to do.
    pub(super) fn end(&mut self) {
        if let Some(Senders { attempts, threads }) = self.senders.take() {
            drop(attempts);
            for thread in threads {
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
