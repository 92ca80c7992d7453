//! How long segments get, how much of the folder is removed for them, and how much of it is loaded at once.

use super::*;
use crate::spool::{disk::double::Operation, entry::write_record, segment::name};

fn length(disk: &MemoryDisk, name: &Path) -> usize {
    disk.bytes(name).expect("a file").len()
}

/// Files with the names of segments, older than all others.
fn put_segments(disk: &MemoryDisk, count: u32, bytes: &[u8]) {
    for number in 0..count {
        let (_, name) = name::make(
            Endpoint::Events,
            None,
            UNIX_EPOCH + Duration::from_millis(number.into()),
        );
        disk.put(&folder().join(name), bytes);
    }
}

#[test]
fn a_segment_is_closed_once_it_has_its_size() {
    for (total, is_closed) in [(999, false), (1_000, true), (1_001, true)] {
        let disk = MemoryDisk::default();
        let mut spool = spool(&disk, settings());
        store(&mut spool, &mut vec![record_of(800)], at(0)).expect("there is room");
        let name = disk.names().remove(0);
        let with_one = length(&disk, &name);
        let line = with_one - b"trubrics spool 1 8b272e4a\n".len();
        let rest = 800 + total - with_one - line;
        store(&mut spool, &mut vec![record_of(rest)], at(0)).expect("there is room");
        assert_eq!(length(&disk, &name), total);
        assert_eq!(spool.has_sealed(), is_closed, "{total}");
    }
}

#[test]
fn the_records_of_a_call_are_written_in_one_go() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..6), at(0)).expect("there is room");
    let operations = disk.operations();
    let appends = operations.iter().filter(|one| **one == Operation::Append);
    assert_eq!(appends.count(), 1);
}

#[test]
fn a_record_of_32_mib_is_stored_and_a_longer_one_is_not() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(1 << 30));
    let mut too_long = vec![record_of(32 * MIB + 1)];
    let error = store(&mut spool, &mut too_long, at(0)).expect_err("too long");
    assert_eq!(
        (error.kind(), too_long.len()),
        (io::ErrorKind::FileTooLarge, 1)
    );
    store(&mut spool, &mut vec![record_of(32 * MIB)], at(0)).expect("short enough");
    assert_eq!(spool.stored(), 1);

    // Those around it are stored.
    let mut mixed = records("a", 0..2);
    mixed.insert(1, record_of(32 * MIB + 1));
    store(&mut spool, &mut mixed, at(0)).expect_err("one is too long");
    assert_eq!((mixed.len(), mixed[0].json.len()), (1, 32 * MIB + 1));
    assert_eq!(spool.stored(), 3);
}

#[test]
fn segments_for_several_runs_stay_small() {
    for (max_bytes, expected) in [
        (4 * 1024, 1024),
        (64 << 20, 64 * 1024),
        (1 << 30, MIB as u64),
        (u64::MAX, 16 * MIB as u64),
    ] {
        let spool = spool(&MemoryDisk::default(), with_max_bytes(max_bytes));
        assert_eq!(spool.small_segment_bytes(), expected);
    }
}

#[test]
fn the_first_record_of_a_run_reads_a_quarter_more_names_than_small_segments_fit() {
    for (max_bytes, expected) in [(4_000, 1024), (1 << 30, 1280), (64 << 30, 5120)] {
        let disk = MemoryDisk::default();
        put_segments(&disk, 5_200, b"");
        let mut spool = spool(&disk, with_max_bytes(max_bytes));
        store(&mut spool, &mut records("a", 0..1), at(0)).expect("there is room");
        assert_eq!(disk.names_read(), expected, "{max_bytes}");
    }
}

#[test]
fn no_more_is_removed_than_the_new_segment_needs() {
    let disk = MemoryDisk::default();
    disk.set_block(1_500);
    (0..3).for_each(|number| leave_behind(&disk, "x", 10, at(number)));
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..1), at(9)).expect("there is room");
    let evicted = spool.take_evicted().len();
    assert_eq!(evicted, 1, "3,000 bytes are left, and 1,000 are needed");
}

#[test]
fn the_first_record_of_a_run_removes_eight_segments_at_most() {
    let disk = MemoryDisk::default();
    (0..20).for_each(|number| leave_behind(&disk, "x", 10, at(number)));
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..1), at(30)).expect("there is room");
    assert_eq!(spool.take_evicted().len(), 8);
}

