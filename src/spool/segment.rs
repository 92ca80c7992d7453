//! One file of the spool while this process holds its lock.

mod contents;
mod moved;
pub(super) mod name;
mod scan;

use std::{
    io,
    path::{Path, PathBuf},
};

pub(super) use self::{
    contents::{Content, Contents},
    moved::Moved,
};
use super::{
    checksum::crc32,
    disk::{Adopted, Disk, SegmentFile},
    entry::{read_lines, write_acknowledgement, write_record},
    now::{Now, WriteTimes},
    settings::SpoolSettings,
};
use crate::record::{Encoded, Endpoint};

/// The first line of a segment: the version, and the checksum of the text before it. It distinguishes another version,
/// which is left alone, from damage, which costs this line only.
const HEADER: &[u8] = b"trubrics spool 1 8b272e4a\n";

/// A larger record is not stored, because [`MAX_FILE_BYTES`](super::disk::MAX_FILE_BYTES) has to hold it and a segment.
pub(super) const MAX_RECORD_BYTES: usize = 32 * 1024 * 1024;

pub(super) struct Segment {
    path: PathBuf,
    /// All its records are for this one.
    endpoint: Endpoint,
    file: Box<dyn SegmentFile>,
    /// How many records this client stored before its first one in here.
    start: u64,
    /// The records up to this number, and the bytes up to this length, were here when the file was taken over.
    inherited: u32,
    inherited_length: u64,
    /// Inherited records were not handed out yet: they are not among those that this client has recovered.
    has_unloaded: bool,
    /// Where the next line begins.
    length: u64,
    /// The last line may have no line break.
    may_be_torn: bool,
    /// A failed write left bytes beyond `length`, and they could not be cut off. They must go before the next write.
    needs_cut: bool,
    /// The last append failed, and the one before it did not.
    last_append_failed: bool,
    last_number: u32,
    unsettled_own: u64,
    unsettled_inherited: u64,
    /// Settled records whose acknowledgement could not be written yet.
    unwritten: Vec<u32>,
    /// The own records, until the segment is closed for writing.
    written: Vec<Encoded>,
    times: WriteTimes,
}

/// The result of an attempt to take a file over.
pub(super) enum Adoption {
    /// The segment, and its contents, which are not handed out yet.
    Taken(Box<Segment>, Contents),
    /// Another process holds it, or it is gone.
    Held,
    /// Another user may have written it.
    Unsafe,
    /// It has another version, or is not a segment.
    Foreign,
}

impl Segment {
    /// Makes a new file. It has a temporary name first.
    pub(super) fn create(
        disk: &dyn Disk,
        folder: &Path,
        start: u64,
        endpoint: Endpoint,
        (temp, name): (String, String),
    ) -> io::Result<Self> {
        let path = folder.join(name);
        let file = disk.create(&folder.join(temp), &path, HEADER)?;
        Ok(Self::of(path, file, endpoint, start))
    }

    /// A segment that has its header.
    fn of(path: PathBuf, file: Box<dyn SegmentFile>, endpoint: Endpoint, start: u64) -> Self {
        Self {
            path,
            endpoint,
            file,
            start,
            inherited: 0,
            inherited_length: HEADER.len() as u64,
            has_unloaded: false,
            length: HEADER.len() as u64,
            may_be_torn: false,
            needs_cut: false,
            last_append_failed: false,
            last_number: 0,
            unsettled_own: 0,
            unsettled_inherited: 0,
            unwritten: Vec::new(),
            written: Vec::new(),
            times: WriteTimes::default(),
        }
    }

    /// Takes over the file that another process left under this name.
    pub(super) fn adopt(
        disk: &dyn Disk,
        folder: &Path,
        name: &str,
        start: u64,
    ) -> io::Result<Adoption> {
        let Some(endpoint) = name::endpoint(name) else {
            return Ok(Adoption::Foreign);
        };
        let path = folder.join(name);
        let mut file = match disk.adopt(&path)? {
            Adopted::File(file) => file,
            Adopted::Held => return Ok(Adoption::Held),
            Adopted::Unsafe => return Ok(Adoption::Unsafe),
        };
        let bytes = file.read()?;
        if HEADER.starts_with(&bytes) && bytes.len() < HEADER.len() {
            // The power failed before a record was in it.
            disk.remove(&path)?;
            return Ok(Adoption::Held);
        }
        if !is_segment(&bytes) {
            return Ok(Adoption::Foreign);
        }
        let mut segment = Self::of(path, file, endpoint, start);
        segment.length = bytes.len() as u64;
        segment.inherited_length = segment.length;
        // A line break at the end may belong to the JSON of a torn line. Another one does no harm.
        segment.may_be_torn = true;
        segment.has_unloaded = true;
        segment.inherited = u32::MAX;
        let contents = segment.contents_of(&bytes);
        segment.last_number = contents.last_number;
        segment.inherited = contents.last_number;
        segment.unsettled_inherited = contents.records.len() as u64;
        segment.has_unloaded = !contents.is_empty();
        Ok(Adoption::Taken(Box::new(segment), contents))
    }

