//! How much the folder may hold, and for how long.

use std::collections::BTreeSet;

use super::*;
use crate::spool::disk::double::Operation;

fn used(disk: &MemoryDisk) -> usize {
    let length = |name: &PathBuf| disk.bytes(name).map_or(0, |bytes| bytes.len());
    disk.names().iter().map(length).sum()
}

fn all_of(evicted: &[Loaded]) -> Vec<String> {
    let each = evicted.iter().map(|loaded| texts(&loaded.records));
    each.flatten().collect()
}

#[test]
fn the_oldest_of_ours_go_first() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    for number in 0..60 {
        let mut one = records("a", number..number + 1);
        spool
            .store(&mut one, at(number.into()))
            .expect("there is room");
        assert!(used(&disk) <= 4_000 + 200, "{}", used(&disk));
    }
    let evicted = spool.take_evicted();
    let gone = all_of(&evicted);
    let expected: Vec<_> = (0..gone.len()).map(|number| format!("a{number}")).collect();
    assert_eq!(gone, expected);
    assert!(
        evicted
            .iter()
            .all(|loaded| !loaded.is_recovered && loaded.missing == 0)
    );
    assert_eq!(spool.settled(), gone.len() as u64);
    assert!(spool.take_evicted().is_empty());
    assert_eq!(spool.leave(at(0)).records, 60 - gone.len() as u64);
    let left = deliver_all(&disk);
    let expected: Vec<_> = (gone.len()..60)
        .map(|number| format!("a{number}"))
        .collect();
    assert_eq!(left, expected);
}

#[test]
fn those_of_others_go_before_ours_if_they_are_older() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 8, at(0));
    let mut spool = spool(&disk, settings());
    spool
        .store(&mut records("a", 0..12), at(1))
        .expect("there is room");
    leave_behind(&disk, "y", 8, at(2));
    spool
        .store(&mut records("a", 12..60), at(3))
        .expect("there is room");
    let evicted = spool.take_evicted();
    let whose = |loaded: &Loaded| {
        (
            texts(&loaded.records)[0][..1].to_owned(),
            loaded.is_recovered,
        )
    };
    let order: Vec<_> = evicted.iter().map(whose).collect();
    // The second of ours was begun before the other one of theirs.
    let expected = [("x", true), ("a", false), ("a", false), ("y", true)];
    assert_eq!(
        order[..4],
        expected.map(|(text, found)| (text.to_owned(), found))
    );
}

#[test]
fn what_is_being_delivered_does_not_go() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    spool
        .store(&mut records("a", 0..12), at(0))
        .expect("there is room");
    let loaded = spool.load(false, true, at(0)).expect("it is due");
    spool
        .store(&mut records("a", 12..60), at(1))
        .expect("there is room");
    let evicted = spool.take_evicted();
    let gone = all_of(&evicted);
    assert!(!gone.is_empty());
    assert!(
        texts(&loaded.records)
            .iter()
            .all(|text| !gone.contains(text))
    );
    spool
        .acknowledge(&entries(&loaded.records))
        .expect("it is there");
}

#[test]
fn without_room_the_records_are_given_back() {
    let disk = MemoryDisk::default();
    let others: Vec<_> = (0..4)
        .map(|number| {
            let mut other = spool(
                &disk,
                SpoolSettings {
                    max_bytes: 1_000_000,
                    ..settings()
                },
            );
            other
                .store(&mut records("x", 0..10), at(number))
                .expect("there is room");
            other
        })
        .collect();
    let mut ours = spool(&disk, settings());
    let mut given = records("a", 0..3);
    let error = ours
        .store(&mut given, at(9))
        .expect_err("others hold all of it");
    assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
    assert_eq!(texts(&given), ["a0", "a1", "a2"]);
    assert!(given.iter().all(|record| record.spool_entry.is_none()));
    assert!(ours.take_evicted().is_empty());
    drop(others);
    ours.store(&mut given, at(9)).expect("they can go now");
    assert!(ours.take_evicted().iter().all(|loaded| loaded.is_recovered));
}

#[test]
fn the_files_of_strangers_do_not_count_and_do_not_go() {
    let disk = MemoryDisk::default();
    let notes = folder().join("notes.txt");
    disk.put(&notes, &[b'x'; 10_000]);
    let mut spool = spool(&disk, settings());
    spool
        .store(&mut records("a", 0..60), at(0))
        .expect("there is room");
    assert!(disk.bytes(&notes).is_some());
}

