//! The public numbers: every record that `track` was given is in exactly one of them.

use std::{collections::BTreeMap, fmt};

use crate::drop_reason::DropReason;

/// What became of the records that a client was given, since it was made; from [`stats`](crate::Trubrics::stats).
///
/// `tracked + recovered == delivered + dropped + pending + left_in_spool` whenever no record is on the move; without a
/// [`spool`](crate::TrubricsBuilder::spool), `recovered` and `left_in_spool` are 0. A record that
/// [`try_track`](crate::Trubrics::try_track) gave back, or for which [`track_sync`](crate::Trubrics::track_sync) or
/// [`deliver`](crate::Trubrics::deliver) returned an error, is its caller's and in none of them.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Records that `track` took or dropped, and those that `track_sync` and `deliver` delivered.
    pub tracked: u64,
    /// Records that the server accepted.
    pub delivered: u64,
    /// Records that were given up, for whatever [`DropReason`].
    pub dropped: u64,
    /// Records that wait for delivery or are in flight.
    pub pending: u64,
    /// Records that were found in the spool, left there by an earlier run or another process.
    pub recovered: u64,
    /// Records that were left in the spool for the next run.
    pub left_in_spool: u64,
    pub(crate) reasons: [u64; DropReason::ALL.len()],
}

impl Stats {
    /// How many of the dropped records were dropped for this reason.
    ///
    /// ```
    /// use trubrics::{DropReason, Trubrics};
    ///
    /// let stats = Trubrics::disabled().stats();
    /// assert_eq!(stats.dropped_for(DropReason::QueueFull), 0);
    /// ```
    pub fn dropped_for(&self, reason: DropReason) -> u64 {
        self.reasons[reason as usize]
    }

    /// Each reason for which records were dropped, with their number.
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> {
        let counts = DropReason::ALL.iter().zip(self.reasons);
        counts
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (*reason, count))
    }
}

impl fmt::Debug for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drops: BTreeMap<_, _> = self.drops().collect();
        f.debug_struct("Stats")
            .field("tracked", &self.tracked)
            .field("delivered", &self.delivered)
            .field("dropped", &self.dropped)
            .field("pending", &self.pending)
            .field("recovered", &self.recovered)
            .field("left_in_spool", &self.left_in_spool)
            .field("drops", &drops)
            .finish()
    }
}
