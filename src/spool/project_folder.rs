//! The folder of a project, for callers without a worker.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    SpoolSettings,
    disk::{Disk, FileSystem, ListBounds},
    epoch::Epoch,
    fingerprint::Fingerprint,
    forget::remove_all,
    note::Note,
    segment::name,
};
use crate::consent::Consent;

/// The folder of a project.
pub(crate) struct ProjectFolder(PathBuf);

/// The time between two changes of the note. Each has its own value.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Period(Option<Epoch>);

impl ProjectFolder {
    pub(crate) fn of(settings: &SpoolSettings) -> Self {
        Self(settings.folder.join(settings.project.to_string()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Whether there are segments, which may have records to deliver.
    pub(crate) fn has_segments(&self) -> io::Result<bool> {
        let bounds = ListBounds {
            read: usize::MAX,
            returned: 1,
            wanted: &name::is_segment,
        };
        match FileSystem::default().list(&self.0, bounds) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            listed => Ok(!listed?.names.is_empty()),
        }
    }

    /// Returns the consent that the note gives; granted if there is no note.
    ///
    /// # Errors
    ///
    /// When that cannot be read. Nothing may be sent then.
    fn consent(&self) -> io::Result<Consent> {
        let note = Note::read(&FileSystem::default(), &self.0)?;
        Ok(match note.is_some_and(|note| note.is_withdrawn) {
            true => Consent::Withdrawn,
            false => Consent::Granted,
        })
    }

    /// The present period, if the consent is granted in it; none if that cannot be read.
    pub(crate) fn granted_period(&self) -> Option<Period> {
        match Note::read(&FileSystem::default(), &self.0) {
            Ok(Some(note)) => (!note.is_withdrawn).then_some(Period(Some(note.epoch))),
            Ok(None) => Some(Period(None)),
            Err(_) => None,
        }
    }

    /// Notes that the consent was withdrawn, and removes all records.
    pub(crate) fn withdraw(&self) -> io::Result<()> {
        let noted = match self.consent() {
            Ok(Consent::Withdrawn) => Ok(()),
            _ => Note::new(true).write(&FileSystem::default(), &self.0),
        };
        noted.and(self.remove_all())
    }

    /// Notes that the consent is granted, if a withdrawal is noted.
    pub(crate) fn grant(&self) -> io::Result<()> {
        let needs_note = match self.consent() {
            Ok(consent) => consent == Consent::Withdrawn,
            Err(error) if error.kind() == io::ErrorKind::InvalidData => true,
            Err(error) => return Err(error),
        };
        match needs_note {
            true => Note::new(false).write(&FileSystem::default(), &self.0),
            false => Ok(()),
        }
    }

    /// Removes all records, also from the memory of other processes. Later ones are taken.
    pub(crate) fn forget(&self) -> io::Result<()> {
        if let Ok(false) = self.has_segments() {
            return Ok(());
        }
        let noted = match self.consent() {
            Ok(Consent::Withdrawn) => Ok(()),
            Ok(_) => Note::new(false).write(&FileSystem::default(), &self.0),
            // It may have been a withdrawal, and keeps everything from being sent as it is.
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(()),
            Err(error) => Err(error),
        };
        noted.and(self.remove_all())
    }

    fn remove_all(&self) -> io::Result<()> {
        remove_all(&FileSystem::default(), &self.0, None, &mut |_| ())
    }
}

/// Withdraws the consent for all projects in the folder of a [`spool`](crate::TrubricsBuilder::spool), without a
/// client: for a command such as `tool telemetry off`.
///
/// Removes the records of these projects from the disk, also those of running processes. A running client notices it
/// before its next request and its next write: it forgets all records, and its [`consent`](crate::Trubrics::consent) is
/// withdrawn. It breaks off a request in flight within about 100 ms. A later client starts with the consent withdrawn,
/// until [`grant_in`] or [`grant`](crate::Trubrics::grant). One that starts undecided stays so, and sends nothing.
///
/// A project is known once it has a subfolder, which the first record makes. Nothing is written where there is none,
/// and a folder that is not there is not an error. Files that are not the spool's stay.
///
/// ```
/// use trubrics::{Consent, Event, Trubrics, testing::{API_KEY, Recorder}};
///
/// # let folder = std::env::temp_dir().join(trubrics::anonymous_id());
/// let builder = Trubrics::builder(API_KEY).spool(&folder);
/// # let builder = builder.transport(Recorder::new());
/// let client = builder.clone().build()?;
/// client.track(Event::new("user", "Run"));
/// client.close(std::time::Duration::ZERO).ok();
///
/// trubrics::withdraw_in(&folder)?;
/// let client = builder.build()?;
/// assert_eq!(client.consent(), Consent::Withdrawn);
/// # drop(client);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The first error of the disk. The other projects and files are treated all the same.
#[doc(alias = "opt_out")]
pub fn withdraw_in(folder: impl AsRef<Path>) -> io::Result<()> {
    each_project(folder.as_ref(), ProjectFolder::withdraw)
}

/// Grants the consent for all projects in the folder of a [`spool`](crate::TrubricsBuilder::spool), without a client:
/// for a command such as `tool telemetry on`.
///
/// Later clients take and deliver records. A running client whose consent was withdrawn notices it within a minute.
/// Withdrawn records do not come back. Nothing is written where no withdrawal is noted, and a folder that is not there
/// is not an error.
///
/// # Errors
///
/// The first error of the disk. The other projects are treated all the same.
#[doc(alias = "opt_in")]
pub fn grant_in(folder: impl AsRef<Path>) -> io::Result<()> {
    each_project(folder.as_ref(), ProjectFolder::grant)
}

fn each_project(
    folder: &Path,
    change: impl Fn(&ProjectFolder) -> io::Result<()>,
) -> io::Result<()> {
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let mut result = Ok(());
    for entry in entries {
        let entry = match entry {
            Ok(entry) => entry,
            // On Windows, the same error would follow without end.
            Err(error) => return result.and(Err(error)),
        };
        let changed = is_project(&entry).and_then(|is_project| match is_project {
            true => change(&ProjectFolder(entry.path())),
            false => Ok(()),
        });
        result = result.and(changed);
    }
    result
}

/// Whether this is the folder of a project, or a link to one: a client follows it.
fn is_project(entry: &fs::DirEntry) -> io::Result<bool> {
    if !entry.file_name().to_str().is_some_and(Fingerprint::is_name) {
        return Ok(false);
    }
    match fs::metadata(entry.path()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        metadata => Ok(metadata?.is_dir()),
    }
}

#[cfg(test)]
mod tests;
