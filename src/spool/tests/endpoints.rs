//! Each endpoint has segments of its own, and a bound of its own for what is loaded and not settled.

use super::*;
use crate::spool::{disk::double::Operation, entry::write_record, segment::name};

/// A record for this endpoint whose JSON has this many bytes.
fn record_for(endpoint: Endpoint, bytes: usize) -> Encoded {
    Encoded {
        endpoint,
        ..record_of(bytes)
    }
}

/// One small record for each of the endpoints.
fn one_for(endpoints: &[Endpoint]) -> Vec<Encoded> {
    let one = |endpoint: &Endpoint| record_for(*endpoint, 100);
    endpoints.iter().map(one).collect()
}

/// How many records of each endpoint there are.
fn counts(records: &[Encoded]) -> [usize; 2] {
    Endpoint::ALL.map(|endpoint| {
        let of_endpoint = records.iter().filter(|record| record.endpoint == endpoint);
        of_endpoint.count()
    })
}

/// Other processes leave files of this endpoint, with one record each, at these times.
fn leave_files(disk: &MemoryDisk, endpoint: Endpoint, numbers: std::ops::Range<u64>) {
    let mut bytes = b"trubrics spool 1 8b272e4a\n".to_vec();
    write_record(&mut bytes, endpoint, 1, at(0).system, b"{}");
    for number in numbers {
        let (_, name) = name::make(endpoint, None, at(number).system);
        disk.put(&folder().join(name), &bytes);
    }
}

#[test]
fn no_more_of_an_endpoint_is_loaded_while_8_mib_of_it_are_unsettled() {
    for endpoint in Endpoint::ALL {
        for (bytes, has_room) in [(8 * MIB - 1, true), (8 * MIB, false)] {
            let disk = MemoryDisk::default();
            let mut spool = spool(&disk, with_max_bytes(100 << 20));
            let mut one = vec![record_for(endpoint, bytes)];
            store(&mut spool, &mut one, at(0)).expect("there is room");
            let loaded = spool.load(true, true, at(0)).expect("a record");
            let rooms = [endpoint, endpoint.other()].map(|endpoint| spool.has_room(endpoint));
            assert_eq!(rooms, [has_room, true], "{bytes}");
            let entries = entries(&loaded.records);
            spool.acknowledge(&entries).expect("the disk works");
            assert!(spool.has_room(endpoint));
        }
    }
}

#[test]
fn records_that_are_settled_do_not_count_for_what_is_loaded() {
    let disk = MemoryDisk::default();
    let mut bytes = b"trubrics spool 1 8b272e4a\n".to_vec();
    for number in 1..=2 {
        let json = vec![b'x'; 5 * MIB];
        write_record(&mut bytes, Endpoint::Events, number, at(0).system, &json);
    }
    let (_, name) = name::make(Endpoint::Events, None, at(0).system);
    disk.put(&folder().join(name), &bytes);
    let mut spool = spool(&disk, with_max_bytes(64 << 20));
    spool.scan_for_orphans(at(0)).expect("the disk works");
    let loaded = spool.load(true, true, at(0)).expect("records");
    let entries = entries(&loaded.records);
    assert!(entries.len() == 2 && !spool.has_room(Endpoint::Events));
    spool.acknowledge(&entries[..1]).expect("the disk works");
    assert!(spool.has_room(Endpoint::Events));
}

#[test]
fn no_more_of_an_endpoint_is_loaded_while_32_of_its_segments_are_unsettled() {
    let disk = MemoryDisk::default();
    leave_files(&disk, Endpoint::Events, 0..33);
    let mut spool = spool(&disk, with_max_bytes(1 << 20));
    spool.scan_for_orphans(at(70)).expect("the disk works");
    let loaded = spool.load(true, true, at(70)).expect("records");
    assert!(!spool.has_orphans() && spool.load(true, true, at(70)).is_none());
    let entries = entries(&loaded.records);
    spool.acknowledge(&entries[..1]).expect("the disk works");
    assert!(spool.has_orphans());
    let loaded = spool.load(true, true, at(70)).expect("records");
    assert_eq!((entries.len(), loaded.records.len()), (32, 1));
}

#[test]
fn nothing_is_loaded_while_neither_endpoint_has_room() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(100 << 20));
    let mut both: Vec<_> = (Endpoint::ALL.iter())
        .map(|endpoint| record_for(*endpoint, 8 * MIB))
        .collect();
    store(&mut spool, &mut both, at(0)).expect("there is room");
    for _ in Endpoint::ALL {
        spool.load(true, true, at(0)).expect("a record");
    }
    store(&mut spool, &mut one_for(&Endpoint::ALL), at(0)).expect("there is room");
    assert!(!spool.can_load() && spool.held() == (0, 0) && !spool.has_sealed());
    assert!(spool.load(true, true, at(0)).is_none());
}

