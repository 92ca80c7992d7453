//! Records are moved while the disk fails at every operation, or the process ends there.

use std::collections::BTreeMap;

use super::*;
use crate::spool::{disk::double::Fault, tests::failures::KINDS};

/// A disk with three records of other runs and six of this one, each in a file of its own and loaded. Then the disk
/// fails as this says, and the records are moved.
fn fail(fault: Fault, sync: bool) -> (MemoryDisk, Spool, Vec<Encoded>, bool) {
    let disk = MemoryDisk::default();
    let settings = SpoolSettings {
        sync,
        ..with_max_bytes(ROOM)
    };
    let mut spool = spool(&disk, settings);
    let mut all = inherit(&disk, &mut spool, "x", 3);
    all.extend(load_apart(&mut spool, "a", 6, 200));
    set_aside(&mut spool, &mut all[3..4], at(299)).expect("the disk works");
    disk.set_fault(Some(fault));
    let _ = set_aside(&mut spool, &mut all, at(300));
    let has_failed = disk.has_failed();
    disk.set_fault(None);
    (disk, spool, all, has_failed)
}

/// Does this with a failure at every operation of the move.
fn for_every_operation(check: impl Fn(&MemoryDisk, Spool, Vec<Encoded>, bool, &str)) {
    for ((error, percent), sync) in KINDS
        .into_iter()
        .flat_map(|kind| [(kind, false), (kind, true)])
    {
        for (lasts, first) in (0..).flat_map(|first| [(false, first), (true, first)]) {
            let fault = Fault {
                first,
                lasts,
                error,
                percent,
            };
            let (disk, spool, all, has_failed) = fail(fault, sync);
            check(
                &disk,
                spool,
                all,
                lasts,
                &format!("{fault:?}, sync: {sync}"),
            );
            if !has_failed {
                assert!(first > 8, "too few operations: {first}");
                break;
            }
        }
    }
}

fn count_each(texts: Vec<String>) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    counts
}

#[test]
fn a_move_on_a_disk_that_fails_loses_and_doubles_nothing() {
    for_every_operation(|disk, mut spool, mut all, lasts, what| {
        let states = (spool.stored(), spool.settled());
        assert_eq!(states, (6, 0), "{what}");
        set_aside(&mut spool, &mut all, at(400)).expect("the disk works");
        spool.acknowledge(&[]).expect("the disk works");
        assert!(spool.in_delivery.len() <= 4, "{what}");
        let (delivered, left) = all.split_at(4);
        spool
            .acknowledge(&entries(delivered))
            .expect("the disk works");
        assert_eq!(spool.leave(at(401)).records, 5, "{what}");
        let mut found = count_each(deliver_all(disk));
        if lasts {
            // The disk may have written records, said that it had not, and not let them be cut off.
            let is_left = |text: &String| texts(left).contains(text);
            found.retain(|text, _| is_left(text));
            found.values_mut().for_each(|times| *times = 1);
        }
        assert_eq!(found, count_each(texts(left)), "{what}");
        assert_eq!(disk.segments(), 0, "{what}");
    });
}

#[test]
fn a_kill_during_a_move_loses_nothing() {
    for_every_operation(|disk, spool, all, _, what| {
        drop(spool);
        let found = count_each(deliver_all(disk));
        let expected = texts(&all);
        assert!(
            expected.iter().all(|text| found.contains_key(text)),
            "{what}: {found:?}"
        );
        assert!(
            found.len() == 9 && found.values().all(|times| *times <= 2),
            "{what}: {found:?}"
        );
        assert_eq!(disk.segments(), 0, "{what}");
    });
}
