//! One batch on its way: from its first attempt until each of its records is delivered or dropped.
//!
//! Deterministic, without I/O: the worker attempts the records at the front, and brings the verdict. A refused batch is
//! taken apart here until only its bad records are dropped. Accepted records are never sent again.

pub(crate) mod backoff;
pub(crate) mod blame;
pub(crate) mod size_limit;

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use self::{blame::Failures, size_limit::SMALL_BODY};
use crate::{
    accounting::{Outcome, Unsettled},
    deadline::after,
    drop_reason::DropReason,
    exchange::Attempt,
    record::{Encoded, Endpoint},
    reply::{BodySent, Refusal, Verdict},
};

/// How many splits in a row may pass without an accepted record. A batch of 100 bad records then costs 33 requests
/// instead of 199. Splits after which a part was accepted are not limited: each saves good records.
const MAX_FRUITLESS_SPLITS: u32 = 16;

/// A batch on its way, in the parts that it was taken apart into. The front part is attempted next.
pub(crate) struct Batch {
    pub(crate) endpoint: Endpoint,
    /// How many records of its endpoint came before it.
    pub(crate) start: u64,
    /// When the last attempt began.
    pub(crate) began: Instant,
    parts: VecDeque<Part>,
    first_failure: Option<Instant>,
    pub(crate) failures: Failures,
    /// How often in a row the connection was lost while a body was being sent.
    lost_in_a_row: u32,
    /// How many splits into parts passed in a row without an accepted record.
    fruitless_splits: u32,
    /// The same of splits into batches, of this batch and those that were split from it.
    fruitless_batch_splits: Arc<AtomicU32>,
}

struct Part {
    records: Unsettled,
    /// The server named bad records of this part, and they are gone.
    bad_removed: bool,
    /// Second half of a refused part. If its first half is accepted, the bad record must be in here, so it is split
    /// without being sent again.
    suspect: bool,
}

/// Records that an attempt settles, and how they end.
pub(crate) type Settled = Option<(Unsettled, Outcome)>;

impl Batch {
    /// Records of one endpoint, after `start` others, for an attempt that begins now.
    pub(crate) fn new(endpoint: Endpoint, start: u64, records: Unsettled, now: Instant) -> Self {
        Self {
            endpoint,
            start,
            began: now,
            parts: VecDeque::from([Part::new(records)]),
            first_failure: None,
            failures: Failures::default(),
            lost_in_a_row: 0,
            fruitless_splits: 0,
            fruitless_batch_splits: Arc::default(),
        }
    }

    /// The records to attempt next; none when the batch is done.
    pub(crate) fn front(&self) -> Option<&Unsettled> {
        self.parts.front().map(|part| &part.records)
    }

    /// How many records the next attempt carries.
    pub(crate) fn records(&self) -> usize {
        self.front().map_or(0, Unsettled::len)
    }

    /// Whether the records of the next attempt are in the spool.
    pub(crate) fn is_on_disk(&self) -> bool {
        self.front()
            .is_some_and(|front| front.iter().all(|record| record.is_spooled()))
    }

    /// The next attempt, with its body in this buffer.
    pub(crate) fn attempt(
        &self,
        mut body: Vec<u8>,
        deadline: Instant,
        withdrawals: u64,
    ) -> Attempt {
        match self.front() {
            Some(front) => write_body(front.iter(), &mut body),
            None => write_body([].into_iter(), &mut body),
        }
        Attempt {
            endpoint: self.endpoint,
            records: self.records(),
            body,
            deadline,
            withdrawals,
        }
    }

    /// Takes all records that are not settled.
    pub(crate) fn take_all(&mut self) -> Option<Unsettled> {
        self.parts
            .drain(..)
            .map(|part| part.records)
            .reduce(|mut all, part| {
                all.append(part);
                all
            })
    }

    /// When the batch is given up, if it has failed and is not done. An attempt at that time is the last one.
    pub(crate) fn give_up_at(&self, give_up_after: Duration) -> Option<Instant> {
        self.front()?;
        self.first_failure
            .map(|first_failure| after(first_failure, give_up_after))
    }

