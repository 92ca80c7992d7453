//! What callers and the worker have in common, and what callers do with it: check, encode, queue, deliver at once.

use std::{
    process,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use log::{Level, debug, log_enabled};
use time::OffsetDateTime;

use crate::{
    batch::write_body,
    content::ContentRules,
    deadline::after,
    error::{DeliveryError, DeliveryErrorKind, EventError, TrackErrorKind},
    hooks::{self, BeforeSend, ClientId},
    queue::{Overflow, Queue, Refused},
    record::{Encoded, Endpoint, Properties, RECORD_OVERHEAD, Record},
    reply::{Verdict, judge},
    report::{Report, TARGET, logging},
    stats::{DropReason, Stats},
    transport::{Request, Response, Transport, TransportError},
    worker::{Control, Knocker},
};

/// What callers and the worker have in common.
pub(crate) struct Shared {
    pub(crate) id: ClientId,
    pub(crate) process_id: u32,
    pub(crate) queue: Queue,
    pub(crate) report: Report,
    pub(crate) knocker: Knocker,
    pub(crate) transport: Box<dyn Transport>,
    pub(crate) api_key: String,
    /// The URL of each endpoint.
    pub(crate) urls: [String; Endpoint::ALL.len()],
    pub(crate) overflow: Overflow,
    pub(crate) defaults: Properties,
    pub(crate) before_send: Option<BeforeSend>,
    pub(crate) content: Option<ContentRules>,
    pub(crate) request_timeout: Duration,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) has_spool: bool,
    pub(crate) closing: Mutex<Option<Closing>>,
    pub(crate) last_failure: Mutex<Option<Arc<DeliveryError>>>,
}

/// The client is being closed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closing {
    /// How many records were let in before the door was shut.
    pub(crate) accepted: u64,
    pub(crate) deadline: Instant,
}

/// A record that was not taken.
pub(super) struct Rejected {
    pub(super) kind: TrackErrorKind,
    pub(super) record: Record,
    pub(super) encoded: Option<Encoded>,
}

impl Shared {
    /// Checks, encodes and queues a record. `wants_json` says that a record which is not taken will be dropped: then it
    /// is encoded all the same if somebody wants to see it.
    pub(super) fn offer(
        &self,
        mut record: Record,
        may_wait: bool,
        wants_json: bool,
    ) -> Result<(), Box<Rejected>> {
        let reject = |kind, record, encoded| {
            Err(Box::new(Rejected {
                kind,
                record,
                encoded,
            }))
        };
        let is_hidden = !(wants_json && self.report.shows_records());
        if self.queue.is_closed() && is_hidden {
            return reject(TrackErrorKind::Closed, record, None);
        }
        if !may_wait && self.queue.is_full() && is_hidden {
            return reject(TrackErrorKind::Full, record, None);
        }
        // A record is moved about as little as can be: it is large.
        if let Some(hook) = &self.before_send {
            let Some(changed) = hooks::before_send(self.id, hook, record) else {
                self.report.turned_away(DropReason::Hook, None);
                return Ok(());
            };
            record = changed;
        }
        let encoded = match self.encode(&record) {
            Ok(Some(encoded)) => encoded,
            Ok(None) => {
                self.report.turned_away(DropReason::Hook, None);
                return Ok(());
            }
            Err(error) => return reject(TrackErrorKind::Invalid(error), record, None),
        };
        let pushed = if may_wait {
            // After a fork, nobody is there to make room.
            let in_vain = || self.is_forked();
            self.queue
                .push_or_wait(encoded, in_vain, || self.knocker.wake())
        } else {
            self.queue.push(encoded)
        };
        match pushed {
            Ok(false) => Ok(()),
            Ok(true) => {
                self.knocker.wake();
                Ok(())
            }
            Err(Refused::Full(back)) => reject(TrackErrorKind::Full, record, Some(back)),
            Err(Refused::Closed(back)) => reject(TrackErrorKind::Closed, record, Some(back)),
        }
    }

    fn before_send(&self, record: Record) -> Option<Record> {
        match &self.before_send {
            Some(hook) => hooks::before_send(self.id, hook, record),
            None => Some(record),
        }
    }

    /// The record as it is sent; none if the program's own redaction failed.
    fn encode(&self, record: &Record) -> Result<Option<Encoded>, EventError> {
        let now = OffsetDateTime::now_utc();
        let encoded = match &self.content {
            None => record.encode(&self.defaults, now)?,
            Some(rules) => match rules.apply(self.id, record) {
                None => return Ok(None),
                Some(record) => record.encode(&self.defaults, now)?,
            },
        };
        let (size, max) = (encoded.json.len(), self.queue.limits().bytes);
        if encoded.cost() > max {
            let problem = format!(
                "is {size} bytes of JSON: queue_bytes allows {}",
                max.saturating_sub(RECORD_OVERHEAD)
            );
            return Err(EventError::new("record", problem));
        }
        Ok(Some(encoded))
    }

