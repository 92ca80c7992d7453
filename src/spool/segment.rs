//! One file of the spool while we hold its lock.

pub(super) mod name;
mod scan;

use std::{
    io,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use self::scan::Scan;
use super::{
    Loaded,
    checksum::crc32,
    disk::{Disk, SegmentFile},
    entry::{read_lines, write_acknowledgement, write_record},
};
use crate::record::Encoded;

/// The first line of a segment: the version, and the checksum of what is before it. It tells a version to come, which is
/// left alone, from damage, which costs this line only.
const HEADER: &[u8] = b"trubrics spool 1 8b272e4a\n";

pub(super) struct Segment {
    path: PathBuf,
    file: Box<dyn SegmentFile>,
    made: SystemTime,
    is_ours: bool,
    /// Where the next line begins.
    length: u64,
    /// The last line may have no line break.
    may_be_torn: bool,
    /// What lies beyond `length` could not be cut off after a failure: nothing may be written behind it.
    needs_cut: bool,
    /// The last write was refused, and the one before it was not.
    last_append_failed: bool,
    last_number: u32,
    /// Records without a fate.
    unsettled: u64,
    /// Those whose end could not be written down yet.
    unwritten: Vec<u32>,
    /// The records that were written, until the segment is closed.
    written: Vec<Encoded>,
}

impl Segment {
    /// Makes a new file. Names sort by the time at which they were made.
    pub(super) fn create(disk: &dyn Disk, folder: &Path, now: SystemTime) -> io::Result<Self> {
        let (temp, name) = name::make(now);
        let path = folder.join(name);
        let file = disk.create(&folder.join(temp), &path, HEADER)?;
        Ok(Self {
            path,
            file,
            made: now,
            is_ours: true,
            length: HEADER.len() as u64,
            may_be_torn: false,
            needs_cut: false,
            last_append_failed: false,
            last_number: 0,
            unsettled: 0,
            unwritten: Vec::new(),
            written: Vec::new(),
        })
    }

    /// Takes over what somebody left; none if it is held, gone, or not of our kind.
    pub(super) fn adopt(
        disk: &dyn Disk,
        folder: &Path,
        name: &str,
    ) -> io::Result<Option<(Self, Loaded)>> {
        let Some(made) = name::made_at(name) else {
            return Ok(None);
        };
        let path = folder.join(name);
        let Some(mut file) = disk.adopt(&path)? else {
            return Ok(None);
        };
        let bytes = file.read()?;
        if HEADER.starts_with(&bytes) && bytes.len() < HEADER.len() {
            // Torn before anything was in it.
            disk.remove(&path)?;
            return Ok(None);
        }
        if !is_segment(&bytes) {
            return Ok(None);
        }
        let mut segment = Self {
            path,
            file,
            made,
            is_ours: false,
            length: bytes.len() as u64,
            // A line break at the end need not be the one of a line: an empty line is the price.
            may_be_torn: true,
            needs_cut: false,
            last_append_failed: false,
            last_number: 0,
            unsettled: 0,
            unwritten: Vec::new(),
            written: Vec::new(),
        };
        let loaded = segment.load(&bytes);
        Ok(Some((segment, loaded)))
    }

    /// Writes as many of the records as fit, in one go, and takes them; at least one. On an error it takes none.
    pub(super) fn store(
        &mut self,
        records: &mut Vec<Encoded>,
        max_bytes: u64,
        sync: bool,
    ) -> io::Result<()> {
        let mut lines = Vec::new();
        let mut count = 0;
        for record in records.iter() {
            count += 1;
            write_record(
                &mut lines,
                record.endpoint,
                self.last_number + count as u32,
                &record.json,
            );
            if self.length + lines.len() as u64 >= max_bytes {
                break;
            }
        }
        self.append(&lines, sync)?;
        for mut record in records.drain(..count) {
            self.last_number += 1;
            record.spool_entry = NonZeroU32::new(self.last_number);
            self.written.push(record);
        }
        self.unsettled += count as u64;
        Ok(())
    }

    /// Closes it for writing, and gives its records if they are still in memory.
    pub(super) fn take_written(&mut self) -> Loaded {
        let records = std::mem::take(&mut self.written);
        self.loaded(records, 0)
    }

    /// Reads the records that have no fate; the rest of them is missing from here on.
    pub(super) fn read(&mut self) -> Loaded {
        let Ok(bytes) = self.file.read() else {
            let missing = std::mem::take(&mut self.unsettled);
            return self.loaded(Vec::new(), missing);
        };
        // What lies beyond was given back when it could not be written as a whole.
        let ours = usize::try_from(self.length)
            .map_or(&*bytes, |length| bytes.get(..length).unwrap_or(&bytes));
        self.load(ours)
    }

    /// Writes down that these records have met their fate. What cannot be written is written the next time.
    pub(super) fn acknowledge(&mut self, numbers: &[NonZeroU32], sync: bool) -> io::Result<()> {
        self.unsettled -= numbers.len() as u64;
        self.unwritten
            .extend(numbers.iter().map(|number| number.get()));
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let mut line = Vec::new();
        write_acknowledgement(&mut line, &mut self.unwritten);
        match self.append(&line, sync) {
            Ok(()) => self.unwritten.clear(),
            // Nobody will read it in a file that is gone.
            Err(_) if !self.is_linked() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Removes the file, unless somebody did so before.
    pub(super) fn remove(&self, disk: &dyn Disk) -> io::Result<()> {
        match disk.remove(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.path.file_name()?.to_str()
    }

    /// Whether somebody else can find the file; in doubt, yes.
    pub(super) fn is_linked(&self) -> bool {
        self.file.is_linked().unwrap_or(true)
    }

    pub(super) fn is_ours(&self) -> bool {
        self.is_ours
    }

    pub(super) fn is_older_than(&self, age: Duration, now: SystemTime) -> bool {
        now.duration_since(self.made).is_ok_and(|found| found > age)
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn unsettled(&self) -> u64 {
        self.unsettled
    }

    /// Whether to go on with it after a write that failed: a disk may refuse one, and a new file for each would be too many;
    /// but where the file itself is to blame, only a new one helps.
    pub(super) fn can_retry_append(&self) -> bool {
        self.last_append_failed && !self.is_settled() && self.is_linked()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.unsettled == 0
    }

    /// How many records were written to it, ever.
    pub(super) fn record_count(&self) -> u64 {
        self.last_number.into()
    }

    fn load(&mut self, bytes: &[u8]) -> Loaded {
        let found = Scan::of(bytes, self.last_number, &self.unwritten);
        let missing = found.missing.len() as u64;
        self.last_number = found.last_number;
        self.unsettled = found.records.len() as u64;
        // The missing records are reported now. The next process must not report them again.
        self.unwritten.extend(found.missing);
        self.loaded(found.records, missing)
    }

    fn loaded(&self, records: Vec<Encoded>, missing: u64) -> Loaded {
        Loaded {
            records,
            missing,
            is_recovered: !self.is_ours,
            is_expired: false,
        }
    }

    fn append(&mut self, lines: &[u8], sync: bool) -> io::Result<()> {
        if self.needs_cut {
            self.file.truncate(self.length)?;
            self.needs_cut = false;
        }
        let mut bytes = Vec::new();
        if self.may_be_torn {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(lines);
        let written = self
            .file
            .append(&bytes)
            .and_then(|()| if sync { self.file.sync() } else { Ok(()) });
        if let Err(error) = written {
            // A part of it may be there.
            self.needs_cut = self.file.truncate(self.length).is_err();
            self.last_append_failed = !self.last_append_failed && !self.needs_cut;
            return Err(error);
        }
        self.last_append_failed = false;
        self.may_be_torn = false;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// Whether this is a segment of our version, whatever is damaged in it.
fn is_segment(bytes: &[u8]) -> bool {
    if bytes.starts_with(HEADER) {
        return true;
    }
    let first = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let (text, checksum) = first.split_at(first.len().saturating_sub(" 00000000".len()));
    let is_other_version = text.starts_with(b"trubrics spool ")
        && checksum == format!(" {:08x}", crc32(&[text])).as_bytes();
    !is_other_version && !read_lines(bytes.get(HEADER.len()..).unwrap_or_default()).is_empty()
}

#[cfg(test)]
mod tests;
