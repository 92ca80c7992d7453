//! The end of all records of a project, after the consent to them was withdrawn.

use std::{io, mem, path::Path};

use super::{
    Loaded, Spool,
    disk::{Disk, ListBounds},
    epoch::Epoch,
    note::Note,
    segment::{Adoption, Contents, Segment, name},
};

/// What the file `consent` says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Notice {
    /// The same as before.
    Same,
    /// The consent was withdrawn since, and granted again.
    Granted,
    /// The consent was withdrawn since.
    Withdrawn,
}

impl Spool {
    /// Reads what other processes noted of the consent.
    ///
    /// # Errors
    ///
    /// When that cannot be read. Nothing may be sent then.
    pub(crate) fn look(&mut self) -> io::Result<Notice> {
        let note = Note::read(&*self.disk, &self.folder)?;
        Ok(match note.filter(|note| self.note != Some(*note)) {
            None => Notice::Same,
            Some(note) => {
                self.set_note(note);
                match note.is_withdrawn {
                    true => Notice::Withdrawn,
                    false => Notice::Granted,
                }
            }
        })
    }

    /// Whether no other process noted anything since the last look. If that cannot be read, no.
    pub(super) fn is_note_known(&self) -> bool {
        let note = Note::read(&*self.disk, &self.folder);
        note.is_ok_and(|note| note.is_none() || note == self.note)
    }

    /// Whether a grant is what was noted last, as far as this process knows.
    pub(crate) fn is_granted(&self) -> bool {
        self.note.is_some_and(|note| !note.is_withdrawn)
    }

    /// Notes for all processes that the consent was withdrawn.
    pub(crate) fn note_withdrawal(&mut self) -> io::Result<()> {
        if let Ok(Some(note)) = Note::read(&*self.disk, &self.folder)
            && note.is_withdrawn
        {
            self.set_note(note);
            return Ok(());
        }
        self.write_note(Note::new(true))
    }

    /// Notes for all processes that the consent is granted, if a withdrawal is noted. Returns whether all records from
    /// before are to be forgotten: there was a withdrawal since the last look.
    pub(crate) fn note_grant(&mut self) -> io::Result<bool> {
        let known = self.note;
        let needs_note = match Note::read(&*self.disk, &self.folder) {
            Ok(note) => {
                note.into_iter().for_each(|note| self.set_note(note));
                note.is_some_and(|note| note.is_withdrawn)
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => true,
            Err(error) => return Err(error),
        };
        if needs_note {
            self.write_note(Note::new(false))?;
        }
        Ok(self.note != known)
    }

    fn write_note(&mut self, note: Note) -> io::Result<()> {
        note.write(&*self.disk, &self.folder)?;
        self.set_note(note);
        Ok(())
    }

    fn set_note(&mut self, note: Note) {
        self.note = Some(note);
        self.orphans.set_epoch(note.epoch);
    }

    /// Removes all segments of the project from the disk: those of this client, and those that other processes left or
    /// hold. Calls `each` with the records of each segment, apart from those that the worker has and those that other
    /// processes hold. Files that are not segments stay.
    ///
    /// # Errors
    ///
    /// The first error of the disk. The other segments are removed all the same.
    pub(crate) fn forget(&mut self, each: impl FnMut(Loaded)) -> io::Result<()> {
        self.forget_but(None, each)
    }

    /// As [`forget`](Self::forget), after another process withdrew the consent and granted it again. The segments that
    /// other processes made since that grant stay.
    ///
    /// # Errors
    ///
    /// As for [`forget`](Self::forget).
    pub(crate) fn forget_earlier(&mut self, each: impl FnMut(Loaded)) -> io::Result<()> {
        let granted = self.note.filter(|note| !note.is_withdrawn);
        self.forget_but(granted.map(|note| note.epoch), each)
    }

    /// Removes all segments but those that other processes made in the epoch `kept`.
    fn forget_but(&mut self, kept: Option<Epoch>, mut each: impl FnMut(Loaded)) -> io::Result<()> {
        let mut result = Ok(());
        for segment in self.in_delivery.take_segments() {
            result = result.and(segment.remove(&*self.disk));
        }
        let held = mem::take(&mut self.unread).into_iter();
        let held = held
            .chain(mem::take(&mut self.sealed))
            .chain(mem::take(&mut self.active).into_iter().flatten());
        for mut segment in held {
            // A file that is open can be read without its name.
            result = result.and(segment.remove(&*self.disk));
            each(Loaded::of_all(segment.hand_out_removed()));
        }
        self.orphans.clear();
        self.orphans.start_over();
        self.full_since = None;
        self.read_again_at = None;
        result.and(remove_all(&*self.disk, &self.folder, kept, &mut each))
    }
}

/// Removes the segments in the folder of a project, whichever process holds them, and those that were being made, apart
/// from those of the epoch `kept`. Calls `each` with the records of each one that no process holds.
pub(super) fn remove_all(
    disk: &dyn Disk,
    folder: &Path,
    kept: Option<Epoch>,
    each: &mut dyn FnMut(Loaded),
) -> io::Result<()> {
    let is_kept = |name: &str| kept.is_some_and(|epoch| name::is_of(name, epoch));
    let bounds = ListBounds {
        read: usize::MAX,
        returned: usize::MAX,
        wanted: &|name| (name::is_segment(name) || name::is_temp(name)) && !is_kept(name),
    };
    let names = match disk.list(folder, bounds) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        listed => listed?.names,
    };
    let mut result = Ok(());
    for name in names {
        let path = folder.join(&name);
        // A folder of such a name is not a segment.
        if disk
            .measure(&path)
            .is_err_and(|error| error.kind() == io::ErrorKind::InvalidInput)
        {
            continue;
        }
        let adopted = match name::is_segment(&name) {
            true => Segment::adopt(disk, folder, &name, 0).ok(),
            false => None,
        };
        let removed = match disk.remove(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        };
        result = result.and(removed);
        if let Some(Adoption::Taken(_, contents)) = adopted {
            each(Loaded::of_all(contents));
        }
    }
    result
}

impl Loaded {
    /// All records of a segment, whatever their age.
    fn of_all(contents: Contents) -> Self {
        let mut loaded = Self::of(&contents);
        for content in contents.records {
            loaded.push(content.into_encoded(), false);
        }
        loaded
    }
}