    /// Its records if it is suspect and is not split any more: one record as a rule, or more when the splits are used
    /// up. None otherwise.
    pub(crate) fn suspects(&mut self) -> impl Iterator<Item = &mut Encoded> {
        let is_alone = self.parts.len() == 1 && self.records() == 1;
        let is_whole = is_alone || !self.may_split_off();
        let is_suspect = self.failures.is_suspect() && is_whole;
        let parts = self.parts.iter_mut().filter(move |_| is_suspect);
        parts.flat_map(|part| part.records.iter_mut())
    }

    /// Halves the front part if its body was too large to be sent in time: at once after a time-out, and after two lost
    /// connections in a row. Returns whether it did. The attempt still counts as a failure.
    pub(crate) fn halve_if_cut_off(&mut self, bytes: usize, body: BodySent) -> bool {
        self.lost_in_a_row = match body {
            BodySent::Lost => self.lost_in_a_row + 1,
            _ => 0,
        };
        let is_cut_off = body == BodySent::TimedOut || self.lost_in_a_row >= 2;
        if !is_cut_off || self.records() < 2 || bytes <= SMALL_BODY || !self.may_split() {
            return false;
        }
        self.lost_in_a_row = 0;
        let part = self.parts.pop_front();
        part.map(|part| self.split(part, false)).is_some()
    }

    /// Takes the second half of the front part off, as a batch of its own. The other parts stay. If the front part is a
    /// single record, takes the other parts off. None if there are no others, or the splits are used up.
    pub(crate) fn split_off(&mut self) -> Option<Self> {
        if !self.may_split_off() {
            return None;
        }
        let parts = match self.records() {
            1 => self.parts.split_off(1),
            _ => {
                let (first, second) = self.parts.pop_front()?.halve();
                self.parts.push_front(first);
                VecDeque::from([second])
            }
        };
        if parts.is_empty() {
            return None;
        }
        self.fruitless_batch_splits.fetch_add(1, Relaxed);
        self.failures = self.failures.of_half();
        Some(Self {
            endpoint: self.endpoint,
            start: self.start + self.records() as u64,
            began: self.began,
            parts,
            first_failure: self.first_failure,
            failures: self.failures.clone(),
            lost_in_a_row: 0,
            fruitless_splits: self.fruitless_splits,
            fruitless_batch_splits: self.fruitless_batch_splits.clone(),
        })
    }

    /// Applies the verdict on an attempt of the front part.
    pub(crate) fn apply(
        &mut self,
        verdict: Verdict,
        now: Instant,
        give_up_after: Duration,
    ) -> Settled {
        if !matches!(verdict, Verdict::Later { .. }) {
            // The server answered: a later failure is the first of its own.
            self.first_failure = None;
            self.failures = Failures::default();
            self.lost_in_a_row = 0;
        }
        match verdict {
            Verdict::Later { refusal, .. } => {
                let first_failure = *self.first_failure.get_or_insert(now);
                if now < after(first_failure, give_up_after) {
                    return None;
                }
                self.give_up_for(refusal)
            }
            Verdict::Delivered => self.accept(),
            Verdict::Invalid { bad, refusal } => self.drop_bad(&bad, refusal),
            Verdict::TooLarge { refusal } => self.halve_or_drop(refusal),
            Verdict::Unauthorized { refusal } => {
                self.drop_all(DropReason::Unauthorized, Some(refusal))
            }
            Verdict::Rejected { refusal } => {
                let part = self.pop_refused()?;
                part.dropped(DropReason::RequestRejected, refusal)
            }
        }
    }

    /// Gives up the records of the next attempt if they are on disk, because they are too old, and else all records.
    pub(crate) fn give_up(&mut self) -> Settled {
        self.give_up_for(None)
    }

    fn give_up_for(&mut self, refusal: Option<Refusal>) -> Settled {
        let outcome = Outcome::Dropped(DropReason::GaveUp, refusal);
        match self.is_on_disk() {
            // The other parts may have been stored later.
            true => self.pop_refused().map(|part| (part.records, outcome)),
            false => self.take_all().map(|records| (records, outcome)),
        }
    }

    fn drop_all(&mut self, reason: DropReason, refusal: Option<Refusal>) -> Settled {
        let records = self.take_all()?;
        Some((records, Outcome::Dropped(reason, refusal)))
    }

