//! The disk as the operating system has it.

#[cfg(unix)]
use std::{cell::OnceCell, time::SystemTime};
use std::{
    fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{Adopted, Disk, FileSize, ListBounds, Listing, MAX_FILE_BYTES, SegmentFile};
#[cfg(unix)]
use crate::spool::segment::name;
use crate::{small_file::sync_folder, spool::note::MAX_NOTE_BYTES};

#[derive(Default)]
pub(in crate::spool) struct FileSystem {
    /// The user that this process acts for, once it is known.
    #[cfg(unix)]
    user: OnceCell<u32>,
}

impl Disk for FileSystem {
    fn prepare(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut absent: Vec<_> = folder
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
            .map(Path::to_path_buf)
            .collect();
        absent.reverse();
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
        Ok(absent)
    }

    fn is_private(&self, folder: &Path) -> io::Result<bool> {
        let outer = folder.parent().unwrap_or(folder);
        Ok(self.is_safe(&std::fs::metadata(folder)?, folder)
            && (is_sticky(outer)? || self.is_safe(&std::fs::metadata(outer)?, folder)))
    }

    fn list(&self, folder: &Path, bounds: ListBounds<'_>) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for (index, entry) in folder.read_dir()?.enumerate() {
            if index >= bounds.read || listing.names.len() >= bounds.returned {
                listing.is_cut = true;
                break;
            }
            let name = entry?.file_name().into_string();
            listing
                .names
                .extend(name.ok().filter(|name| (bounds.wanted)(name)));
        }
        Ok(listing)
    }

    fn measure(&self, name: &Path) -> io::Result<FileSize> {
        let metadata = std::fs::symlink_metadata(name)?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(FileSize {
            length: metadata.len(),
            disk_bytes: disk_bytes(&metadata),
        })
    }

    fn create(&self, temp: &Path, name: &Path, bytes: &[u8]) -> io::Result<Box<dyn SegmentFile>> {
        let file = options().open(temp)?;
        let made = file
            .try_lock()
            .map_err(io::Error::from)
            .and_then(|()| (&file).write_all(bytes))
            .and_then(|()| std::fs::rename(temp, name));
        if let Err(error) = made {
            // It has no record yet.
            let _ = std::fs::remove_file(temp);
            return Err(error);
        }
        Ok(Box::new(LockedFile(file)))
    }

    fn adopt(&self, name: &Path) -> io::Result<Adopted> {
        let file = match OpenOptions::new().read(true).append(true).open(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Adopted::Held),
            Err(error) => return Err(error),
        };
        let folder = name.parent().unwrap_or(name);
        if !self.is_safe(&file.metadata()?, folder) {
            return Ok(Adopted::Unsafe);
        }
        match file.try_lock() {
            Ok(()) => {
                let file = LockedFile(file);
                // The process that held it may have removed it since it was opened here. Its records are settled.
                Ok(if file.is_linked()? {
                    Adopted::File(Box::new(file))
                } else {
                    Adopted::Held
                })
            }
            Err(TryLockError::WouldBlock) => Ok(Adopted::Held),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn remove(&self, name: &Path) -> io::Result<()> {
        std::fs::remove_file(name)
    }

    fn read_note(&self, name: &Path) -> io::Result<Option<Vec<u8>>> {
        use io::ErrorKind::{NotADirectory, NotFound};

        // It usually is not there, and this needs no descriptor. To open a pipe could wait forever.
        let metadata = match std::fs::symlink_metadata(name) {
            // A file may be in the place of the folder.
            Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(None),
            found => found?,
        };
        if !metadata.is_file() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut bytes = Vec::new();
        let file = match File::open(name) {
            Err(error) if error.kind() == NotFound => return Ok(None),
            opened => opened?,
        };
        file.take(MAX_NOTE_BYTES).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn replace_note(&self, temp: &Path, name: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = options().open(temp)?;
        let made = file
            .write_all(bytes)
            // After a power cut, the file would be empty without this.
            .and_then(|()| file.sync_data())
            .and_then(|()| std::fs::rename(temp, name))
            .and_then(|()| name.parent().map_or(Ok(()), sync_folder));
        if made.is_err() {
            let _ = std::fs::remove_file(temp);
        }
        made
    }

    fn sync(&self, folder: &Path) -> io::Result<()> {
        sync_folder(folder)
    }
}

impl FileSystem {
    /// The user that this process acts for, known by the owner of a file that it makes; none where none can be made.
    /// The standard library has no call for it.
    #[cfg(unix)]
    fn user(&self, folder: &Path) -> Option<u32> {
        use std::os::unix::fs::MetadataExt;

        if let Some(user) = self.user.get() {
            return Some(*user);
        }
        let temp = name::make_temp(SystemTime::now());
        let path = folder.join(temp);
        let file = options().open(&path).ok()?;
        let metadata = file.metadata();
        let _ = std::fs::remove_file(&path);
        let user = metadata.ok()?.uid();
        Some(*self.user.get_or_init(|| user))
    }

    /// Whether only this process's user, or the administrator, can have put something into it. If the user is not
    /// known, the mode has to do: any user but the administrator can write to such a file only as its owner.
    #[cfg(unix)]
    fn is_safe(&self, metadata: &Metadata, folder: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;

        const OTHERS_MAY_WRITE: u32 = 0o022;
        // What belongs to the administrator is as safe as the system, but a segment has to be of the same user.
        let is_owner = |user| metadata.uid() == user || metadata.is_dir() && metadata.uid() == 0;
        metadata.mode() & OTHERS_MAY_WRITE == 0 && self.user(folder).is_none_or(is_owner)
    }

    #[cfg(not(unix))]
    fn is_safe(&self, _: &Metadata, _: &Path) -> bool {
        true
    }
}

/// Whether users may put their own files into the folder, but not replace those of others, as in `/tmp`.
fn is_sticky(folder: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    return Ok(std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(folder)?) & 0o1000 != 0);
    #[cfg(not(unix))]
    return Ok(false);
}

/// What the file takes on the disk.
fn disk_bytes(metadata: &Metadata) -> u64 {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::blocks(metadata) * 512;
    #[cfg(not(unix))]
    return metadata.len().next_multiple_of(4096);
}

/// How a new file is opened: for its owner alone.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The lock goes when this is dropped, even if a child process has a copy of the open file: closing it here would leave
/// the lock with the child.
struct LockedFile(File);

impl Drop for LockedFile {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

impl SegmentFile for LockedFile {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let file = &mut self.0;
        file.seek(SeekFrom::Start(0))?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)?;
        // A file that was removed takes bytes as usual, but no process will find them.
        if self.is_linked()? {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn is_linked(&self) -> io::Result<bool> {
        #[cfg(unix)]
        return Ok(std::os::unix::fs::MetadataExt::nlink(&self.0.metadata()?) > 0);
        #[cfg(not(unix))]
        return Ok(true);
    }

    fn disk_bytes(&self) -> io::Result<u64> {
        Ok(disk_bytes(&self.0.metadata()?))
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests;
