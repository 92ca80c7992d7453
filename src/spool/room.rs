//! The limit of the folder: how large segments are, and which of them are removed to make room.

use std::io;

use super::{Segment, Spool, segment::name};
use std::time::SystemTime;

/// The segments aimed at: each that waits is an open file.
const SEGMENTS: u64 = 64;

/// The bounds of a segment's size. A segment is read into memory as a whole.
const MIN_SEGMENT_BYTES: u64 = 1024 * 1024;
const MAX_SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

impl Spool {
    /// How long a segment may get. Several have to fit into the limit, because the oldest is removed as a whole.
    pub(super) fn segment_bytes(&self) -> u64 {
        let max = self.settings.max_bytes;
        let bytes = (max / SEGMENTS).clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES);
        bytes.min(max / 4).max(1)
    }

    /// Removes the oldest segments until there is room for a new one.
    pub(super) fn make_room(&mut self, now: SystemTime) -> io::Result<()> {
        let files = self.disk.list(&self.settings.folder)?;
        let segments = files
            .iter()
            .filter(|(name, _)| name::made_at(name).is_some());
        let mut used: u64 = segments.map(|(_, length)| length).sum();
        if used + self.segment_bytes() <= self.settings.max_bytes {
            return Ok(());
        }
        self.note_orphans(files, now);
        while used + self.segment_bytes() > self.settings.max_bytes {
            used = used.saturating_sub(self.evict()?);
        }
        Ok(())
    }

    /// Removes the oldest segment that no process holds, and returns its length.
    fn evict(&mut self) -> io::Result<u64> {
        let ours = self.sealed.front().and_then(Segment::name);
        let is_ours_older = match (ours, self.orphans.front()) {
            (Some(ours), Some(found)) => ours < found.as_str(),
            (ours, _) => ours.is_some(),
        };
        let oldest = if is_ours_older {
            self.sealed.pop_front().map(|segment| (segment, None))
        } else {
            let found = self.adopt_orphan();
            found.map(|(segment, loaded)| (segment, Some(loaded)))
        };
        // This process or another one holds the rest.
        let (mut segment, loaded) = oldest.ok_or(io::ErrorKind::QuotaExceeded)?;
        if let Err(error) = segment.remove(&*self.disk) {
            if segment.is_ours() {
                self.sealed.push_front(segment);
            } else if let Some(name) = segment.name() {
                self.orphans.push_front(name.into());
            }
            return Err(error);
        }
        if segment.is_ours() {
            self.settled += segment.record_count();
        }
        // A file that is open can be read without its name.
        let loaded = loaded.unwrap_or_else(|| segment.read());
        self.evicted.push(loaded);
        Ok(segment.length())
    }
}
