//! What a run cost, and in which order records were delivered.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::Call;

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

/// Checks that a record is passed by later ones of its endpoint only after it has failed twice.
#[track_caller]
pub(super) fn assert_order(calls: &[Call], context: &str) {
    let mut left: BTreeMap<bool, BTreeSet<u32>> = BTreeMap::new();
    for call in calls {
        left.entry(call.is_events)
            .or_default()
            .extend(&call.records);
    }
    let mut failures: BTreeMap<u32, u32> = BTreeMap::new();
    for call in calls {
        assert!(call.records.is_sorted(), "{context}: {call:?}");
        if !call.answer.accepts() {
            let count = |record: &u32| *failures.entry(*record).or_default() += 1;
            call.records.iter().for_each(count);
            continue;
        }
        let left = left.entry(call.is_events).or_default();
        call.records.iter().for_each(|record| {
            left.remove(record);
        });
        let last = call.records.last().copied().unwrap_or_default();
        for passed in left.range(..last) {
            let failures = failures.get(passed).copied().unwrap_or_default();
            assert!(failures >= 2, "{context}: {passed} is passed in {call:?}");
        }
    }
}
