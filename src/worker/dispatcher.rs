//! Who makes the requests: the worker itself, or threads of their own where it has to stay awake meanwhile.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Instant,
};

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::{control::Control, endpoint_queue::Batch};
use crate::{
    batch::write_body, catch_panic::catch_panic, client::Shared, hooks, record::Endpoint,
    reply::Verdict,
};

pub(super) struct Dispatcher {
    shared: Arc<Shared>,
    /// One place for each request that may be in flight.
    places: Vec<Option<InFlight>>,
    /// None where the worker makes the requests itself.
    senders: Option<Senders>,
    /// The buffers of bodies that are not in flight.
    bodies: Vec<Vec<u8>>,
}

/// What is in flight.
struct InFlight {
    lane: usize,
    batch: Batch,
    began: Instant,
}

/// What came of it.
pub(super) struct Completed {
    pub(super) lane: usize,
    pub(super) batch: Batch,
    pub(super) began: Instant,
    /// The size of the body.
    pub(super) bytes: usize,
    pub(super) verdict: Verdict,
}

struct Senders {
    jobs: Sender<SendJob>,
    threads: Vec<JoinHandle<()>>,
}

struct SendJob {
    place: usize,
    endpoint: Endpoint,
    records: usize,
    body: Vec<u8>,
    deadline: Instant,
}

/// The answer to a [`SendJob`], with its buffer.
pub(crate) struct SendResult {
    place: usize,
    verdict: Verdict,
    body: Vec<u8>,
}

/// A buffer that grew beyond this is not kept for the next body.
const MAX_KEPT_BODY: usize = 256 * 1024;

impl Dispatcher {
    /// Requests are made one at a time, on the worker's own thread.
    pub(super) fn on_worker(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            places: vec![None],
            senders: None,
            bodies: Vec::new(),
        }
    }

    /// Up to `max_concurrent_requests` requests are in flight, each on a thread of its own, while the worker goes on.
    pub(super) fn on_threads(
        shared: &Arc<Shared>,
        max_concurrent_requests: usize,
    ) -> io::Result<Self> {
        let (jobs, next) = unbounded();
        let spawn = |_| {
            let (shared, next) = (shared.clone(), next.clone());
            thread::Builder::new()
                .name("trubrics-sender".into())
                .spawn(move || send_all(&shared, &next))
        };
        let threads = (0..max_concurrent_requests)
            .map(spawn)
            .collect::<io::Result<_>>()?;
        Ok(Self {
            shared: shared.clone(),
            places: (0..max_concurrent_requests).map(|_| None).collect(),
            senders: Some(Senders { jobs, threads }),
            bodies: Vec::new(),
        })
    }

    pub(super) fn is_full(&self) -> bool {
        self.places.iter().all(Option::is_some)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.places.iter().all(Option::is_none)
    }

    /// Makes one attempt of the batch. Where a thread of its own makes it, the answer comes as [`Control::Completed`].
    pub(super) fn attempt(
        &mut self,
        lane: usize,
        endpoint: Endpoint,
        batch: Batch,
        began: Instant,
        deadline: Instant,
    ) -> Option<Completed> {
        let mut body = self.bodies.pop().unwrap_or_default();
        let records = batch.delivery.front().unwrap_or_default();
        write_body(records, &mut body);
        let records = records.len();
        let Some(senders) = &self.senders else {
            let verdict = self.shared.attempt(endpoint, records, &body, deadline);
            let bytes = body.len();
            self.keep(body);
            return Some(Completed {
                lane,
                batch,
                began,
                bytes,
                verdict,
            });
        };
        let place = self.places.iter().position(Option::is_none)?;
        self.places[place] = Some(InFlight { lane, batch, began });
        let job = SendJob {
            place,
            endpoint,
            records,
            body,
            deadline,
        };
        // The threads live as long as this end does.
        let _ = senders.jobs.send(job);
        None
    }

    /// Takes in what a thread of its own brought back.
    pub(super) fn complete(&mut self, answer: SendResult) -> Option<Completed> {
        let bytes = answer.body.len();
        self.keep(answer.body);
        let InFlight { lane, batch, began } = self.places.get_mut(answer.place)?.take()?;
        let verdict = answer.verdict;
        Some(Completed {
            lane,
            batch,
            began,
            bytes,
            verdict,
        })
    }

    /// Takes back what is in flight, for nobody will wait for its answer.
    pub(super) fn recall(&mut self) -> impl Iterator<Item = Batch> {
        if let (false, Some(senders)) = (self.is_idle(), &mut self.senders) {
            // Some of them are in a request: they end after it, by themselves.
            senders.threads.clear();
        }
        self.places
            .iter_mut()
            .filter_map(|place| place.take().map(|flight| flight.batch))
    }

    /// Lets the threads end, and waits for those that have nothing to do.
    pub(super) fn end(self) {
        if let Some(Senders { jobs, threads }) = self.senders {
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

fn send_all(shared: &Shared, jobs: &Receiver<SendJob>) {
    hooks::mark_worker_thread(shared.id);
    for job in jobs {
        // A panic is no answer; without one, the worker would wait for ever.
        let attempt = || shared.attempt(job.endpoint, job.records, &job.body, job.deadline);
        let verdict = catch_panic(attempt).unwrap_or(Verdict::NO_ANSWER);
        shared.worker_handle.send(Control::Completed(SendResult {
            place: job.place,
            verdict,
            body: job.body,
        }));
    }
}
