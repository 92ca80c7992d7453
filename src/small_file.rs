//! Small files that keep a text from run to run, of which several processes may write the same one.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    io::{self, ErrorKind},
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// Long enough for another process to write its text, which takes a millisecond or two.
pub(crate) const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
const LOCK_RETRY: Duration = Duration::from_millis(10);

pub(crate) fn refuse(kind: ErrorKind, problem: &'static str) -> io::Error {
    io::Error::new(kind, problem)
}

/// The error for a file of another program.
pub(crate) fn not_ours() -> io::Error {
    let problem = "it holds something else, which is left as it is";
    refuse(ErrorKind::InvalidData, problem)
}

/// Fails if there is something that is not a regular file. To open a pipe could wait forever.
pub(crate) fn check_regular(path: &Path) -> io::Result<()> {
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return Err(refuse(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    Ok(())
}

/// Makes the folder of this file, for its owner alone.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Opens this file, or makes it for its owner alone. Its content stays.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Makes this file for its owner alone; fails if it exists.
pub(crate) fn make_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Has the disk confirm which files this folder has. Not all file systems can do that for a folder.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    // Only Unix opens a folder as it opens a file.
    if cfg!(not(unix)) {
        return Ok(());
    }
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    match File::open(folder)?.sync_all() {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// Locks the file until it is closed.
pub(crate) fn lock(file: &File, timeout: Duration) -> io::Result<()> {
    let deadline = Instant::now() + timeout;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            // Two processes that write at once may then not see each other's text, until the next run.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                return Ok(());
            }
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(refuse(ErrorKind::TimedOut, "another process has locked it"));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_RETRY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn the_folder_of_a_bare_name_is_the_current_one() {
        let folder = Path::new("choice").parent().expect("a folder");
        sync_folder(folder).expect("it is there");
        let missing = sync_folder(Path::new("no such folder")).expect_err("it is not there");
        assert_eq!(missing.kind(), ErrorKind::NotFound);
    }
}
