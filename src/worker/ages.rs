//! How long the oldest record of a queue has waited, without a time for each record.
//!
//! Records arrive in groups, and each group has one time. Groups that arrive close together are one group.
//! Deterministic: `now` is an argument.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Groups that arrive within this are one.
const PRECISION: Duration = Duration::from_millis(100);

/// So are those within this part of the age of the oldest group. It bounds their number: about 120 after a day.
const PART: u32 = 16;

/// The groups of records that are not settled, in their order.
#[derive(Default)]
pub(super) struct Ages {
    groups: VecDeque<Group>,
}

struct Group {
    /// Its first record arrived at this time or later.
    since: Instant,
    /// How many records had arrived with its last one, ever.
    received: u64,
}

impl Ages {
    /// Notes that records arrived since then, and how many have arrived with them, ever.
    pub(super) fn note(&mut self, received: u64, since: Instant) {
        let oldest = self.groups.front().map_or(since, |first| first.since);
        let precision = PRECISION.max(since.saturating_duration_since(oldest) / PART);
        match self.groups.back_mut() {
            Some(last) if since < last.since + precision => {
                last.received = received;
                last.since = last.since.min(since);
            }
            _ => self.groups.push_back(Group { since, received }),
        }
    }

    /// Since when the oldest record may have waited, given how many records from the first on are settled.
    pub(super) fn oldest(&mut self, settled: u64) -> Option<Instant> {
        let is_settled = |group: &Group| group.received <= settled;
        while self.groups.front().is_some_and(is_settled) {
            self.groups.pop_front();
        }
        self.groups.iter().map(|group| group.since).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_oldest_record_that_is_not_settled_says_the_age() {
        let (mut ages, start) = (Ages::default(), Instant::now());
        assert_eq!(ages.oldest(0), None);
        ages.note(10, start);
        ages.note(20, start + SECOND);
        ages.note(30, start + 2 * SECOND);
        assert_eq!(ages.oldest(0), Some(start));
        assert_eq!(ages.oldest(9), Some(start));
        assert_eq!(ages.oldest(10), Some(start + SECOND));
        assert_eq!(ages.oldest(25), Some(start + 2 * SECOND));
        assert_eq!(ages.oldest(30), None);
        ages.note(31, start + 9 * SECOND);
        assert_eq!(ages.oldest(30), Some(start + 9 * SECOND));
    }

    #[test]
    fn records_that_were_held_elsewhere_for_longer_keep_their_age() {
        let (mut ages, start) = (Ages::default(), Instant::now());
        ages.note(1, start + 5 * SECOND);
        ages.note(2, start);
        assert_eq!(ages.oldest(1), Some(start));
    }

    #[test]
    fn an_age_is_never_too_small_and_by_a_sixteenth_too_large_at_most() {
        let (mut ages, start) = (Ages::default(), Instant::now());
        let arrivals: Vec<_> = (0..86_400_u32)
            .map(|second| start + second * SECOND)
            .collect();
        for (received, arrival) in (1..).zip(&arrivals) {
            ages.note(received, *arrival);
        }
        assert!(ages.groups.len() < 150, "{}", ages.groups.len());
        for (settled, arrival) in (0..).zip(&arrivals) {
            let oldest = ages.oldest(settled).expect("not all are settled");
            let late = arrival.saturating_duration_since(oldest);
            assert!(
                oldest <= *arrival && late <= 86_400 * SECOND / PART,
                "{late:?}"
            );
        }
        assert_eq!(ages.oldest(arrivals.len() as u64), None);
    }

    #[test]
    fn groups_that_are_a_tenth_of_a_second_apart_are_two() {
        let (mut ages, start) = (Ages::default(), Instant::now());
        ages.note(1, start);
        ages.note(2, start + PRECISION / 2);
        ages.note(3, start + PRECISION);
        assert_eq!(ages.oldest(1), Some(start));
        assert_eq!(ages.oldest(2), Some(start + PRECISION));
    }
}
