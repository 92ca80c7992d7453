//! Records that the server does not take, moved together.

mod failures;
mod random;

use super::*;
use crate::spool::disk::double::Operation;

const ROOM: u64 = 100 << 20;

/// This client's records, stored and loaded from a file each, one a second from this time on.
fn load_apart(spool: &mut Spool, prefix: &str, count: u32, from: u64) -> Vec<Encoded> {
    let mut loaded = Vec::new();
    for number in 0..count {
        let now = at(from + u64::from(number));
        let mut one = records(prefix, number..number + 1);
        store(spool, &mut one, now).expect("there is room");
        let load = spool.load(true, false, now).expect("a record");
        loaded.extend(load.records);
    }
    loaded
}

/// Records of other runs, loaded from a file each.
fn inherit(disk: &MemoryDisk, spool: &mut Spool, prefix: &str, count: u32) -> Vec<Encoded> {
    for number in 0..count {
        let one = format!("{prefix}{number}.");
        leave_behind(disk, &one, 1, at(u64::from(number)));
    }
    spool.scan_for_orphans(at(100)).expect("the disk works");
    let loaded = spool.load(false, true, at(100)).expect("records");
    assert_eq!(loaded.recovered, u64::from(count));
    loaded.records
}

fn set_aside(spool: &mut Spool, records: &mut [Encoded], now: Now) -> io::Result<()> {
    let records = records.iter_mut().collect();
    spool.set_aside(Endpoint::Events, records, now)
}

#[test]
fn records_are_from_too_many_segments_from_16_on() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(ROOM));
    load_apart(&mut spool, "a", 15, 0);
    assert!(!spool.is_crowded(Endpoint::Events));
    load_apart(&mut spool, "b", 1, 20);
    assert!(spool.is_crowded(Endpoint::Events));
    assert!(!spool.is_crowded(Endpoint::LlmEvents));
}

#[test]
fn own_records_are_moved_into_one_file_and_a_flush_waits_as_before() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(ROOM));
    let mut loaded = load_apart(&mut spool, "a", 20, 0);
    let delivered: Vec<_> = loaded.drain(..2).collect();
    spool
        .acknowledge(&entries(&delivered))
        .expect("the disk works");
    assert_eq!((disk.segments(), spool.settled()), (18, 2));
    let bytes = spool.in_delivery.load_of(Endpoint::Events).1;
    set_aside(&mut spool, &mut loaded, at(30)).expect("the disk works");
    assert_eq!(spool.in_delivery.load_of(Endpoint::Events), (1, bytes));
    assert_eq!(disk.segments(), 1);
    assert_eq!((spool.stored(), spool.settled()), (20, 2));

    // A second call has nothing to do.
    disk.set_fault(None);
    set_aside(&mut spool, &mut loaded, at(31)).expect("nothing is written");
    assert_eq!(disk.operations(), []);
    let moved = entries(&loaded);
    assert!(moved.iter().all(|entry| !spool.may_set_aside(*entry)));

    spool.acknowledge(&moved[1..]).expect("the disk works");
    assert_eq!((disk.segments(), spool.settled()), (1, 2));
    spool.acknowledge(&moved[..1]).expect("the disk works");
    assert_eq!((disk.segments(), spool.settled()), (0, 20));
    assert_eq!(spool.in_delivery.len(), 0);
}

#[test]
fn a_flush_does_not_wait_for_records_of_other_runs_that_are_moved() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(ROOM));
    let mut inherited = inherit(&disk, &mut spool, "x", 3);
    let mut all = load_apart(&mut spool, "a", 3, 200);
    all.append(&mut inherited);
    assert_eq!(disk.segments(), 6);
    set_aside(&mut spool, &mut all, at(300)).expect("the disk works");
    assert_eq!((disk.segments(), spool.settled()), (2, 0));
    let moved = entries(&all);
    spool.acknowledge(&moved[..3]).expect("the disk works");
    assert_eq!((disk.segments(), spool.settled()), (1, 3));
    spool.acknowledge(&moved[3..4]).expect("the disk works");
    assert_eq!(spool.leave(at(300)).records, 2);
    assert_eq!(deliver_all(&disk), ["x1.0", "x2.0"]);
}

#[test]
fn a_file_that_has_records_of_two_runs_is_emptied_into_two() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 2, at(0));
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..2), at(1)).expect("there is room");
    spool.scan_for_orphans(at(1)).expect("the disk works");
    let mut loaded = spool.load(true, true, at(1)).expect("records");
    assert_eq!((loaded.records.len(), loaded.recovered), (4, 2));
    set_aside(&mut spool, &mut loaded.records, at(2)).expect("the disk works");
    assert_eq!((disk.segments(), spool.settled()), (2, 0));
    let mut own = loaded.records;
    own.retain(|record| text(record).starts_with('a'));
    spool.acknowledge(&entries(&own)).expect("the disk works");
    assert_eq!((disk.segments(), spool.settled()), (1, 2));
}

