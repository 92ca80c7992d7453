//! One segment on a disk in memory.

mod damage;

use std::time::{Duration, Instant, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::{
    record::Endpoint,
    spool::{
        Fingerprint,
        disk::double::{Fault, MemoryDisk},
    },
};

const NAME: &str = "00000000000001-e-00000000000000000000000000000000.trubrics";

fn folder() -> &'static Path {
    Path::new("spool")
}

fn encoded(json: &str) -> Encoded {
    Encoded {
        json: json.as_bytes().into(),
        endpoint: Endpoint::Events,
        spool_entry: None,
    }
}

fn settings() -> SpoolSettings {
    SpoolSettings {
        folder: folder().into(),
        project: Fingerprint::of("host", "key"),
        max_bytes: 4_000_000,
        max_age: Duration::from_secs(60),
        sync: false,
        when_full: crate::spool::WhenFull::Evict,
    }
}

fn create(disk: &MemoryDisk) -> Segment {
    disk.prepare(folder()).expect("the disk works");
    Segment::create(
        disk,
        folder(),
        0,
        Endpoint::Events,
        name::make(Endpoint::Events, None, UNIX_EPOCH),
    )
    .expect("the disk works")
}

fn store(segment: &mut Segment, records: &mut Vec<Encoded>) -> io::Result<()> {
    segment.store(records, 1_000_000, &settings(), Now::read())
}

fn acknowledge(segment: &mut Segment, numbers: &[u32]) -> io::Result<()> {
    segment.settle(numbers);
    segment.write_settled(false)
}

/// Takes the file over, as another process does; none if it is left alone.
fn adopt(disk: &MemoryDisk) -> Option<(Segment, Contents)> {
    match Segment::adopt(disk, folder(), NAME, 0).expect("the disk works") {
        Adoption::Taken(mut segment, contents) => {
            segment.note_handed_out(&contents);
            Some((*segment, contents))
        }
        _ => None,
    }
}

/// What another process finds in a file of these bytes; none if it leaves the file alone.
fn find(bytes: &[u8]) -> Option<Vec<(u32, String)>> {
    let disk = MemoryDisk::default();
    disk.put(&folder().join(NAME), bytes);
    adopt(&disk).map(|(_, contents)| entries(&contents))
}

fn entries(contents: &Contents) -> Vec<(u32, String)> {
    let entry = |content: &Content| {
        let json = String::from_utf8(content.json.to_vec()).expect("Unicode");
        (content.number, json)
    };
    contents.records.iter().map(entry).collect()
}

fn numbers(contents: &Contents) -> Vec<u32> {
    contents
        .records
        .iter()
        .map(|content| content.number)
        .collect()
}

#[test]
fn strangers_and_other_versions_are_left_alone() {
    let bytes = made_of(&[(Some(1), "{}")]);
    let text = "trubrics spool 2";
    let other = format!("{text} {:08x}\n", crc32(&[text.as_bytes()]));
    let lines = &bytes[HEADER.len()..];
    let strange = [
        b"mine".to_vec(),
        b"\n".to_vec(),
        b"trubrics spool 1".repeat(3),
        [other.as_bytes(), lines].concat(),
    ];
    for bytes in strange {
        let disk = MemoryDisk::default();
        disk.put(&folder().join(NAME), &bytes);
        assert!(adopt(&disk).is_none());
        assert_eq!(disk.bytes(&folder().join(NAME)), Some(bytes));
    }
}

#[test]
fn the_header_carries_its_own_checksum() {
    let text = b"trubrics spool 1";
    let header = format!("trubrics spool 1 {:08x}\n", crc32(&[text]));
    assert_eq!(HEADER, header.as_bytes());
}

/// A segment of these lines, which are made here.
fn made_of(lines: &[(Option<u32>, &str)]) -> Vec<u8> {
    let mut bytes = HEADER.to_vec();
    for (number, text) in lines {
        match number {
            Some(number) => write_record(
                &mut bytes,
                Endpoint::Events,
                *number,
                UNIX_EPOCH,
                text.as_bytes(),
            ),
            None => {
                let head = format!("0 0 {} ", text.len());
                let checksum = crc32(&[b"a", head.as_bytes(), text.as_bytes()]);
                bytes.extend(format!("a {checksum:08x} {head}{text}\n").bytes());
            }
        }
    }
    bytes
}

#[test]
fn the_highest_number_of_all_is_a_number_like_others() {
    let bytes = made_of(&[(Some(u32::MAX), "{}"), (Some(1), "{}")]);
    let disk = MemoryDisk::default();
    disk.put(&folder().join(NAME), &bytes);
    let (mut segment, contents) = adopt(&disk).expect("a segment");
    assert_eq!(contents.records.len(), 2);
    acknowledge(&mut segment, &[u32::MAX, 1]).expect("the disk works");
    assert!(segment.is_settled());
    let now = disk.bytes(&folder().join(NAME)).expect("a file");
    assert_eq!(find(&now), Some(vec![]));
}

#[test]
fn an_acknowledgement_of_everything_settles_everything() {
    let bytes = made_of(&[
        (Some(1), "{}"),
        (None, "0-4294967295"),
        (Some(u32::MAX), "{}"),
    ]);
    assert_eq!(find(&bytes), Some(vec![]));
}

