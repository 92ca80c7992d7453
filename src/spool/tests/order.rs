//! Which records are loaded when, and which count as settled.

use super::*;

#[test]
fn what_is_stored_is_delivered_once_and_leaves_no_file() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..3), at(0)).expect("the disk works");
    let loaded = spool.load(true, true, at(0)).expect("three records");
    assert_eq!(texts(&loaded.records), ["a0", "a1", "a2"]);
    assert_eq!(
        (loaded.missing, loaded.recovered, loaded.expired.len()),
        (0, 0, 0)
    );
    spool.acknowledge(&[entry(2)]).expect("the disk works");
    assert_eq!(disk.names().len(), 1);
    spool
        .acknowledge(&[entry(1), entry(3)])
        .expect("the disk works");
    assert!(disk.names().is_empty());
    assert!(spool.load(true, true, at(0)).is_none());
    assert_eq!(spool.leave(at(0)).records, 0);
}

#[test]
fn records_are_gathered_until_they_are_due() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..2), at(0)).expect("the disk works");
    assert!(spool.load(false, true, at(0)).is_none());
    let (held, bytes) = spool.held();
    assert!(held == 2 && bytes > 100);
    store(&mut spool, &mut records("a", 2..3), at(0)).expect("the disk works");
    assert_eq!(disk.names().len(), 1, "to the same segment");
    assert_eq!(
        spool
            .load(true, true, at(0))
            .map(|loaded| loaded.records.len()),
        Some(3)
    );
    assert_eq!(spool.held(), (0, 0));
}

#[test]
fn a_segment_that_is_large_enough_is_closed_and_due_by_itself() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    let mut burst = records("a", 0..25);
    store(&mut spool, &mut burst, at(0)).expect("the disk works");
    assert!(burst.is_empty());
    assert!(spool.has_sealed());
    assert_eq!((disk.names().len(), spool.stored()), (3, 25));
    let held = spool.held().0 as usize;
    let mut loaded = Vec::new();
    for _ in 0..2 {
        let next = spool.load(false, true, at(0)).expect("both are due");
        loaded.extend(texts(&next.records));
        let entries = entries(&next.records);
        spool.acknowledge(&entries).expect("the disk works");
    }
    let expected = texts(&records("a", 0..25));
    assert_eq!(loaded, expected[..25 - held]);
    assert_eq!(spool.settled(), 25 - held as u64);
    assert!(!spool.has_sealed());
    assert!(
        spool.load(false, true, at(0)).is_none(),
        "the rest is gathered"
    );
}

#[test]
fn records_that_come_while_a_segment_is_delivered_go_to_another() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..2), at(0)).expect("the disk works");
    let loaded = spool.load(true, true, at(0)).expect("two records");
    store(&mut spool, &mut records("a", 2..3), at(1)).expect("the disk works");
    assert_eq!((spool.stored(), spool.settled(), spool.held().0), (3, 0, 1));
    spool
        .acknowledge(&entries(&loaded.records))
        .expect("the disk works");
    assert_eq!((spool.stored(), spool.settled()), (3, 2));
    let loaded = spool.load(true, true, at(1)).expect("one record");
    assert_eq!(texts(&loaded.records), ["a2"]);
    spool
        .acknowledge(&entries(&loaded.records))
        .expect("the disk works");
    assert_eq!((spool.stored(), spool.settled()), (3, 3));
}

#[test]
fn a_segment_counts_as_settled_with_its_last_record() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..3), at(0)).expect("the disk works");
    spool.load(true, true, at(0)).expect("three records");
    spool
        .acknowledge(&[entry(1), entry(2)])
        .expect("the disk works");
    assert_eq!(spool.settled(), 0);
    assert_eq!(spool.leave(at(0)).records, 1);
    assert_eq!(deliver_all(&disk), ["a2"]);
}

#[test]
fn own_and_recovered_records_take_turns() {
    let disk = MemoryDisk::default();
    for (number, prefix) in ["x", "y"].into_iter().enumerate() {
        // More than a load takes: the next one is another load.
        leave_behind(&disk, prefix, 310, at(number as u64));
    }
    let mut spool = spool(
        &disk,
        SpoolSettings {
            max_bytes: 100_000,
            ..settings()
        },
    );
    spool.scan_for_orphans(at(20)).expect("the disk works");
    let mut order = Vec::new();
    for number in 0..2 {
        store(&mut spool, &mut records("a", number..number + 1), at(10)).expect("the disk works");
        for _ in 0..2 {
            let loaded = spool.load(true, true, at(10)).expect("a record");
            assert_eq!(
                loaded.recovered > 0,
                !text(&loaded.records[0]).starts_with('a')
            );
            order.push(texts(&loaded.records).remove(0));
            spool
                .acknowledge(&entries(&loaded.records))
                .expect("the disk works");
        }
    }
    assert_eq!(order, ["x0", "a0", "y0", "a1"]);
}

