//! Records on their way to the disk.

use std::io;

use super::{Now, Spool, StoreOutcome, WhenFull, segment::MAX_RECORD_BYTES};
use crate::record::{Encoded, Endpoint};

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
        let mut stored = Ok(StoreOutcome::Stored);
        for endpoint in Endpoint::ALL {
            let is_for_it = |record: &mut Encoded| record.endpoint == endpoint;
            let mut of_endpoint = records.extract_if(.., is_for_it).collect();
            let outcome = self.store_of(endpoint, &mut of_endpoint, when_full, now);
            records.append(&mut of_endpoint);
            stored = match (stored, outcome) {
                (Ok(StoreOutcome::Stored), outcome) => outcome,
                (Ok(StoreOutcome::Full), Err(error)) => Err(error),
                (earlier, _) => earlier,
            };
        }
        if matches!(stored, Ok(StoreOutcome::Stored)) {
            self.full_since = None;
        }
        if large.is_empty() {
            return stored;
        }
        records.splice(..0, large);
        stored.and(Err(io::ErrorKind::FileTooLarge.into()))
    }

    /// Stores records of one endpoint, of which none is larger than [`MAX_RECORD_BYTES`].
    fn store_of(
        &mut self,
        endpoint: Endpoint,
        records: &mut Vec<Encoded>,
        when_full: WhenFull,
        now: Now,
    ) -> io::Result<StoreOutcome> {
        while !records.is_empty() {
            let active = self.active[endpoint as usize].take();
            let is_fresh = active.is_none();
            let next = match active {
                Some(active) => Some(active),
                None => self.open(endpoint, when_full, now)?,
            };
            let Some(mut active) = next else {
                self.full_since = Some(now.instant);
                return Ok(StoreOutcome::Full);
            };
            let (count, limit) = (records.len(), self.active_limits[endpoint as usize]);
            let stored = active.store(records, limit, &self.settings, now);
            self.stored += (count - records.len()) as u64;
            self.has_stored[endpoint as usize] |= stored.is_ok();
            // If another program removed the file, the disk has not failed: the next file is made. A file that is gone
            // as soon as it was made is a failure, because this would go on forever.
            let is_gone = stored.is_err() && !is_fresh && !active.is_linked();
            let has_room = active.length() < limit;
            if has_room && (stored.is_ok() || active.can_retry_append()) {
                self.active[endpoint as usize] = Some(active);
            } else {
                self.seal(active);
            }
            if !is_gone {
                stored?;
            }
        }
        Ok(StoreOutcome::Stored)
    }
}
