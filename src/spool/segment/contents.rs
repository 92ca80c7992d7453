//! What a segment holds that is not settled, read from the file or from memory.

use std::{io, mem, num::NonZeroU32, time::Instant};

use super::{Segment, scan::Scan};
use crate::{
    record::{Encoded, Endpoint},
    spool::{entry::RecordLine, now::StoredAt},
};

#[derive(Default)]
pub(in crate::spool) struct Contents {
    pub(in crate::spool) records: Vec<Content>,
    /// How many more records there should be that cannot be read.
    pub(in crate::spool) missing: u64,
    /// How many of all these are handed out for the first time and come from another process.
    pub(in crate::spool) recovered: u64,
    /// The file could not be read, but may be readable another time.
    pub(in crate::spool) is_unreadable: bool,
    pub(super) missing_numbers: Vec<u32>,
    pub(super) last_number: u32,
}

pub(in crate::spool) struct Content {
    pub(in crate::spool) number: u32,
    pub(in crate::spool) stored_at: StoredAt,
    pub(in crate::spool) endpoint: Endpoint,
    pub(in crate::spool) json: Box<[u8]>,
}

/// The entry of a record whose segment was let go. There is nothing to acknowledge, but it needs no place in memory
/// either.
const NO_ENTRY: Option<NonZeroU32> = Some(NonZeroU32::MAX);

impl Content {
    /// The record, with an entry that stands for no record in delivery.
    pub(in crate::spool) fn into_encoded(self) -> Encoded {
        Encoded {
            json: self.json,
            endpoint: self.endpoint,
            spool_entry: NO_ENTRY,
        }
    }
}

impl Contents {
    pub(in crate::spool) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.missing == 0
    }
}

impl Segment {
    /// Closes the segment for writing, and hands out every record that is not settled, before the segment is let go.
    /// All are missing if the file cannot be read.
    pub(in crate::spool) fn hand_out(&mut self) -> Contents {
        self.try_hand_out().unwrap_or_else(|_| Contents {
            missing: self.counted(),
            is_unreadable: true,
            ..Contents::default()
        })
    }

    /// Does the same after this process has removed the file, so that no other one can load what cannot be read.
    pub(in crate::spool) fn hand_out_removed(&mut self) -> Contents {
        let mut contents = self.hand_out();
        let unloaded = self.unloaded();
        contents.missing += unloaded;
        contents.recovered += unloaded;
        contents
    }

    /// Does the same, unless the file has to be read and cannot be. Its records then stay as they are.
    pub(in crate::spool) fn try_hand_out(&mut self) -> io::Result<Contents> {
        let written = mem::take(&mut self.written);
        if !written.is_empty() && !self.has_unloaded {
            return Ok(self.contents_in_memory(written));
        }
        match self.read() {
            Ok(contents) => {
                self.note_handed_out(&contents);
                Ok(contents)
            }
            // The inherited records stay for another process.
            Err(_) if !written.is_empty() => Ok(self.contents_in_memory(written)),
            Err(error) => Err(error),
        }
    }

    /// Hands out what this client stored or has recovered, and nothing else.
    pub(in crate::spool) fn hand_out_counted(&mut self) -> Contents {
        let had_unloaded = self.has_unloaded;
        let mut contents = self.hand_out();
        if had_unloaded && !contents.is_unreadable {
            contents
                .records
                .retain(|content| self.is_own(content.number));
            let missing = contents.missing_numbers.iter();
            contents.missing = missing.filter(|number| self.is_own(**number)).count() as u64;
            contents.recovered = 0;
        }
        contents
    }

    /// Hands out what another process left in a segment whose own records are in delivery.
    pub(in crate::spool) fn hand_out_inherited(&mut self) -> io::Result<Contents> {
        let mut contents = self.read()?;
        contents
            .records
            .retain(|content| !self.is_own(content.number));
        contents
            .missing_numbers
            .retain(|number| !self.is_own(*number));
        contents.missing = contents.missing_numbers.len() as u64;
        self.unsettled_inherited = contents.records.len() as u64;
        self.has_unloaded = false;
        self.unwritten.extend_from_slice(&contents.missing_numbers);
        Ok(contents)
    }

    /// The records are this client's from here on. Missing ones are reported now, and no process reports them again.
    pub(in crate::spool) fn note_handed_out(&mut self, contents: &Contents) {
        let is_own = |content: &&Content| content.number > self.inherited;
        self.unsettled_own = contents.records.iter().filter(is_own).count() as u64;
        self.unsettled_inherited = contents.records.len() as u64 - self.unsettled_own;
        self.has_unloaded = false;
        self.last_number = contents.last_number;
        self.unwritten.extend_from_slice(&contents.missing_numbers);
    }

    fn read(&mut self) -> io::Result<Contents> {
        let bytes = self.file.read()?;
        // Bytes beyond `length` are from a failed write, whose records were given back.
        let own = usize::try_from(self.length)
            .map_or(&*bytes, |length| bytes.get(..length).unwrap_or(&bytes));
        Ok(self.contents_of(own))
    }

    pub(super) fn contents_of(&self, bytes: &[u8]) -> Contents {
        let scan = Scan::of(bytes, self.last_number, &self.unwritten);
        let numbers = scan.records.iter().map(|line| line.number.get());
        let recovered = numbers
            .chain(scan.missing.iter().copied())
            .filter(|number| self.has_unloaded && *number <= self.inherited)
            .count();
        let content = |line: RecordLine<'_>| Content {
            number: line.number.get(),
            stored_at: self
                .times
                .of(line.number.get())
                .map_or(StoredAt::Elsewhere(line.time), StoredAt::Here),
            endpoint: line.endpoint,
            json: line.json.into(),
        };
        Contents {
            missing: scan.missing.len() as u64,
            recovered: recovered as u64,
            is_unreadable: false,
            missing_numbers: scan.missing,
            last_number: scan.last_number,
            records: scan.records.into_iter().map(content).collect(),
        }
    }

    /// The own records, which have the last numbers.
    fn contents_in_memory(&self, written: Vec<Encoded>) -> Contents {
        let first = self.last_number - written.len() as u32 + 1;
        let content = |(record, number): (Encoded, u32)| Content {
            number,
            stored_at: StoredAt::Here(self.times.of(number).unwrap_or_else(Instant::now)),
            endpoint: record.endpoint,
            json: record.json,
        };
        Contents {
            records: written.into_iter().zip(first..).map(content).collect(),
            ..Contents::default()
        }
    }
}
