//! The counters: every record that `track` was given ends in exactly one of delivered, dropped or pending.

use std::{
    collections::BTreeMap,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// Why a record was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The queue held as many records or bytes as it may, and [`Overflow`](crate::Overflow) says to drop the newest.
    QueueFull,
    /// The client was closed before the record was tracked.
    Closed,
    /// The record could not be sent as it was: see [`EventError`](crate::EventError).
    Invalid,
    /// [`before_send`](crate::TrubricsBuilder::before_send) refused it or panicked, or a
    /// [redaction](crate::Content::redacted) panicked.
    Hook,
    /// The server refused the record.
    Rejected,
    /// The server refused the key.
    Unauthorized,
    /// The server says that the record alone is too large.
    TooLarge,
    /// The server could not be reached, or said "later", for as long as
    /// [`give_up_after`](crate::TrubricsBuilder::give_up_after) allows.
    GaveUp,
    /// The client was closed and its time ran out.
    CloseTimeout,
    /// It had to go to make room in a [`spool`](crate::TrubricsBuilder::spool) that held too much.
    SpoolFull,
    /// It was in a [`spool`](crate::TrubricsBuilder::spool) for longer than
    /// [`spool_max_age`](crate::TrubricsBuilder::spool_max_age) allows.
    Expired,
    /// It was in a [`spool`](crate::TrubricsBuilder::spool) and can no longer be read.
    Corrupted,
    /// The worker failed; please report it.
    Internal,
}

impl DropReason {
    /// All of them, in the order of their declaration.
    pub const ALL: &'static [Self] = &[
        Self::QueueFull,
        Self::Closed,
        Self::Invalid,
        Self::Hook,
        Self::Rejected,
        Self::Unauthorized,
        Self::TooLarge,
        Self::GaveUp,
        Self::CloseTimeout,
        Self::SpoolFull,
        Self::Expired,
        Self::Corrupted,
        Self::Internal,
    ];
}

const REASONS: usize = DropReason::ALL.len();

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::QueueFull => "the queue was full",
            Self::Closed => "the client was closed",
            Self::Invalid => "the record was invalid",
            Self::Hook => "a hook of the program refused it",
            Self::Rejected => "the server refused it",
            Self::Unauthorized => "the server refused the key",
            Self::TooLarge => "it was too large for the server",
            Self::GaveUp => "the server could not be reached for too long",
            Self::CloseTimeout => "the client was closed before it could be delivered",
            Self::SpoolFull => "the spool was full",
            Self::Expired => "it was in the spool for too long",
            Self::Corrupted => "it could not be read from the spool",
            Self::Internal => "the worker failed",
        })
    }
}

/// What became of the records that a client was given, since it was made; from [`stats`](crate::Trubrics::stats).
///
/// `tracked + recovered == delivered + dropped + pending + left_in_spool` whenever no record is on the move; without a
/// [`spool`](crate::TrubricsBuilder::spool), `recovered` and `left_in_spool` are 0. A record that
/// [`try_track`](crate::Trubrics::try_track) gave back, or for which [`track_sync`](crate::Trubrics::track_sync)
/// returned an error, is its caller's and in none of them.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Records that were taken, or dropped at the door by `track`.
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
    reasons: [u64; REASONS],
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
        let drops: BTreeMap<_, _> = self
            .drops()
            .map(|(reason, count)| (format!("{reason:?}"), count))
            .collect();
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

/// The counters behind [`Stats`]; what is pending, and how many were taken, the queue counts itself.
#[derive(Default)]
pub(crate) struct Counters {
    /// Tracked without the queue: dropped at the door, or delivered by the caller's own thread.
    beside_queue: AtomicU64,
    delivered: AtomicU64,
    dropped: [AtomicU64; REASONS],
    /// How many of the dropped a flush has told of.
    reported_drops: AtomicU64,
    recovered: AtomicU64,
    left_in_spool: AtomicU64,
    /// Records in the spool that are this client's to deliver.
    on_disk: AtomicU64,
}

impl Counters {
    /// Counts records that ended without ever being in the queue; what became of them is counted as ever.
    pub(crate) fn count_beside_queue(&self, records: u64) {
        self.beside_queue.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn count_delivered(&self, records: u64) {
        self.delivered.fetch_add(records, Ordering::Relaxed);
    }

    pub(crate) fn count_dropped(&self, reason: DropReason, records: u64) {
        self.dropped[reason as usize].fetch_add(records, Ordering::Relaxed);
    }

    /// Records of ours went to the disk, and need no place in the queue any more.
    pub(crate) fn count_stored(&self, records: u64) {
        self.on_disk.fetch_add(records, Ordering::Relaxed);
    }

    /// Records that others left are ours to deliver.
    pub(crate) fn count_recovered(&self, records: u64) {
        self.recovered.fetch_add(records, Ordering::Relaxed);
        self.on_disk.fetch_add(records, Ordering::Relaxed);
    }

    /// Records on disk have met their fate.
    pub(crate) fn count_settled(&self, records: u64) {
        self.on_disk.fetch_sub(records, Ordering::Relaxed);
    }

    /// Records on disk are left to whoever comes next.
    pub(crate) fn count_left(&self, records: u64) {
        self.left_in_spool.fetch_add(records, Ordering::Relaxed);
        self.on_disk.fetch_sub(records, Ordering::Relaxed);
    }

    pub(crate) fn on_disk(&self) -> u64 {
        self.on_disk.load(Ordering::Relaxed)
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .sum()
    }

    /// How many drops no flush has told of; a flush asks when it begins.
    pub(crate) fn reported_drops(&self) -> u64 {
        self.reported_drops.load(Ordering::Relaxed)
    }

    /// A flush tells of all drops up to `dropped`. Two at once tell of the same ones, so that neither says all is well.
    pub(crate) fn mark_reported(&self, dropped: u64) {
        self.reported_drops.fetch_max(dropped, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self, taken: u64, pending: u64) -> Stats {
        let reasons = self
            .dropped
            .each_ref()
            .map(|count| count.load(Ordering::Relaxed));
        Stats {
            tracked: taken + self.beside_queue.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            dropped: reasons.iter().sum(),
            pending,
            recovered: self.recovered.load(Ordering::Relaxed),
            left_in_spool: self.left_in_spool.load(Ordering::Relaxed),
            reasons,
        }
    }
}
