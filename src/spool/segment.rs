//! One file of the spool while we hold its lock.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    disk::{Disk, SegmentFile},
    entry::{Line, read_lines, write_acknowledgement, write_record},
};
use crate::record::Encoded;

/// The first line of a segment. A file that begins otherwise is somebody else's, or of a version to come.
const HEADER: &[u8] = b"trubrics spool 1\n";

/// What the names of segments end in.
const ENDING: &str = ".trubrics";

pub(super) struct Segment {
    path: PathBuf,
    file: Box<dyn SegmentFile>,
    made: SystemTime,
    is_ours: bool,
    /// Where the next line begins.
    length: u64,
    /// The file does not end with a line break, where a line was torn.
    is_torn: bool,
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
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!(
            "{:014}-{}",
            since.as_millis(),
            uuid::Uuid::new_v4().simple()
        );
        let path = folder.join(format!("{name}{ENDING}"));
        let file = disk.create(&folder.join(format!("{name}.new")), &path, HEADER)?;
        Ok(Self {
            path,
            file,
            made: now,
            is_ours: true,
            length: HEADER.len() as u64,
            is_torn: false,
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
    ) -> io::Result<Option<(Self, Vec<Encoded>)>> {
        let Some(made) = made_at(name) else {
            return Ok(None);
        };
        let path = folder.join(name);
        let Some(mut file) = disk.adopt(&path)? else {
            return Ok(None);
        };
        let bytes = file.read()?;
        if !bytes.starts_with(HEADER) {
            if HEADER.starts_with(&bytes) {
                // Torn before anything was in it.
                disk.remove(&path)?;
            }
            return Ok(None);
        }
        let (records, last_number) = unsettled(&bytes);
        let segment = Self {
            path,
            file,
            made,
            is_ours: false,
            length: bytes.len() as u64,
            is_torn: bytes.last() != Some(&b'\n'),
            last_number,
            unsettled: records.len() as u64,
            unwritten: Vec::new(),
            written: Vec::new(),
        };
        Ok(Some((segment, records)))
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
            record.entry = self.last_number;
            self.written.push(record);
        }
        self.unsettled += count as u64;
        Ok(())
    }

    /// Closes it for writing, and gives its records if they are still in memory.
    pub(super) fn take_written(&mut self) -> Vec<Encoded> {
        std::mem::take(&mut self.written)
    }

    /// Reads the records that have no fate.
    pub(super) fn read(&mut self) -> io::Result<Vec<Encoded>> {
        Ok(unsettled(&self.file.read()?).0)
    }

    /// Writes down that these records have met their fate. What cannot be written is written the next time.
    pub(super) fn acknowledge(&mut self, numbers: &[u32], sync: bool) -> io::Result<()> {
        self.unsettled -= numbers.len() as u64;
        self.unwritten.extend_from_slice(numbers);
        let mut line = Vec::new();
        write_acknowledgement(&mut line, &mut self.unwritten);
        self.append(&line, sync)?;
        self.unwritten.clear();
        Ok(())
    }

    /// Removes the file of a segment whose records are all settled.
    pub(super) fn remove(self, disk: &dyn Disk) -> io::Result<()> {
        disk.remove(&self.path)
    }

    /// So many records are there to be settled; says how many more there should be.
    pub(super) fn expect(&mut self, records: u64) -> u64 {
        let missing = self.unsettled.saturating_sub(records);
        self.unsettled = records;
        missing
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.path.file_name()?.to_str()
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

    pub(super) fn is_settled(&self) -> bool {
        self.unsettled == 0
    }

    /// How many records were written to it, ever.
    pub(super) fn numbered(&self) -> u64 {
        self.last_number.into()
    }

    fn append(&mut self, lines: &[u8], sync: bool) -> io::Result<()> {
        let mut bytes = Vec::new();
        if self.is_torn {
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(lines);
        let written = self
            .file
            .append(&bytes)
            .and_then(|()| if sync { self.file.sync() } else { Ok(()) });
        if let Err(error) = written {
            // A part of it may be there: what is written next must not continue it.
            self.is_torn |= self.file.truncate(self.length).is_err();
            return Err(error);
        }
        self.is_torn = false;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// When the segment of this name was made; none for names that are not ours.
pub(super) fn made_at(name: &str) -> Option<SystemTime> {
    let (time, id) = name.strip_suffix(ENDING)?.split_once('-')?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_time = time.len() >= 14 && time.bytes().all(|byte| byte.is_ascii_digit());
    let since = Duration::from_millis(time.parse().ok()?);
    (is_id && is_time)
        .then(|| UNIX_EPOCH.checked_add(since))
        .flatten()
}

/// The records in these lines that are not acknowledged, and the highest number there is.
fn unsettled(bytes: &[u8]) -> (Vec<Encoded>, u32) {
    let lines = read_lines(bytes.get(HEADER.len()..).unwrap_or_default());
    let mut settled: Vec<_> = lines
        .iter()
        .flat_map(|line| match line {
            Line::Acknowledged(ranges) => ranges.as_slice(),
            Line::Record { .. } => &[],
        })
        .collect();
    settled.sort_unstable_by_key(|range| *range.start());
    let mut last_number = 0;
    let mut records = Vec::new();
    for line in &lines {
        if let Line::Record {
            endpoint,
            number,
            json,
        } = line
        {
            last_number = last_number.max(*number);
            let before = settled.partition_point(|range| range.start() <= number);
            let is_settled = settled[..before]
                .iter()
                .rev()
                .any(|range| range.contains(number));
            if !is_settled {
                records.push(Encoded {
                    json: (*json).into(),
                    endpoint: *endpoint,
                    entry: *number,
                });
            }
        }
    }
    (records, last_number)
}

#[cfg(test)]
mod tests;
