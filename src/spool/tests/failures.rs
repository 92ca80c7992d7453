//! The same story, with the disk failing at every operation in it.

use std::collections::BTreeMap;

use super::*;
use crate::spool::disk::double::Fault;

/// What became of the records.
#[derive(Default)]
struct Fates {
    delivered: BTreeMap<String, u32>,
    /// Those that the disk said it had, when they were last seen.
    on_disk: Vec<String>,
    /// Their acknowledgement failed, or they were given back by a disk that could not take them out again either.
    may_double: Vec<String>,
    missing: u64,
}

impl Fates {
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
fn live(disk: &MemoryDisk, sync: bool, is_mortal: bool) -> Fates {
    let mut fates = Fates::default();
    let settings = SpoolSettings {
        max_bytes: 4_000_000,
        sync,
        ..settings()
    };
    let mut spool = spool(disk, settings);
    let is_dead = || is_mortal && disk.has_failed();
    let _ = spool.scan_for_orphans(at(20));
    for round in 0..8 {
        let mut group = records("a", round * 3..round * 3 + 3);
        let before = texts(&group);
        let failed = spool.store(&mut group, at(10)).is_err();
        if is_dead() {
            return fates;
        }
        assert_eq!(
            failed,
            !group.is_empty(),
            "what is given back comes with an error"
        );
        let given_back = texts(&group);
        fates
            .on_disk
            .extend(before.into_iter().filter(|text| !given_back.contains(text)));
        // Records in memory are delivered too, and nothing has to be written down for them.
        assert!(group.iter().all(|record| record.spool_entry.is_none()));
        fates.deliver(&group);
        if failed && disk.has_lasting_fault() {
            fates.may_double.extend(given_back);
        }
        if round % 2 == 0 {
            continue;
        }
        let Some(loaded) = spool.load(true, true, at(10)) else {
            continue;
        };
        fates.missing += loaded.missing;
        // The last one is left in the middle of it.
        let parts = loaded
            .records
            .chunks(2)
            .take(if round == 7 { 1 } else { 99 });
        for part in parts {
            if is_dead() {
                return fates;
            }
            fates.deliver(part);
            let failed = spool.acknowledge(&entries(part)).is_err();
            // What is not there needs no acknowledgement.
            if failed || disk.denies_everything() {
                fates.may_double.extend(texts(part));
            }
            if is_dead() {
                return fates;
            }
            fates.on_disk.retain(|text| !texts(part).contains(text));
        }
    }
    spool.leave(at(0));
    fates
}

/// Runs it with a failure at every operation, until there is none.
fn for_every_operation(lasts: bool, is_mortal: bool, check: impl Fn(&MemoryDisk, Fates, &str)) {
    use io::ErrorKind::{NotFound, Other, PermissionDenied, StorageFull};
    let kinds = [
        (Other, 0),
        (Other, 100),
        (StorageFull, 50),
        (NotFound, 0),
        (PermissionDenied, 0),
    ];
    for (error, percent) in kinds {
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
                let fates = live(&disk, sync, is_mortal);
                let is_over = !disk.has_failed();
                check(&disk, fates, &format!("{fault:?}, sync: {sync}"));
                if is_over {
                    assert!(first > 25, "the story is too short: {first} operations");
                    break;
                }
            }
        }
    }
}

fn assert_none_is_lost_or_doubled(disk: &MemoryDisk, mut fates: Fates, what: &str) {
    disk.set_fault(None);
    for text in deliver_all(disk) {
        *fates.delivered.entry(text).or_default() += 1;
    }
    for text in all() {
        let times = fates.delivered.get(&text).copied().unwrap_or(0);
        assert!(times > 0, "{what}: {text} is lost");
        assert!(
            times == 1 || fates.may_double.contains(&text),
            "{what}: {text} came {times} times"
        );
    }
    assert_eq!(
        fates.delivered.len(),
        all().len(),
        "{what}: some are made up"
    );
    assert!(disk.names().is_empty(), "{what}: {:?}", disk.names());
}

#[test]
fn a_disk_that_is_well_delivers_each_record_once() {
    for sync in [false, true] {
        let disk = left_by_others();
        let fates = live(&disk, sync, false);
        assert!(fates.may_double.is_empty() && fates.missing == 0);
        assert_none_is_lost_or_doubled(&disk, fates, "no failure");
    }
}

