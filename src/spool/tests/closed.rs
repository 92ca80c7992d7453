//! More full segments than files may be open.

use super::*;
use crate::spool::disk::double::Operation;

fn large_settings() -> SpoolSettings {
    SpoolSettings {
        max_bytes: 1_000_000,
        ..settings()
    }
}

/// Stores them in a segment that is full with them.
fn fill_one(spool: &mut Spool, mut records: Vec<Encoded>, now: SystemTime) {
    spool.store(&mut records, now).expect("there is room");
    let full = spool.active.take().expect("it has room for more");
    spool.seal(full);
}

/// So many full segments, of which the last ones have no open file.
fn spool_with_closed(disk: &MemoryDisk, closed: u32) -> (Spool, u32) {
    let mut spool = spool(disk, large_settings());
    let count = MAX_OPEN as u32 + closed;
    for number in 0..count {
        let one = records("a", number..number + 1);
        fill_one(&mut spool, one, at(number.into()));
    }
    (spool, count)
}

/// Loads and acknowledges all of ours.
fn deliver_ours(spool: &mut Spool) -> Vec<String> {
    let mut delivered = Vec::new();
    while let Some(loaded) = spool.load(true, false, at(0)) {
        assert_eq!((loaded.missing, loaded.is_recovered), (0, false));
        delivered.extend(texts(&loaded.records));
        spool
            .acknowledge(&entries(&loaded.records))
            .expect("the disk is well");
    }
    delivered
}

fn names(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers.map(|number| format!("a{number}")).collect()
}

#[test]
fn a_long_outage_does_not_keep_many_files_open() {
    let disk = MemoryDisk::default();
    let (mut spool, count) = spool_with_closed(&disk, 3);
    assert_eq!(disk.locked(), MAX_OPEN);
    spool.look_around(at(100)).expect("the disk is well");
    assert!(!spool.has_found(), "they are ours all the same");
    assert_eq!(deliver_ours(&mut spool), names(0..count));
    assert_eq!(
        (spool.settled(), spool.take_passed_on()),
        (u64::from(count), 0)
    );
    assert!(disk.names().is_empty());
}

#[test]
fn what_was_closed_is_left_to_whoever_comes_next() {
    let disk = MemoryDisk::default();
    let (mut spool, count) = spool_with_closed(&disk, 3);
    assert_eq!(spool.leave(at(100)).records, u64::from(count));
    assert_eq!(spool.take_passed_on(), 0);
    assert_eq!(deliver_all(&disk), names(0..count));
}

#[test]
fn what_others_took_of_ours_is_theirs() {
    let disk = MemoryDisk::default();
    let (mut ours, count) = spool_with_closed(&disk, 3);
    let mut other = spool(&disk, large_settings());
    other.look_around(at(100)).expect("the disk is well");
    // The first that was closed is delivered by somebody else, and the second is in delivery.
    for is_done in [true, false] {
        let loaded = other.load(true, true, at(100)).expect("it is not held");
        assert!(loaded.is_recovered);
        if is_done {
            other.acknowledge(&[1]).expect("the disk is well");
        }
    }
    let open = MAX_OPEN as u32;
    let expected = [names(0..open), names(open + 2..count)].concat();
    assert_eq!(deliver_ours(&mut ours), expected);
    assert_eq!(
        (ours.settled(), ours.take_passed_on()),
        (u64::from(count), 2)
    );
    assert_eq!(ours.take_passed_on(), 0);
}

#[test]
fn what_others_settled_of_a_segment_of_ours_does_not_come_again() {
    let disk = MemoryDisk::default();
    let (mut ours, open) = spool_with_closed(&disk, 0);
    fill_one(&mut ours, records("b", 0..3), at(100));
    let mut other = spool(&disk, large_settings());
    other.look_around(at(101)).expect("the disk is well");
    let loaded = other.load(true, true, at(101)).expect("it is not held");
    assert_eq!(loaded.records.len(), 3);
    other.acknowledge(&[2]).expect("the disk is well");
    assert_eq!(other.leave(at(101)).records, 2);
    let expected = [names(0..open), vec!["b0".into(), "b2".into()]].concat();
    assert_eq!(deliver_ours(&mut ours), expected);
    assert_eq!(
        (ours.settled(), ours.take_passed_on()),
        (u64::from(open) + 3, 1)
    );
}

#[test]
fn what_was_closed_and_cannot_be_opened_is_left_to_whoever_can() {
    let disk = MemoryDisk::default();
    let (mut spool, count) = spool_with_closed(&disk, 1);
    disk.refuse(Some(Operation::Adopt));
    assert_eq!(deliver_ours(&mut spool), names(0..count - 1));
    assert_eq!(
        (spool.settled(), spool.take_passed_on()),
        (u64::from(count), 1)
    );
    disk.refuse(None);
    assert_eq!(deliver_all(&disk), names(count - 1..count));
}

#[test]
fn what_was_closed_goes_too_when_there_is_no_room() {
    let disk = MemoryDisk::default();
    let (mut spool, count) = spool_with_closed(&disk, 2);
    deliver_open(&mut spool);
    spool.settings.max_bytes = 120;
    spool
        .store(&mut vec![record("new")], at(100))
        .expect("there is room");
    let evicted = spool.take_evicted();
    assert!(evicted.iter().all(|loaded| !loaded.is_recovered));
    let gone = evicted.iter().flat_map(|loaded| texts(&loaded.records));
    assert_eq!(gone.collect::<Vec<_>>(), names(count - 2..count));
    assert_eq!(deliver_ours(&mut spool), ["new"]);
    assert_eq!(spool.settled(), u64::from(count) + 1);
}

fn deliver_open(spool: &mut Spool) {
    for _ in 0..MAX_OPEN {
        let loaded = spool.load(false, false, at(0)).expect("it is due");
        spool
            .acknowledge(&entries(&loaded.records))
            .expect("the disk is well");
    }
}