#[test]
fn records_expire_with_their_segment_whoever_left_it() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 1, at(0));
    let mut spool = spool(&disk, settings());
    spool.scan_for_orphans(at(20)).expect("the disk is well");
    spool
        .store(&mut records("a", 0..1), at(1))
        .expect("there is room");
    let loaded = spool.load(true, true, at(0) + 7 * DAY).expect("one record");
    assert!(!loaded.is_expired, "not older than it may be");
    assert!(!spool.is_expired(at(0) + 7 * DAY));
    assert!(spool.is_expired(at(1) + 7 * DAY), "it expires in delivery");
    spool.acknowledge(&[number(1)]).expect("the disk is well");
    assert!(!spool.is_expired(at(1) + 7 * DAY), "nothing is in delivery");
    let loaded = spool.load(true, true, at(2) + 7 * DAY).expect("one record");
    assert!(loaded.is_expired && !loaded.is_recovered);
}

#[test]
fn a_clock_that_goes_back_expires_nothing() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    spool
        .store(&mut records("a", 0..1), at(0))
        .expect("there is room");
    let loaded = spool.load(true, true, UNIX_EPOCH).expect("one record");
    assert!(!loaded.is_expired);
}

#[test]
fn what_cannot_be_removed_stays_and_nothing_is_told_of_it() {
    for is_ours in [true, false] {
        let disk = MemoryDisk::default();
        let mut spool = spool(&disk, settings());
        if is_ours {
            let mut first = records("a", 0..30);
            spool.store(&mut first, at(0)).expect("there is room");
        } else {
            leave_behind(&disk, "a", 30, at(0));
        }
        disk.refuse(Some(Operation::Remove));
        let mut given = records("a", 30..60);
        for _ in 0..2 {
            let error = spool
                .store(&mut given, at(1))
                .expect_err("nothing can be removed");
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        }
        assert!(!given.is_empty());
        assert!(spool.take_evicted().is_empty());
        assert_eq!(spool.settled(), 0);

        disk.refuse(None);
        spool.store(&mut given, at(1)).expect("it can be again");
        spool.leave(at(1));
        let evicted = spool.take_evicted();
        let gone = all_of(&evicted);
        let left = deliver_all(&disk);
        assert!(gone.len() >= 10);
        let all: BTreeSet<_> = gone.iter().chain(&left).cloned().collect();
        let expected = texts(&records("a", 0..60)).into_iter().collect();
        assert_eq!((all, gone.len() + left.len()), (expected, 60));
    }
}

#[test]
fn the_oldest_go_at_the_end_too_where_records_need_another_place() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    let mut ours = records("a", 0..30);
    spool.store(&mut ours, at(0)).expect("there is room");
    let newest = disk.names().pop().expect("a file");
    disk.remove(&newest).expect("somebody removes it");
    leave_behind(&disk, "b", 10, at(1));
    assert!(spool.take_evicted().is_empty());
    let left = spool.leave(at(2));
    let evicted = spool.take_evicted();
    assert!(!evicted.is_empty() && left.orphaned.is_empty());
    assert!(evicted.iter().all(|loaded| !loaded.is_recovered));
    let gone = all_of(&evicted);
    assert_eq!(left.records, 30 - gone.len() as u64);
    let mut all = [gone, deliver_all(&disk)].concat();
    all.sort_unstable();
    let mut expected = [texts(&records("a", 0..30)), texts(&records("b", 0..10))].concat();
    expected.sort_unstable();
    assert_eq!(all, expected);
}

#[test]
fn room_is_made_with_one_look_at_the_folder() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    spool
        .store(&mut records("a", 0..35), at(0))
        .expect("there is room");
    disk.set_fault(None);
    spool
        .store(&mut records("a", 35..45), at(1))
        .expect("there is room");
    assert!(!spool.take_evicted().is_empty());
    let count = |wanted| {
        disk.operations()
            .iter()
            .filter(|one| **one == wanted)
            .count()
    };
    assert_eq!(count(Operation::List), count(Operation::Create));
}

#[test]
fn a_spool_of_a_gibibyte_needs_no_more_files_than_one_of_the_default_size() {
    const MIB: u64 = 1024 * 1024;
    for (max_bytes, expected) in [
        (4 * 1024, 1024),
        (2 * MIB, MIB / 2),
        (64 * MIB, MIB),
        (1024 * MIB, 16 * MIB),
        (u64::MAX, 16 * MIB),
    ] {
        let disk = MemoryDisk::default();
        let settings = SpoolSettings {
            max_bytes,
            ..settings()
        };
        assert_eq!(spool(&disk, settings).segment_bytes(), expected);
    }
}
