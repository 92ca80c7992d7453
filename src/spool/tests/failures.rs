//! The same sequence of calls, with the disk failing at every operation in it.

use std::collections::BTreeMap;

use super::*;
use crate::spool::disk::double::Fault;

/// What became of the records.
#[derive(Default)]
struct Outcome {
    delivered: BTreeMap<String, u32>,
    /// Those that the disk said it had, when they were last seen.
    on_disk: Vec<String>,
    /// Their acknowledgement failed, or they were given back by a disk that could not take them out again either.
    may_double: Vec<String>,
    missing: u64,
}

impl Outcome {
    fn deliver(&mut self, records: &[Encoded]) {
        for record in records {
            *self.delivered.entry(text(record)).or_default() += 1;
        }
    }
}

const OURS: u32 = 24;

fn all() -> Vec<String> {
    let left = ["x0", "x1", "y0"].map(str::to_owned);
    let ours = (0..OURS).map(|number| format!("a{number}"));
    left.into_iter().chain(ours).collect()
}

fn left_by_others() -> MemoryDisk {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 2, at(0));
    leave_behind(&disk, "y", 1, at(1));
    disk
}

/// Stores, delivers and acknowledges by turns, and leaves in the middle of it. With `is_mortal`, the process is gone
/// once the disk has failed.
fn live(disk: &MemoryDisk, sync: bool, is_mortal: bool) -> Outcome {
    let settings = SpoolSettings {
        max_bytes: 4_000_000,
        sync,
        ..settings()
    };
    let mut outcome = Outcome::default();
    let mut spool = spool(disk, settings);
    let is_dead = || is_mortal && disk.has_failed();
    let _ = spool.scan_for_orphans(at(20));
    for round in 0..8 {
        store_three(disk, &mut spool, round, is_dead, &mut outcome);
        if !is_dead() && round % 2 == 1 {
            // The last load is left in the middle of it.
            let parts = if round == 7 { 1 } else { 99 };
            deliver_parts(disk, &mut spool, parts, is_dead, &mut outcome);
        }
        if is_dead() {
            return outcome;
        }
    }
    spool.leave(at(0));
    outcome
}

fn store_three(
    disk: &MemoryDisk,
    spool: &mut Spool,
    round: u32,
    is_dead: impl Fn() -> bool,
    outcome: &mut Outcome,
) {
    let mut group = records("a", round * 3..round * 3 + 3);
    let before = texts(&group);
    let failed = store(spool, &mut group, at(10)).is_err();
    if is_dead() {
        return;
    }
    assert_eq!(
        failed,
        !group.is_empty(),
        "records are given back with an error"
    );
    let given_back = texts(&group);
    let stored = before.into_iter().filter(|text| !given_back.contains(text));
    outcome.on_disk.extend(stored);
    // Records in memory are delivered too, and nothing has to be written down for them.
    assert!(group.iter().all(|record| record.spool_entry.is_none()));
    outcome.deliver(&group);
    if failed && disk.has_lasting_fault() {
        outcome.may_double.extend(given_back);
    }
}

fn deliver_parts(
    disk: &MemoryDisk,
    spool: &mut Spool,
    parts: usize,
    is_dead: impl Fn() -> bool,
    outcome: &mut Outcome,
) {
    let Some(loaded) = spool.load(true, true, at(10)) else {
        return;
    };
    outcome.missing += loaded.missing;
    for part in loaded.records.chunks(2).take(parts) {
        if is_dead() {
            return;
        }
        outcome.deliver(part);
        let failed = spool.acknowledge(&entries(part)).is_err();
        // A file that is not there needs no acknowledgement.
        if failed || disk.denies_everything() {
            outcome.may_double.extend(texts(part));
        }
        if is_dead() {
            return;
        }
        outcome.on_disk.retain(|text| !texts(part).contains(text));
    }
}

/// The errors of a disk, and how much of a write it takes before, in percent.
pub(super) const KINDS: [(io::ErrorKind, usize); 5] = [
    (io::ErrorKind::Other, 0),
    (io::ErrorKind::Other, 100),
    (io::ErrorKind::StorageFull, 50),
    (io::ErrorKind::NotFound, 0),
    (io::ErrorKind::PermissionDenied, 0),
];

