//! What a client looks at in the folder, and what it says about it.

use super::*;
use crate::{
    logging::double::lines,
    spool::{disk::double::Operation, segment::name},
};

const HEADER: &[u8] = b"trubrics spool 1 8b272e4a\n";

#[test]
fn thousands_of_files_that_are_held_or_foreign_keep_no_other_from_delivery() {
    for is_foreign in [false, true] {
        let disk = MemoryDisk::default();
        for number in 0..1_100 {
            let name = match is_foreign {
                true => format!("0-{number}.txt"),
                false => name::make(Endpoint::Events, None, at(number).system).1,
            };
            disk.put(&folder().join(name), HEADER);
        }
        disk.while_all_are_held(|| {
            leave_behind(&disk, "x", 3, at(3_000));
            assert_eq!(deliver_all(&disk), ["x0", "x1", "x2"]);
        });
        assert_eq!(disk.names().len(), 1_100);
    }
}

#[test]
fn a_file_that_has_its_temporary_name_is_not_delivered() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 1, at(15));
    let name = disk.names().remove(0);
    let bytes = disk.bytes(&name).expect("a file");
    disk.remove(&name).expect("the disk works");
    let temp = name.with_extension("new");
    disk.put(&temp, &bytes);
    assert_eq!(deliver_all(&disk), Vec::<String>::new());
    assert_eq!(
        disk.names(),
        [temp],
        "its process may be about to rename it"
    );
}

#[test]
fn thousands_of_files_that_have_their_temporary_names_are_not_listed_again_and_again() {
    let disk = MemoryDisk::default();
    for number in 0..1_100 {
        let temp = name::make_temp(at(number).system);
        disk.put(&folder().join(temp), HEADER);
    }
    let mut spool = spool(&disk, settings());
    spool.scan_for_orphans(at(0)).expect("the disk works");
    assert!(!spool.has_orphans());
}

#[test]
fn nothing_is_to_be_delivered_after_the_last_segment_and_after_a_withdrawal() {
    for is_withdrawn in [false, true] {
        let disk = MemoryDisk::default();
        leave_behind(&disk, "x", 1, at(0));
        let mut spool = spool(&disk, settings());
        spool.scan_for_orphans(at(1)).expect("the disk works");
        assert!(spool.has_orphans());
        match is_withdrawn {
            false => assert!(spool.load(true, true, at(1)).is_some()),
            true => spool.forget(|_| ()).expect("the disk works"),
        }
        assert!(!spool.has_orphans());
    }
}

#[test]
fn a_folder_that_cannot_be_listed_to_its_end_needs_another_scan() {
    let disk = MemoryDisk::default();
    for number in 0..1_100 {
        let (_, name) = name::make(Endpoint::Events, None, at(number).system);
        disk.put(&folder().join(name), HEADER);
    }
    leave_behind(&disk, "x", 1, at(3_000));
    let mut spool = spool(&disk, settings());
    spool.scan_for_orphans(at(3_001)).expect("the disk works");
    disk.refuse(Some(Operation::List));
    assert!(spool.load(true, true, at(3_001)).is_none());
    assert!(spool.needs_scan() && !spool.has_orphans());
    disk.refuse(None);
    assert_eq!(deliver_all(&disk), ["x0"]);
}

#[test]
fn a_segment_that_is_gone_before_it_is_loaded_needs_no_other_scan() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 1, at(0));
    let mut spool = spool(&disk, settings());
    spool.scan_for_orphans(at(1)).expect("the disk works");
    disk.remove_folder();
    assert!(spool.load(true, true, at(1)).is_none());
    assert!(!spool.needs_scan());
}

#[test]
fn a_segment_that_cannot_be_removed_for_its_room_is_delivered() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 40, at(0));
    let mut spool = spool(&disk, settings());
    spool.scan_for_orphans(at(1)).expect("the disk works");
    disk.refuse(Some(Operation::Remove));
    store(&mut spool, &mut records("a", 0..1), at(1)).expect_err("nothing can be removed");
    let loaded = spool.load(true, true, at(1)).expect("records");
    assert_eq!(texts(&loaded.records), texts(&records("x", 0..40)));
}

#[test]
fn a_file_of_64_mib_is_read_and_a_longer_one_is_not() {
    for (bytes, is_read) in [(64 << 20, true), ((64 << 20) + 1, false)] {
        let disk = MemoryDisk::default();
        leave_behind(&disk, "x", 1, at(0));
        let name = disk.names().remove(0);
        let mut long = disk.bytes(&name).expect("a file");
        long.resize(bytes, b'\n');
        // Few long lines are read quickly.
        long[200..].fill(b'x');
        disk.put(&name, &long);
        let expected: &[&str] = if is_read { &["x0"] } else { &[] };
        assert_eq!(deliver_all(&disk), expected, "{bytes}");
    }
}

#[test]
fn a_folder_and_a_file_that_are_not_safe_are_logged_once() {
    for is_folder in [false, true] {
        let disk = MemoryDisk::default();
        leave_behind(&disk, "x", 1, at(0));
        let mut spool = spool(&disk, settings());
        let mut look = || {
            lines(|| {
                spool.scan_for_orphans(at(1)).expect("the disk works");
                assert!(spool.load(true, true, at(1)).is_none());
            })
        };
        let (open, expected) = match is_folder {
            true => (
                folder(),
                "another user may write to the folder of the spool",
            ),
            false => (
                disk.names().remove(0),
                "may have been written by another user",
            ),
        };
        disk.open_to_others(&open, true);
        let logged = look();
        assert!(
            logged.len() == 1 && logged[0].contains(expected),
            "{logged:?}"
        );
        assert!(look().is_empty());
    }
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 1, at(0));
    let logged = lines(|| assert_eq!(deliver_all(&disk), ["x0"]));
    assert!(logged.is_empty(), "{logged:?}");
}
