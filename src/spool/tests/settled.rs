//! Files with no record left, and files that are gone.

use super::*;
use crate::spool::disk::double::{Fault, Operation};

/// The next operation says that the file is not there.
fn deny_next(disk: &MemoryDisk, first: usize) {
    disk.set_fault(Some(Fault {
        first,
        lasts: false,
        error: io::ErrorKind::NotFound,
        percent: 0,
    }));
}

/// A spool with a file that is closed for writing, with ten records, and another one, with two.
fn with_two_files(disk: &MemoryDisk) -> Spool {
    let mut spool = spool(disk, settings());
    store(&mut spool, &mut records("a", 0..12), at(0)).expect("the disk works");
    assert_eq!(disk.segments(), 2);
    spool
}

#[test]
fn a_settled_file_that_cannot_be_removed_is_let_go() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..3), at(0)).expect("the disk works");
    let loaded = spool.load(true, true, at(0)).expect("records");
    disk.refuse(Some(Operation::Remove));
    let error = spool.acknowledge(&entries(&loaded.records));
    let error = error.expect_err("it cannot be removed");
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(spool.size_and_oldest(), (0, None));
    disk.refuse(None);
    assert_eq!(deliver_all(&disk), Vec::<String>::new());
    assert_eq!(disk.segments(), 0, "the next process can remove it");
}

#[test]
fn a_settled_file_that_has_another_name_says_so_itself() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..3), at(0)).expect("the disk works");
    let loaded = spool.load(true, true, at(0)).expect("records");
    deny_next(&disk, 0);
    spool
        .acknowledge(&entries(&loaded.records))
        .expect("it is not there under its old name");
    disk.set_fault(None);
    assert_eq!(deliver_all(&disk), Vec::<String>::new());
}

#[test]
fn a_file_of_which_no_record_can_be_read_is_counted_and_removed() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..10), at(0)).expect("the disk works");
    assert!(spool.has_sealed());
    let name = disk.names().remove(0);
    let bytes = disk.bytes(&name).expect("a file");
    let checksum = "e ".len();
    for line in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        if line.0 + 1 < bytes.len() {
            disk.damage(&name, line.0 + 1 + checksum);
        }
    }
    let loaded = spool.load(true, true, at(0)).expect("all are missing");
    assert_eq!((loaded.records.len(), loaded.missing), (0, 10));
    assert_eq!((disk.segments(), spool.settled()), (0, 10));
}

#[test]
fn records_of_a_file_that_is_gone_and_cannot_be_read_are_missing() {
    let disk = MemoryDisk::default();
    let mut spool = with_two_files(&disk);
    disk.remove_folder();
    disk.refuse(Some(Operation::Read));
    let loaded = spool.load(true, true, at(0)).expect("those in memory");
    assert_eq!(texts(&loaded.records), ["a10", "a11"]);
    assert_eq!((loaded.missing, spool.read_again_at()), (10, None));

    let disk = MemoryDisk::default();
    let mut spool = with_two_files(&disk);
    disk.remove_folder();
    disk.refuse(Some(Operation::Read));
    let left = spool.leave(at(0));
    assert_eq!((left.records, left.missing), (2, 10));
}

#[test]
fn own_records_of_a_shared_file_that_is_gone_and_cannot_be_read_are_missing() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 2, at(0));
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..8), at(1)).expect("there is room");
    assert!(spool.has_sealed() && disk.segments() == 1);
    disk.remove_folder();
    disk.refuse(Some(Operation::Read));
    let left = spool.leave(at(1));
    assert_eq!((left.records, left.missing), (0, 8));
}

#[test]
fn a_file_that_cannot_be_read_stays_if_the_system_does_not_count_links() {
    let disk = MemoryDisk::default();
    let mut spool = with_two_files(&disk);
    disk.say_unlinked();
    disk.refuse(Some(Operation::Read));
    let loaded = spool.load(false, true, at(0)).expect("all are missing");
    assert_eq!((loaded.records.len(), loaded.missing), (0, 10));
    assert_eq!(disk.segments(), 2);
}

#[test]
fn what_another_run_left_in_a_file_that_is_gone_is_stored_again_if_it_was_loaded() {
    for is_loaded in [false, true] {
        let disk = MemoryDisk::default();
        leave_behind(&disk, "x", 2, at(0));
        let mut spool = spool(&disk, settings());
        store(&mut spool, &mut records("a", 0..1), at(1)).expect("there is room");
        if is_loaded {
            spool.scan_for_orphans(at(1)).expect("the disk works");
            let loaded = spool.load(true, true, at(1)).expect("records");
            assert_eq!(loaded.records.len(), 3);
        }
        disk.remove_folder();
        let left = spool.leave(at(1));
        let expected = match is_loaded {
            true => vec!["x0", "x1", "a0"],
            false => vec!["a0"],
        };
        assert_eq!((left.records, left.missing), (expected.len() as u64, 0));
        assert_eq!(deliver_all(&disk), expected);
    }
}

#[test]
fn records_whose_file_is_gone_are_not_stored_again_after_a_withdrawal() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..2), at(1)).expect("there is room");
    disk.remove_folder();
    let mut other = super::spool(&disk, settings());
    other.note_withdrawal().expect("the disk works");
    let left = spool.leave(at(1));
    assert_eq!((left.records, left.orphaned.len()), (0, 2));
    assert_eq!(disk.segments(), 0);
}

#[test]
fn a_file_of_another_run_that_takes_no_record_is_let_go() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 2, at(0));
    let mut spool = spool(&disk, settings());
    disk.refuse(Some(Operation::Append));
    for _ in 0..2 {
        store(&mut spool, &mut records("a", 0..1), at(1)).expect_err("it cannot be written");
        assert!(!spool.is_gathering(), "no own record is there");
    }
    assert!(!spool.has_sealed());
    disk.refuse(None);
    assert_eq!(deliver_all(&disk), ["x0", "x1"]);
}
