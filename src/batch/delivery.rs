//! One batch's fate: from its first attempt until each of its records is delivered or dropped.
//!
//! Pure: the worker attempts the records at the [`front`](Delivery::front) and brings the verdict, which is turned into
//! effects. A refused batch is taken apart here until only its bad records are dropped; what was accepted is never sent
//! again.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{
    deadline::after,
    record::Encoded,
    reply::{Refusal, Verdict},
    stats::DropReason,
};

/// How often one batch may be split to find its bad records. Each split leads to two requests at the most.
const MAX_SPLITS: u32 = 64;

/// How often in a row without a single record accepted: a batch of nothing but bad records costs 33 requests, not 199.
const MAX_FRUITLESS_SPLITS: u32 = 16;

/// A batch on its way, in the parts that it was taken apart into; the front one is attempted next.
pub(crate) struct Delivery {
    parts: VecDeque<Part>,
    splits: u32,
    fruitless_splits: u32,
    first_failure: Option<Instant>,
}

struct Part {
    records: Vec<Encoded>,
    /// The server named bad records of this part, and they are gone.
    trimmed: bool,
    /// The second half of a refused whole, of which the first half is right before it: if that one is accepted, this
    /// one is to blame, and need not be refused once more to be taken apart.
    suspect: bool,
}

/// What came of an attempt.
pub(crate) enum Effect {
    Delivered(Vec<Encoded>),
    Dropped {
        reason: DropReason,
        refusal: Option<Refusal>,
        records: Vec<Encoded>,
    },
    /// Wait for the back-off, but no longer than until `last_chance`, when the batch is attempted once more before it is
    /// given up; and in any case as long as the server asks for.
    Wait {
        at_least: Option<Duration>,
        last_chance: Option<Instant>,
    },
}

impl Delivery {
    pub(crate) fn new(records: Vec<Encoded>) -> Self {
        Self {
            parts: VecDeque::from([Part::new(records)]),
            splits: 0,
            fruitless_splits: 0,
            first_failure: None,
        }
    }

    /// The records to attempt next; none when the batch is done.
    pub(crate) fn front(&self) -> Option<&[Encoded]> {
        self.parts.front().map(|part| part.records.as_slice())
    }

    /// Takes everything that has no fate yet.
    pub(crate) fn take_all(&mut self) -> Vec<Encoded> {
        self.parts.drain(..).flat_map(|part| part.records).collect()
    }

    /// When it is given up, if it has failed: what is attempted then is attempted for the last time.
    pub(crate) fn last_chance(&self, give_up_after: Duration) -> Option<Instant> {
        self.first_failure
            .map(|first_failure| after(first_failure, give_up_after))
    }

    /// Applies what an attempt of the front part led to.
    pub(crate) fn apply(
        &mut self,
        verdict: Verdict,
        now: Instant,
        give_up_after: Duration,
    ) -> Vec<Effect> {
        if !matches!(verdict, Verdict::Later { .. }) {
            // The server is there: what fails next, fails for the first time.
            self.first_failure = None;
        }
        match verdict {
            Verdict::Later { after, refusal } => {
                self.wait_or_give_up(after, refusal, now, give_up_after)
            }
            Verdict::Delivered => self.accept(),
            Verdict::Invalid { bad, refusal } => self.drop_bad(&bad, refusal),
            Verdict::TooLarge { refusal } => self.halve_or_drop(refusal),
            Verdict::Unauthorized { refusal } => vec![Effect::Dropped {
                reason: DropReason::Unauthorized,
                refusal: Some(refusal),
                records: self.take_all(),
            }],
            Verdict::Rejected { refusal } => self.drop_front(DropReason::Rejected, refusal),
        }
    }

    fn wait_or_give_up(
        &mut self,
        at_least: Option<Duration>,
        refusal: Option<Refusal>,
        now: Instant,
        give_up_after: Duration,
    ) -> Vec<Effect> {
        let first_failure = *self.first_failure.get_or_insert(now);
        let last_chance = after(first_failure, give_up_after);
        if now < last_chance {
            let last_chance = Some(last_chance);
            return vec![Effect::Wait {
                at_least,
                last_chance,
            }];
        }
        let dropped = Effect::Dropped {
            reason: DropReason::GaveUp,
            refusal,
            records: self.take_all(),
        };
        // The next batch is no reason to come back any sooner.
        vec![
            dropped,
            Effect::Wait {
                at_least,
                last_chance: None,
            },
        ]
    }

    fn accept(&mut self) -> Vec<Effect> {
        let Some(part) = self.parts.pop_front() else {
            return Vec::new();
        };
        self.fruitless_splits = 0;
        let is_guilty = |next: &Part| next.suspect && next.records.len() > 1;
        if self.may_split() && self.parts.front().is_some_and(is_guilty) {
            let guilty = self.parts.pop_front();
            guilty
                .into_iter()
                .for_each(|guilty| self.split(guilty, true));
        }
        vec![Effect::Delivered(part.records)]
    }

    /// Drops the records that the server names, or else takes the part apart to find them.
    fn drop_bad(&mut self, bad: &[usize], refusal: Refusal) -> Vec<Effect> {
        let Some(mut part) = self.pop_refused() else {
            return Vec::new();
        };
        let count = part.records.len();
        let named = !part.trimmed && !bad.is_empty() && bad.iter().all(|index| *index < count);
        if count > 1 && named {
            let (dropped, kept): (Vec<_>, Vec<_>) = part
                .records
                .into_iter()
                .enumerate()
                .partition(|(index, _)| bad.binary_search(index).is_ok());
            if !kept.is_empty() {
                let kept = Part {
                    trimmed: true,
                    ..Part::new(kept.into_iter().map(|(_, record)| record).collect())
                };
                self.parts.push_front(kept);
            }
            part.records = dropped.into_iter().map(|(_, record)| record).collect();
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
        let records = self
            .pop_refused()
            .map(|part| part.records)
            .unwrap_or_default();
        vec![Effect::Dropped {
            reason,
            refusal: Some(refusal),
            records,
        }]
    }

    /// Takes the front part off after a refusal, which explains that of the whole: its other half is no suspect.
    fn pop_refused(&mut self) -> Option<Part> {
        let part = self.parts.pop_front();
        if let Some(next) = self.parts.front_mut() {
            next.suspect = false;
        }
        part
    }

    fn may_split(&self) -> bool {
        self.splits < MAX_SPLITS && self.fruitless_splits < MAX_FRUITLESS_SPLITS
    }

    /// Puts the halves of a part in front. Of one that holds a bad record, the second half is a suspect.
    fn split(&mut self, part: Part, is_bad: bool) {
        self.splits += 1;
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
    fn new(records: Vec<Encoded>) -> Self {
        Self {
            records,
            trimmed: false,
            suspect: false,
        }
    }

    fn halve(mut self) -> (Self, Self) {
        let second = self.records.split_off(self.records.len().div_ceil(2));
        let trimmed = self.trimmed;
        (
            Self {
                trimmed,
                ..Self::new(self.records)
            },
            Self {
                trimmed,
                ..Self::new(second)
            },
        )
    }
}

#[cfg(test)]
mod tests;
