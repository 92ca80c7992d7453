use std::{collections::VecDeque, iter};

use proptest::prelude::*;

use super::*;

/// A reader that gives these, one a read, and then the end of the input.
struct Script(VecDeque<Result<Vec<u8>, ErrorKind>>);

impl Script {
    fn new(reads: impl IntoIterator<Item = Result<Vec<u8>, ErrorKind>>) -> Self {
        Self(reads.into_iter().collect())
    }

    fn byte_by_byte(text: &[u8]) -> Self {
        Self::new(text.iter().map(|byte| Ok(vec![*byte])))
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(read) = self.0.pop_front() else {
            return Ok(0);
        };
        let mut bytes = read.map_err(|kind| io::Error::new(kind, "on purpose"))?;
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        if length < bytes.len() {
            self.0.push_front(Ok(bytes.split_off(length)));
        }
        Ok(length)
    }
}

/// The events until the first error, and its kind.
fn read(reader: impl Read, maximum: usize) -> (Vec<String>, Option<ErrorKind>) {
    let mut reader = ServerSentEvents::new(reader).max_event_bytes(maximum);
    let mut events = Vec::new();
    let error = loop {
        match reader.next() {
            Some(Ok(event)) => events.push(event),
            Some(Err(error)) => break Some(error.kind()),
            None => break None,
        }
    };
    assert!(reader.next().is_none(), "the iterator is fused");
    (events, error)
}

/// The events of the text, however it is read.
#[track_caller]
fn events(text: impl AsRef<[u8]>) -> Vec<String> {
    let text = text.as_ref();
    let at_once = read(text, MAX_EVENT_BYTES);
    assert_eq!(at_once.1, None);
    assert_eq!(
        read(Script::byte_by_byte(text), MAX_EVENT_BYTES),
        at_once,
        "byte by byte"
    );
    at_once.0
}

#[test]
fn an_event_is_the_text_of_its_data() {
    assert_eq!(events("data: a\n\ndata: b\n\n"), ["a", "b"]);
    assert_eq!(events("data:a\n\n"), ["a"]);
}

#[test]
fn one_space_after_the_colon_is_not_data() {
    assert_eq!(events("data:  a \n\ndata:\tb\n\n"), [" a ", "\tb"]);
}

#[test]
fn data_of_many_lines_is_joined_by_line_feeds() {
    assert_eq!(events("data: a\ndata: b\n\n"), ["a\nb"]);
    assert_eq!(events("data: a\ndata\ndata:\ndata: b\n\n"), ["a\n\n\nb"]);
}

#[test]
fn a_line_ends_with_any_of_the_three_ends() {
    assert_eq!(events("data: a\r\n\r\ndata: b\r\n\r\n"), ["a", "b"]);
    assert_eq!(events("data: a\r\rdata: b\r\r"), ["a", "b"]);
    assert_eq!(events("data: a\r\ndata: b\n\rdata: c\r\r\n"), ["a\nb", "c"]);
}

#[test]
fn an_end_of_a_line_that_is_split_over_reads_is_one_end() {
    let reads = ["data: a\r", "\ndata: b\r\n\r", "\ndata: c\n", "\n"];
    let reads = reads.map(|read| Ok(read.into()));
    assert_eq!(
        read(Script::new(reads), MAX_EVENT_BYTES),
        (vec!["a\nb".into(), "c".into()], None)
    );
}

#[test]
fn a_byte_order_mark_is_skipped_at_the_beginning_alone() {
    assert_eq!(events("\u{feff}data: a\n\n"), ["a"]);
    assert_eq!(events("\u{feff}\u{feff}data: a\n\ndata: b\n\n"), ["b"]);
    assert_eq!(
        events("\n\u{feff}data: a\n\ndata: \u{feff}\n\n"),
        ["\u{feff}"]
    );
}

