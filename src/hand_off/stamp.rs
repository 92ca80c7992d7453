//! The file whose time says when a process was last started.

use std::{
    fs::{File, TryLockError},
    io::{self, ErrorKind},
    path::Path,
    time::{Duration, SystemTime},
};

use crate::small_file::{make_new, refuse};

/// Notes a start in this file. Returns false if another start was noted within the interval, or another process is
/// noting one.
pub(super) fn note(path: &Path, now: SystemTime, interval: Duration) -> io::Result<bool> {
    match make_new(path) {
        Ok(_) => return Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    // A link may lead to a file of another program, whose time is not ours to change.
    if !path.symlink_metadata()?.is_file() {
        return Err(refuse(
            ErrorKind::InvalidInput,
            "the file `hand-off` is not a regular file",
        ));
    }
    let file = File::options().write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(false),
        // Without locks, two processes may be started instead of one.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    let last = file.metadata()?.modified()?;
    // A time shortly ahead is that of a process which read the clock later and got here earlier. One further ahead says
    // nothing: the clock was changed.
    let apart = now
        .duration_since(last)
        .unwrap_or_else(|ahead| ahead.duration());
    if apart < interval {
        return Ok(false);
    }
    file.set_modified(now)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    /// A path in a folder of its own, which the test removes.
    fn path() -> std::path::PathBuf {
        let folder = env::temp_dir().join(format!("trubrics-stamp-{}", crate::anonymous_id()));
        fs::create_dir(&folder).expect("a folder");
        folder.join("hand-off")
    }

    #[test]
    fn a_start_is_noted_once_in_an_interval() {
        let path = path();
        let noted = |now| note(&path, now, INTERVAL).expect("a disk that works");
        assert!(noted(SystemTime::now()), "the first");
        let now = SystemTime::now() + INTERVAL * 2;
        assert!(noted(now));
        assert!(!noted(now));
        assert!(!noted(now + INTERVAL - Duration::from_millis(1)));
        assert!(noted(now + INTERVAL));
        fs::remove_dir_all(path.parent().expect("a folder")).expect("removed");
    }

    #[test]
    fn a_time_in_the_future_does_not_prevent_a_start() {
        let path = path();
        let noted = |now| note(&path, now, INTERVAL).expect("a disk that works");
        let now = SystemTime::now();
        assert!(noted(now));
        assert!(noted(now + INTERVAL * 100));
        assert!(noted(now), "the clock was set back");
        assert!(!noted(now + Duration::from_secs(1)));
        fs::remove_dir_all(path.parent().expect("a folder")).expect("removed");
    }

    #[test]
    fn a_process_that_read_the_clock_earlier_prevents_no_start_twice() {
        let path = path();
        let noted = |now| note(&path, now, INTERVAL).expect("a disk that works");
        let now = SystemTime::now();
        let earlier = now - Duration::from_millis(1);
        assert!(noted(now));
        assert!(!noted(earlier), "it made the file later");
        assert!(noted(now + INTERVAL * 2));
        assert!(!noted(earlier + INTERVAL * 2), "it got the lock later");
        fs::remove_dir_all(path.parent().expect("a folder")).expect("removed");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_another_file_is_an_error_and_that_file_keeps_its_time() {
        let path = path();
        let (other, long_ago) = (path.with_file_name("other"), SystemTime::UNIX_EPOCH);
        let file = File::create(&other).expect("a file");
        file.set_modified(long_ago).expect("a time");
        std::os::unix::fs::symlink(&other, &path).expect("a link");
        note(&path, SystemTime::now(), INTERVAL).expect_err("a link");
        let modified = other.metadata().and_then(|metadata| metadata.modified());
        assert_eq!(modified.expect("a time"), long_ago);
        fs::remove_dir_all(path.parent().expect("a folder")).expect("removed");
    }

    #[test]
    fn another_process_that_notes_a_start_prevents_one() {
        let path = path();
        let now = SystemTime::now();
        assert!(note(&path, now, INTERVAL).expect("a disk that works"));
        let held = File::open(&path).expect("the file");
        held.lock().expect("a lock");
        assert!(!note(&path, now + INTERVAL * 2, INTERVAL).expect("a disk that works"));
        drop(held);
        assert!(note(&path, now + INTERVAL * 2, INTERVAL).expect("a disk that works"));
        fs::remove_dir_all(path.parent().expect("a folder")).expect("removed");
    }

    #[test]
    fn a_folder_in_place_of_the_file_is_an_error() {
        let path = path();
        fs::create_dir(&path).expect("a folder");
        note(&path, SystemTime::now(), INTERVAL).expect_err("a folder");
        fs::remove_dir_all(path.parent().expect("a folder")).expect("removed");
    }
}
