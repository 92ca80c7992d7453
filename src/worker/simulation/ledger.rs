//! What a run cost, and in which order records were delivered.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{Answer, Call};

/// The cost of the records that a server cannot take, until all others are delivered.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(super) struct Ledger {
    /// The failed requests that carried a good record.
    pub(super) failed: usize,
    /// The accepted requests beyond those of a server that accepts everything.
    pub(super) split: usize,
    /// How long the last good record took after the last record was tracked.
    pub(super) late: Duration,
}

impl Ledger {
    /// The larger one of each figure.
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            failed: self.failed.max(other.failed),
            split: self.split.max(other.split),
            late: self.late.max(other.late),
        }
    }
}

/// Checks that a record is passed by later ones of its endpoint only after its batch has failed twice. Only the records
/// of `counts` may not be passed.
#[track_caller]
pub(super) fn assert_order(calls: &[Call], counts: impl Fn(&u32) -> bool, context: &str) {
    let mut left: BTreeMap<bool, BTreeSet<u32>> = BTreeMap::new();
    for call in calls {
        let counted = call.records.iter().filter(|record| counts(record));
        left.entry(call.is_events).or_default().extend(counted);
    }
    // A batch is named by the first call that had a record of it. Later calls may have parts of it.
    let mut batches: BTreeMap<u32, usize> = BTreeMap::new();
    let mut failures: BTreeMap<usize, u32> = BTreeMap::new();
    for (index, call) in calls.iter().enumerate() {
        let counted = call.records.iter().filter(|record| counts(record));
        assert!(counted.is_sorted(), "{context}: {call:?}");
        let known = call.records.iter().find_map(|record| batches.get(record));
        let batch = known.copied().unwrap_or(index);
        for record in &call.records {
            batches.entry(*record).or_insert(batch);
        }
        // For the client, a request without an answer has failed.
        if !call.answer.accepts() || call.answer == Answer::Unheard {
            *failures.entry(batch).or_default() += 1;
        }
        if !call.answer.accepts() {
            continue;
        }
        let left = left.entry(call.is_events).or_default();
        call.records.iter().for_each(|record| {
            left.remove(record);
        });
        let counted = call.records.iter().filter(|record| counts(record));
        let last = counted.last().copied().unwrap_or_default();
        for passed in left.range(..last) {
            let batch = batches.get(passed);
            let failures = batch.and_then(|batch| failures.get(batch)).copied();
            assert!(
                failures >= Some(2),
                "{context}: {passed} is passed in {call:?}"
            );
        }
    }
}
