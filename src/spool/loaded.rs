//! What a load takes out of the spool.

use super::segment::Contents;
use crate::record::Encoded;

/// Records that are to be delivered next, or that were removed to make room.
#[derive(Default)]
pub(crate) struct Loaded {
    pub(crate) records: Vec<Encoded>,
    /// Those that are older than they may be.
    pub(crate) expired: Vec<Encoded>,
    /// How many more there should be that cannot be read.
    pub(crate) missing: u64,
    /// How many of all these another process left, and are seen by this client for the first time.
    pub(crate) recovered: u64,
    pub(super) bytes: usize,
    pub(super) segments: usize,
}

impl Loaded {
    pub(super) fn of(contents: &Contents) -> Self {
        let mut loaded = Self::default();
        loaded.count(contents);
        loaded
    }

    pub(super) fn count(&mut self, contents: &Contents) {
        self.missing += contents.missing;
        self.recovered += contents.recovered;
        self.segments += 1;
    }

    pub(super) fn push(&mut self, record: Encoded, is_expired: bool) {
        self.bytes += record.json.len();
        match is_expired {
            true => self.expired.push(record),
            false => self.records.push(record),
        }
    }

    /// Whether there is anything to count or to deliver.
    pub(super) fn is_any(&self) -> bool {
        self.missing > 0 || !self.records.is_empty() || !self.expired.is_empty()
    }
}
