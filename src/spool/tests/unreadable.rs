//! Files that cannot be read for a while.

use super::*;
use crate::{
    logging::double::lines,
    spool::disk::double::{Fault, Operation},
};

/// A spool with a file that is closed for writing, and another one. Nothing can be read.
fn unreadable(disk: &MemoryDisk) -> Spool {
    let mut spool = spool(disk, settings());
    store(&mut spool, &mut records("a", 0..12), at(0)).expect("the disk works");
    assert_eq!(disk.names().len(), 2);
    disk.refuse(Some(Operation::Read));
    spool
}

#[test]
fn own_records_that_cannot_be_read_are_loaded_later() {
    let disk = MemoryDisk::default();
    let mut spool = unreadable(&disk);
    let logged = lines(|| {
        let rest = spool.load(true, true, at(0)).expect("those in memory");
        assert_eq!((text(&rest.records[0]), rest.missing), ("a10".into(), 0));
        assert!(spool.load(true, true, at(0)).is_none());
    });
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(!spool.has_sealed(), "not at once");
    assert_eq!(spool.settled(), 0);
    assert_eq!(spool.read_again_at(), Some(at(1).instant));

    let logged = lines(|| assert!(spool.load(true, true, at(1)).is_none()));
    assert_eq!(logged, [""; 0], "once is enough");
    assert_eq!(spool.read_again_at(), Some(at(2).instant));
    disk.refuse(None);
    let loaded = spool.load(false, true, at(2)).expect("it can be read");
    assert_eq!(texts(&loaded.records), texts(&records("a", 0..10)));
    assert_eq!((loaded.recovered, loaded.missing), (0, 0));
    assert_eq!(spool.read_again_at(), None);
}

#[test]
fn forgotten_records_that_cannot_be_read_are_not_due_again() {
    let disk = MemoryDisk::default();
    let mut spool = unreadable(&disk);
    spool.load(true, true, at(0)).expect("those in memory");
    spool.note_withdrawal().expect("the disk works");
    spool.forget(|_| ()).expect("the disk works");
    assert_eq!(spool.read_again_at(), None);
    assert_eq!(spool.size_and_oldest(), (0, None));
    assert_eq!(disk.names(), [folder().join("consent")]);
}

#[test]
fn own_records_that_cannot_be_read_are_left_in_the_folder() {
    let disk = MemoryDisk::default();
    let mut spool = unreadable(&disk);
    spool.load(true, true, at(0)).expect("those in memory");
    assert_eq!(spool.leave(at(0)).records, 12);
    disk.refuse(None);
    assert_eq!(deliver_all(&disk), texts(&records("a", 0..12)));
}

#[test]
fn a_segment_of_another_run_that_cannot_be_read_needs_another_scan() {
    for operation in [
        Operation::Measure,
        Operation::Adopt,
        Operation::Read,
        Operation::ReadNote,
    ] {
        let disk = MemoryDisk::default();
        leave_behind(&disk, "x", 2, at(0));
        let mut spool = spool(&disk, settings());
        if operation == Operation::ReadNote {
            // The segment is of an earlier epoch.
            spool.note_withdrawal().expect("the disk works");
            spool.note_grant().expect("the disk works");
        }
        spool.scan_for_orphans(at(20)).expect("the disk works");
        assert!(!spool.needs_scan(), "{operation:?}");
        disk.refuse(Some(operation));
        assert!(spool.load(true, true, at(20)).is_none(), "{operation:?}");
        assert!(spool.needs_scan(), "{operation:?}");
        disk.refuse(None);
        spool.scan_for_orphans(at(20)).expect("the disk works");
        assert!(!spool.needs_scan(), "{operation:?}");
    }
}

/// A spool whose record was added to the segment of another run. The segment can no longer be read.
fn inherited(disk: &MemoryDisk) -> Spool {
    leave_behind(disk, "x", 2, at(0));
    let mut spool = spool(disk, settings());
    spool.scan_for_orphans(at(20)).expect("the disk works");
    store(&mut spool, &mut records("a", 0..1), at(20)).expect("the disk works");
    assert_eq!(disk.names().len(), 1);
    disk.refuse(Some(Operation::Read));
    spool
}

#[test]
fn inherited_records_that_cannot_be_read_need_another_scan() {
    let disk = MemoryDisk::default();
    let mut spool = inherited(&disk);
    let own = spool.load(true, true, at(20)).expect("its own record");
    assert_eq!(texts(&own.records), ["a0"]);
    spool.scan_for_orphans(at(20)).expect("the disk works");
    assert!(spool.needs_scan(), "this client still holds the segment");
    spool
        .acknowledge(&entries(&own.records))
        .expect("the disk works");
    disk.refuse(None);
    spool.scan_for_orphans(at(20)).expect("the disk works");
    let loaded = spool.load(true, true, at(20)).expect("they can be read");
    assert_eq!(texts(&loaded.records), ["x0", "x1"]);
    assert!(!spool.needs_scan());
}

