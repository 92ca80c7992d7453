//! The operations on the disk that the spool needs. Tests use a disk in memory instead.

mod file_system;

use std::{
    io,
    path::{Path, PathBuf},
};

pub(super) use self::file_system::FileSystem;

/// Folders of files that are locked while a process works on them.
pub(super) trait Disk: Send {
    /// Makes the folder, and those above it, for their owner alone. Returns those that were not there.
    fn prepare(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;

    /// Whether no other user can put files into the folder, or another folder in its place.
    fn is_private(&self, folder: &Path) -> io::Result<bool>;

    /// The names in the folder, as far as `bounds` says.
    fn list(&self, folder: &Path, bounds: ListBounds<'_>) -> io::Result<Listing>;

    /// The size of a file. Fails for anything that is not a file.
    fn measure(&self, name: &Path) -> io::Result<FileSize>;

    /// Makes a file for its owner alone and locks it. It has a temporary name until its first bytes are in it, so that
    /// a process that finds it under its final name finds it whole and locked.
    fn create(&self, temp: &Path, name: &Path, bytes: &[u8]) -> io::Result<Box<dyn SegmentFile>>;

    /// Locks a file that another process left.
    fn adopt(&self, name: &Path) -> io::Result<Adopted>;

    fn remove(&self, name: &Path) -> io::Result<()>;

    /// Reads a short file that is replaced as a whole; none if it is not there. A longer one is cut off.
    fn read_note(&self, name: &Path) -> io::Result<Option<Vec<u8>>>;

    /// Writes a short file for its owner alone, in place of another one if it is there. Readers find one or the other.
    fn replace_note(&self, temp: &Path, name: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Waits until the names in the folder are on the disk: a file without its name is lost with the power.
    fn sync(&self, folder: &Path) -> io::Result<()>;
}

/// How much of a folder is listed.
#[derive(Clone, Copy)]
pub(super) struct ListBounds<'a> {
    /// At most this many names are read,
    pub(super) read: usize,
    /// and at most this many are returned,
    pub(super) returned: usize,
    /// of those that are wanted.
    pub(super) wanted: &'a dyn Fn(&str) -> bool,
}

#[derive(Default)]
pub(super) struct Listing {
    pub(super) names: Vec<String>,
    /// The bounds left out a part of the folder.
    pub(super) is_cut: bool,
}

pub(super) struct FileSize {
    pub(super) length: u64,
    /// What the file takes on the disk.
    pub(super) disk_bytes: u64,
}

/// The result of an attempt to lock a file.
pub(super) enum Adopted {
    File(Box<dyn SegmentFile>),
    /// Another process holds it, or removed it.
    Held,
    /// Another user owns it or may write to it.
    Unsafe,
}

/// No file is read that is longer: a segment has at most 16 MiB, and one record beyond.
pub(super) const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// An open file. Its lock is released when it is dropped.
pub(super) trait SegmentFile: Send {
    /// Reads the whole file, which may have at most [`MAX_FILE_BYTES`].
    fn read(&mut self) -> io::Result<Vec<u8>>;

    /// Writes at the end. An error may leave a part of the bytes there. A file that was removed gives
    /// [`NotFound`](io::ErrorKind::NotFound).
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Whether another process can find the file, as far as the system says.
    fn is_linked(&self) -> io::Result<bool>;

    /// What the file takes on the disk.
    fn disk_bytes(&self) -> io::Result<u64>;

    /// Cuts off everything beyond `length`.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    fn sync(&mut self) -> io::Result<()>;
}

#[cfg(any(test, fuzzing))]
pub(super) mod double;