#[test]
fn own_records_of_one_endpoint_are_loaded_while_the_other_one_has_no_room() {
    for endpoint in Endpoint::ALL {
        let disk = MemoryDisk::default();
        let mut spool = spool(&disk, with_max_bytes(100 << 20));
        let mut large = vec![record_for(endpoint, 8 * MIB)];
        store(&mut spool, &mut large, at(0)).expect("there is room");
        let stuck = spool.load(true, true, at(0)).expect("a record");
        for number in 1..100 {
            store(&mut spool, &mut one_for(&Endpoint::ALL), at(number)).expect("there is room");
            assert_eq!(spool.held().0, 1);
            let loaded = spool.load(true, true, at(number)).expect("a record");
            assert_eq!(counts(&loaded.records)[endpoint as usize], 0);
            let entries = entries(&loaded.records);
            spool.acknowledge(&entries).expect("the disk works");
            assert_eq!((spool.held().0, disk.segments()), (0, 2));
        }
        let entries = entries(&stuck.records);
        spool.acknowledge(&entries).expect("the disk works");
        assert_eq!(spool.held().0, 99);
        let loaded = spool.load(true, true, at(100)).expect("records");
        assert_eq!(counts(&loaded.records)[endpoint as usize], 99);
    }
}

#[test]
fn sealed_segments_of_one_endpoint_are_loaded_while_the_other_one_has_no_room() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(100 << 20));
    for endpoint in [Endpoint::Events, Endpoint::Events, Endpoint::LlmEvents] {
        let mut large = vec![record_for(endpoint, 8 * MIB)];
        store(&mut spool, &mut large, at(0)).expect("there is room");
    }
    for (count, has_more) in [([1, 0], true), ([0, 1], false)] {
        let loaded = spool.load(false, true, at(0)).expect("a record");
        assert_eq!(counts(&loaded.records), count);
        assert_eq!(spool.has_sealed(), has_more);
    }
    assert!(spool.load(false, true, at(0)).is_none());
}

#[test]
fn records_that_other_processes_left_are_loaded_while_the_other_endpoint_has_no_room() {
    let disk = MemoryDisk::default();
    leave_files(&disk, Endpoint::Events, 0..2_100);
    leave_files(&disk, Endpoint::LlmEvents, 2_100..3_200);
    let mut spool = spool(&disk, with_max_bytes(1 << 30));
    spool.scan_for_orphans(at(4_000)).expect("the disk works");
    let stuck = spool.load(true, true, at(4_000)).expect("records");
    assert_eq!(counts(&stuck.records), [32, 0]);
    let mut delivered = 0;
    while let Some(loaded) = spool.load(true, true, at(4_000)) {
        let count = counts(&loaded.records);
        assert_eq!(count[0], 0);
        delivered += count[1];
        let entries = entries(&loaded.records);
        spool.acknowledge(&entries).expect("the disk works");
    }
    assert_eq!((delivered, spool.has_orphans()), (1_100, false));
    let mut waiting = entries(&stuck.records);
    delivered = 0;
    while !waiting.is_empty() {
        spool.acknowledge(&waiting).expect("the disk works");
        delivered += waiting.len();
        let loaded = spool.load(true, true, at(4_000));
        waiting = loaded.map_or(Vec::new(), |loaded| entries(&loaded.records));
    }
    assert_eq!((delivered, disk.segments()), (2_100, 0));
}

#[test]
fn short_runs_that_use_both_endpoints_leave_few_files() {
    let disk = MemoryDisk::default();
    for number in 0..50 {
        let mut run = spool(&disk, with_max_bytes(1 << 30));
        store(&mut run, &mut one_for(&Endpoint::ALL), at(number)).expect("there is room");
        assert_eq!(run.leave(at(number)).records, 2);
    }
    assert_eq!(disk.segments(), 2);
    assert_eq!(deliver_all(&disk).len(), 100);
}

#[test]
fn the_oldest_records_are_loaded_first_and_removed_first_whatever_their_endpoint() {
    let disk = MemoryDisk::default();
    for number in 0..6 {
        let endpoint = Endpoint::ALL[number % 2];
        let mut other = spool(&disk, with_max_bytes(1 << 30));
        let mut one = vec![record_for(endpoint, 1_000 + number)];
        store_apart(&disk, &mut other, &mut one, at(number as u64));
        other.leave(at(number as u64));
    }
    let lengths = |loaded: &Loaded| -> Vec<_> {
        let records = loaded.records.iter();
        records.map(|record| record.json.len()).collect()
    };
    let mut spool = spool(&disk, with_max_bytes(4_000));
    let mut next = vec![record_for(Endpoint::LlmEvents, 1_006)];
    store(&mut spool, &mut next, at(6)).expect("there is room");
    let evicted: Vec<_> = spool.take_evicted().iter().flat_map(lengths).collect();
    assert!(!evicted.is_empty(), "{evicted:?}");
    spool.scan_for_orphans(at(7)).expect("the disk works");
    let mut all = evicted;
    while let Some(loaded) = spool.load(true, true, at(7)) {
        all.extend(lengths(&loaded));
        let entries = entries(&loaded.records);
        spool.acknowledge(&entries).expect("the disk works");
    }
    all.retain(|length| *length != 1_006);
    assert_eq!(all, (1_000..1_006).collect::<Vec<_>>());
}

