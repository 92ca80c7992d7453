//! What damage costs: the line that it hits, and nothing else.

use super::*;

/// A segment as it is written: five records, of which the second and the fourth are acknowledged, one line each; and
/// where its lines begin and end.
fn small() -> (Vec<u8>, Vec<(Kind, std::ops::Range<usize>)>) {
    let disk = MemoryDisk::default();
    let mut segment = create(&disk);
    let texts = [r#"{"a":1}"#, "{\"a\":\n 2}", r#"{"a":3}"#];
    let mut records = texts.iter().map(|json| encoded(json)).collect();
    store(&mut segment, &mut records).expect("the disk works");
    acknowledge(&mut segment, &[2]).expect("the disk works");
    let mut records = vec![encoded(r#"{"a":4}"#), encoded(r#"{"a":5}"#)];
    store(&mut segment, &mut records).expect("the disk works");
    acknowledge(&mut segment, &[4]).expect("the disk works");
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

/// The numbers that have to come back when these lines are whole, and those that may: a damaged acknowledgement may
/// cost a double, and need not.
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
        let (mut segment, mut left) = adopt(&disk).expect("a segment");
        while let Some(record) = left.records.pop() {
            acknowledge(&mut segment, &[record.number]).expect("the disk works");
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
    let (mut segment, _) = adopt(&disk).expect("a segment");
    acknowledge(&mut segment, &[1]).expect("the disk works");
    let bytes = disk.bytes(&folder().join(NAME)).expect("a file");
    assert_eq!(find(&bytes), Some(vec![(2, "{}\n".into())]));
}

#[test]
fn a_header_that_is_torn_is_of_no_use_to_anybody() {
    for length in 0..HEADER.len() {
        let disk = MemoryDisk::default();
        disk.put(&folder().join(NAME), &HEADER[..length]);
        assert!(adopt(&disk).is_none());
        assert!(disk.names().is_empty());
    }
}

#[test]
fn records_that_cannot_be_read_any_more_are_missed_once() {
    let mut bytes = made_of(&[
        (Some(1), "{}"),
        (Some(2), "{}"),
        (None, "1"),
        (Some(4), "{}"),
    ]);
    let second = HEADER.len() + b"e 00000000 1 0 2 {}\n".len() + 3;
    bytes[second] ^= 1;
    let disk = MemoryDisk::default();
    disk.put(&folder().join(NAME), &bytes);
    let (mut segment, contents) = adopt(&disk).expect("a segment");
    assert_eq!(entries(&contents), [(4, "{}".into())]);
    assert_eq!(contents.missing, 2, "2 is damaged and 3 is not there");
    acknowledge(&mut segment, &[4]).expect("the disk works");
    drop(segment);
    let (segment, contents) = adopt(&disk).expect("a segment");
    assert!(
        segment.is_settled() && contents.missing == 0,
        "reported once"
    );
}

#[test]
fn one_absurd_number_does_not_make_billions_missing() {
    let bytes = made_of(&[(Some(u32::MAX), "{}")]);
    let disk = MemoryDisk::default();
    disk.put(&folder().join(NAME), &bytes);
    assert!(adopt(&disk).expect("a segment").1.missing < 10);
}
