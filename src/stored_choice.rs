//! The user's choice about telemetry, kept in a file from run to run.

mod choice;
mod instant;
mod text;

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use uuid::Uuid;

pub use self::choice::{Choice, MadeChoice};
use self::{instant::to_second, text::Content};
use crate::{
    clock,
    small_file::{
        LOCK_TIMEOUT, check_regular, lock, make_folder, make_new, not_ours, open, refuse,
        sync_folder,
    },
};

/// A small file with the user's choice about telemetry, and whether the program has shown its notice.
///
/// The file is readable text. It holds the choice, its time, and the version of the program:
///
/// ```text
/// choice: on
/// made: 2026-03-01T09:30:00Z
/// by: 1.4.2
/// notice: shown
/// ```
///
/// Several processes may use it at once. A change replaces the file in one step, so a reader finds the old text or the
/// new one, also after a kill or a power cut. For that, there is a second file beside it for a moment; a kill in that
/// moment leaves it there. A third one, empty, whose name ends in `.lock`, stays. All are for their owner alone (mode
/// 0600), and so are folders that are made (0700). A file that holds something else is never changed, and is an error
/// of each method.
///
/// ```
/// use trubrics::{Choice, Gate, State, StoredChoice, Trubrics};
///
/// # let folder = std::env::temp_dir().join(trubrics::anonymous_id());
/// let stored = StoredChoice::in_file(folder.join("telemetry"));
/// if !stored.notice_was_shown()? {
///     eprintln!("This tool counts which commands are used. `tool telemetry off` ends that.");
///     stored.note_shown()?;
/// }
/// assert_eq!(stored.get()?, None);
///
/// stored.set(Choice::Off, env!("CARGO_PKG_VERSION"))?; // `tool telemetry off`
/// let client = Trubrics::builder("key")
///     .off_if(Gate::choice(&stored))
/// #   .transport(trubrics::transport_fn(|_| Ok(trubrics::Response::new(200))))
///     .build()?;
/// assert!(matches!(client.state(), State::Off(_)));
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredChoice {
    path: PathBuf,
}

impl StoredChoice {
    /// Names the file, which need not exist. Nothing is read or written before one of the methods below is called.
    pub fn in_file(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Reads the choice; `None` if none was made, or the file does not exist. It does not wait for another process.
    ///
    /// # Errors
    ///
    /// When the file holds something else, is not a regular file, or cannot be read. The error names the file.
    pub fn get(&self) -> io::Result<Option<Choice>> {
        Ok(self.made()?.map(|made| made.choice))
    }

    /// Reads the choice like [`get`](Self::get), with when and by which version it was made.
    ///
    /// # Errors
    ///
    /// As those of [`get`](Self::get).
    pub fn made(&self) -> io::Result<Option<MadeChoice>> {
        Ok(self.content()?.made)
    }

    /// Stores a choice with the present time and the version of the program, which has 1 to 64 bytes on one line. The
    /// folders that are missing are made.
    ///
    /// It waits for the disk to confirm, and at most a second for another process that changes the file.
    ///
    /// # Errors
    ///
    /// When the file holds something else, is not a regular file, stays locked, or cannot be read or written. The error
    /// names the file, which is left as it is.
    ///
    /// ```
    /// use trubrics::{Choice, StoredChoice};
    ///
    /// # let folder = std::env::temp_dir().join(trubrics::anonymous_id());
    /// let stored = StoredChoice::in_file(folder.join("telemetry"));
    /// stored.set(Choice::On, "1.4.2")?;
    /// let made = stored.made()?.expect("a choice");
    /// assert_eq!((made.choice, made.by.as_str()), (Choice::On, "1.4.2"));
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set(&self, choice: Choice, by: impl AsRef<str>) -> io::Result<()> {
        self.set_at(clock::system_now(), choice, by.as_ref())
    }

    /// Whether [`note_shown`](Self::note_shown) was called, in this run or an earlier one.
    ///
    /// # Errors
    ///
    /// As those of [`get`](Self::get).
    pub fn notice_was_shown(&self) -> io::Result<bool> {
        Ok(self.content()?.notice_shown)
    }

    /// Stores that the program has shown its notice about telemetry. A later [`set`](Self::set) keeps that.
    ///
    /// It waits as [`set`](Self::set) does, unless the file says so already.
    ///
    /// # Errors
    ///
    /// As those of [`set`](Self::set).
    pub fn note_shown(&self) -> io::Result<()> {
        self.change(LOCK_TIMEOUT, |content| content.notice_shown = true)
    }

    fn set_at(&self, now: SystemTime, choice: Choice, by: &str) -> io::Result<()> {
        let made = MadeChoice {
            choice,
            at: to_second(now),
            by: by.to_owned(),
        };
        self.change(LOCK_TIMEOUT, |content| content.made = Some(made))
    }

    fn content(&self) -> io::Result<Content> {
        read(&self.path).map_err(|error| self.named(&error))
    }

    fn change(&self, timeout: Duration, change: impl FnOnce(&mut Content)) -> io::Result<()> {
        change_file(&self.path, timeout, change).map_err(|error| self.named(&error))
    }

    fn named(&self, error: &io::Error) -> io::Error {
        let problem = format!("{} cannot keep a choice: {error}", self.path.display());
        io::Error::new(error.kind(), problem)
    }
}

/// A longer chain of links ends nowhere.
const MAX_LINKS: usize = 40;

/// A longer file does not hold a choice.
const MAX_FILE_BYTES: u64 = 512;

/// Reads the file; an empty one, and none at all, hold no choice.
fn read(path: &Path) -> io::Result<Content> {
    check_regular(path)?;
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Content::default()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    let is_whole = bytes.len() as u64 <= MAX_FILE_BYTES;
    let text = std::str::from_utf8(&bytes).ok().filter(|_| is_whole);
    text.and_then(Content::parse).ok_or_else(not_ours)
}

/// Replaces the file by a changed one, while no other process does.
fn change_file(
    path: &Path,
    lock_timeout: Duration,
    change: impl FnOnce(&mut Content),
) -> io::Result<()> {
    // Nothing is made beside a file that is not ours.
    read(path)?;
    make_folder(path)?;
    let path = behind_links(path);
    make_folder(&path)?;
    let lock_file = open(&beside(&path, "lock")?)?;
    lock(&lock_file, lock_timeout)?;

    let old = read(&path)?;
    let mut new = old.clone();
    change(&mut new);
    if new == old {
        return Ok(());
    }
    let text = new.to_text();
    if Content::parse(&text).as_ref() != Some(&new) {
        let problem = "a version has 1 to 64 bytes on one line, without blanks around them";
        return Err(refuse(ErrorKind::InvalidInput, problem));
    }
    let temporary = beside(&path, &Uuid::new_v4().simple().to_string())?;
    let replaced = write(&temporary, &text).and_then(|()| fs::rename(&temporary, &path));
    if replaced.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&temporary);
    }
    replaced?;
    path.parent().map_or(Ok(()), sync_folder)
}

/// The file that a link stands for, also if it is not there yet: the link stays one.
fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else {
            break;
        };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    fs::canonicalize(&path).unwrap_or(path)
}

/// The file with this ending after its name.
fn beside(path: &Path, ending: &str) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else {
        return Err(refuse(
            ErrorKind::InvalidInput,
            "it is not the path of a file",
        ));
    };
    let mut name = name.to_owned();
    name.push(".");
    name.push(ending);
    Ok(path.with_file_name(name))
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = make_new(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