#[test]
fn a_failure_for_one_endpoint_leaves_the_records_of_both_as_they_were() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    disk.set_full(true);
    let mut both = one_for(&[Endpoint::LlmEvents, Endpoint::Events, Endpoint::LlmEvents]);
    store(&mut spool, &mut both, at(0)).expect_err("the disk is full");
    assert_eq!((counts(&both), spool.stored()), ([1, 2], 0));
    disk.set_full(false);
    store(&mut spool, &mut both, at(0)).expect("there is room");
    assert_eq!((both.len(), spool.stored(), disk.segments()), (0, 3, 2));
}

#[test]
fn records_of_an_endpoint_do_not_wait_for_newer_ones_of_the_other_endpoint() {
    for rare in Endpoint::ALL {
        let disk = MemoryDisk::default();
        let mut spool = spool(&disk, with_max_bytes(64 << 20));
        store(&mut spool, &mut one_for(&[rare]), at(0)).expect("there is room");
        let mut rounds = 1..5;
        let is_loaded = rounds.any(|round| {
            let busy = std::iter::repeat_with(|| record_for(rare.other(), 2_000));
            let mut burst: Vec<_> = busy.take(1_000).collect();
            store(&mut spool, &mut burst, at(round)).expect("there is room");
            let loaded = spool.load(true, true, at(round)).expect("records");
            let entries = entries(&loaded.records);
            spool.acknowledge(&entries).expect("the disk works");
            counts(&loaded.records)[rare as usize] > 0
        });
        assert!(is_loaded, "{rare:?}");
    }
}

#[test]
fn a_segment_that_is_not_due_waits_beside_older_and_newer_ones() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(64 << 20));
    store(&mut spool, &mut one_for(&[Endpoint::LlmEvents]), at(0)).expect("there is room");
    let mut large = vec![record_for(Endpoint::Events, 2 * MIB)];
    store(&mut spool, &mut large, at(1)).expect("there is room");
    let loaded = spool.load(false, true, at(1)).expect("a full segment");
    assert_eq!(counts(&loaded.records), [1, 0]);
    assert!(spool.load(false, true, at(1)).is_none());
    let loaded = spool.load(true, true, at(1)).expect("a record");
    assert_eq!(counts(&loaded.records), [0, 1]);
}

#[test]
fn two_segments_that_are_written_at_once_do_not_exceed_the_limit() {
    const MAX: u64 = 16 << 20;
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(MAX));
    for number in 0..MAX / 10_000 {
        let mut both = Vec::from(Endpoint::ALL.map(|endpoint| record_for(endpoint, 10_000)));
        store(&mut spool, &mut both, at(number)).expect("there is room");
        if number % 50 == 0 {
            let names = disk.names();
            let bytes = names.iter().filter_map(|name| disk.bytes(name));
            let used: usize = bytes.map(|bytes| bytes.len()).sum();
            assert!(used as u64 <= MAX, "{number}: {used}");
        }
    }
    assert!(!spool.take_evicted().is_empty());
}

#[test]
fn the_oldest_segment_is_removed_first_also_beside_one_that_cannot_be_read() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, with_max_bytes(40 << 20));
    for number in 0..3 {
        let mut large = vec![record_for(Endpoint::Events, 8 * MIB)];
        store(&mut spool, &mut large, at(number)).expect("there is room");
    }
    let failing = spool.load(true, true, at(3)).expect("events");
    assert_eq!(
        counts(&failing.records),
        [1, 0],
        "no more of them is loaded"
    );
    let mut newer = vec![record_for(Endpoint::LlmEvents, 2 * MIB)];
    store(&mut spool, &mut newer, at(4)).expect("there is room");
    disk.refuse(Some(Operation::Read));
    assert!(spool.load(true, true, at(5)).is_none());
    disk.refuse(None);
    let mut evicted = Vec::new();
    for number in 6..9 {
        let mut large = vec![record_for(Endpoint::LlmEvents, 7 * MIB)];
        store(&mut spool, &mut large, at(number)).expect("there is room");
        let loaded = spool.take_evicted().into_iter();
        evicted.extend(loaded.map(|loaded| counts(&loaded.records)));
    }
    assert_eq!(evicted, [[1, 0]]);
}

#[test]
fn a_small_spool_has_room_for_new_records_while_both_endpoints_fail() {
    for mib in [1, 2, 4] {
        let disk = MemoryDisk::default();
        let mut spool = spool(&disk, with_max_bytes(mib << 20));
        for number in 0..3 * mib * 20 {
            let mut both = Vec::from(Endpoint::ALL.map(|endpoint| record_for(endpoint, 50_000)));
            store(&mut spool, &mut both, at(number)).expect("there is room");
            spool.load(true, true, at(number));
        }
        assert!(!spool.take_evicted().is_empty());
    }
}
