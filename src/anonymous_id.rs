//! An id for a user without an account, kept in a file from run to run.

use std::{
    error::Error,
    fmt,
    fs::{DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    str::FromStr,
};

use uuid::Uuid;

/// A random id that is made once, kept in a file, and the same from then on: for users without an account, in programs
/// that end and start again.
///
/// It says nothing about the user or the machine. Whoever deletes the file is somebody new.
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

/// Longer files need not be read to see that they hold no id.
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

    /// Reads the id in this file; makes it, and the folders that are missing, if there is none.
    ///
    /// Of several processes that make it at once, all get the same. The file is for its owner alone (mode 0600, and
    /// 0700 for the folders). What is no id, such as a file that was never written to its end, is replaced by a new one.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or made, or is no regular file, such as a pipe. An
    /// [`anonymous_id`](fn@crate::anonymous_id) for this run alone is then better than none.
    pub fn in_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        // To open a pipe may wait for ever.
        if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
            let problem = format!("{} is no regular file", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        // Nearly always it is there. What cannot be read here is met again below.
        if let Some(id) = File::open(path).ok().and_then(|file| read(&file).ok()?) {
            return Ok(id);
        }
        make_folder(path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        lock(&file)?;
        // Somebody else may have made it while we waited for the lock.
        if let Some(id) = read(&file)? {
            return Ok(id);
        }
        let id = Self::random();
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(format!("{id}\n").as_bytes())?;
        Ok(id)
    }
}

/// None for what is no id.
fn read(file: &File) -> io::Result<Option<AnonymousId>> {
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(parse(bytes.trim_ascii()))
}

/// Held until the file is closed.
fn lock(file: &File) -> io::Result<()> {
    loop {
        match file.lock() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Two first runs at once may then disagree, until the next one.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
            other => return other,
        }
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
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
