//! Many short runs, many files, and many segments in delivery at once.

use std::collections::HashSet;

use super::*;
use crate::spool::disk::double::Operation;

/// A run that stores one record and ends.
fn run(disk: &MemoryDisk, number: u32) {
    let mut spool = spool(disk, settings());
    let mut one = records("a", number..number + 1);
    store(&mut spool, &mut one, at(number.into())).expect("there is room");
    assert_eq!(spool.leave(at(number.into())).records, 1);
}

#[test]
fn short_runs_add_to_the_file_that_the_last_one_left() {
    let disk = MemoryDisk::default();
    (0..20).for_each(|number| run(&disk, number));
    assert!(disk.names().len() <= 3, "{:?}", disk.names());
    let expected: Vec<_> = (0..20).map(|number| format!("a{number}")).collect();
    assert_eq!(deliver_all(&disk), expected);
}

#[test]
fn a_run_adds_to_no_file_that_another_process_holds() {
    let disk = MemoryDisk::default();
    let mut other = spool(&disk, settings());
    store(&mut other, &mut records("x", 0..1), at(0)).expect("there is room");
    run(&disk, 0);
    assert_eq!(disk.names().len(), 2);
    run(&disk, 1);
    assert_eq!(disk.names().len(), 2, "to the one that is free");
}

#[test]
fn what_a_run_adds_behind_a_torn_line_is_whole() {
    let disk = MemoryDisk::default();
    run(&disk, 0);
    let name = disk.names().remove(0);
    let bytes = disk.bytes(&name).expect("a file");
    for length in 27..bytes.len() {
        disk.put(&name, &bytes[..length]);
        run(&disk, 1);
        let delivered = deliver_all(&disk);
        assert_eq!(
            delivered.last().map(|text| &**text),
            Some("a1"),
            "of {length} bytes"
        );
        assert!(disk.names().is_empty());
    }
}

#[test]
fn inherited_records_count_for_the_client_that_loads_them() {
    let disk = MemoryDisk::default();
    run(&disk, 0);
    run(&disk, 1);
    let mut spool = spool(&disk, settings());
    store(&mut spool, &mut records("a", 2..3), at(2)).expect("there is room");
    assert_eq!((spool.held().0, disk.names().len()), (1, 1));
    assert!(
        !spool.has_orphans(),
        "a run that just began does not recover"
    );
    spool.scan_for_orphans(at(20)).expect("the disk works");
    assert!(spool.has_orphans());
    let loaded = spool
        .load(false, true, at(20))
        .expect("inherited ones are due");
    assert_eq!(texts(&loaded.records), ["a0", "a1", "a2"]);
    assert_eq!(loaded.recovered, 2);
    let entries = entries(&loaded.records);
    spool.acknowledge(&entries[..1]).expect("the disk works");
    assert_eq!(spool.settled(), 0);
    spool.acknowledge(&entries[2..]).expect("the disk works");
    assert_eq!(spool.settled(), 1, "its own record is settled");
    assert_eq!(spool.leave(at(20)).records, 1);
    assert_eq!(deliver_all(&disk), ["a1"]);
}

#[test]
fn many_small_segments_go_into_one_load() {
    let disk = MemoryDisk::default();
    let large = SpoolSettings {
        max_bytes: 1_000_000,
        ..settings()
    };
    for number in 0..130 {
        leave_behind(&disk, &format!("x{number}-"), 1, at(number));
    }
    let mut spool = spool(&disk, large);
    spool.scan_for_orphans(at(200)).expect("the disk works");
    let mut all = Vec::new();
    let mut sizes = Vec::new();
    while let Some(loaded) = spool.load(true, true, at(200)) {
        let entries = entries(&loaded.records);
        let different: HashSet<_> = entries.iter().collect();
        assert_eq!(different.len(), entries.len());
        sizes.push(entries.len());
        all.extend(texts(&loaded.records));
        // In an order of the worker's own.
        for half in [0, 1] {
            let part: Vec<_> = entries.iter().copied().skip(half).step_by(2).collect();
            spool.acknowledge(&part).expect("the disk works");
        }
    }
    assert_eq!(sizes, [32, 32, 32, 32, 2]);
    let expected: Vec<_> = (0..130).map(|number| format!("x{number}-0")).collect();
    assert_eq!(all, expected, "oldest first");
    assert!(disk.names().is_empty());
}