#[test]
fn an_operation_that_fails_loses_nothing() {
    for_every_operation(false, false, |disk, fates, what| {
        assert!(
            fates.may_double.len() <= 2,
            "{what}: {:?}",
            fates.may_double
        );
        assert_none_is_lost_or_doubled(disk, fates, what);
    });
}

#[test]
fn a_disk_that_fails_from_some_operation_on_loses_nothing() {
    for_every_operation(true, false, |disk, fates, what| {
        assert_none_is_lost_or_doubled(disk, fates, what);
    });
}

#[test]
fn a_process_that_dies_at_any_operation_leaves_what_was_on_disk_to_the_next() {
    for_every_operation(true, true, |disk, fates, what| {
        disk.set_fault(None);
        let recovered = deliver_all(disk);
        for text in &fates.on_disk {
            // Its acknowledgement may be the last that was written.
            let is_there = recovered.contains(text) || fates.delivered.contains_key(text);
            assert!(is_there, "{what}: {text} is lost");
        }
        for text in &recovered {
            let times = fates.delivered.get(text).copied().unwrap_or(0);
            assert!(
                times == 0 || fates.may_double.contains(text),
                "{what}: {text} is doubled"
            );
        }
        assert!(
            fates.may_double.len() <= 2,
            "{what}: {:?}",
            fates.may_double
        );
    });
}

#[test]
fn a_folder_that_is_not_there_is_made_when_it_is_needed() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    assert!(spool.scan_for_orphans(at(20)).is_err(), "and not before");
    spool
        .store(&mut records("a", 0..1), at(0))
        .expect("the disk is well");
    assert_eq!(disk.names().len(), 1);
}

#[test]
fn an_acknowledgement_that_failed_is_made_good_at_the_end() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    spool
        .store(&mut records("a", 0..3), at(0))
        .expect("the disk is well");
    spool.load(true, true, at(0)).expect("three records");
    disk.set_fault(Some(Fault {
        first: 0,
        lasts: false,
        error: io::ErrorKind::StorageFull,
        percent: 50,
    }));
    spool
        .acknowledge(&[number(1), number(2)])
        .expect_err("there is no room");
    assert_eq!(spool.leave(at(0)).records, 1);
    assert_eq!(deliver_all(&disk), ["a2"]);
}

#[test]
fn a_folder_that_is_removed_in_the_middle_of_a_delivery_doubles_none() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    spool
        .store(&mut records("a", 0..5), at(0))
        .expect("the disk is well");
    spool.load(true, true, at(0)).expect("five records");
    disk.remove_folder();
    let _ = spool.acknowledge(&[number(1), number(2)]);
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
    let store = |spool: &mut Spool, number| {
        let mut one = records("a", number..number + 1);
        spool.store(&mut one, at(0)).expect("it makes a new one");
        assert!(one.is_empty());
    };
    store(&mut spool, 0);
    store(&mut spool, 1);
    let loaded = spool.load(true, true, at(0)).expect("two records");
    disk.remove_folder();
    spool
        .acknowledge(&[number(1)])
        .expect("nobody will find it");
    spool.acknowledge(&[number(2)]).expect("it is gone already");
    assert_eq!((loaded.records.len(), spool.settled()), (2, 2));

    store(&mut spool, 2);
    disk.remove_folder();
    store(&mut spool, 3);
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
        spool.store(&mut one, at(0)).expect("the disk is well");
        disk.set_fault(Some(Fault {
            first: 0,
            lasts: false,
            error: io::ErrorKind::StorageFull,
            percent: 50,
        }));
        let mut refused = super::records("b", 0..1);
        spool.store(&mut refused, at(0)).expect_err("no room");
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
    spool
        .store(&mut records("a", 0..1), at(0))
        .expect("the disk is well");
    let mut records = records("b", 0..1);
    for _ in 0..2 {
        disk.set_fault(Some(Fault {
            first: 0,
            lasts: false,
            error: io::ErrorKind::Other,
            percent: 0,
        }));
        spool.store(&mut records, at(0)).expect_err("refused");
    }
    spool.store(&mut records, at(0)).expect("in another file");
    assert_eq!(disk.names().len(), 2);
}
