//! Records on their way to the disk.

use std::io;

use super::{Now, Spool, StoreOutcome, WhenFull, segment::MAX_RECORD_BYTES};
use crate::record::Encoded;

impl Spool {
    /// Writes the records to the disk, and takes those that are there. The rest stays as it was, on an error too.
    ///
    /// # Errors
    ///
    /// When the disk fails, when other processes hold so much that the limit is reached, or for a record of more than
    /// 32 MiB.
    pub(crate) fn store(
        &mut self,
        records: &mut Vec<Encoded>,
        when_full: WhenFull,
        now: Now,
    ) -> io::Result<StoreOutcome> {
        let is_large = |record: &mut Encoded| record.json.len() > MAX_RECORD_BYTES;
        let large: Vec<_> = records.extract_if(.., is_large).collect();
        let stored = self.store_small(records, when_full, now);
        if large.is_empty() {
            return stored;
        }
        records.splice(..0, large);
        stored.and(Err(io::ErrorKind::FileTooLarge.into()))
    }

    /// Stores records of which none is larger than [`MAX_RECORD_BYTES`].
    fn store_small(
        &mut self,
        records: &mut Vec<Encoded>,
        when_full: WhenFull,
        now: Now,
    ) -> io::Result<StoreOutcome> {
        while !records.is_empty() {
            let is_fresh = self.active.is_none();
            let next = match self.active.take() {
                Some(active) => Some(active),
                None => self.open(when_full, now)?,
            };
            let Some(mut active) = next else {
                self.full_since = Some(now.instant);
                return Ok(StoreOutcome::Full);
            };
            let count = records.len();
            let stored = active.store(records, self.active_limit, &self.settings, now);
            self.stored += (count - records.len()) as u64;
            // If another program removed the file, the disk has not failed: the next file is made. A file that is gone
            // as soon as it was made is a failure, because this would go on forever.
            let is_gone = stored.is_err() && !is_fresh && !active.is_linked();
            let has_room = active.length() < self.active_limit;
            if has_room && (stored.is_ok() || active.can_retry_append()) {
                self.active = Some(active);
            } else {
                self.seal(active);
            }
            if !is_gone {
                stored?;
            }
        }
        self.full_since = None;
        Ok(StoreOutcome::Stored)
    }
}