#[test]
fn a_client_that_closes_delivers_its_own_records_only() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 1, at(0));
    let mut spool = spool(&disk, settings());
    spool.scan_for_orphans(at(20)).expect("the disk works");
    store_apart(&disk, &mut spool, &mut records("a", 0..1), at(0));
    let loaded = spool.load(true, false, at(0)).expect("one record");
    assert_eq!(texts(&loaded.records), ["a0"]);
    spool
        .acknowledge(&entries(&loaded.records))
        .expect("the disk works");
    assert!(spool.load(true, false, at(0)).is_none());
    assert!(spool.has_orphans());
}

#[test]
fn segments_that_another_process_holds_are_left_to_it() {
    let disk = MemoryDisk::default();
    let mut other = spool(&disk, settings());
    store(&mut other, &mut records("x", 0..1), at(0)).expect("the disk works");
    let mut ours = spool(&disk, settings());
    ours.scan_for_orphans(at(20)).expect("the disk works");
    assert!(ours.has_orphans());
    assert!(ours.load(true, true, at(0)).is_none());
    other.leave(at(0));
    assert!(
        ours.load(true, true, at(0)).is_none(),
        "it was not scanned again"
    );
    ours.scan_for_orphans(at(20)).expect("the disk works");
    let loaded = ours.load(true, true, at(0)).expect("one record");
    assert_eq!(texts(&loaded.records), ["x0"]);
}

#[test]
fn own_segments_are_not_orphans() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..15), at(0)).expect("the disk works");
    spool.load(false, true, at(0)).expect("it is due");
    spool.scan_for_orphans(at(20)).expect("the disk works");
    assert!(!spool.has_orphans());
}

#[test]
fn files_without_a_record_vanish_when_they_are_found() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 1, at(0));
    let name = disk.names().remove(0);
    let header: Vec<_> = disk.bytes(&name).expect("a file");
    let header = header
        .split_inclusive(|byte| *byte == b'\n')
        .next()
        .expect("a line");
    disk.put(&name, header);
    let mut spool = spool(&disk, settings());
    spool.scan_for_orphans(at(20)).expect("the disk works");
    assert!(spool.load(true, true, at(0)).is_none());
    assert!(disk.names().is_empty());
}

#[test]
fn abandoned_temporary_files_are_removed() {
    let disk = MemoryDisk::default();
    let id = "0".repeat(32);
    let name = |seconds| {
        let since = at(seconds)
            .system
            .duration_since(UNIX_EPOCH)
            .expect("later");
        folder().join(format!("{:014}-{id}.new", since.as_millis()))
    };
    let strange = folder().join("notes.new");
    for path in [&name(0), &name(15), &strange] {
        disk.put(path, b"");
    }
    let mut spool = spool(&disk, settings());
    spool.scan_for_orphans(at(20)).expect("the disk works");
    assert_eq!(disk.names(), [name(15), strange]);
}

#[test]
fn records_too_large_for_a_segment_have_one_of_their_own() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    let large = |text: &str| record(&text.repeat(1_200));
    store(&mut spool, &mut vec![large("a"), large("b")], at(0)).expect("the disk works");
    assert_eq!(disk.names().len(), 2);
    assert_eq!(
        spool.load(false, true, at(0)).expect("one").records.len(),
        1
    );
}

/// The file that holds this, and where.
fn place_of(disk: &MemoryDisk, text: &[u8]) -> (PathBuf, usize) {
    let place = |name: PathBuf| {
        let bytes = disk.bytes(&name)?;
        let place = bytes.windows(text.len()).position(|part| part == text)?;
        Some((name, place))
    };
    disk.names().into_iter().find_map(place).expect("a file")
}

#[test]
fn records_that_cannot_be_read_are_reported() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..12), at(0)).expect("the disk works");
    let (name, place) = place_of(&disk, b"a1_");
    disk.damage(&name, place);
    let loaded = spool.load(false, true, at(0)).expect("it is due");
    assert_eq!(loaded.missing, 1);
    assert!(!texts(&loaded.records).contains(&"a1".to_owned()));
    let count = loaded.records.len() as u64;
    spool
        .acknowledge(&entries(&loaded.records))
        .expect("the disk works");
    assert_eq!(spool.settled(), count + 1, "a flush does not wait for it");
    assert!(disk.bytes(&name).is_none());
}