    fn accept(&mut self) -> Settled {
        let part = self.parts.pop_front()?;
        self.fruitless_splits = 0;
        self.fruitless_batch_splits.store(0, Relaxed);
        let is_culprit = |next: &Part| next.suspect && next.records.len() > 1;
        if self.may_split()
            && self.parts.front().is_some_and(is_culprit)
            && let Some(culprit) = self.parts.pop_front()
        {
            self.split(culprit, true);
        }
        Some((part.records, Outcome::Delivered))
    }

    /// Drops the records that the server names, or else takes the part apart to find them.
    fn drop_bad(&mut self, bad: &[usize], refusal: Refusal) -> Settled {
        let mut part = self.pop_refused()?;
        let count = part.records.len();
        // Indexes beyond the part are wrong, but say nothing about the others.
        let is_named = !part.bad_removed && bad.iter().any(|index| *index < count);
        if is_named {
            let is_bad = |index| bad.binary_search(&index).is_ok();
            let (dropped, kept) = part.records.partition(is_bad);
            if !kept.is_empty() {
                self.parts.push_front(Part {
                    bad_removed: true,
                    ..Part::new(kept)
                });
            }
            part.records = dropped;
        } else if count > 1 && self.may_split() {
            self.split(part, true);
            return None;
        }
        part.dropped(DropReason::Rejected, refusal)
    }

    fn halve_or_drop(&mut self, refusal: Refusal) -> Settled {
        let part = self.pop_refused()?;
        if part.records.len() > 1 && self.may_split() {
            self.split(part, false);
            return None;
        }
        part.dropped(DropReason::TooLarge, refusal)
    }

    /// Takes the front part off after a refusal. It explains the refusal of the whole, so its other half is not a
    /// suspect.
    fn pop_refused(&mut self) -> Option<Part> {
        let part = self.parts.pop_front();
        if let Some(next) = self.parts.front_mut() {
            next.suspect = false;
        }
        part
    }

    fn may_split(&self) -> bool {
        self.fruitless_splits < MAX_FRUITLESS_SPLITS
    }

    fn may_split_off(&self) -> bool {
        self.fruitless_batch_splits.load(Relaxed) < MAX_FRUITLESS_SPLITS
    }

    /// Puts the halves of a part in front. If the part holds a bad record, the second half is a suspect.
    fn split(&mut self, part: Part, is_bad: bool) {
        self.fruitless_splits += 1;
        let (first, second) = part.halve();
        self.parts.push_front(Part {
            suspect: is_bad,
            ..second
        });
        self.parts.push_front(first);
    }
}

impl Part {
    fn new(records: Unsettled) -> Self {
        Self {
            records,
            bad_removed: false,
            suspect: false,
        }
    }

    fn halve(mut self) -> (Self, Self) {
        let first = self.records.take_first(self.records.len().div_ceil(2));
        let bad_removed = self.bad_removed;
        let half = |records| Self {
            bad_removed,
            ..Self::new(records)
        };
        (half(first), half(self.records))
    }

    fn dropped(self, reason: DropReason, refusal: Refusal) -> Settled {
        Some((self.records, Outcome::Dropped(reason, Some(refusal))))
    }
}

/// Bounds of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

/// How many of these records the next request carries: as many as the limits allow, and at least one, however large it
/// is.
pub(crate) fn batch_length<'a>(
    waiting: impl Iterator<Item = &'a Encoded>,
    limits: BatchLimits,
) -> usize {
    let mut bytes = "[]".len();
    let fits = |record: &&Encoded| {
        bytes += record.json.len() + ",".len();
        // The last record is followed by no comma.
        bytes - ",".len() <= limits.bytes
    };
    waiting.take(limits.records).take_while(fits).count().max(1)
}

/// Writes the body of a request: the records as one JSON array.
pub(crate) fn write_body<'a>(
    records: impl ExactSizeIterator<Item = &'a Encoded> + Clone,
    body: &mut Vec<u8>,
) {
    body.clear();
    let size: usize = records.clone().map(|record| record.json.len()).sum();
    body.reserve(size + records.len() + "[]".len());
    body.push(b'[');
    for (index, record) in records.enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&record.json);
    }
    body.push(b']');
}

#[cfg(all(any(test, fuzzing), feature = "http"))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;
