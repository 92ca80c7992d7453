use super::*;

/// A folder of its own for each test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("trubrics-{}", uuid::Uuid::new_v4());
        let folder = Self(std::env::temp_dir().join(name));
        let disk = FileSystem::default();
        disk.prepare(&folder.0).expect("a folder");
        folder
    }

    fn create(&self, name: &str) -> Box<dyn SegmentFile> {
        let (temp, name) = (self.0.join("temp"), self.0.join(name));
        let disk = FileSystem::default();
        disk.create(&temp, &name, b"0123456789").expect("a file")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn is_adopted(folder: &Folder, name: &str) -> bool {
    let adopted = FileSystem::default().adopt(&folder.0.join(name));
    matches!(adopted.expect("the disk works"), Adopted::File(_))
}

#[test]
fn a_file_is_held_until_it_is_dropped() {
    let folder = Folder::new();
    let file = folder.create("a");
    assert!(!is_adopted(&folder, "a"));
    drop(file);
    assert!(is_adopted(&folder, "a") && is_adopted(&folder, "a"));
    assert!(!is_adopted(&folder, "b"), "it is not there");
}

#[test]
fn a_copy_in_a_forked_child_does_not_keep_the_lock() {
    let folder = Folder::new();
    folder.create("a");
    let file = File::options().append(true).open(folder.0.join("a"));
    let file = file.expect("a file");
    // A child has such a copy: another descriptor of the same open file.
    let copy = file.try_clone().expect("a copy");
    file.lock().expect("it is free");
    let file = LockedFile(file);
    assert!(!is_adopted(&folder, "a"));
    drop(file);
    assert!(is_adopted(&folder, "a"));
    drop(copy);
}

#[test]
fn folders_that_were_not_there_are_named() {
    let folder = Folder::new();
    let (outer, inner) = (folder.0.join("a"), folder.0.join("a/b"));
    let disk = FileSystem::default();
    let made = disk.prepare(&inner).expect("they are made");
    assert_eq!(made, [outer, inner.clone()]);
    assert!(disk.prepare(&inner).expect("they are there").is_empty());
}

#[test]
fn a_listing_keeps_its_bounds() {
    let folder = Folder::new();
    (0..10).for_each(|number| drop(folder.create(&number.to_string())));
    let list = |read, returned| {
        let bounds = ListBounds {
            read,
            returned,
            wanted: &|name| name < "5",
        };
        let listing = FileSystem::default().list(&folder.0, bounds);
        let listing = listing.expect("the disk works");
        (listing.names.len(), listing.is_cut)
    };
    assert_eq!(list(100, 100), (5, false));
    assert_eq!(list(100, 3), (3, true));
    assert!(list(4, 100).1 && list(4, 100).0 <= 4);
}

#[test]
fn a_file_too_long_is_not_read() {
    let folder = Folder::new();
    let mut file = folder.create("a");
    file.truncate(MAX_FILE_BYTES + 1).expect("it has holes");
    let error = file.read().expect_err("too long");
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    file.truncate(MAX_FILE_BYTES).expect("it has holes");
    let most = file.read().expect("short enough").len();
    assert_eq!(most as u64, MAX_FILE_BYTES);
    file.truncate(5).expect("the disk works");
    assert_eq!(file.read().expect("short enough"), b"01234");
}

#[cfg(unix)]
#[test]
fn a_small_file_takes_a_block_and_a_hole_takes_none() {
    let folder = Folder::new();
    let mut file = folder.create("a");
    file.sync().expect("the disk works");
    let small = file.disk_bytes().expect("the disk works");
    assert!(small >= 512 && small.is_multiple_of(512), "{small}");
    file.truncate(1 << 30).expect("it has holes");
    assert!(file.disk_bytes().expect("the disk works") < 1 << 20);
}

#[cfg(unix)]
#[test]
fn folders_and_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    folder.create("a");
    let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&folder.0), 0o700);
    assert_eq!(mode(&folder.0.join("a")), 0o600);
}

#[test]
fn a_file_takes_bytes_as_long_as_it_is_there() {
    let folder = Folder::new();
    let mut file = folder.create("a");
    file.append(b"ab").expect("the disk works");
    assert_eq!(file.read().expect("the disk works"), b"0123456789ab");
    assert!(file.is_linked().expect("the disk works"));
    FileSystem::default()
        .remove(&folder.0.join("a"))
        .expect("the disk works");
    assert!(!file.is_linked().expect("the disk works"));
    let error = file.append(b"cd").expect_err("it was removed");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_note_is_the_bytes_of_a_file_if_there_is_one() {
    let folder = Folder::new();
    drop(folder.create("a"));
    let read = |name: &Path| FileSystem::default().read_note(&folder.0.join(name));
    let a = read(Path::new("a")).expect("the disk works");
    assert_eq!(a.as_deref(), Some(&b"0123456789"[..]));
    for name in ["absent", "a/below"] {
        assert_eq!(read(Path::new(name)).expect("the disk works"), None);
    }
    let error = read(Path::new("")).expect_err("it is a folder");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    read(Path::new(&"n".repeat(1_000))).expect_err("the name is too long");
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, permissions).expect("the owner may");
}

#[cfg(unix)]
#[test]
fn a_folder_is_private_if_no_other_user_can_change_or_replace_it() {
    let outer = Folder::new();
    let inner = outer.0.join("inner");
    FileSystem::default().prepare(&inner).expect("a folder");
    for (outer_mode, mode, is_private) in [
        (0o700, 0o700, true),
        (0o755, 0o755, true),
        (0o777, 0o700, false),
        (0o1777, 0o700, true),
        (0o700, 0o770, false),
        (0o700, 0o702, false),
        (0o1777, 0o777, false),
    ] {
        set_mode(&outer.0, outer_mode);
        set_mode(&inner, mode);
        let found = FileSystem::default().is_private(&inner);
        assert_eq!(found.ok(), Some(is_private), "{outer_mode:o} {mode:o}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_write_is_not_adopted() {
    let folder = Folder::new();
    drop(folder.create("a"));
    let name = folder.0.join("a");
    set_mode(&name, 0o622);
    let adopted = FileSystem::default().adopt(&name);
    assert!(matches!(adopted, Ok(Adopted::Unsafe)));
    let too_long = folder.0.join("n".repeat(1_000));
    assert!(FileSystem::default().adopt(&too_long).is_err());
}

#[cfg(unix)]
#[test]
fn the_user_is_the_owner_of_the_files_that_the_process_makes() {
    let folder = Folder::new();
    let made = std::fs::metadata(&folder.0).expect("a folder");
    let user = std::os::unix::fs::MetadataExt::uid(&made);
    let disk = FileSystem::default();
    assert_eq!(disk.user(&folder.0), Some(user));
    let another = user.wrapping_add(1);
    let disk = FileSystem::default();
    disk.user.set(another).expect("it is not known");
    drop(folder.create("a"));
    let file = std::fs::metadata(folder.0.join("a")).expect("a file");
    assert!(!disk.is_safe(&file, &folder.0));
    assert_eq!(disk.is_safe(&made, &folder.0), user == 0);
}
