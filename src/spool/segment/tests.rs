use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::{
    record::Endpoint,
    spool::disk::double::{Fault, MemoryDisk},
};

const NAME: &str = "00000000000001-00000000000000000000000000000000.trubrics";

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

/// What somebody finds in a file of these bytes; none if it is left alone.
fn find(bytes: &[u8]) -> Option<Vec<(u32, String)>> {
    let disk = MemoryDisk::default();
    disk.put(&folder().join(NAME), bytes);
    let adopted = Segment::adopt(&disk, folder(), NAME).expect("the disk is well");
    adopted.map(|(_, contents)| entries(&contents.records))
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("above 0")
}

fn number_of(record: &Encoded) -> NonZeroU32 {
    record.spool_entry.expect("a record of a segment")
}

fn entries(records: &[Encoded]) -> Vec<(u32, String)> {
    let entry = |record: &Encoded| {
        let json = String::from_utf8(record.json.to_vec()).expect("Unicode");
        (number_of(record).get(), json)
    };
    records.iter().map(entry).collect()
}

/// A segment as it is written: five records, of which the second and the fourth are acknowledged, one line each; and
/// where its lines begin and end.
fn small() -> (Vec<u8>, Vec<(Kind, std::ops::Range<usize>)>) {
    let disk = MemoryDisk::default();
    disk.prepare(folder()).expect("the disk is well");
    let mut segment = Segment::create(&disk, folder(), UNIX_EPOCH).expect("the disk is well");
    let mut store = |texts: &[&str]| {
        let mut records = texts.iter().map(|json| encoded(json)).collect();
        segment
            .store(&mut records, 1_000_000, false)
            .expect("the disk is well");
    };
    store(&[r#"{"a":1}"#, "{\"a\":\n 2}", r#"{"a":3}"#]);
    segment
        .acknowledge(&[number(2)], false)
        .expect("the disk is well");
    let mut records = vec![encoded(r#"{"a":4}"#), encoded(r#"{"a":5}"#)];
    segment
        .store(&mut records, 1_000_000, false)
        .expect("the disk is well");
    segment
        .acknowledge(&[number(4)], false)
        .expect("the disk is well");
    let bytes = disk.bytes(&disk.names()[0]).expect("a file");

    let mut from = HEADER.len();
    let kinds = [
        Kind::Record(1),
        Kind::Record(2),
        Kind::Record(3),
        Kind::Acknowledged(2),
        Kind::Record(4),
        Kind::Record(5),
        Kind::Acknowledged(4),
    ];
    let lines = kinds.map(|kind| {
        let breaks = if kind == Kind::Record(2) { 2 } else { 1 };
        let end = bytes[from..]
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == b'\n')
            .nth(breaks - 1)
            .map(|(index, _)| from + index + 1)
            .expect("a line");
        let line = from..end;
        from = end;
        (kind, line)
    });
    assert_eq!(from, bytes.len());
    (bytes, lines.to_vec())
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Record(u32),
    Acknowledged(u32),
}

/// The numbers that have to come back when these lines are whole, and those that may: a damaged acknowledgement may cost
/// a double, and need not.
fn expected(whole: &[Kind]) -> (Vec<u32>, Vec<u32>) {
    let must = [1, 3, 5].into_iter();
    let must = must.filter(|number| whole.contains(&Kind::Record(*number)));
    let may = (1..=5).filter(|number| !whole.contains(&Kind::Acknowledged(*number)));
    (must.collect(), may.collect())
}

#[track_caller]
fn assert_recovered(bytes: &[u8], whole: &[Kind], what: &str) {
    let found = find(bytes).unwrap_or_default();
    let (must, may) = expected(whole);
    for number in must {
        let is_found = found.iter().any(|(found, _)| *found == number);
        assert!(is_found, "{what}: {number} is lost");
    }
    for (number, json) in &found {
        assert!(may.contains(number), "{what}: {number} was acknowledged");
        let original = json.replace("\n ", "") == format!(r#"{{"a":{number}}}"#);
        assert!(original, "{what}: {number} was never {json:?}");
    }
    let mut numbers: Vec<_> = found.iter().map(|(number, _)| number).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), found.len(), "{what}: doubles");
}

#[test]
fn every_prefix_gives_all_that_is_whole_in_it() {
    let (bytes, lines) = small();
    for length in 0..=bytes.len() {
        let whole: Vec<_> = lines
            .iter()
            // The line break at the end may be missing.
            .filter(|(_, line)| line.end - 1 <= length)
            .map(|(kind, _)| *kind)
            .collect();
        assert_recovered(&bytes[..length], &whole, &format!("{length} bytes"));
    }
}

#[test]
fn every_change_of_a_byte_costs_its_own_line_at_most() {
    let (bytes, lines) = small();
    for index in 0..bytes.len() {
        let whole: Vec<_> = lines
            .iter()
            // A line break that is none any more costs nothing.
            .filter(|(_, line)| !(line.start..line.end - 1).contains(&index))
            .map(|(kind, _)| *kind)
            .collect();
        let mut changed = bytes.clone();
        for value in (0..=u8::MAX).filter(|value| *value != bytes[index]) {
            changed[index] = value;
            assert_recovered(&changed, &whole, &format!("byte {index} is {value}"));
        }
    }
}

#[test]
fn every_byte_that_is_missing_or_too_many_costs_two_lines_at_most() {
    let (bytes, lines) = small();
    for index in 0..bytes.len() {
        let touched = lines
            .iter()
            .position(|(_, line)| line.contains(&index))
            .map_or(0..1, |touched| touched.saturating_sub(1)..touched + 2);
        let whole: Vec<_> = lines
            .iter()
            .enumerate()
            .filter(|(line, _)| !touched.contains(line))
            .map(|(_, (kind, _))| *kind)
            .collect();
        let without = [&bytes[..index], &bytes[index + 1..]].concat();
        assert_recovered(&without, &whole, &format!("without byte {index}"));
        for more in [b'\n', b' ', b'0', 0, 0xFF] {
            let with = [&bytes[..index], &[more], &bytes[index..]].concat();
            assert_recovered(&with, &whole, &format!("with {more} at {index}"));
        }
    }
}

#[test]
fn a_torn_tail_is_no_part_of_what_is_written_behind_it() {
    let (bytes, _) = small();
    for length in HEADER.len()..=bytes.len() {
        let disk = MemoryDisk::default();
        let path = folder().join(NAME);
        disk.put(&path, &bytes[..length]);
        let adopted = Segment::adopt(&disk, folder(), NAME).expect("the disk is well");
        let (mut segment, contents) = adopted.expect("a segment");
        let mut left = contents.records;
        while let Some(record) = left.pop() {
            segment
                .acknowledge(&[number_of(&record)], false)
                .expect("the disk is well");
            let now = disk.bytes(&path).expect("a file");
            assert_eq!(find(&now), Some(entries(&left)), "of {length} bytes");
        }
    }
}

#[test]
fn a_tail_that_is_torn_behind_a_line_break_of_its_own_is_no_whole_line() {
    let mut bytes = made_of(&[(Some(1), "{}"), (Some(2), "{}\n")]);
    assert_eq!(bytes.pop(), Some(b'\n'));
    let disk = MemoryDisk::default();
    disk.put(&folder().join(NAME), &bytes);
    let adopted = Segment::adopt(&disk, folder(), NAME).expect("the disk is well");
    let (mut segment, _) = adopted.expect("a segment");
    segment
        .acknowledge(&[number(1)], false)
        .expect("the disk is well");
    let bytes = disk.bytes(&folder().join(NAME)).expect("a file");
    assert_eq!(find(&bytes), Some(vec![(2, "{}\n".into())]));
}

#[test]
fn a_header_that_is_torn_is_of_no_use_to_anybody() {
    for length in 0..HEADER.len() {
        let disk = MemoryDisk::default();
        disk.put(&folder().join(NAME), &HEADER[..length]);
        let adopted = Segment::adopt(&disk, folder(), NAME).expect("the disk is well");
        assert!(adopted.is_none());
        assert!(disk.names().is_empty());
    }
}

#[test]
fn strangers_and_other_versions_are_left_alone() {
    let (bytes, _) = small();
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
        let adopted = Segment::adopt(&disk, folder(), NAME).expect("the disk is well");
        assert!(adopted.is_none());
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
            Some(number) => write_record(&mut bytes, Endpoint::Events, *number, text.as_bytes()),
            None => {
                let head = format!("0 {} ", text.len());
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
    let adopted = Segment::adopt(&disk, folder(), NAME).expect("the disk is well");
    let (mut segment, contents) = adopted.expect("a segment");
    assert_eq!(contents.records.len(), 2);
    segment
        .acknowledge(&[number(u32::MAX), number(1)], false)
        .expect("the disk is well");
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
fn records_that_cannot_be_read_any_more_are_missed_once() {
    let mut bytes = made_of(&[
        (Some(1), "{}"),
        (Some(2), "{}"),
        (None, "1"),
        (Some(4), "{}"),
    ]);
    let second = HEADER.len() + b"e 00000000 1 2 {}\n".len() + 3;
    bytes[second] ^= 1;
    let disk = MemoryDisk::default();
    disk.put(&folder().join(NAME), &bytes);
    let adopt = || {
        let adopted = Segment::adopt(&disk, folder(), NAME).expect("the disk is well");
        adopted.expect("a segment")
    };
    let (mut segment, contents) = adopt();
    assert_eq!(entries(&contents.records), [(4, "{}".into())]);
    assert_eq!(contents.missing, 2, "2 is damaged and 3 is not there");
    segment
        .acknowledge(&[number(4)], false)
        .expect("the disk is well");
    drop(segment);
    let (segment, contents) = adopt();
    assert!(
        segment.is_settled() && contents.missing == 0,
        "told of once"
    );
}

#[test]
fn one_absurd_number_does_not_make_billions_missing() {
    let bytes = made_of(&[(Some(u32::MAX), "{}")]);
    let disk = MemoryDisk::default();
    disk.put(&folder().join(NAME), &bytes);
    let adopted = Segment::adopt(&disk, folder(), NAME).expect("the disk is well");
    assert!(adopted.expect("a segment").1.missing < 10);
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
    disk.prepare(folder()).expect("the disk is well");
    let mut segment = Segment::create(&disk, folder(), UNIX_EPOCH).expect("the disk is well");
    let mut records = (1..=6).map(|_| encoded("{}")).collect();
    segment
        .store(&mut records, 1_000_000, false)
        .expect("the disk is well");
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
    segment
        .acknowledge(&[number(1)], false)
        .expect_err("the disk is ill");
    disk.set_fault(None);
    segment
        .acknowledge(&[number(2)], false)
        .expect("the disk is well");
    // This time it can be cut off, and nothing else with it.
    disk.set_fault(failure(false));
    segment
        .acknowledge(&[number(3)], false)
        .expect_err("the disk is ill");
    disk.set_fault(None);
    let bytes = disk.bytes(&disk.names()[0]).expect("a file");
    let left = find(&bytes).expect("a segment");
    let numbers: Vec<_> = left.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [3, 4, 5, 6]);
}

#[test]
fn what_was_given_back_is_not_read_as_well() {
    let disk = MemoryDisk::default();
    disk.prepare(folder()).expect("the disk is well");
    let mut segment = Segment::create(&disk, folder(), UNIX_EPOCH).expect("the disk is well");
    let mut records = vec![encoded(r#"{"a":1}"#)];
    segment
        .store(&mut records, 1_000_000, false)
        .expect("the disk is well");
    // The write ends in a failure, though all of it is there, and it cannot be cut off either.
    disk.set_fault(Some(Fault {
        first: 0,
        lasts: true,
        error: io::ErrorKind::Other,
        percent: 100,
    }));
    let mut records = vec![encoded(r#"{"a":2}"#)];
    segment
        .store(&mut records, 1_000_000, false)
        .expect_err("the disk is ill");
    assert_eq!(records.len(), 1, "given back");
    disk.set_fault(None);
    let contents = segment.read();
    assert_eq!(entries(&contents.records), [(1, r#"{"a":1}"#.into())]);
    assert_eq!((contents.missing, segment.unsettled()), (0, 1));
}

#[test]
fn what_has_met_its_fate_is_not_read_again_though_that_could_not_be_written_down() {
    let disk = MemoryDisk::default();
    disk.prepare(folder()).expect("the disk is well");
    let mut segment = Segment::create(&disk, folder(), UNIX_EPOCH).expect("the disk is well");
    let mut records = (1..=4).map(|_| encoded("{}")).collect();
    segment
        .store(&mut records, 1_000_000, false)
        .expect("the disk is well");
    disk.set_fault(Some(Fault {
        first: 0,
        lasts: false,
        error: io::ErrorKind::StorageFull,
        percent: 50,
    }));
    segment
        .acknowledge(&[number(1), number(3)], false)
        .expect_err("the disk is ill");
    let contents = segment.read();
    let numbers: Vec<_> = contents.records.iter().map(number_of).collect();
    assert_eq!(numbers, [number(2), number(4)]);
    assert_eq!((contents.missing, segment.unsettled()), (0, 2));
}

#[test]
fn names_are_read_as_they_are_made() {
    let disk = MemoryDisk::default();
    disk.prepare(folder()).expect("the disk is well");
    for milliseconds in [
        0,
        1,
        1_789_000_000_123,
        99_999_999_999_999,
        100_000_000_000_000,
    ] {
        let made = UNIX_EPOCH + Duration::from_millis(milliseconds);
        let segment = Segment::create(&disk, folder(), made).expect("the disk is well");
        assert_eq!(made_at(segment.name().expect("a name")), Some(made));
    }
    let early = Segment::create(&disk, folder(), UNIX_EPOCH - Duration::from_secs(1));
    let early = early.expect("a clock before all time is none");
    assert_eq!(made_at(early.name().expect("a name")), Some(UNIX_EPOCH));
}

#[test]
fn names_that_are_not_ours_are_nobodys() {
    let id = "0123456789abcdef0123456789abcdef";
    let huge = "9".repeat(40);
    for name in [
        String::new(),
        ".trubrics".into(),
        "-.trubrics".into(),
        format!("00000000000001-{id}"),
        format!("00000000000001-{id}.new"),
        format!("00000000000001-{id}.trubrics.bak"),
        format!("00000000000001-{}.trubrics", &id[1..]),
        format!("00000000000001-{id}0.trubrics"),
        format!("0000000000001-{id}.trubrics"),
        format!("+0000000000001-{id}.trubrics"),
        format!(" 0000000000001-{id}.trubrics"),
        format!("0000000000000x-{id}.trubrics"),
        format!("00000000000001_{id}.trubrics"),
        format!("00000000000001-g{}.trubrics", &id[1..]),
        format!("{huge}-{id}.trubrics"),
        "notes.txt".into(),
    ] {
        assert_eq!(made_at(&name), None, "{name:?}");
    }
    assert!(made_at(&format!("18446744073709551615-{id}.trubrics")).is_some());
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
        disk.prepare(folder()).expect("the disk is well");
        let mut segment = Segment::create(&disk, folder(), UNIX_EPOCH).expect("the disk is well");
        let (mut stored, mut left) = (0, Vec::new());
        for (count, settled) in rounds {
            let mut records = (0..count).map(|_| encoded("{}")).collect();
            segment.store(&mut records, 1_000_000, false).expect("the disk is well");
            left.extend(stored + 1..=stored + count as u32);
            stored += count as u32;
            let settled: Vec<_> = left.extract_if(.., |number| settled.contains(number)).collect();
            let numbers: Vec<_> = settled.into_iter().map(number).collect();
            segment.acknowledge(&numbers, false).expect("the disk is well");
            let bytes = disk.bytes(&disk.names()[0]).expect("a file");
            let found = find(&bytes).expect("a segment");
            let numbers: Vec<_> = found.iter().map(|(number, _)| *number).collect();
            prop_assert_eq!(&numbers, &left);
            prop_assert_eq!(segment.unsettled(), left.len() as u64);
        }
    }
}