#[test]
fn a_range_the_wrong_way_round_settles_nothing() {
    let bytes = made_of(&[(Some(5), "{}"), (None, "9-3 7-6")]);
    assert_eq!(find(&bytes), Some(vec![(5, "{}".into())]));
}

#[test]
fn thousands_of_acknowledgements_that_overlap_are_read_quickly() {
    let mut ranges = String::new();
    for number in 1..40_000 {
        ranges.push_str(&format!("{number}-{} ", number + 20_000));
    }
    let json = "{}".to_owned();
    let mut lines: Vec<_> = (100_000..130_000)
        .map(|number| (Some(number), json.as_str()))
        .collect();
    lines.push((None, ranges.trim_end()));
    let bytes = made_of(&lines);
    let start = Instant::now();
    assert_eq!(find(&bytes).expect("a segment").len(), 30_000);
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
}

#[test]
fn what_is_written_after_a_failure_survives_the_next_failure() {
    let disk = MemoryDisk::default();
    let mut segment = create(&disk);
    let mut records = (1..=6).map(|_| encoded("{}")).collect();
    store(&mut segment, &mut records).expect("the disk works");
    let failure = |lasts| {
        Some(Fault {
            first: 0,
            lasts,
            error: io::ErrorKind::StorageFull,
            percent: 50,
        })
    };
    // Neither can it be written, nor can the half of it be cut off.
    disk.set_fault(failure(true));
    acknowledge(&mut segment, &[1]).expect_err("the disk fails");
    disk.set_fault(None);
    acknowledge(&mut segment, &[2]).expect("the disk works");
    // This time it can be cut off, and nothing else with it.
    disk.set_fault(failure(false));
    acknowledge(&mut segment, &[3]).expect_err("the disk fails");
    disk.set_fault(None);
    let bytes = disk.bytes(&disk.names()[0]).expect("a file");
    let left = find(&bytes).expect("a segment");
    let numbers: Vec<_> = left.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [3, 4, 5, 6]);
}

#[test]
fn what_was_given_back_is_not_read_as_well() {
    let disk = MemoryDisk::default();
    let mut segment = create(&disk);
    let mut records = vec![encoded(r#"{"a":1}"#)];
    store(&mut segment, &mut records).expect("the disk works");
    // The write ends in a failure, though all of it is there, and it cannot be cut off either.
    disk.set_fault(Some(Fault {
        first: 0,
        lasts: true,
        error: io::ErrorKind::Other,
        percent: 100,
    }));
    let mut records = vec![encoded(r#"{"a":2}"#)];
    store(&mut segment, &mut records).expect_err("the disk fails");
    assert_eq!(records.len(), 1, "given back");
    disk.set_fault(None);
    segment.close();
    let contents = segment.hand_out();
    assert_eq!(entries(&contents), [(1, r#"{"a":1}"#.into())]);
    assert_eq!((contents.missing, segment.unsettled_own()), (0, 1));
}

#[test]
fn settled_records_are_not_read_again_before_that_is_written() {
    let disk = MemoryDisk::default();
    let mut segment = create(&disk);
    let mut records = (1..=4).map(|_| encoded("{}")).collect();
    store(&mut segment, &mut records).expect("the disk works");
    disk.set_fault(Some(Fault {
        first: 0,
        lasts: false,
        error: io::ErrorKind::StorageFull,
        percent: 50,
    }));
    acknowledge(&mut segment, &[1, 3]).expect_err("the disk fails");
    segment.close();
    let contents = segment.hand_out();
    assert_eq!(numbers(&contents), [2, 4]);
    assert_eq!((contents.missing, segment.unsettled_own()), (0, 2));
}

proptest! {
    #[test]
    fn whatever_is_in_a_file_it_is_read_without_a_panic(
        noise in prop::collection::vec(any::<u8>(), 0..300),
        is_ours in any::<bool>(),
    ) {
        let bytes = if is_ours { [HEADER, &noise].concat() } else { noise };
        prop_assert_eq!(find(&bytes).unwrap_or_default(), []);
    }

    #[test]
    fn acknowledged_records_never_come_back_and_all_others_do(
        rounds in prop::collection::vec((1_usize..5, prop::collection::vec(1_u32..60, 0..4)), 1..12),
    ) {
        let disk = MemoryDisk::default();
        let mut segment = create(&disk);
        let (mut stored, mut left) = (0, Vec::new());
        for (count, settled) in rounds {
            let mut records = (0..count).map(|_| encoded("{}")).collect();
            store(&mut segment, &mut records).expect("the disk works");
            left.extend(stored + 1..=stored + count as u32);
            stored += count as u32;
            let settled: Vec<_> = left.extract_if(.., |number| settled.contains(number)).collect();
            acknowledge(&mut segment, &settled).expect("the disk works");
            let bytes = disk.bytes(&disk.names()[0]).expect("a file");
            let found = find(&bytes).expect("a segment");
            let numbers: Vec<_> = found.iter().map(|(number, _)| *number).collect();
            prop_assert_eq!(&numbers, &left);
            prop_assert_eq!(segment.unsettled_own(), left.len() as u64);
        }
    }
}
