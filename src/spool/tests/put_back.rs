//! Records that the worker gives back unsettled, and a store that must not remove others.

use super::*;

fn keep(spool: &mut Spool, records: &mut Vec<Encoded>, now: Now) -> StoreOutcome {
    let stored = spool.store(records, WhenFull::Keep, now);
    stored.expect("the disk works")
}

#[test]
fn records_put_back_are_loaded_again_when_they_are_taken_up() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..4), at(0)).expect("there is room");
    let loaded = spool.load(true, true, at(0)).expect("records");
    let entries = entries(&loaded.records);
    spool.acknowledge(&entries[..1]).expect("the disk works");
    spool.put_back(&entries[1..2]);
    assert!(
        !spool.is_expired(entries[3], at(0)),
        "two are still in delivery"
    );
    spool.put_back(&entries[2..3]);
    spool.acknowledge(&entries[3..]).expect("the disk works");
    assert!(spool.load(true, true, at(0)).is_none(), "not before");
    assert_eq!(spool.settled(), 0);

    spool.take_up_again();
    let loaded = spool.load(true, true, at(0)).expect("records");
    assert_eq!(texts(&loaded.records), ["a1", "a2"]);
    assert_eq!((loaded.recovered, loaded.missing), (0, 0));
    spool
        .acknowledge(&super::entries(&loaded.records))
        .expect("the disk works");
    assert_eq!(spool.settled(), 4);
    assert!(disk.names().is_empty());
}

#[test]
fn records_put_back_are_left_for_the_next_process() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 2, at(0));
    let mut spool = spool(&disk, settings());
    spool.scan_for_orphans(at(20)).expect("the disk works");
    let loaded = spool.load(true, true, at(20)).expect("records");
    spool.put_back(&entries(&loaded.records));
    spool.scan_for_orphans(at(20)).expect("the disk works");
    assert!(
        spool.load(true, true, at(20)).is_none(),
        "it is still this client's"
    );
    assert_eq!(spool.leave(at(20)).records, 2);
    assert_eq!(deliver_all(&disk), ["x0", "x1"]);
}

#[test]
fn records_in_delivery_that_nothing_became_of_are_left() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..3), at(0)).expect("there is room");
    spool.load(true, true, at(0)).expect("records");
    assert_eq!(spool.leave(at(0)).records, 3);
    assert_eq!(deliver_all(&disk), ["a0", "a1", "a2"]);
}

#[test]
fn records_put_back_have_to_go_when_the_folder_is_full() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..10), at(0)).expect("there is room");
    let loaded = spool.load(true, true, at(0)).expect("records");
    spool.put_back(&entries(&loaded.records));
    store(&mut spool, &mut records("b", 0..40), at(1)).expect("there is room");
    let evicted = spool.take_evicted();
    assert_eq!(texts(&evicted[0].records), texts(&loaded.records));
    assert_eq!(evicted[0].recovered, 0, "counted before");
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