#[test]
fn records_that_are_moved_keep_their_age() {
    const WEEK: u64 = 7 * 24 * 60 * 60;
    let day = DAY.as_secs();
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(ROOM));
    let mut all = inherit(&disk, &mut spool, "x", 1);
    all.extend(load_apart(&mut spool, "a", 1, 200));
    all.extend(load_apart(&mut spool, "b", 1, day));
    let oldest = spool.size_and_oldest().1;
    set_aside(&mut spool, &mut all, at(3 * day)).expect("the disk works");
    assert_eq!(spool.size_and_oldest().1, oldest);
    let ages = [0, 200, day];
    for (record, stored) in all.iter().zip(ages) {
        let entry = record.spool_entry.expect("on disk");
        assert!(!spool.is_expired(entry, at(stored + WEEK)), "{stored}");
        assert!(spool.is_expired(entry, at(stored + WEEK + 1)), "{stored}");
    }
    // The wall clock does not age what this process stored.
    let wrong = Now {
        system: at(0).system + 50 * DAY,
        ..at(day)
    };
    let expired = all
        .iter()
        .map(|one| spool.is_expired(one.spool_entry.expect("one"), wrong));
    assert_eq!(expired.collect::<Vec<_>>(), [true, false, false]);

    spool.leave(at(3 * day));
    for (now, expired) in [
        (WEEK + 1, 1),
        (WEEK + 200, 1),
        (WEEK + 201, 2),
        (WEEK + day, 2),
    ] {
        let mut next = super::spool(&disk, with_max_bytes(ROOM));
        next.scan_for_orphans(at(now)).expect("the disk works");
        let loaded = next.load(false, true, at(now)).expect("records");
        assert_eq!(
            (loaded.expired.len(), loaded.recovered),
            (expired, 3),
            "{now}"
        );
        assert_eq!(next.size_and_oldest().1, oldest);
    }
}

#[test]
fn records_of_older_files_go_to_a_file_with_an_older_name() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(ROOM));
    let mut old = load_apart(&mut spool, "a", 1, 0);
    let mut new = load_apart(&mut spool, "b", 3, 10);
    let oldest = spool.size_and_oldest().1;
    set_aside(&mut spool, &mut new[..2], at(20)).expect("the disk works");
    set_aside(&mut spool, &mut old, at(21)).expect("the disk works");
    assert_eq!((disk.segments(), spool.size_and_oldest().1), (3, oldest));
    set_aside(&mut spool, &mut new, at(22)).expect("the disk works");
    assert_eq!(disk.segments(), 2);
    assert_eq!(spool.leave(at(22)).records, 4);
    assert_eq!(deliver_all(&disk)[0], "a0");
}

#[test]
fn a_client_leaves_each_record_that_is_moved_once() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(ROOM));
    let mut all = inherit(&disk, &mut spool, "x", 2);
    all.extend(load_apart(&mut spool, "a", 5, 200));
    set_aside(&mut spool, &mut all[1..5], at(300)).expect("the disk works");
    spool
        .acknowledge(&entries(&all[3..4]))
        .expect("the disk works");
    assert_eq!(spool.leave(at(300)).records, 6);
    let mut delivered = deliver_all(&disk);
    delivered.sort_unstable();
    assert_eq!(delivered, ["a0", "a2", "a3", "a4", "x0.0", "x1.0"]);
}

#[test]
fn records_that_are_moved_are_stored_again_if_their_file_is_gone() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(ROOM));
    let mut all = inherit(&disk, &mut spool, "x", 2);
    all.extend(load_apart(&mut spool, "a", 4, 200));
    set_aside(&mut spool, &mut all[..4], at(300)).expect("the disk works");
    disk.remove_folder();
    set_aside(&mut spool, &mut all, at(301)).expect("it makes a new one");
    assert_eq!(disk.segments(), 1);
    let left = spool.leave(at(302));
    assert_eq!((left.records, left.missing, left.orphaned.len()), (6, 0, 0));
    let mut delivered = deliver_all(&disk);
    delivered.sort_unstable();
    assert_eq!(delivered, ["a0", "a1", "a2", "a3", "x0.0", "x1.0"]);
}

#[test]
fn a_withdrawal_removes_the_records_that_are_moved() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(ROOM));
    let mut all = inherit(&disk, &mut spool, "x", 2);
    all.extend(load_apart(&mut spool, "a", 2, 200));
    set_aside(&mut spool, &mut all, at(300)).expect("the disk works");
    spool.note_withdrawal().expect("the disk works");
    spool
        .forget(|_| panic!("the worker has them"))
        .expect("the disk works");
    assert_eq!((disk.segments(), spool.in_delivery.len()), (0, 0));
}