#[test]
fn inherited_records_need_not_wait_for_own_ones_that_are_in_delivery() {
    let disk = MemoryDisk::default();
    let mut spool = inherited(&disk);
    let own = spool.load(true, true, at(20)).expect("its own record");
    leave_behind(&disk, "y", 1, at(20));
    spool.scan_for_orphans(at(20)).expect("the disk works");
    assert!(spool.load(true, true, at(20)).is_none());
    disk.refuse(None);
    assert!(
        spool.load(true, true, at(20)).is_none(),
        "not before a scan"
    );
    spool.scan_for_orphans(at(20)).expect("the disk works");
    assert!(spool.has_orphans() && spool.needs_scan());
    let loaded = spool.load(true, true, at(20)).expect("they can be read");
    assert_eq!(texts(&loaded.records), ["x0", "x1", "y0"]);
    assert_eq!((loaded.recovered, loaded.missing), (3, 0));
    assert!(!spool.has_orphans() && !spool.needs_scan());
    let (own, inherited) = (entries(&own.records), entries(&loaded.records));
    assert!(!inherited.contains(&own[0]));
    spool.acknowledge(&inherited).expect("the disk works");
    assert_eq!(disk.segments(), 1, "the own record is in it");
    spool.acknowledge(&own).expect("the disk works");
    assert_eq!(disk.segments(), 0);
}

#[test]
fn an_own_record_in_delivery_is_not_missing_if_its_line_is_damaged() {
    let disk = MemoryDisk::default();
    let mut spool = inherited(&disk);
    spool.load(true, true, at(20)).expect("its own record");
    let name = disk.names().remove(0);
    let bytes = disk.bytes(&name).expect("a file");
    disk.damage(&name, bytes.len() - 5);
    disk.refuse(None);
    spool.scan_for_orphans(at(20)).expect("the disk works");
    let loaded = spool.load(true, true, at(20)).expect("they can be read");
    assert_eq!(texts(&loaded.records), ["x0", "x1"]);
    assert_eq!((loaded.recovered, loaded.missing), (2, 0));
}

#[test]
fn a_scan_writes_down_what_could_not_be_written_down_before() {
    for is_inherited in [false, true] {
        let disk = MemoryDisk::default();
        let mut spool = match is_inherited {
            true => inherited(&disk),
            false => spool(&disk, settings()),
        };
        store(&mut spool, &mut records("b", 0..1), at(20)).expect("the disk works");
        let own = spool.load(true, false, at(20)).expect("own records");
        disk.set_fault(Some(Fault {
            first: 0,
            lasts: true,
            error: io::ErrorKind::Other,
            percent: 0,
        }));
        let acknowledged = spool.acknowledge(&entries(&own.records));
        assert!(acknowledged.is_err() && spool.needs_scan());
        disk.set_fault(None);
        disk.refuse(None);
        spool.scan_for_orphans(at(20)).expect("the disk works");
        assert!(!spool.needs_scan(), "inherited: {is_inherited}");
        let loaded = spool.load(true, true, at(20));
        let loaded = loaded.map_or(Vec::new(), |loaded| texts(&loaded.records));
        let left = if is_inherited {
            vec!["x0", "x1"]
        } else {
            vec![]
        };
        assert_eq!(loaded, left);
    }
}

#[test]
fn own_records_that_cannot_be_read_have_to_go_when_the_folder_is_full() {
    let disk = MemoryDisk::default();
    let mut spool = unreadable(&disk);
    spool.load(true, true, at(0)).expect("those in memory");
    disk.refuse(None);
    store(&mut spool, &mut records("b", 0..40), at(0)).expect("there is room");
    let evicted = spool.take_evicted();
    assert_eq!(texts(&evicted[0].records), texts(&records("a", 0..10)));
    assert_eq!(evicted[0].recovered, 0, "they are this client's own");
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
fn inherited_records_that_have_to_go_unread_are_counted() {
    let disk = MemoryDisk::default();
    let mut spool = inherited(&disk);
    store(&mut spool, &mut records("b", 0..60), at(20)).expect("there is room");
    let evicted = spool.take_evicted();
    let first = &evicted[0];
    assert!(
        first.records.is_empty() && first.missing > 3,
        "{}",
        first.missing
    );
    assert_eq!(first.recovered, 2);
}
