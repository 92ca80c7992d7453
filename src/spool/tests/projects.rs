//! What in the folder is the client's own business, and what is not.

use super::*;
use crate::spool::{
    disk::{MAX_FILE_BYTES, double::Operation},
    segment::name,
};

fn count(disk: &MemoryDisk, wanted: Operation) -> usize {
    let operations = disk.operations();
    operations.iter().filter(|one| **one == wanted).count()
}

/// Puts these bytes under a segment's name, older than all others.
fn put_segment(disk: &MemoryDisk, bytes: &[u8]) -> PathBuf {
    let (_, name) = name::make(Endpoint::Events, None, UNIX_EPOCH);
    let path = folder().join(name);
    disk.put(&path, bytes);
    path
}

#[test]
fn records_of_another_project_are_neither_delivered_nor_removed() {
    let disk = MemoryDisk::default();
    let others = SpoolSettings {
        project: Fingerprint::of("https://example.org", "another key"),
        ..settings()
    };
    let mut other = spool(&disk, others.clone());
    store(&mut other, &mut records("x", 0..25), at(0)).expect("there is room");
    other.leave(at(0));
    let files = disk.names();

    let mut ours = spool(&disk, settings());
    store(&mut ours, &mut records("a", 0..60), at(1)).expect("the limit is this project's own");
    ours.scan_for_orphans(at(20)).expect("the disk works");
    assert!(!ours.has_orphans());
    while let Some(loaded) = ours.load(true, true, at(20)) {
        assert!(
            texts(&loaded.records)
                .iter()
                .all(|text| text.starts_with('a'))
        );
        ours.acknowledge(&entries(&loaded.records))
            .expect("the disk works");
    }
    assert_eq!(disk.names(), files);

    let mut next = spool(&disk, others);
    next.scan_for_orphans(at(20)).expect("the disk works");
    let loaded = next.load(true, true, at(20)).expect("records");
    assert!(text(&loaded.records[0]).starts_with('x'));
}

#[test]
fn nothing_is_delivered_from_a_folder_that_others_may_write_to() {
    for open in [folder(), "spool".into()] {
        let disk = MemoryDisk::default();
        leave_behind(&disk, "x", 1, at(0));
        disk.open_to_others(&open, true);
        let mut spool = spool(&disk, settings());
        spool.scan_for_orphans(at(20)).expect("the disk works");
        assert!(!spool.has_orphans());
        store(&mut spool, &mut records("a", 0..1), at(20)).expect("there is room");
        assert_eq!(
            disk.names().len(),
            2,
            "it does not add to what may be another's"
        );
        let loaded = spool.load(true, true, at(20)).expect("its own record");
        assert_eq!(texts(&loaded.records), ["a0"]);
        assert!(spool.load(true, true, at(20)).is_none());

        disk.open_to_others(&open, false);
        spool.scan_for_orphans(at(20)).expect("the disk works");
        let loaded = spool.load(true, true, at(20)).expect("it is safe now");
        assert_eq!(texts(&loaded.records), ["x0"]);
    }
}

#[test]
fn a_segment_that_another_user_may_have_written_is_left_alone() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 30, at(0));
    let path = disk.names().remove(0);
    disk.open_to_others(&path, true);
    let before = disk.bytes(&path);
    let mut spool = spool(&disk, settings());
    spool.scan_for_orphans(at(20)).expect("the disk works");
    assert!(spool.load(true, true, at(20)).is_none());
    store(&mut spool, &mut records("a", 0..60), at(20)).expect("it does not count");
    assert!(
        spool
            .take_evicted()
            .iter()
            .all(|loaded| loaded.recovered == 0)
    );
    assert_eq!(disk.bytes(&path), before);
}

#[test]
fn a_file_too_long_for_a_segment_is_not_opened_and_does_not_count() {
    let disk = MemoryDisk::default();
    let path = put_segment(&disk, &vec![0; MAX_FILE_BYTES as usize + 1]);
    let mut spool = spool(&disk, settings());
    spool.scan_for_orphans(at(20)).expect("the disk works");
    store(&mut spool, &mut records("a", 0..25), at(20)).expect("there is room");
    assert!(spool.take_evicted().is_empty());
    let loaded = spool.load(true, true, at(20)).expect("its own records");
    assert!(loaded.recovered == 0 && !spool.has_orphans());
    assert_eq!(count(&disk, Operation::Adopt), 0);
    assert!(disk.names().contains(&path));
}

#[test]
fn segments_of_no_use_do_not_count() {
    let useless: [&dyn Fn(&MemoryDisk) -> PathBuf; 2] = [
        &|disk| {
            put_segment(
                disk,
                &[b"trubrics spool 2 2f0e1c99\n".as_slice(), &[b'x'; 6_000]].concat(),
            )
        },
        &|disk| put_segment(disk, &[b'x'; 6_000]),
    ];
    for put in useless {
        let disk = MemoryDisk::default();
        let path = put(&disk);
        let before = disk.bytes(&path);
        let mut spool = spool(&disk, settings());
        store(&mut spool, &mut records("a", 0..25), at(0)).expect("there is room");
        assert!(spool.take_evicted().is_empty());
        assert_eq!((disk.names().len(), disk.bytes(&path)), (4, before));
    }
}

#[test]
fn segments_that_cannot_be_read_do_not_count() {
    for operation in [Operation::Adopt, Operation::Read] {
        let disk = MemoryDisk::default();
        leave_behind(&disk, "x", 60, at(0));
        let path = disk.names().remove(0);
        let before = disk.bytes(&path);
        disk.refuse(Some(operation));
        let mut spool = spool(&disk, settings());
        for number in 0..60 {
            let mut one = records("a", number..number + 1);
            store(&mut spool, &mut one, at(1)).expect("there is room");
        }
        let evicted = spool.take_evicted();
        assert!(evicted.iter().all(|loaded| loaded.recovered == 0));
        assert_eq!(disk.bytes(&path), before);
    }
}

#[test]
fn a_fresh_file_that_is_gone_is_a_disk_that_fails() {
    let disk = MemoryDisk::default();
    disk.say_unlinked();
    let mut spool = spool(&disk, settings());
    let mut given = records("a", 0..3);
    store(&mut spool, &mut given, at(0)).expect_err("the file has no name");
    assert_eq!(given.len(), 3);
    assert!(
        count(&disk, Operation::Create) <= 2,
        "one before the folder was there"
    );
}

#[test]
fn a_folder_that_is_made_is_synced_with_its_name() {
    for sync in [true, false] {
        let disk = MemoryDisk::default();
        let settings = SpoolSettings {
            folder: "/home/spool".into(),
            sync,
            ..settings()
        };
        let mut spool = spool(&disk, settings);
        store(&mut spool, &mut records("a", 0..1), at(0)).expect("there is room");
        let expected = ["/", "/home", "/home/spool"].map(PathBuf::from);
        let synced = disk.synced();
        let are_synced = expected.iter().all(|folder| synced.contains(folder));
        assert_eq!(are_synced, sync, "{synced:?}");
        assert_eq!(synced.is_empty(), !sync);
    }
}