    /// Writes as many of the records as fit, at least one, in one go, and takes them. On an error it takes none.
    pub(super) fn store(
        &mut self,
        records: &mut Vec<Encoded>,
        max_bytes: u64,
        settings: &SpoolSettings,
        now: Now,
    ) -> io::Result<()> {
        let first = self.last_number + 1;
        let mut lines = Vec::new();
        let mut count = 0;
        for (record, number) in records.iter().zip(first..) {
            write_record(
                &mut lines,
                record.endpoint,
                number,
                now.system,
                &record.json,
            );
            count += 1;
            if self.length + lines.len() as u64 >= max_bytes {
                break;
            }
        }
        self.append(&lines, settings.sync)?;
        self.times.note(first, settings.max_age, now.instant);
        self.written.extend(records.drain(..count));
        self.last_number += count as u32;
        self.unsettled_own += count as u64;
        Ok(())
    }

    /// Closes the segment for writing. Its records are read from the file from here on.
    pub(super) fn close(&mut self) {
        self.written = Vec::new();
    }

    /// Notes that these records are settled: delivered or dropped.
    pub(super) fn settle(&mut self, numbers: &[u32]) {
        let inherited = numbers.iter().filter(|number| **number <= self.inherited);
        let inherited = inherited.count() as u64;
        self.unsettled_inherited -= inherited;
        self.unsettled_own -= numbers.len() as u64 - inherited;
        self.unwritten.extend_from_slice(numbers);
    }

    /// Writes down which records are settled. After an error, the next call writes it.
    pub(super) fn write_settled(&mut self, sync: bool) -> io::Result<()> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let mut line = Vec::new();
        write_acknowledgement(&mut line, &mut self.unwritten);
        match self.append(&line, sync) {
            Ok(()) => self.unwritten.clear(),
            // No process will read a file that is gone.
            Err(_) if !self.is_linked() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether records are settled and this is not written down.
    pub(super) fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Removes the file, unless it is gone already.
    pub(super) fn remove(&self, disk: &dyn Disk) -> io::Result<()> {
        match disk.remove(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Removes the file of a segment that is settled. If that fails, writes down which records are settled.
    pub(super) fn remove_settled(&mut self, disk: &dyn Disk, sync: bool) -> io::Result<()> {
        match disk.remove(&self.path) {
            Ok(()) => Ok(()),
            // The file may have another name by now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.write_settled(sync),
            Err(error) => self.write_settled(sync).and(Err(error)),
        }
    }

    pub(super) fn name(&self) -> Option<&str> {
        self.path.file_name()?.to_str()
    }

    /// Whether another process can find the file; if the disk does not say, yes.
    pub(super) fn is_linked(&self) -> bool {
        self.file.is_linked().unwrap_or(true)
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// What this process wrote.
    pub(super) fn own_bytes(&self) -> u64 {
        self.length - self.inherited_length
    }

    /// What the file takes on the disk.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.file.disk_bytes().unwrap_or(self.length)
    }

    /// How many records this client stored before its first one in here.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    pub(super) fn last_number(&self) -> u32 {
        self.last_number
    }

    pub(super) fn unsettled_own(&self) -> u64 {
        self.unsettled_own
    }

    /// The unsettled records that this client stored or has recovered.
    pub(super) fn counted(&self) -> u64 {
        self.unsettled_own + self.unsettled_inherited - self.unloaded()
    }

    /// Whether this client stored the record of this number.
    pub(super) fn is_own(&self, number: u32) -> bool {
        number > self.inherited
    }

    /// Whether it holds something that another process left, and that was not handed out.
    pub(super) fn has_unloaded(&self) -> bool {
        self.has_unloaded
    }

    /// How many of these records there are.
    pub(super) fn unloaded(&self) -> u64 {
        match self.has_unloaded {
            true => self.unsettled_inherited,
            false => 0,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.unsettled_own + self.unsettled_inherited == 0 && !self.has_unloaded
    }

    /// Whether to go on with this file after a failed write. A full disk refuses one write and takes the next: a new
    /// file for each would be too many. After a second failure the file itself may be the cause, and a new one is
    /// needed.
    pub(super) fn can_retry_append(&self) -> bool {
        self.last_append_failed && !self.is_settled() && self.is_linked()
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
            // A part of it may be in the file.
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

/// Whether this is a segment of this version, even if parts of it are damaged.
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
