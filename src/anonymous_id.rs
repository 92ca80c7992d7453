//! An id for a user without an account, kept in a file from run to run.

use std::{
    error::Error,
    fmt,
    fs::File,
    io::{self, ErrorKind, Read, Seek, Write},
    path::Path,
    str::FromStr,
    time::Duration,
};

use uuid::Uuid;

use crate::small_file::{LOCK_TIMEOUT, check_regular, lock, make_folder, not_ours, open};

/// A random id for a user without an account, which a file keeps from run to run.
///
/// It says nothing about the user or the machine. A user who deletes the file gets a new id.
///
/// ```
/// use trubrics::{AnonymousId, Event};
///
/// # let folder = std::env::temp_dir().join(trubrics::anonymous_id());
/// let id = AnonymousId::in_file(folder.join("user-id"))?;
/// let event = Event::new(&id, "Run");
///
/// let next_run = AnonymousId::in_file(folder.join("user-id"))?;
/// assert_eq!(id, next_run);
/// # let _ = event;
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AnonymousId(String);

/// The bytes that are read of a file. A longer one does not hold an id.
const MAX_FILE_BYTES: u64 = 64;

impl AnonymousId {
    /// Makes a new id, which is kept nowhere: every call gives another.
    ///
    /// ```
    /// use trubrics::AnonymousId;
    ///
    /// assert_ne!(AnonymousId::random(), AnonymousId::random());
    /// ```
    pub fn random() -> Self {
        Self::of(Uuid::new_v4())
    }

    /// Returns the id: 36 characters, as in `1b4e28ba-2fa1-41d2-883f-0016d3cca427`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(id: Uuid) -> Self {
        Self(id.hyphenated().to_string())
    }

    /// Reads the id in this file, or makes one, with the folders that are missing.
    ///
    /// If several processes make the id at once, all of them get the same one. The file and its folders are for their
    /// owner alone (mode 0600 and 0700). A file is written only if it is absent or empty, or holds the beginning of an
    /// id that was never written to its end.
    ///
    /// It waits at most a second for another process that has locked the file.
    ///
    /// # Errors
    ///
    /// When the file holds something else, is not a regular file, stays locked, or cannot be read or made. The error
    /// names the file, which is left as it is. The program can then use an [`anonymous_id`](fn@crate::anonymous_id)
    /// for this run alone.
    pub fn in_file(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::in_file_within(path.as_ref(), LOCK_TIMEOUT)
    }

    fn in_file_within(path: &Path, lock_timeout: Duration) -> io::Result<Self> {
        read_or_make(path, lock_timeout).map_err(|error| {
            let problem = format!("{} cannot keep an id: {error}", path.display());
            io::Error::new(error.kind(), problem)
        })
    }
}

fn read_or_make(path: &Path, lock_timeout: Duration) -> io::Result<AnonymousId> {
    check_regular(path)?;
    // The usual case.
    if let Ok(mut file) = File::open(path) {
        match read_unlocked(&mut file) {
            Ok(Some(id)) => return Ok(id),
            Err(error) if error.kind() == ErrorKind::InvalidData => return Err(error),
            // The file is read again below.
            Ok(None) | Err(_) => {}
        }
    }
    make_folder(path)?;
    let mut file = open(path)?;
    if let Err(error) = lock(&file, lock_timeout) {
        // The process that holds the lock may have written the id.
        return read_unlocked(&mut file).ok().flatten().ok_or(error);
    }
    // Another process may have made the id before this one got the lock.
    if let Some(id) = read(&mut file)? {
        return Ok(id);
    }
    let id = AnonymousId::random();
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{id}\n").as_bytes())?;
    Ok(id)
}

/// Reads the file while another process may write it: a part of what is read may be from before the write. A result
/// counts if it is read twice. None otherwise.
fn read_unlocked(file: &mut (impl Read + Seek)) -> io::Result<Option<AnonymousId>> {
    match (read(file), read(file)) {
        (Ok(first), Ok(second)) if first == second => Ok(first),
        (Err(_), Err(error)) => Err(error),
        _ => Ok(None),
    }
}

/// None for a file without an id that may be written.
fn read(file: &mut (impl Read + Seek)) -> io::Result<Option<AnonymousId>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    if let Some(id) = parse(bytes.trim_ascii()) {
        return Ok(Some(id));
    }
    let is_whole = (bytes.len() as u64) < MAX_FILE_BYTES;
    if is_whole && is_torn(&bytes) {
        return Ok(None);
    }
    Err(not_ours())
}

/// Whether this is the beginning of an id, or nothing. After a power cut, a file may end in zeros instead of its
/// content.
fn is_torn(bytes: &[u8]) -> bool {
    let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    let text = bytes[..bytes.len() - zeros].trim_ascii();
    let is_hyphen = |index| matches!(index, 8 | 13 | 18 | 23);
    let fits = |(index, byte): (usize, &u8)| match is_hyphen(index) {
        true => *byte == b'-',
        false => byte.is_ascii_hexdigit(),
    };
    text.len() < 36 && text.iter().enumerate().all(fits)
}

impl fmt::Display for AnonymousId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&AnonymousId> for String {
    fn from(id: &AnonymousId) -> Self {
        id.0.clone()
    }
}

impl From<AnonymousId> for String {
    fn from(id: AnonymousId) -> Self {
        id.0
    }
}

impl FromStr for AnonymousId {
    type Err = ParseIdError;

    /// Reads an id that [`as_str`](Self::as_str) gave, or any other spelling of a UUID that is not nil.
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        parse(text.as_bytes()).ok_or(ParseIdError(()))
    }
}

fn parse(text: &[u8]) -> Option<AnonymousId> {
    let id = Uuid::try_parse_ascii(text).ok()?;
    (!id.is_nil()).then(|| AnonymousId::of(id))
}

/// A text that is not an [`AnonymousId`]; from its `FromStr`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseIdError(());

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an id: a UUID that is not nil is needed")
    }
}

impl Error for ParseIdError {}

#[cfg(test)]
mod tests;
