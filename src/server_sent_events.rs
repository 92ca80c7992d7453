//! The data of server-sent events, which is how providers stream an answer over HTTP.

use std::{
    fmt,
    io::{self, BufRead, BufReader, ErrorKind, Read},
    iter::FusedIterator,
    mem,
};

/// The longest event that is read without [`ServerSentEvents::max_event_bytes`].
const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// The data of the last event of a provider's stream. It is not JSON, as the data of the others is.
const DONE: &str = "[DONE]";

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// An iterator over the data of server-sent events, the form in which providers stream an answer.
///
/// It reads from the body of an HTTP response, or from any other [`Read`]. Each item is the data of one event: the text
/// of its `data:` lines, joined by line feeds. Providers send one JSON object in each event.
///
/// - Comments, fields other than `data`, and events without data are skipped.
/// - A line ends with LF, CRLF or CR. A byte order mark at the beginning is skipped.
/// - A character may be split over two reads. Bytes that are not UTF-8 are replaced by U+FFFD, as the standard of
///   server-sent events requires.
/// - The iterator ends at an event with the data `[DONE]`, which is not an item, and reads no further. It also ends
///   with the input. Data at the end of the input is an item even if the empty line after it is missing.
/// - [`next`](Iterator::next) blocks as long as a read blocks. An event is an item as soon as its last line is read.
///
/// # Errors
///
/// An error of the reader is passed on. An event longer than [`max_event_bytes`](Self::max_event_bytes) gives an error
/// of the kind [`InvalidData`](ErrorKind::InvalidData). After either, the iterator has ended. A read that was
/// [`Interrupted`](ErrorKind::Interrupted) is repeated.
///
/// ```
/// use trubrics::ServerSentEvents;
///
/// let body = ": a comment\n\ndata: {\"text\":\"Hi\"}\n\ndata: {\"text\":\"!\"}\n\ndata: [DONE]\n\n";
/// let events: Vec<String> = ServerSentEvents::new(body.as_bytes()).collect::<Result<_, _>>()?;
/// assert_eq!(events, [r#"{"text":"Hi"}"#, r#"{"text":"!"}"#]);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "an iterator does nothing until it is iterated"]
pub struct ServerSentEvents<R> {
    reader: BufReader<R>,
    max_event_bytes: usize,
    /// The line so far, without its end.
    line: Vec<u8>,
    /// The data of the event so far, with a line feed after each line.
    data: Vec<u8>,
    /// The last line ended with CR. A line feed at the beginning of the next one belongs to that end.
    is_after_cr: bool,
    is_first_line: bool,
    has_ended: bool,
}

impl<R: Read> ServerSentEvents<R> {
    /// Reads events from the body of a response, in parts of up to 8 KiB.
    pub fn new(reader: R) -> Self {
        Self {
            reader: BufReader::new(reader),
            max_event_bytes: MAX_EVENT_BYTES,
            line: Vec::new(),
            data: Vec::new(),
            is_after_cr: false,
            is_first_line: true,
            has_ended: false,
        }
    }

    /// Sets how many bytes the data of one event may have, together with the line that is being read; the default is
    /// 1 MiB. It bounds the memory that a faulty server can take.
    pub fn max_event_bytes(mut self, bytes: usize) -> Self {
        self.max_event_bytes = bytes;
        self
    }

    /// Reads until an event is complete. None at the end of the stream.
    fn read_event(&mut self) -> io::Result<Option<String>> {
        loop {
            let is_line = match self.read_part() {
                Ok(Part::Line) => true,
                Ok(Part::Piece) => false,
                Ok(Part::End) => {
                    self.has_ended = true;
                    self.end_line();
                    return Ok(self.take_event());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if self.data.len().saturating_add(self.line.len()) > self.max_event_bytes {
                return Err(self.too_long());
            }
            if is_line && self.end_line() {
                let event = self.take_event();
                if event.is_some() || self.has_ended {
                    return Ok(event);
                }
            }
        }
    }

    /// Moves bytes of one line from the reader to `line`: its end, or as many as there are without another read.
    fn read_part(&mut self) -> io::Result<Part> {
        let bytes = self.reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(Part::End);
        }
        if mem::take(&mut self.is_after_cr) && bytes[0] == b'\n' {
            self.reader.consume(1);
            return Ok(Part::Piece);
        }
        let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let length = end.unwrap_or(bytes.len());
        self.line.extend_from_slice(&bytes[..length]);
        self.is_after_cr = end.is_some_and(|end| bytes[end] == b'\r');
        self.reader.consume(length + usize::from(end.is_some()));
        Ok(if end.is_some() {
            Part::Line
        } else {
            Part::Piece
        })
    }

    /// Takes the line that is complete into the event. True if the line is empty, which ends the event.
    fn end_line(&mut self) -> bool {
        let mut line = self.line.as_slice();
        if mem::take(&mut self.is_first_line) {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        let is_end = line.is_empty();
        if let Some(value) = data_of(line) {
            self.data.extend_from_slice(value);
            self.data.push(b'\n');
        }
        self.line.clear();
        is_end
    }

    /// The data of the event that is complete. None if the event has no data, or is the last one of the stream.
    fn take_event(&mut self) -> Option<String> {
        let mut data = mem::take(&mut self.data);
        data.pop();
        if data.is_empty() {
            return None;
        }
        let data = String::from_utf8(data)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        if data.trim_ascii() == DONE {
            self.has_ended = true;
            return None;
        }
        Some(data)
    }

    fn too_long(&self) -> io::Error {
        let maximum = self.max_event_bytes;
        let text = format!("a server-sent event is longer than {maximum} bytes");
        io::Error::new(ErrorKind::InvalidData, text)
    }
}

/// What a look into the reader gave.
enum Part {
    /// The rest of a line.
    Line,
    /// A piece of a line, which may be empty.
    Piece,
    /// The end of the input.
    End,
}

/// The value of a `data` field. One space after the colon does not belong to it.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"data")?;
    if rest.is_empty() {
        return Some(rest);
    }
    let value = rest.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

impl<R: Read> Iterator for ServerSentEvents<R> {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<io::Result<String>> {
        if self.has_ended {
            return None;
        }
        let event = self.read_event();
        self.has_ended |= event.is_err();
        event.transpose()
    }
}

impl<R: Read> FusedIterator for ServerSentEvents<R> {}

impl<R> fmt::Debug for ServerSentEvents<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerSentEvents")
            .field("max_event_bytes", &self.max_event_bytes)
            .field("has_ended", &self.has_ended)
            .finish_non_exhaustive()
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;