#[test]
fn a_new_segment_removes_512_others_at_most_if_that_is_room_enough() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..10), at(0)).expect("there is room");
    (0..600).for_each(|number| leave_behind(&disk, "x", 1, at(1 + number)));
    store(&mut spool, &mut records("a", 10..11), at(900)).expect("there is room");
    assert_eq!(spool.take_evicted().len(), 512);
}

#[test]
fn a_file_of_another_version_is_known_not_to_count_once_it_was_tried() {
    let disk = MemoryDisk::default();
    let other = [b"trubrics spool 2 2f0e1c99\n".as_slice(), &[b'x'; 3_000]].concat();
    put_segments(&disk, 1, &other);
    (0..2).for_each(|number| leave_behind(&disk, "x", 10, at(number)));
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..1), at(9)).expect("there is room");
    assert!(spool.take_evicted().is_empty());
}

#[test]
fn a_file_without_a_number_for_another_record_is_not_added_to() {
    let disk = MemoryDisk::default();
    let mut bytes = b"trubrics spool 1 8b272e4a\n".to_vec();
    let (last, stored) = (record("x0"), at(0).system);
    write_record(&mut bytes, Endpoint::Events, u32::MAX, stored, &last.json);
    put_segments(&disk, 1, &bytes);
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..1), at(0)).expect("there is room");
    spool.leave(at(0));
    assert_eq!(deliver_all(&disk), ["x0", "a0"]);
}

#[test]
fn a_file_whose_name_is_too_late_for_others_behind_it_is_not_added_to() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 1, at(0));
    let bytes = disk.bytes(&disk.names()[0]).expect("a file");
    disk.remove_folder();
    let id = "0".repeat(32);
    disk.put(
        &folder().join(format!("{}-e-{id}.trubrics", u64::MAX)),
        &bytes,
    );
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..30), at(0)).expect("there is room");
    spool.leave(at(0));
    assert_eq!(deliver_all(&disk).len(), 31);
}

#[test]
fn only_what_this_run_adds_to_a_segment_is_held_by_it() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 3, at(0));
    let name = disk.names().remove(0);
    let before = length(&disk, &name);
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..2), at(1)).expect("there is room");
    assert_eq!(spool.held(), (2, length(&disk, &name) - before));
}

#[test]
fn the_size_counts_every_segment_and_the_age_those_with_records_of_this_client() {
    let disk = MemoryDisk::default();
    let mut ours = spool(&disk, settings());
    assert_eq!(ours.size_and_oldest(), (0, None));
    store(&mut ours, &mut records("a", 0..1), at(1)).expect("there is room");
    store(&mut ours, &mut records("a", 1..12), at(2)).expect("there is room");
    let all = disk
        .names()
        .iter()
        .map(|name| length(&disk, name))
        .sum::<usize>() as u64;
    assert_eq!(
        (disk.segments(), ours.size_and_oldest()),
        (2, (all, Some(at(1).system)))
    );

    // The first record of a run could not be added to the segment of another one.
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 1, at(0));
    let bytes = length(&disk, &disk.names()[0]) as u64;
    let mut ours = spool(&disk, settings());
    disk.refuse(Some(Operation::Append));
    store(&mut ours, &mut records("a", 0..1), at(1)).expect_err("it cannot be written");
    assert_eq!(ours.size_and_oldest(), (bytes, None));
}

#[test]
fn a_load_has_a_thousand_records_or_few_more() {
    let disk = MemoryDisk::default();
    let late = at(8 * DAY.as_secs());
    (0..10).for_each(|number| leave_behind(&disk, "x", 50, at(number)));
    (0..20).for_each(|_| leave_behind(&disk, "y", 50, late));
    let mut spool = spool(&disk, with_max_bytes(1 << 30));
    spool.scan_for_orphans(late).expect("the disk works");
    let loaded = spool.load(true, true, late).expect("records");
    assert_eq!((loaded.expired.len(), loaded.records.len()), (500, 500));
}

#[test]
fn a_load_has_a_mebibyte_or_little_more() {
    let disk = MemoryDisk::default();
    for number in 0..15 {
        let mut other = spool(&disk, with_max_bytes(1 << 30));
        store_apart(&disk, &mut other, &mut vec![record_of(100_000)], at(number));
        other.leave(at(number));
    }
    let mut spool = spool(&disk, with_max_bytes(1 << 30));
    spool.scan_for_orphans(at(20)).expect("the disk works");
    let loaded = spool.load(true, true, at(20)).expect("records");
    assert_eq!(loaded.records.len(), 11);
}