#[test]
fn comments_other_fields_and_empty_events_are_skipped() {
    let text = ": ping\n\n:data: x\nevent: message\nid: 7\nretry: 10\ndata: a\n: ping\ndatabase: x\n data: x\n\
                Data: x\ndata : x\nnonsense\n\n\n\nevent: done\n\ndata\n\ndata: \n\ndata: b\n\n";
    assert_eq!(events(text), ["a", "b"]);
}

#[test]
fn the_stream_ends_at_done_and_is_not_read_further() {
    assert_eq!(events("data: a\n\ndata: [DONE]\n\ndata: b\n\n"), ["a"]);
    assert_eq!(events("data:[DONE] \r\n\r\ndata: b\n\n"), [""; 0]);
    assert_eq!(events("data: [DONE]"), [""; 0]);
    assert_eq!(events("data: a\ndata: [DONE]\n\n"), ["a\n[DONE]"]);
    let reads = [Ok("data: [DONE]\n\n".into()), Err(ErrorKind::BrokenPipe)];
    assert_eq!(read(Script::new(reads), MAX_EVENT_BYTES), (vec![], None));
}

#[test]
fn data_without_an_empty_line_after_it_is_an_event_too() {
    assert_eq!(events("data: a\n\ndata: b\n"), ["a", "b"]);
    assert_eq!(events("data: a\n\ndata: b"), ["a", "b"]);
    assert_eq!(events("data: a\n\ndat"), ["a"]);
    assert_eq!(events(""), [""; 0]);
}

#[test]
fn a_character_that_is_split_over_reads_is_whole() {
    assert_eq!(events("data: żółw 🐢\n\n"), ["żółw 🐢"]);
    let event = "data: 🐢\n\n".as_bytes();
    let reads = [&event[..8], &event[8..]].map(|read| Ok(read.to_vec()));
    let (events, _) = read(Script::new(reads), MAX_EVENT_BYTES);
    assert_eq!(events, ["🐢"]);
}

#[test]
fn bytes_that_are_not_utf_8_are_replaced() {
    assert_eq!(
        events(b"data: a\xffb\n\ndata: c\xf0\x9f\n\n"),
        ["a\u{fffd}b", "c\u{fffd}"]
    );
}

#[test]
fn an_event_is_passed_on_before_the_next_read() {
    for event in ["data: a\n\n", "data: a\r\n\r", "data: a\r\r"] {
        let reads = [Ok(event.into()), Err(ErrorKind::TimedOut)];
        let mut reader = ServerSentEvents::new(Script::new(reads));
        let first = reader.next().expect("an event").expect("no read fails");
        assert_eq!(first, "a", "{event:?}");
        assert!(reader.next().is_some_and(|event| event.is_err()));
    }
}

#[test]
fn an_interrupted_read_is_repeated() {
    let interrupted = || Err(ErrorKind::Interrupted);
    let reads = [
        interrupted(),
        Ok(b"data: a\r".to_vec()),
        interrupted(),
        interrupted(),
        Ok(b"\n\r\n".to_vec()),
        interrupted(),
    ];
    let expected = (vec!["a".into()], None);
    assert_eq!(read(Script::new(reads), MAX_EVENT_BYTES), expected);
}

#[test]
fn an_error_of_the_reader_is_passed_on_and_ends_the_stream() {
    let reads = [
        Ok(b"data: a\n\ndata: b\n".to_vec()),
        Err(ErrorKind::ConnectionReset),
        Ok(b"\ndata: c\n\n".to_vec()),
    ];
    let expected = (vec!["a".into()], Some(ErrorKind::ConnectionReset));
    assert_eq!(read(Script::new(reads), MAX_EVENT_BYTES), expected);
}