/// Runs it with a failure at every operation, until there is none.
fn for_every_operation(lasts: bool, is_mortal: bool, check: impl Fn(&MemoryDisk, Outcome, &str)) {
    for (error, percent) in KINDS {
        for sync in [false, true] {
            for first in 0.. {
                let fault = Fault {
                    first,
                    lasts,
                    error,
                    percent,
                };
                let disk = left_by_others();
                disk.set_fault(Some(fault));
                let outcome = live(&disk, sync, is_mortal);
                let is_over = !disk.has_failed();
                check(&disk, outcome, &format!("{fault:?}, sync: {sync}"));
                if is_over {
                    assert!(first > 25, "the story is too short: {first} operations");
                    break;
                }
            }
        }
    }
}

fn assert_none_is_lost_or_doubled(disk: &MemoryDisk, mut outcome: Outcome, what: &str) {
    disk.set_fault(None);
    for text in deliver_all(disk) {
        *outcome.delivered.entry(text).or_default() += 1;
    }
    for text in all() {
        let times = outcome.delivered.get(&text).copied().unwrap_or(0);
        assert!(times > 0, "{what}: {text} is lost");
        assert!(
            times == 1 || outcome.may_double.contains(&text),
            "{what}: {text} came {times} times"
        );
    }
    assert_eq!(
        outcome.delivered.len(),
        all().len(),
        "{what}: some are made up"
    );
    assert!(disk.names().is_empty(), "{what}: {:?}", disk.names());
}

#[test]
fn a_disk_that_is_well_delivers_each_record_once() {
    for sync in [false, true] {
        let disk = left_by_others();
        let outcome = live(&disk, sync, false);
        assert!(outcome.may_double.is_empty() && outcome.missing == 0);
        assert_none_is_lost_or_doubled(&disk, outcome, "no failure");
    }
}

#[test]
fn an_operation_that_fails_loses_nothing() {
    for_every_operation(false, false, |disk, outcome, what| {
        assert!(
            outcome.may_double.len() <= 2,
            "{what}: {:?}",
            outcome.may_double
        );
        assert_none_is_lost_or_doubled(disk, outcome, what);
    });
}

#[test]
fn a_disk_that_fails_from_some_operation_on_loses_nothing() {
    for_every_operation(true, false, |disk, outcome, what| {
        assert_none_is_lost_or_doubled(disk, outcome, what);
    });
}

#[test]
fn a_process_that_dies_at_any_operation_loses_nothing_on_disk() {
    for_every_operation(true, true, |disk, outcome, what| {
        disk.set_fault(None);
        let recovered = deliver_all(disk);
        for text in &outcome.on_disk {
            // Its acknowledgement may be the last that was written.
            let is_there = recovered.contains(text) || outcome.delivered.contains_key(text);
            assert!(is_there, "{what}: {text} is lost");
        }
        for text in &recovered {
            let times = outcome.delivered.get(text).copied().unwrap_or(0);
            assert!(
                times == 0 || outcome.may_double.contains(text),
                "{what}: {text} is doubled"
            );
        }
        assert!(
            outcome.may_double.len() <= 2,
            "{what}: {:?}",
            outcome.may_double
        );
    });
}

#[test]
fn a_folder_that_is_not_there_is_made_when_it_is_needed() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    assert!(spool.scan_for_orphans(at(20)).is_err(), "and not before");
    store(&mut spool, &mut records("a", 0..1), at(0)).expect("the disk works");
    assert_eq!(disk.names().len(), 1);
}

#[test]
fn an_acknowledgement_that_failed_is_made_good_at_the_end() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..3), at(0)).expect("the disk works");
    spool.load(true, true, at(0)).expect("three records");
    disk.set_fault(Some(Fault {
        first: 0,
        lasts: false,
        error: io::ErrorKind::StorageFull,
        percent: 50,
    }));
    spool
        .acknowledge(&[entry(1), entry(2)])
        .expect_err("there is no room");
    assert_eq!(spool.leave(at(0)).records, 1);
    assert_eq!(deliver_all(&disk), ["a2"]);
}

#[test]
fn a_settled_file_is_not_found_again_while_the_disk_fails() {
    let disk = left_by_others();
    let mut spool = spool(&disk, settings());
    spool.scan_for_orphans(at(20)).expect("the disk works");
    let loaded = spool.load(false, true, at(20)).expect("records");
    assert_eq!(loaded.records.len(), 3);
    disk.set_fault(Some(Fault {
        first: 0,
        lasts: true,
        error: io::ErrorKind::PermissionDenied,
        percent: 0,
    }));
    assert!(spool.acknowledge(&entries(&loaded.records)).is_err());
    disk.set_fault(None);
    spool.scan_for_orphans(at(30)).expect("the disk works");
    assert!(spool.load(false, true, at(30)).is_none());
    spool.acknowledge(&[]).expect("the disk works");
    assert_eq!(disk.names(), Vec::<PathBuf>::new());
}

