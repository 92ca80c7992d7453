//! The records of batches that were set aside, moved together on the disk.

use super::Spooler;
use crate::{
    clock,
    record::{Encoded, Endpoint},
    spool::Now,
};

impl Spooler {
    /// Moves these records of the endpoint together, so that they do not keep a file each. Does nothing after a
    /// withdrawal of another process. Records that the disk does not take stay where they are.
    pub(in crate::worker) fn set_aside(
        &mut self,
        endpoint: Endpoint,
        mut records: Vec<&mut Encoded>,
    ) {
        let may_move = |entry| self.spool.may_set_aside(entry);
        records.retain(|record| record.spool_entry.is_some_and(may_move));
        if records.is_empty() || !self.may_write() {
            return;
        }
        let moved = self.spool.set_aside(endpoint, records, Now::read());
        // A success does not say whether there is room for records.
        if moved.is_err() {
            self.disk_state.log(&moved);
            self.repeat_failed_scan(clock::now());
        }
        // A withdrawal during the write did not find these records.
        let _ = self.look();
    }
}
