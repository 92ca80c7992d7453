//! The entry point of the target `events` in `fuzz/`.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, Read},
};

use super::ServerSentEvents;

/// Reads the bytes as a stream of events, in parts of several sizes. The first two bytes choose the parts and the
/// longest event.
///
/// # Panics
/// If the parts change an event, or the events are not those that the standard asks for.
pub fn read_events(bytes: &[u8]) {
    let Some(([parts, limit], stream)) = bytes.split_first_chunk() else {
        return;
    };
    let maximum = match limit {
        0..128 => usize::MAX,
        _ => usize::from(limit - 128),
    };
    let at_once = events(stream, maximum);
    assert_eq!(events(Parts::of_size(stream, 1), maximum), at_once);
    let parts = Parts::of_size(stream, usize::from(*parts).max(1));
    assert_eq!(events(parts, maximum), at_once);
    let (events, error) = at_once;
    if maximum == usize::MAX {
        assert_eq!(error, None);
        assert_eq!(events, by_the_standard(stream));
    }
    let longest = events.iter().map(String::len).max().unwrap_or_default();
    // A byte that is not UTF-8 becomes three.
    assert!(longest <= maximum.saturating_mul(3), "{longest}");
}

/// The events until the first error, and its kind.
fn events(reader: impl Read, maximum: usize) -> (Vec<String>, Option<ErrorKind>) {
    let mut reader = ServerSentEvents::new(reader).max_event_bytes(maximum);
    let (mut events, mut error) = (Vec::new(), None);
    for event in &mut reader {
        match event {
            Ok(event) => events.push(event),
            Err(failure) => error = Some(failure.kind()),
        }
    }
    assert!(reader.next().is_none(), "the iterator is fused");
    (events, error)
}

/// A reader that gives parts, with an interruption after each.
struct Parts<'b> {
    parts: VecDeque<&'b [u8]>,
    is_interrupted: bool,
}

impl<'b> Parts<'b> {
    fn of_size(bytes: &'b [u8], size: usize) -> Self {
        Self {
            parts: bytes.chunks(size).collect(),
            is_interrupted: false,
        }
    }
}

impl Read for Parts<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.is_interrupted = !self.is_interrupted;
        if self.is_interrupted {
            return Err(ErrorKind::Interrupted.into());
        }
        let Some(part) = self.parts.pop_front() else {
            return Ok(0);
        };
        buffer[..part.len()].copy_from_slice(part);
        Ok(part.len())
    }
}

/// Reads the events as the standard describes it: the text is decoded first, and then split into lines. Without an
/// empty line at the end, there is an event, too, as the iterator promises.
fn by_the_standard(stream: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let (mut events, mut data) = (Vec::new(), Vec::new());
    for line in text.split('\n').chain([""]) {
        if !line.is_empty() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            if field == "data" {
                data.push(value.strip_prefix(' ').unwrap_or(value));
            }
            continue;
        }
        let event = data.join("\n");
        data.clear();
        if event.trim_ascii() == "[DONE]" {
            break;
        }
        if !event.is_empty() {
            events.push(event);
        }
    }
    events
}