#[test]
fn files_without_a_record_that_cannot_be_removed_are_passed_over() {
    let disk = MemoryDisk::default();
    for number in 0..1_100 {
        leave_behind(&disk, "x", 1, at(number));
    }
    let settled = disk.names();
    leave_behind(&disk, "y", 1, at(2_000));
    for name in &settled {
        // What is left of a file whose records are settled.
        let bytes = disk.bytes(name).expect("a file");
        let end = bytes
            .iter()
            .position(|byte| *byte == b'\n')
            .expect("a head");
        disk.put(name, &bytes[..=end]);
    }
    disk.refuse_removal(true);
    let mut spool = spool(&disk, settings());
    spool.scan_for_orphans(at(2_100)).expect("the disk works");
    let loaded = spool.load(false, true, at(2_100)).expect("a record");
    assert_eq!(texts(&loaded.records), ["y0"]);
    assert!(spool.load(false, true, at(2_100)).is_none());
    assert!(spool.needs_scan(), "the disk failed");
}

#[test]
fn a_folder_that_is_removed_in_the_middle_of_a_delivery_doubles_none() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..5), at(0)).expect("the disk works");
    spool.load(true, true, at(0)).expect("five records");
    disk.remove_folder();
    let _ = spool.acknowledge(&[entry(1), entry(2)]);
    let left = spool.leave(at(0));
    assert_eq!(
        (left.records, left.orphaned.len(), left.missing),
        (3, 0, 0),
        "in a folder that was made anew"
    );
    assert_eq!(deliver_all(&disk), ["a2", "a3", "a4"]);
}

#[test]
fn a_folder_that_is_removed_is_no_disk_that_fails() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    let store_one = |spool: &mut Spool, number| {
        let mut one = records("a", number..number + 1);
        store(spool, &mut one, at(0)).expect("it makes a new one");
        assert!(one.is_empty());
    };
    store_one(&mut spool, 0);
    store_one(&mut spool, 1);
    let loaded = spool.load(true, true, at(0)).expect("two records");
    disk.remove_folder();
    spool
        .acknowledge(&[entry(1)])
        .expect("no process will find it");
    spool.acknowledge(&[entry(2)]).expect("it is gone already");
    assert_eq!((loaded.records.len(), spool.settled()), (2, 2));

    store_one(&mut spool, 2);
    disk.remove_folder();
    store_one(&mut spool, 3);
    let mut delivered = Vec::new();
    while let Some(loaded) = spool.load(true, true, at(0)) {
        delivered.extend(texts(&loaded.records));
        spool
            .acknowledge(&entries(&loaded.records))
            .expect("it is gone, or it goes");
    }
    assert_eq!(delivered, ["a2", "a3"]);
    assert!(disk.names().is_empty());
}

#[test]
fn a_disk_that_refuses_a_write_now_and_then_makes_no_file_of_each() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    let mut records = records("a", 0..10);
    for _ in 0..10 {
        let mut one = records.drain(..1).collect();
        store(&mut spool, &mut one, at(0)).expect("the disk works");
        disk.set_fault(Some(Fault {
            first: 0,
            lasts: false,
            error: io::ErrorKind::StorageFull,
            percent: 50,
        }));
        let mut refused = super::records("b", 0..1);
        store(&mut spool, &mut refused, at(0)).expect_err("no room");
        assert_eq!(refused.len(), 1);
    }
    assert_eq!(disk.names().len(), 1);
    spool.leave(at(0));
    assert_eq!(deliver_all(&disk).len(), 10);
}

#[test]
fn a_file_that_takes_nothing_any_more_is_left_for_another() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..1), at(0)).expect("the disk works");
    let mut records = records("b", 0..1);
    for _ in 0..2 {
        disk.set_fault(Some(Fault {
            first: 0,
            lasts: false,
            error: io::ErrorKind::Other,
            percent: 0,
        }));
        store(&mut spool, &mut records, at(0)).expect_err("refused");
    }
    store(&mut spool, &mut records, at(0)).expect("in another file");
    assert_eq!(disk.names().len(), 2);
}