#[test]
fn damage_that_another_process_left_is_reported_once() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 3, at(0));
    let (name, place) = place_of(&disk, b"x1_");
    disk.damage(&name, place);
    let mut first = spool(&disk, settings());
    first.scan_for_orphans(at(20)).expect("the disk works");
    let loaded = first.load(true, true, at(0)).expect("two records");
    assert_eq!(
        (texts(&loaded.records), loaded.missing),
        (vec!["x0".into(), "x2".into()], 1)
    );
    first.acknowledge(&[entry(1)]).expect("the disk works");
    assert_eq!(first.leave(at(0)).records, 1);
    let mut second = spool(&disk, settings());
    second.scan_for_orphans(at(20)).expect("the disk works");
    let loaded = second.load(true, true, at(0)).expect("one record");
    assert_eq!(
        (texts(&loaded.records), loaded.missing),
        (vec!["x2".into()], 0)
    );
}

#[test]
fn every_write_is_synced_if_that_is_set_and_none_otherwise() {
    use crate::spool::disk::double::Operation;
    for sync in [false, true] {
        let disk = MemoryDisk::default();
        disk.prepare(&folder()).expect("the disk works");
        let mut spool = spool(&disk, SpoolSettings { sync, ..settings() });
        store(&mut spool, &mut records("a", 0..15), at(0)).expect("the disk works");
        let loaded = spool.load(true, true, at(0)).expect("it is due");
        spool
            .acknowledge(&entries(&loaded.records))
            .expect("the disk works");
        let operations = disk.operations();
        let after_each_append = operations
            .windows(2)
            .filter(|two| two[0] == Operation::Append)
            .all(|two| (two[1] == Operation::Sync) == sync);
        assert!(after_each_append, "{operations:?}");
        let names = operations
            .windows(2)
            .filter(|two| two[0] == Operation::Create)
            .all(|two| (two[1] == Operation::SyncFolder) == sync);
        assert!(names, "{operations:?}");
        assert_eq!(operations.contains(&Operation::Sync), sync);
    }
}

#[test]
fn segments_of_one_moment_are_recovered_in_their_order() {
    for _ in 0..8 {
        let disk = MemoryDisk::default();
        let mut spool = spool(&disk, settings());
        store(&mut spool, &mut records("a", 0..25), at(0)).expect("the disk works");
        assert_eq!(disk.names().len(), 3);
        assert_eq!(spool.leave(at(0)).records, 25);
        assert_eq!(deliver_all(&disk), texts(&records("a", 0..25)));
    }
}

#[test]
fn segments_keep_their_order_when_the_clock_is_set_back() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    let start = at(10).system;
    for (index, seconds) in [(0, 10), (1, 3), (2, 0)] {
        let now = Now {
            instant: at(10 + u64::from(index)).instant,
            system: start - Duration::from_secs(10 - seconds),
        };
        store_apart(&disk, &mut spool, &mut records("a", index..index + 1), now);
        assert!(spool.load(true, false, now).is_some());
    }
    assert_eq!(spool.leave(at(20)).records, 3);
    assert_eq!(deliver_all(&disk), ["a0", "a1", "a2"]);
}

#[test]
fn a_run_that_adds_to_a_file_keeps_its_order_when_the_clock_is_set_back() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 1, at(10));
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..1), at(0)).expect("the disk works");
    assert_eq!(disk.names().len(), 1, "to the same file");
    assert!(spool.load(true, false, at(0)).is_some());
    store(&mut spool, &mut records("a", 1..2), at(0)).expect("the disk works");
    assert_eq!(spool.leave(at(0)).records, 3);
    assert_eq!(deliver_all(&disk), ["x0", "a0", "a1"]);
}

#[test]
fn the_file_that_a_run_adds_to_is_recovered_after_older_ones() {
    let disk = MemoryDisk::default();
    for (number, prefix) in ["x", "y"].into_iter().enumerate() {
        leave_behind(&disk, prefix, 1, at(number as u64));
    }
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 0..1), at(2)).expect("the disk works");
    assert_eq!(disk.names().len(), 2, "to the newest file");
    spool.scan_for_orphans(at(20)).expect("the disk works");
    let loaded = spool.load(false, true, at(20)).expect("three records");
    assert_eq!(texts(&loaded.records), ["x0", "y0", "a0"]);
}
