//! One batch on its way: from its first attempt until each of its records is delivered or dropped.
//!
//! Deterministic, without I/O: the worker attempts the records at the [`front`](Delivery::front) and brings the
//! verdict, which is turned into effects. A refused batch is taken apart here until only its bad records are dropped.
//! Accepted records are never sent again.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    accounting::Unsettled,
    batch::size_limit::SMALL_BODY,
    deadline::after,
    drop_reason::DropReason,
    reply::{BodySent, Refusal, Verdict},
};

/// How many splits in a row may pass without an accepted record. A batch of 100 bad records then costs 33 requests
/// instead of 199. Splits after which a part was accepted are not limited: each saves good records.
pub(crate) const MAX_FRUITLESS_SPLITS: u32 = 16;

/// A batch on its way, in the parts that it was taken apart into. The front part is attempted next.
pub(crate) struct Delivery {
    parts: VecDeque<Part>,
    fruitless_splits: u32,
    first_failure: Option<Instant>,
    /// How often in a row the connection was lost while a body was being sent.
    lost_in_a_row: u32,
}

struct Part {
    records: Unsettled,
    /// The server named bad records of this part, and they are gone.
    bad_removed: bool,
    /// Second half of a refused part. If its first half is accepted, the bad record must be in here, so it is split
    /// without being sent again.
    suspect: bool,
}

/// The outcome of an attempt.
pub(crate) enum Effect {
    Delivered(Unsettled),
    Dropped {
        reason: DropReason,
        refusal: Option<Refusal>,
        records: Unsettled,
    },
    /// Wait for the back-off, but at least as long as the server asks for. The last attempt is at `give_up_at`.
    RetryLater {
        retry_after: Option<Duration>,
        give_up_at: Option<Instant>,
    },
}

impl Delivery {
    pub(crate) fn new(records: Unsettled) -> Self {
        Self {
            parts: VecDeque::from([Part::new(records)]),
            fruitless_splits: 0,
            first_failure: None,
            lost_in_a_row: 0,
        }
    }

    /// The records to attempt next; none when the batch is done.
    pub(crate) fn front(&self) -> Option<&Unsettled> {
        self.parts.front().map(|part| &part.records)
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

    /// When the batch is given up, if it has failed. An attempt at that time is the last one.
    pub(crate) fn give_up_at(&self, give_up_after: Duration) -> Option<Instant> {
        self.first_failure
            .map(|first_failure| after(first_failure, give_up_after))
    }

    /// Halves the front part if its body was too large to be sent in time: at once after a time-out, and after two lost
    /// connections in a row. Returns whether it did. The attempt still counts as a failure.
    pub(crate) fn halve_if_cut_off(&mut self, bytes: usize, body: BodySent) -> bool {
        self.lost_in_a_row = match body {
            BodySent::Lost => self.lost_in_a_row + 1,
            _ => 0,
        };
        let is_cut_off = body == BodySent::TimedOut || self.lost_in_a_row >= 2;
        let has_several = self.front().is_some_and(|records| records.len() > 1);
        if !is_cut_off || !has_several || bytes <= SMALL_BODY || !self.may_split() {
            return false;
        }
        self.lost_in_a_row = 0;
        let part = self.parts.pop_front();
        part.map(|part| self.split(part, false)).is_some()
    }

    /// Takes the second half of the front part off, as a batch of its own. The other parts stay. If the front part is a
    /// single record, takes the other parts off. None if there are no others.
    pub(crate) fn take_half(&mut self) -> Option<Self> {
        let parts = match self.front()?.len() {
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
        Some(Self {
            parts,
            fruitless_splits: self.fruitless_splits,
            first_failure: self.first_failure,
            lost_in_a_row: 0,
        })
    }

    /// Applies the verdict on an attempt of the front part.
    pub(crate) fn apply(
        &mut self,
        verdict: Verdict,
        now: Instant,
        give_up_after: Duration,
    ) -> Vec<Effect> {
        if !matches!(verdict, Verdict::Later { .. }) {
            // The server answered: a later failure is the first of its own.
            self.first_failure = None;
            self.lost_in_a_row = 0;
        }
        match verdict {
            Verdict::Later { after, refusal, .. } => {
                self.wait_or_give_up(after, refusal, now, give_up_after)
            }
            Verdict::Delivered => self.accept(),
            Verdict::Invalid { bad, refusal } => self.drop_bad(&bad, refusal),
            Verdict::TooLarge { refusal } => self.halve_or_drop(refusal),
            Verdict::Unauthorized { refusal } => {
                self.drop_all(DropReason::Unauthorized, Some(refusal))
            }
            Verdict::Rejected { refusal } => self.drop_front(DropReason::RequestRejected, refusal),
        }
    }

    fn wait_or_give_up(
        &mut self,
        retry_after: Option<Duration>,
        refusal: Option<Refusal>,
        now: Instant,
        give_up_after: Duration,
    ) -> Vec<Effect> {
        let first_failure = *self.first_failure.get_or_insert(now);
        let give_up_at = after(first_failure, give_up_after);
        if now < give_up_at {
            let give_up_at = Some(give_up_at);
            return vec![Effect::RetryLater {
                retry_after,
                give_up_at,
            }];
        }
        let mut effects = self.drop_all(DropReason::GaveUp, refusal);
        // The next batch has to wait all the same.
        effects.push(Effect::RetryLater {
            retry_after,
            give_up_at: None,
        });
        effects
    }

    /// Drops all records that are not settled.
    pub(crate) fn drop_all(&mut self, reason: DropReason, refusal: Option<Refusal>) -> Vec<Effect> {
        let dropped = self.take_all().map(|records| Effect::Dropped {
            reason,
            refusal,
            records,
        });
        dropped.into_iter().collect()
    }

    fn accept(&mut self) -> Vec<Effect> {
        let Some(part) = self.parts.pop_front() else {
            return Vec::new();
        };
        self.fruitless_splits = 0;
        let is_culprit = |next: &Part| next.suspect && next.records.len() > 1;
        if self.may_split() && self.parts.front().is_some_and(is_culprit) {
            let culprit = self.parts.pop_front();
            culprit
                .into_iter()
                .for_each(|culprit| self.split(culprit, true));
        }
        vec![Effect::Delivered(part.records)]
    }

    /// Drops the records that the server names, or else takes the part apart to find them.
    fn drop_bad(&mut self, bad: &[usize], refusal: Refusal) -> Vec<Effect> {
        let Some(mut part) = self.pop_refused() else {
            return Vec::new();
        };
        let count = part.records.len();
        // Indexes beyond the part are wrong, but say nothing about the others.
        let is_named = !part.bad_removed && bad.iter().any(|index| *index < count);
        if count > 1 && is_named {
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
            return Vec::new();
        }
        vec![Effect::Dropped {
            reason: DropReason::Rejected,
            refusal: Some(refusal),
            records: part.records,
        }]
    }

    fn halve_or_drop(&mut self, refusal: Refusal) -> Vec<Effect> {
        let Some(part) = self.pop_refused() else {
            return Vec::new();
        };
        if part.records.len() > 1 && self.may_split() {
            self.split(part, false);
            return Vec::new();
        }
        vec![Effect::Dropped {
            reason: DropReason::TooLarge,
            refusal: Some(refusal),
            records: part.records,
        }]
    }

    fn drop_front(&mut self, reason: DropReason, refusal: Refusal) -> Vec<Effect> {
        let dropped = self.pop_refused().map(|part| Effect::Dropped {
            reason,
            refusal: Some(refusal),
            records: part.records,
        });
        dropped.into_iter().collect()
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
}

#[cfg(test)]
mod tests;
