use std::time::Instant;

use proptest::prelude::*;

use super::*;

fn record(number: u32, json: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    write_record(&mut line, Endpoint::Events, number, stored(), json);
    line
}

/// A time of whole milliseconds.
fn stored() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_789_000_000_123)
}

fn acknowledgement(numbers: &[u32]) -> Vec<u8> {
    let mut line = Vec::new();
    write_acknowledgement(&mut line, &mut numbers.to_vec());
    line
}

/// A line whose checksum is right, whatever it says.
fn line(kind: u8, number: u32, payload: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    write_line(&mut line, kind, number, 0, payload);
    line
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    let number = |line: &Line<'_>| match line {
        Line::Record(record) => Some(record.number.get()),
        Line::Acknowledged(_) => None,
    };
    read_lines(bytes).iter().filter_map(number).collect()
}

/// Reading takes no longer than this for a mebibyte, in a slow build on a busy machine.
#[track_caller]
fn assert_quick(bytes: &[u8]) -> usize {
    let start = Instant::now();
    let lines = read_lines(bytes).len();
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    lines
}

const MEBIBYTE: usize = 1024 * 1024;

#[test]
fn the_lines_are_those_of_the_documentation() {
    let mut text = record(7, br#"{"user_id":"u"}"#);
    write_record(&mut text, Endpoint::LlmEvents, 8, UNIX_EPOCH, b"{}");
    text.extend(acknowledgement(&[8, 3, 7, 0]));
    assert_eq!(
        String::from_utf8_lossy(&text),
        "e eab3b4c0 7 1789000000123 15 {\"user_id\":\"u\"}\nl 8060e495 8 0 2 {}\na cb407aa6 0 0 7 0 3 7-8\n"
    );
}

#[test]
fn a_number_of_nothing_is_no_record() {
    let text = [record(0, b"{}"), record(1, b"{}")].concat();
    assert_eq!(numbers(&text), [1], "0 is for records in memory");
}

#[test]
fn numbers_may_be_as_large_as_they_can_be() {
    let text = [record(u32::MAX, b"{}"), acknowledgement(&[u32::MAX, 0])].concat();
    let expected = Line::Acknowledged(vec![0..=0, u32::MAX..=u32::MAX]);
    assert_eq!(numbers(&text), [u32::MAX]);
    assert_eq!(read_lines(&text)[1], expected);
    let all = line(b'a', 0, b"0-4294967295");
    assert_eq!(read_lines(&all), [Line::Acknowledged(vec![0..=u32::MAX])]);
}

#[test]
fn what_does_not_fit_into_a_number_makes_its_line_damaged() {
    for payload in [
        "4294967296",
        "1-4294967296",
        "-1",
        "1-",
        "1--2",
        "1 ",
        "",
        "one",
        "1-2-3",
        "99999999999999999999",
    ] {
        let text = [line(b'a', 0, payload.as_bytes()), record(1, b"{}")].concat();
        assert_eq!(read_lines(&text).len(), 1, "{payload:?}");
    }
    for head in [
        "e 00000000 4294967296 0 2 {}",
        "e 00000000 1 0 4294967296 {}",
        "e 00000000 1 0 -2 {}",
        "e 00000000 1 0  {}",
        "e 00000000 1  2 {}",
        "e 00000000 1 18446744073709551616 2 {}",
        "e 00000000 99999999999999999999 0 2 {}",
    ] {
        let text = [head.as_bytes(), b"\n", &record(1, b"{}")].concat();
        assert_eq!(numbers(&text), [1], "{head:?}");
    }
}

#[test]
fn a_time_may_be_as_late_as_it_can_be() {
    let late = UNIX_EPOCH + Duration::from_millis(u64::MAX);
    let mut text = Vec::new();
    write_record(&mut text, Endpoint::Events, 1, late, b"{}");
    let lines = read_lines(&text);
    assert!(matches!(&lines[..], [Line::Record(record)] if record.time == late));
}

#[test]
fn a_blank_around_the_checksum_that_is_damaged_costs_its_line() {
    for place in [CHECKSUM.start - 1, CHECKSUM.end] {
        let mut text = [record(1, b"{}"), record(2, b"{}")].concat();
        text[place] ^= 1;
        assert_eq!(numbers(&text), [2], "{place}");
    }
}

#[test]
fn a_range_the_wrong_way_round_holds_nothing() {
    let text = line(b'a', 0, b"9-3");
    let [Line::Acknowledged(ranges)] = &read_lines(&text)[..] else {
        panic!("one acknowledgement");
    };
    assert!(ranges.iter().all(|range| !range.contains(&5)));
}

#[test]
fn a_length_beyond_the_end_costs_its_line_only() {
    for length in ["3", "1000", "4294967295"] {
        let text = [
            format!("e 00000000 1 0 {length} {{}}\n").as_bytes(),
            &record(2, b"{}"),
        ]
        .concat();
        assert_eq!(numbers(&text), [2]);
    }
}

#[test]
fn a_kind_that_is_not_known_is_skipped() {
    let text = [line(b'x', 1, b"{}"), record(2, b"{}")].concat();
    assert_eq!(numbers(&text), [2]);
}

#[test]
fn line_breaks_within_the_json_do_no_harm() {
    let raw = b"{\"properties\": {\n  \"plan\": \"team\"\n}}";
    let text = [record(1, raw), record(2, b"{}"), record(3, raw)].concat();
    assert_eq!(numbers(&text), [1, 2, 3]);
    let torn = [&text[1..], &record(4, b"{}")].concat();
    assert_eq!(numbers(&torn), [2, 3, 4]);
}

#[test]
fn reading_is_quick_whatever_there_is_to_read() {
    let lines = |line: &[u8]| line.repeat(MEBIBYTE / line.len());
    assert_eq!(assert_quick(&vec![b'x'; MEBIBYTE]), 0);
    assert_eq!(assert_quick(&vec![0; MEBIBYTE]), 0);
    assert_eq!(assert_quick(&vec![b'\n'; MEBIBYTE]), 0);
    assert_eq!(assert_quick(&lines(b"e 00000000 1 0 2 {}\n")), 0);
    assert_eq!(assert_quick(&lines(b"e 00000000 1 0 4294967295 \n")), 0);
    let whole = lines(&record(1, b"{}"));
    assert_eq!(assert_quick(&whole), whole.len() / record(1, b"{}").len());
}

#[test]
fn many_lengths_that_reach_far_are_not_all_believed() {
    let far = b"e 00000000 1 0 500000 \n".repeat(MEBIBYTE / 23);
    let text = [&far[..], &record(1, b"{}")].concat();
    assert_eq!(assert_quick(&text), 1);
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        entries in prop::collection::vec(
            (any::<bool>(), 1_u32.., prop::collection::vec(any::<u8>(), 0..80)),
            0..20,
        ),
    ) {
        let mut text = Vec::new();
        let mut expected = Vec::new();
        for (is_event, number, json) in &entries {
            let endpoint = if *is_event { Endpoint::Events } else { Endpoint::LlmEvents };
            write_record(&mut text, endpoint, *number, stored(), json);
            let number = NonZeroU32::new(*number).expect("above 0");
            let line = RecordLine { endpoint, number, time: stored(), json };
            expected.push(Line::Record(line));
        }
        prop_assert_eq!(read_lines(&text), expected);
    }

    #[test]
    fn an_acknowledgement_covers_its_numbers_and_no_others(
        numbers in prop::collection::btree_set(0_u32..60, 1..40),
        last in any::<bool>(),
    ) {
        let mut numbers: Vec<_> = numbers.into_iter().collect();
        if last {
            numbers.extend([u32::MAX - 1, u32::MAX]);
        }
        numbers.reverse();
        let text = acknowledgement(&numbers);
        let lines = read_lines(&text);
        let [Line::Acknowledged(ranges)] = &lines[..] else {
            panic!("one acknowledgement");
        };
        for number in (0..60).chain(u32::MAX - 1..=u32::MAX) {
            let is_covered = ranges.iter().any(|range| range.contains(&number));
            prop_assert_eq!(is_covered, numbers.contains(&number));
        }
        prop_assert!(ranges.windows(2).all(|two| *two[0].end() + 1 < *two[1].start()));
    }

    #[test]
    fn nothing_is_made_up_from_noise(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(read_lines(&noise), []);
    }

    #[test]
    fn noise_between_lines_costs_them_nothing(
        noise in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let text = [record(1, b"{}"), noise, b"\n".to_vec(), record(2, b"{}")].concat();
        prop_assert_eq!(numbers(&text), [1, 2]);
    }
}