#[test]
fn an_event_that_is_too_long_is_an_error() {
    let too_long = Some(ErrorKind::InvalidData);
    for (text, is_too_long) in [
        ("data: 456789\n\n", false),
        ("data: 4567890\n\n", true),
        ("data: a\ndata: 8901\n\n", false),
        ("data: a\ndata: 89012\n\n", true),
        (": 3456789012\n\n", false),
        (": 34567890123\n\n", true),
    ] {
        for reader in [
            Script::new([Ok(text.into())]),
            Script::byte_by_byte(text.as_bytes()),
        ] {
            let (_, error) = read(reader, 12);
            assert_eq!(error, too_long.filter(|_| is_too_long), "{text:?}");
        }
    }
    let (_, error) = read(io::repeat(b'a'), MAX_EVENT_BYTES);
    assert_eq!(error, too_long);
    let endless = iter::repeat_n(Ok(b"data\n".to_vec()), MAX_EVENT_BYTES + 1);
    assert_eq!(read(Script::new(endless), MAX_EVENT_BYTES).1, too_long);
}

#[test]
fn the_error_of_a_long_event_says_the_limit() {
    let mut reader = ServerSentEvents::new(&b"data: 12345"[..]).max_event_bytes(9);
    let error = reader.next().expect("an item").expect_err("too long");
    assert_eq!(
        error.to_string(),
        "a server-sent event is longer than 9 bytes"
    );
}

#[test]
fn comments_between_two_events_do_not_add_up() {
    let pings = iter::repeat_n(Ok(b": ping\n".to_vec()), 1_000);
    let event = iter::once(Ok(b"data: a\n\n".to_vec()));
    let (events, error) = read(Script::new(pings.chain(event)), 12);
    assert_eq!((events, error), (vec!["a".into()], None));
}

#[test]
fn debug_shows_nothing_of_the_input() {
    let reader = ServerSentEvents::new(&b"secret"[..]);
    assert_eq!(
        format!("{reader:?}"),
        "ServerSentEvents { max_event_bytes: 1048576, has_ended: false, .. }"
    );
}

/// Texts that are made of all the rules.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    const PARTS: [&str; 17] = [
        "data", "data:", " ", ":", "\n", "\n\n", "\r", "\r\n", "\r\r", "a", "🐢", "é", "\u{feff}",
        "[DONE]", "event: x", ": ping", "\0",
    ];
    let bytes = prop_oneof![
        8 => prop::sample::select(&PARTS[..]).prop_map(|part| part.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(bytes, 0..60).prop_map(|parts| parts.concat())
}

/// The rules once more, over the whole text at once.
fn by_the_book(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n") + "\n\n";
    let mut events = Vec::new();
    let mut data = Vec::new();
    for line in text.split('\n') {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if line.is_empty() {
            match mem::take(&mut data).join("\n") {
                event if event.trim_ascii() == "[DONE]" => break,
                event if event.is_empty() => {}
                event => events.push(event),
            }
        } else if field == "data" {
            data.push(value.strip_prefix(' ').unwrap_or(value));
        }
    }
    events
}

proptest! {
    #[test]
    fn events_do_not_depend_on_how_the_text_is_split(
        text in streams(),
        lengths in prop::collection::vec(1_usize..12, 1..40),
    ) {
        let mut rest = text.as_slice();
        let mut reads = Vec::new();
        for length in lengths {
            let (piece, after) = rest.split_at(length.min(rest.len()));
            if !piece.is_empty() {
                reads.push(Ok(piece.to_vec()));
                reads.push(Err(ErrorKind::Interrupted));
            }
            rest = after;
        }
        if !rest.is_empty() {
            reads.push(Ok(rest.to_vec()));
        }
        let expected = (by_the_book(&text), None);
        prop_assert_eq!(read(Script::new(reads), MAX_EVENT_BYTES), expected.clone());
        prop_assert_eq!(read(text.as_slice(), MAX_EVENT_BYTES), expected);
    }

    #[test]
    fn the_limit_does_not_depend_on_how_the_text_is_split(text in streams()) {
        prop_assert_eq!(read(Script::byte_by_byte(&text), 20), read(text.as_slice(), 20));
    }
}