#[test]
fn the_first_record_of_a_run_is_stored_quickly_whatever_the_folder_holds() {
    let disk = MemoryDisk::default();
    for number in 0..20_000 {
        let (_, name) = name::make(Endpoint::Events, None, at(number).system);
        disk.put(&folder().join(name), b"trubrics spool 1 8b272e4a\n");
        disk.put(&Path::new("spool").join(format!("{number}.txt")), b"");
    }
    disk.set_fault(None);
    run(&disk, 0);
    assert!(disk.names_read() <= 8_000, "{} names", disk.names_read());
    let operations = disk.operations();
    assert!(operations.len() < 60, "{} operations", operations.len());
    let lists = operations.iter().filter(|one| **one == Operation::List);
    assert_eq!(lists.count(), 1);
}

#[test]
fn a_large_folder_is_delivered_in_parts_to_its_last_record() {
    let disk = MemoryDisk::default();
    for number in 0..2_100 {
        let (_, name) = name::make(Endpoint::Events, None, at(number).system);
        disk.put(&folder().join(name), b"trubrics spool 1 8b272e4a\n");
    }
    leave_behind(&disk, "x", 3, at(3_000));
    assert_eq!(deliver_all(&disk), ["x0", "x1", "x2"]);
    assert!(disk.names().is_empty());
}

#[test]
fn the_limit_counts_what_the_disk_gives() {
    let disk = MemoryDisk::default();
    disk.set_block(4096);
    let settings = SpoolSettings {
        max_bytes: 100_000,
        ..settings()
    };
    for number in 0..40 {
        leave_behind(&disk, &format!("x{number}-"), 1, at(number));
    }
    let mut spool = spool(&disk, settings);
    let mut many = records("a", 0..500);
    store(&mut spool, &mut many, at(50)).expect("there is room");
    let blocks = |name: &PathBuf| {
        disk.bytes(name)
            .map_or(0, |bytes| bytes.len())
            .div_ceil(4096)
    };
    let used = disk.names().iter().map(blocks).sum::<usize>() * 4096;
    assert!(used <= 100_000 + 4096, "{used}");
    assert!(!spool.take_evicted().is_empty());
}

#[test]
fn records_can_be_loaded_while_earlier_ones_are_unsettled() {
    let disk = MemoryDisk::default();
    let settings = SpoolSettings {
        max_bytes: 100_000,
        ..settings()
    };
    let mut spool = spool(&disk, settings);
    store(&mut spool, &mut records("a", 0..30), at(0)).expect("there is room");
    let first = spool.load(true, true, at(0)).expect("records");
    store(&mut spool, &mut records("a", 30..40), at(0)).expect("there is room");
    let second = spool.load(true, true, at(0)).expect("records");
    let both = [entries(&first.records), entries(&second.records)].concat();
    assert_eq!(both.iter().collect::<HashSet<_>>().len(), both.len());
    spool
        .acknowledge(&entries(&second.records))
        .expect("the disk works");
    assert_eq!(spool.settled(), 0, "counted from the first one on");
    spool
        .acknowledge(&entries(&first.records))
        .expect("the disk works");
    assert_eq!(spool.settled(), both.len() as u64);
}

#[test]
fn what_waits_unsettled_is_bounded() {
    let disk = MemoryDisk::default();
    let settings = SpoolSettings {
        max_bytes: 100_000_000,
        ..settings()
    };
    let mut spool = spool(&disk, settings);
    let mut large: Vec<_> = (0..20).map(|_| record(&"x".repeat(1_100_000))).collect();
    store(&mut spool, &mut large, at(0)).expect("there is room");
    let loads = std::iter::from_fn(|| spool.load(true, true, at(0)));
    let bytes: usize = loads
        .flat_map(|loaded| loaded.records)
        .map(|one| one.json.len())
        .sum();
    assert!((8_000_000..10_000_000).contains(&bytes), "{bytes}");
}