    pub(super) fn deliver_now(&self, record: Record) -> Result<(), DeliveryErrorKind> {
        if self.queue.is_closed() {
            return Err(DeliveryErrorKind::Closed);
        }
        let record = self.before_send(record).ok_or(DeliveryErrorKind::Hook)?;
        let encoded = self.encode(&record).map_err(DeliveryErrorKind::Invalid)?;
        let encoded = encoded.ok_or(DeliveryErrorKind::Hook)?;
        let mut body = Vec::new();
        write_body(std::slice::from_ref(&encoded), &mut body);
        let deadline = after(Instant::now(), self.request_timeout);
        let (_, failure) = self.exchange(encoded.endpoint, 1, &body, deadline);
        if let Some(failure) = failure {
            return Err(failure);
        }
        self.report.books().count_beside_queue(1);
        self.report.delivered(1);
        Ok(())
    }

    /// Makes one attempt for the worker, and says what came of it.
    pub(crate) fn attempt(
        &self,
        endpoint: Endpoint,
        records: usize,
        body: &[u8],
        deadline: Instant,
    ) -> Verdict {
        let (verdict, failure) = self.exchange(endpoint, records, body, deadline);
        *self.last_failure() = failure.map(DeliveryError::new).map(Arc::new);
        verdict
    }

    /// One request and its answer: what it means, and why it is no success.
    fn exchange(
        &self,
        endpoint: Endpoint,
        records: usize,
        body: &[u8],
        deadline: Instant,
    ) -> (Verdict, Option<DeliveryErrorKind>) {
        let answer = match self.send(endpoint, records, body, deadline) {
            Ok(answer) => answer,
            Err(error) => return (Verdict::NO_ANSWER, Some(DeliveryErrorKind::NoAnswer(error))),
        };
        let verdict = judge(&answer, OffsetDateTime::now_utc(), &self.api_key);
        let refusal = verdict.refusal();
        let failure = refusal.map(|(refusal, is_transient)| DeliveryErrorKind::Answer {
            refusal: refusal.clone(),
            is_transient,
        });
        (verdict, failure)
    }

    /// Why the last attempt of the worker failed, if it did.
    pub(crate) fn last_failure(&self) -> MutexGuard<'_, Option<Arc<DeliveryError>>> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// One call of the transport, which may be anybody's code: its panic is a missing answer.
    fn send(
        &self,
        endpoint: Endpoint,
        records: usize,
        body: &[u8],
        deadline: Instant,
    ) -> Result<Response, TransportError> {
        let start = Instant::now();
        let request = Request::new(&self.urls[endpoint as usize], body)
            .with_api_key(&self.api_key)
            .with_deadline(deadline);
        let answer = hooks::transport(self.id, || self.transport.send(&request))
            .unwrap_or_else(|| Err(TransportError::new("the transport panicked")));
        logging(|| {
            if log_enabled!(target: TARGET, Level::Debug) {
                let outcome = match &answer {
                    Ok(answer) => format!("status {}", answer.status()),
                    Err(error) => error.cause_text(),
                };
                let (path, bytes, time) =
                    (endpoint.path(), body.len(), start.elapsed().as_millis());
                debug!(target: TARGET, "{path} (records: {records}, bytes: {bytes}): {outcome} after {time} ms");
            }
        });
        answer
    }

    /// Whether this is a process that was forked off the one with the worker: nobody here will answer.
    pub(super) fn is_forked(&self) -> bool {
        process::id() != self.process_id
    }

    pub(super) fn interrupt(&self) {
        let _ = hooks::transport(self.id, || self.transport.interrupt());
    }

    /// Shuts the door and tells the worker when to be done; of several deadlines, the latest holds.
    pub(super) fn begin_close(&self, deadline: Instant) {
        let mut closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        match (&mut *closing, self.queue.close()) {
            (Some(closing), _) => closing.deadline = closing.deadline.max(deadline),
            (None, Some(accepted)) => *closing = Some(Closing { accepted, deadline }),
            // The worker failed, and shut the door itself.
            (None, None) => {}
        }
        drop(closing);
        self.knocker.tell(Control::Close);
    }

    /// Shuts the door when the worker has failed.
    pub(crate) fn shut_the_door(&self) {
        let now = Instant::now();
        self.begin_close(now);
    }

    pub(super) fn is_last_call(&self, deadline: Instant) -> bool {
        self.closing()
            .is_none_or(|closing| closing.deadline <= deadline)
    }

    pub(crate) fn closing(&self) -> Option<Closing> {
        *self.closing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that wait for delivery or are in flight, in the queue or on disk.
    pub(crate) fn pending(&self) -> u64 {
        self.queue.pending() + self.report.books().on_disk()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.report
            .books()
            .stats(self.queue.accepted(), self.pending())
    }
}
