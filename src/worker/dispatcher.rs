//! Who makes the requests: the worker itself, or threads of their own while the worker has to stay responsive.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::endpoint_queue::Batch;
use crate::{
    catch_panic::catch_panic,
    control::{Control, SendResult, WorkerHandle},
    exchange::{Attempt, Exchange},
    hooks,
    record::Endpoint,
    reply::Verdict,
};

pub(super) struct Dispatcher {
    exchange: Arc<Exchange>,
    /// One place for each request that may be in flight.
    slots: Vec<Option<InFlight>>,
    /// None if the worker makes the requests itself.
    senders: Option<Senders>,
    /// The buffers of bodies that are not in flight.
    bodies: Vec<Vec<u8>>,
}

/// A batch in flight.
pub(super) struct InFlight {
    pub(super) endpoint: Endpoint,
    pub(super) batch: Batch,
    pub(super) began: Instant,
}

/// A batch that came back.
pub(super) struct Completed {
    pub(super) flight: InFlight,
    /// The size of the body.
    pub(super) bytes: usize,
    pub(super) verdict: Verdict,
}

struct Senders {
    jobs: Sender<SendJob>,
    threads: Vec<JoinHandle<()>>,
}

/// A request to make.
pub(super) struct SendJob {
    slot: usize,
    endpoint: Endpoint,
    records: usize,
    body: Vec<u8>,
    deadline: Instant,
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
    ) -> (Self, Receiver<SendJob>) {
        let (jobs, next) = unbounded();
        let dispatcher = Self {
            exchange,
            slots: (0..max_concurrent_requests).map(|_| None).collect(),
            senders: Some(Senders {
                jobs,
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
        let mut flights = self.slots.iter().flatten();
        flights.any(|flight| flight.began >= since)
    }

    /// Makes one attempt of the batch. If a sender thread makes it, the result arrives as [`Control::Completed`].
    pub(super) fn attempt(&mut self, flight: InFlight, deadline: Instant) -> Option<Completed> {
        let mut body = self.bodies.pop().unwrap_or_default();
        let records = flight.batch.write_body(&mut body);
        let endpoint = flight.endpoint;
        let Some(senders) = &self.senders else {
            let verdict = self.exchange.attempt(Attempt {
                endpoint,
                records,
                body: &body,
                deadline,
            });
            let bytes = body.len();
            self.keep(body);
            return Some(Completed {
                flight,
                bytes,
                verdict,
            });
        };
        let slot = self.slots.iter().position(Option::is_none)?;
        self.slots[slot] = Some(flight);
        // The threads live as long as this end of the channel.
        let _ = senders.jobs.send(SendJob {
            slot,
            endpoint,
            records,
            body,
            deadline,
        });
        None
    }

    /// Takes the result of a sender thread in.
    pub(super) fn complete(&mut self, result: SendResult) -> Option<Completed> {
        let bytes = result.body.len();
        self.keep(result.body);
        let flight = self.slots.get_mut(result.slot)?.take()?;
        Some(Completed {
            flight,
            bytes,
            verdict: result.verdict,
        })
    }

    /// Takes the batches in flight back without waiting for their answers.
    pub(super) fn recall(&mut self) -> impl Iterator<Item = Batch> {
        if let (false, Some(senders)) = (self.is_idle(), &mut self.senders) {
            // Some threads are in a request: all of them end by themselves after it.
            senders.threads.clear();
        }
        self.slots
            .iter_mut()
            .filter_map(|slot| slot.take().map(|flight| flight.batch))
    }

    /// Ends the threads, and waits for those that have nothing to do.
    pub(super) fn end(&mut self) {
        if let Some(Senders { jobs, threads }) = self.senders.take() {
            drop(jobs);
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

fn send_all(exchange: &Exchange, worker: &WorkerHandle, jobs: &Receiver<SendJob>) {
    hooks::mark_worker_thread(exchange.client());
    for job in jobs {
        worker.send(Control::Completed(job.run(exchange)));
    }
}

impl SendJob {
    /// Makes the request.
    pub(super) fn run(self, exchange: &Exchange) -> SendResult {
        let attempt = || {
            exchange.attempt(Attempt {
                endpoint: self.endpoint,
                records: self.records,
                body: &self.body,
                deadline: self.deadline,
            })
        };
        // Without a result, the worker would wait forever: a panic counts as a missing answer.
        let verdict = catch_panic(attempt).unwrap_or(Verdict::NO_ANSWER);
        SendResult {
            slot: self.slot,
            verdict,
            body: self.body,
        }
    }
}