#[test]
fn a_move_beside_a_withdrawal_leaves_nothing_to_deliver() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(ROOM));
    let mut all = load_apart(&mut spool, "a", 3, 0);
    let mut other = super::spool(&disk, settings());
    disk.before_create(move || {
        other.note_withdrawal().expect("the disk works");
        other.forget(|_| ()).expect("the disk works");
        assert!(other.note_grant().expect("the disk works"));
    });
    set_aside(&mut spool, &mut all, at(10)).expect("the disk works");
    drop(spool);
    assert_eq!(disk.segments(), 1);
    let mut next = super::spool(&disk, settings());
    next.look().expect("a note");
    next.scan_for_orphans(at(20)).expect("the disk works");
    assert!(next.load(true, true, at(20)).is_none());
    assert_eq!(disk.segments(), 0);
}

#[test]
fn a_file_takes_1_024_records_that_are_moved() {
    for (count, files) in [(1_024, 1), (1_025, 2), (2_049, 3)] {
        let disk = MemoryDisk::default();
        let mut spool = spool(&disk, with_max_bytes(ROOM));
        store(&mut spool, &mut records("a", 0..count), at(0)).expect("there is room");
        let mut loaded = Vec::new();
        while let Some(more) = spool.load(true, false, at(0)) {
            loaded.extend(more.records);
        }
        set_aside(&mut spool, &mut loaded, at(1)).expect("the disk works");
        assert_eq!(disk.segments(), files, "{count}");
        let mut entries = entries(&loaded);
        spool.acknowledge(&entries).expect("the disk works");
        assert_eq!((disk.segments(), spool.settled()), (0, u64::from(count)));
        entries.sort_unstable();
        entries.dedup();
        assert_eq!(entries.len(), count as usize);
    }
}

#[test]
fn a_file_of_records_that_are_moved_is_no_longer_than_another_one() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(64 << 20));
    let mut loaded = Vec::new();
    for number in 0..12 {
        store(&mut spool, &mut vec![record_of(200_000)], at(number)).expect("there is room");
        let load = spool.load(true, false, at(number)).expect("a record");
        loaded.extend(load.records);
    }
    let (few, rest) = loaded.split_at_mut(3);
    set_aside(&mut spool, few, at(20)).expect("the disk works");
    set_aside(&mut spool, rest, at(21)).expect("the disk works");
    assert_eq!(disk.segments(), 2);
    for name in disk.names() {
        let length = disk.bytes(&name).expect("a file").len();
        assert!(length <= MIB + 201_000, "{length}");
    }
}

#[test]
fn a_move_is_synced_if_that_is_set_and_not_otherwise() {
    for sync in [false, true] {
        let disk = MemoryDisk::default();
        let settings = SpoolSettings { sync, ..settings() };
        let mut spool = spool(&disk, settings);
        let mut loaded = load_apart(&mut spool, "a", 2, 0);
        disk.set_fault(None);
        set_aside(&mut spool, &mut loaded, at(10)).expect("the disk works");
        let operations = disk.operations();
        for operation in [Operation::Sync, Operation::SyncFolder] {
            assert_eq!(operations.contains(&operation), sync, "{operations:?}");
        }
    }
}

#[test]
fn a_file_that_takes_no_moved_record_any_more_is_left_for_another() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(ROOM));
    let mut loaded = load_apart(&mut spool, "a", 4, 0);
    set_aside(&mut spool, &mut loaded[..2], at(10)).expect("the disk works");
    for failures in 1..=2 {
        disk.refuse(Some(Operation::Append));
        set_aside(&mut spool, &mut loaded, at(11)).expect_err("refused");
        disk.refuse(None);
        assert_eq!(disk.segments(), 3, "after {failures} failures");
    }
    set_aside(&mut spool, &mut loaded, at(12)).expect("in another file");
    assert_eq!(disk.segments(), 2);
    spool
        .acknowledge(&entries(&loaded))
        .expect("the disk works");
    assert_eq!(disk.segments(), 0);
}

#[test]
fn a_flush_waits_for_no_record_that_was_moved_after_it_began() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(ROOM));
    let mut earlier = load_apart(&mut spool, "a", 2, 0);
    set_aside(&mut spool, &mut earlier, at(20)).expect("the disk works");
    let flush_target = spool.stored();
    let mut later = load_apart(&mut spool, "b", 1, 10);
    set_aside(&mut spool, &mut later, at(21)).expect("the disk works");
    assert_eq!(disk.segments(), 1);
    for (number, entry) in (0..).zip(entries(&earlier)) {
        assert_eq!(spool.settled(), number);
        spool.acknowledge(&[entry]).expect("the disk works");
    }
    assert_eq!(spool.settled(), flush_target);
}
