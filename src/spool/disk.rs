//! The operations on the disk that the spool needs, and nothing more; the tests put another disk in their place.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
};

/// A folder of files that are locked while somebody works on them.
pub(super) trait Disk: Send {
    /// Makes the folder, for its owner alone, unless it is there.
    fn prepare(&self, folder: &Path) -> io::Result<()>;

    /// Names and sizes of the files in the folder.
    fn list(&self, folder: &Path) -> io::Result<Vec<(String, u64)>>;

    /// Makes a file under a first name, for its owner alone, and locks it; with its first bytes in it, it gets its name.
    /// Whoever finds it under that name finds it locked.
    fn create(&self, first: &Path, name: &Path, bytes: &[u8]) -> io::Result<Box<dyn SegmentFile>>;

    /// Locks a file that somebody left; none if it is held, or gone.
    fn adopt(&self, name: &Path) -> io::Result<Option<Box<dyn SegmentFile>>>;

    fn remove(&self, name: &Path) -> io::Result<()>;

    /// Has the disk confirm the names in the folder: a file without one is lost with the power.
    fn sync(&self, folder: &Path) -> io::Result<()>;
}

/// An open file, locked until it is dropped.
pub(super) trait SegmentFile: Send {
    fn read(&mut self) -> io::Result<Vec<u8>>;

    /// Writes at the end; an error may leave a part of the bytes there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Whether anybody else can find the file, as far as the system tells.
    fn is_linked(&self) -> io::Result<bool>;

    /// Cuts off what lies beyond.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    fn sync(&mut self) -> io::Result<()>;
}

/// The real one.
pub(super) struct FileSystem;

impl Disk for FileSystem {
    fn prepare(&self, folder: &Path) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in folder.read_dir()? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            // A file may vanish while the folder is read: somebody else was done with it.
            if let Ok(metadata) = entry.metadata()
                && metadata.is_file()
            {
                files.push((name, metadata.len()));
            }
        }
        Ok(files)
    }

    fn create(&self, first: &Path, name: &Path, bytes: &[u8]) -> io::Result<Box<dyn SegmentFile>> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(first)?;
        let made = file
            .try_lock()
            .map_err(io::Error::from)
            .and_then(|()| file.write_all(bytes));
        made.and_then(|()| std::fs::rename(first, name))
            .inspect_err(|_| {
                // Nothing is in it yet.
                let _ = std::fs::remove_file(first);
            })?;
        Ok(Box::new(file))
    }

    fn adopt(&self, name: &Path) -> io::Result<Option<Box<dyn SegmentFile>>> {
        let file = match OpenOptions::new().read(true).append(true).open(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            // Whoever held it may have removed it since it was opened here: what is in it has met its fate.
            Ok(()) => Ok(file.is_linked()?.then(|| Box::new(file) as _)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn remove(&self, name: &Path) -> io::Result<()> {
        std::fs::remove_file(name)
    }

    fn sync(&self, folder: &Path) -> io::Result<()> {
        // Elsewhere, a folder cannot be opened as a file is.
        if cfg!(unix) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

impl SegmentFile for File {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        self.seek(SeekFrom::Start(0))?;
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)?;
        // A file that was removed takes bytes as ever, but nobody will find them.
        if self.is_linked()? {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn is_linked(&self) -> io::Result<bool> {
        #[cfg(unix)]
        return Ok(std::os::unix::fs::MetadataExt::nlink(&self.metadata()?) > 0);
        #[cfg(not(unix))]
        return Ok(true);
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(any(test, fuzzing))]
pub(super) mod double;
