//! The file `consent` in the folder of a project: whether the consent was withdrawn, for all processes and later runs.
//!
//! It is not there before the first withdrawal. Each change of it makes a new epoch at random, and replaces the file as
//! a whole. The name of each segment contains the epoch in which it was made. A process that reads another epoch than
//! before forgets everything that it took before, and a segment of another epoch is never delivered. So it does not
//! matter which process removes a segment, or when.

use std::{io, path::Path, time::SystemTime};

use super::{checksum::crc32, disk::Disk, epoch::Epoch, segment::name};

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) is_withdrawn: bool,
    pub(super) epoch: Epoch,
}

const FILE: &str = "consent";

/// The first word of the text, with the version.
const HEAD: &str = "trubrics consent 1 ";

/// No text is longer.
pub(super) const MAX_NOTE_BYTES: u64 = 256;

impl Note {
    /// A note that no process has read before.
    pub(super) fn new(is_withdrawn: bool) -> Self {
        let epoch = Epoch::random();
        Self {
            is_withdrawn,
            epoch,
        }
    }

    /// Reads the file of this project; none if there is none.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or has another content: [`InvalidData`](io::ErrorKind::InvalidData).
    pub(super) fn read(disk: &dyn Disk, folder: &Path) -> io::Result<Option<Self>> {
        let Some(bytes) = disk.read_note(&folder.join(FILE))? else {
            return Ok(None);
        };
        match Self::parse(&bytes) {
            Some(note) => Ok(Some(note)),
            None => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the file that notes the consent is damaged",
            )),
        }
    }

    /// Makes this the content of the file, and the folder if it is not there.
    pub(super) fn write(&self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        let temp = name::make_temp(SystemTime::now());
        let write = || disk.replace_note(&folder.join(&temp), &folder.join(FILE), &self.bytes());
        write().or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                disk.prepare(folder)?;
                write()
            }
            _ => Err(error),
        })
    }

    fn bytes(&self) -> Vec<u8> {
        let word = if self.is_withdrawn {
            WITHDRAWN
        } else {
            GRANTED
        };
        let text = format!("{HEAD}{word} {}", self.epoch.as_str());
        let checksum = crc32(&[text.as_bytes()]);
        format!("{text} {checksum:08x}\n").into_bytes()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut words = text.strip_prefix(HEAD)?.split(' ');
        let is_withdrawn = match words.next()? {
            WITHDRAWN => true,
            GRANTED => false,
            _ => return None,
        };
        let epoch = Epoch::parse(words.next()?)?;
        let note = Self {
            is_withdrawn,
            epoch,
        };
        (note.bytes() == bytes).then_some(note)
    }
}

const GRANTED: &str = "granted";
const WITHDRAWN: &str = "withdrawn";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::disk::double::MemoryDisk;

    #[test]
    fn a_note_is_read_as_it_was_written_and_nothing_else_is_one() {
        let (disk, folder) = (MemoryDisk::default(), Path::new("spool/project"));
        assert_eq!(Note::read(&disk, folder).expect("no file"), None);
        for is_withdrawn in [true, false] {
            let note = Note::new(is_withdrawn);
            note.write(&disk, folder).expect("the disk works");
            assert_eq!(Note::read(&disk, folder).expect("a note"), Some(note));
            let bytes = note.bytes();
            for place in 0..bytes.len() {
                let mut damaged = bytes.clone();
                damaged[place] ^= 1;
                assert_eq!(Note::parse(&damaged), None, "{place}");
                assert_eq!(Note::parse(&bytes[..place]), None, "{place}");
            }
        }
        assert_ne!(Note::new(true).epoch, Note::new(true).epoch);
    }

    #[test]
    fn the_text_of_a_note_stays_the_same_from_release_to_release() {
        let epoch = Epoch::parse("0123456789ab").expect("an epoch");
        let is_withdrawn = true;
        let note = Note {
            is_withdrawn,
            epoch,
        };
        let text = String::from_utf8(note.bytes()).expect("text");
        assert_eq!(text, "trubrics consent 1 withdrawn 0123456789ab 2699da35\n");
    }
}
