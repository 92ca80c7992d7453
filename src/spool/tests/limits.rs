//! How much the folder may hold.

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
        store(&mut spool, &mut one, at(number.into())).expect("there is room");
        assert!(used(&disk) <= 4_000 + 200, "{}", used(&disk));
    }
    let evicted = spool.take_evicted();
    let gone = all_of(&evicted);
    let expected: Vec<_> = (0..gone.len()).map(|number| format!("a{number}")).collect();
    assert_eq!(gone, expected);
    assert!(
        evicted
            .iter()
            .all(|loaded| loaded.recovered == 0 && loaded.missing == 0)
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
fn older_segments_of_other_processes_go_first() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 8, at(0));
    let mut spool = spool(&disk, settings());
    store_apart(&disk, &mut spool, &mut records("a", 0..12), at(1));
    leave_behind(&disk, "y", 8, at(2));
    store(&mut spool, &mut records("a", 12..60), at(3)).expect("there is room");
    let evicted = spool.take_evicted();
    let whose = |loaded: &Loaded| {
        (
            texts(&loaded.records)[0][..1].to_owned(),
            loaded.recovered > 0,
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
fn a_segment_in_delivery_does_not_go() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..12), at(0)).expect("there is room");
    let loaded = spool.load(false, true, at(0)).expect("it is due");
    store(&mut spool, &mut records("a", 12..60), at(1)).expect("there is room");
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

/// Processes that hold all that the limit allows.
fn others_that_hold_everything(disk: &MemoryDisk) -> Vec<Spool> {
    let large = SpoolSettings {
        max_bytes: 1_000_000,
        ..settings()
    };
    let hold = |number| {
        let mut other = spool(disk, large.clone());
        store(&mut other, &mut records("x", 0..10), at(number)).expect("there is room");
        other
    };
    (0..4).map(hold).collect()
}

#[test]
fn a_client_has_room_for_a_segment_of_its_own_whatever_others_hold() {
    let disk = MemoryDisk::default();
    let others = others_that_hold_everything(&disk);
    let mut ours = spool(&disk, settings());
    let mut given = records("a", 0..30);
    store(&mut ours, &mut given, at(9)).expect("there is room for a few");
    assert!(given.is_empty());
    let evicted = ours.take_evicted();
    assert!(
        evicted.iter().all(|loaded| loaded.recovered == 0),
        "its own"
    );
    let gone = all_of(&evicted).len() as u32;
    assert_eq!(all_of(&evicted), texts(&records("a", 0..gone)));
    assert!((10..30).contains(&gone), "{gone}");
    drop(others);
    assert_eq!(ours.leave(at(9)).records, u64::from(30 - gone));
}

#[test]
fn a_client_that_delivers_what_others_left_has_room_for_a_segment_of_its_own() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 1, at(0));
    let mut ours = spool(&disk, settings());
    ours.scan_for_orphans(at(1)).expect("the disk works");
    ours.load(true, true, at(1)).expect("a record");
    let others = others_that_hold_everything(&disk);
    store(&mut ours, &mut records("a", 0..1), at(9)).expect("there is room for a few");
    drop(others);
}

#[test]
fn a_segment_that_is_removed_makes_another_look_for_room_worthwhile() {
    let disk = MemoryDisk::default();
    let _others = others_that_hold_everything(&disk);
    let mut ours = spool(&disk, settings());
    store(&mut ours, &mut records("a", 0..2), at(9)).expect("there is room for a few");
    let loaded = ours.load(true, true, at(9)).expect("records");
    let stored = ours.store(&mut records("a", 2..3), WhenFull::Keep, at(9));
    assert_eq!(stored.expect("the disk works"), StoreOutcome::Full);
    for (entry, until) in entries(&loaded.records)
        .iter()
        .zip([Some(at(10).instant), None])
    {
        ours.acknowledge(&[*entry]).expect("the disk works");
        assert_eq!(ours.full_until(), until);
    }
}

#[test]
fn without_room_the_records_are_given_back() {
    let disk = MemoryDisk::default();
    let others = others_that_hold_everything(&disk);
    let mut ours = spool(&disk, settings());
    store(&mut ours, &mut records("a", 0..8), at(9)).expect("there is room for a few");
    let loaded = ours.load(true, true, at(9)).expect("records");
    let mut given = records("a", 8..11);
    let error = store(&mut ours, &mut given, at(9)).expect_err("others hold the rest");
    assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
    assert_eq!(texts(&given), ["a8", "a9", "a10"]);
    assert!(given.iter().all(|record| record.spool_entry.is_none()));
    assert!(ours.take_evicted().is_empty());
    drop(others);
    store(&mut ours, &mut given, at(9)).expect("they can go now");
    let evicted = ours.take_evicted();
    assert!(!evicted.is_empty() && evicted.iter().all(|loaded| loaded.recovered > 0));
    assert_eq!((loaded.records.len(), ours.stored()), (8, 11));
}

#[test]
fn foreign_files_do_not_count_and_stay() {
    let disk = MemoryDisk::default();
    let notes = folder().join("notes.txt");
    disk.put(&notes, &[b'x'; 10_000]);
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..60), at(0)).expect("there is room");
    assert!(disk.bytes(&notes).is_some());
}

#[test]
fn what_cannot_be_removed_stays_and_is_not_reported() {
    for is_ours in [true, false] {
        let disk = MemoryDisk::default();
        let mut spool = spool(&disk, settings());
        if is_ours {
            let mut first = records("a", 0..30);
            store(&mut spool, &mut first, at(0)).expect("there is room");
        } else {
            leave_behind(&disk, "a", 30, at(0));
        }
        disk.refuse(Some(Operation::Remove));
        let mut given = records("a", 30..60);
        for _ in 0..2 {
            let error = store(&mut spool, &mut given, at(1)).expect_err("nothing can be removed");
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        }
        assert!(!given.is_empty());
        assert!(spool.take_evicted().is_empty());
        assert_eq!(spool.settled(), 0);

        disk.refuse(None);
        store(&mut spool, &mut given, at(1)).expect("it can be again");
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
fn the_oldest_go_when_a_client_leaves_too() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    let mut ours = records("a", 0..30);
    store(&mut spool, &mut ours, at(0)).expect("there is room");
    let newest = disk.names().pop().expect("a file");
    disk.remove(&newest).expect("another program removes it");
    leave_behind(&disk, "b", 10, at(1));
    assert!(spool.take_evicted().is_empty());
    let left = spool.leave(at(2));
    let evicted = spool.take_evicted();
    assert!(!evicted.is_empty() && left.orphaned.is_empty());
    assert!(evicted.iter().all(|loaded| loaded.recovered == 0));
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
    store(&mut spool, &mut records("a", 0..35), at(0)).expect("there is room");
    disk.set_fault(None);
    store(&mut spool, &mut records("a", 35..45), at(1)).expect("there is room");
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
fn a_spool_of_a_gibibyte_needs_no_more_files_than_one_of_64_mib() {
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

fn keep(spool: &mut Spool, records: &mut Vec<Encoded>, now: Now) -> StoreOutcome {
    let stored = spool.store(records, WhenFull::Keep, now);
    stored.expect("the disk works")
}

#[test]
fn a_full_spool_can_be_asked_to_keep_what_it_has() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    let mut given = records("a", 0..60);
    assert_eq!(keep(&mut spool, &mut given, at(0)), StoreOutcome::Full);
    let stored = 60 - given.len();
    assert!((20..40).contains(&stored), "{stored}");
    assert_eq!(text(&given[0]), format!("a{stored}"));
    assert!(spool.take_evicted().is_empty());
    assert!(!may_have_room(&spool, 0), "nothing has changed");
    assert!(
        may_have_room(&spool, 1),
        "another process may have removed some"
    );

    let loaded = spool.load(true, true, at(0)).expect("records");
    spool
        .acknowledge(&entries(&loaded.records))
        .expect("the disk works");
    assert!(may_have_room(&spool, 0));
    let before = given.len();
    keep(&mut spool, &mut given, at(0));
    assert!(given.len() < before);
}

fn may_have_room(spool: &Spool, seconds: u64) -> bool {
    let until = spool.full_until();
    until.is_none_or(|until| at(seconds).instant >= until)
}
