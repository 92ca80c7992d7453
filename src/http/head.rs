//! The head of a response, read line by line.
//!
//! The parser of `ureq` takes a head as a whole and refuses it for any fault: one line too many, a folded line, an
//! interim response with a header. The server has decided by then, and its records would be sent again. This reader
//! needs a status line and nothing else. It skips interim responses, drops every line that it cannot use, and writes a
//! short clean head for `ureq`: the status, the length of the body, and the headers that the client reads.
//!
//! It does no I/O.

/// Lines and folded values are cut here. The values that the client needs are far shorter.
const MAX_LINE: usize = 1024;

/// Larger heads end here. The largest that servers send by default are a tenth of it.
const MAX_HEAD: usize = 256 * 1024;

/// The headers that the client reads.
pub(super) const KEPT: [(Field, &str); 3] = [
    (Field::RetryAfter, "retry-after"),
    (Field::Date, "date"),
    (Field::ContentType, "content-type"),
];

/// A response does not begin with a status line of HTTP/1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotHttp;

/// Reads heads up to the end of the first one that is final.
#[derive(Debug, Default)]
pub(super) struct ResponseHead {
    state: State,
    line: Vec<u8>,
    is_line_cut: bool,
    has_begun: bool,
    /// Of the final head, in bytes.
    size: usize,
    status_line: Option<StatusLine>,
    fields: Vec<(Field, Vec<u8>)>,
    /// The line before can be continued by a folded one.
    is_last_kept: bool,
    /// There was a line that HTTP does not allow, so that the length of the body is uncertain.
    is_faulty: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    StatusLine,
    Fields,
    /// The headers of a response that is not the last.
    InterimFields,
    Complete,
    /// The end of the head is missing.
    Cut,
}

#[derive(Debug, Clone, Copy)]
struct StatusLine {
    minor_version: char,
    status: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Connection,
    ContentLength,
    ContentType,
    Date,
    RetryAfter,
    TransferEncoding,
}

impl ResponseHead {
    /// Whether a byte of any response has come.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether the server has decided: the status line of a final response is there.
    pub(super) fn has_status(&self) -> bool {
        self.status_line.is_some()
    }

    /// Whether the body follows.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete | State::Cut)
    }

    /// Takes the status without the rest of the head, and without a body.
    pub(super) fn cut(&mut self) {
        self.state = State::Cut;
    }

    /// Reads to the end of the head, and returns how many bytes were part of it.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<usize, NotHttp> {
        self.has_begun |= !input.is_empty();
        let mut used = 0;
        while used < input.len() && !self.is_complete() {
            let rest = &input[used..];
            let end = rest.iter().position(|&byte| byte == b'\n');
            let part = &rest[..end.unwrap_or(rest.len())];
            used += end.map_or(part.len(), |end| end + 1);
            self.size += part.len() + 1;
            let room = MAX_LINE - self.line.len();
            self.is_line_cut |= part.len() > room;
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if self.state == State::StatusLine && !may_be_status_line(&self.line) {
                return Err(NotHttp);
            }
            if end.is_some() {
                self.end_line()?;
            } else if self.size > MAX_HEAD && self.has_status() {
                self.cut();
            }
        }
        Ok(used)
    }

    fn end_line(&mut self) -> Result<(), NotHttp> {
        let mut line = std::mem::take(&mut self.line);
        let is_cut = std::mem::take(&mut self.is_line_cut);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        match self.state {
            // Blank lines before a status line are a known fault of servers.
            State::StatusLine if line.is_empty() => {}
            State::StatusLine => self.begin(&line)?,
            State::InterimFields if line.is_empty() => self.state = State::StatusLine,
            State::Fields if line.is_empty() => self.state = State::Complete,
            State::Fields if self.size > MAX_HEAD => self.cut(),
            State::Fields => self.add(&line, is_cut),
            State::InterimFields | State::Complete | State::Cut => {}
        }
        line.clear();
        self.line = line;
        Ok(())
    }

    fn begin(&mut self, line: &[u8]) -> Result<(), NotHttp> {
        let status_line = StatusLine::parse(line).ok_or(NotHttp)?;
        // 101 is the only 1xx after which HTTP ends.
        if (100..200).contains(&status_line.status) && status_line.status != 101 {
            self.state = State::InterimFields;
        } else {
            self.state = State::Fields;
            self.size = 0;
            self.status_line = Some(status_line);
        }
        Ok(())
    }

    fn add(&mut self, line: &[u8], is_cut: bool) {
        if let [b' ' | b'\t', ..] = line {
            self.is_faulty = true;
            self.continue_last(line.trim_ascii(), is_cut);
            return;
        }
        self.is_last_kept = false;
        let Some(colon) = line.iter().position(|&byte| byte == b':') else {
            self.is_faulty = true;
            return;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.is_empty() || name.iter().any(|byte| !byte.is_ascii_graphic()) {
            self.is_faulty = true;
            return;
        }
        match Field::of(name) {
            Some(_) if is_cut => self.is_faulty = true,
            Some(field) => {
                self.fields.push((field, value.to_vec()));
                self.is_last_kept = true;
            }
            None => {}
        }
    }

    /// Joins a folded line with the value before it, which is left out if it becomes too long.
    fn continue_last(&mut self, line: &[u8], is_cut: bool) {
        if let (true, Some((_, value))) = (self.is_last_kept, self.fields.last_mut()) {
            value.push(b' ');
            value.extend_from_slice(line);
            if is_cut || value.len() > MAX_LINE {
                self.fields.pop();
                self.is_last_kept = false;
            }
        }
    }

    /// Writes the head that `ureq` gets, or nothing without a status line.
    pub(super) fn clean(&self) -> Vec<u8> {
        let Some(StatusLine {
            minor_version,
            status,
        }) = self.status_line
        else {
            return Vec::new();
        };
        let mut head = format!("HTTP/1.{minor_version} {status} \r\n").into_bytes();
        let mut add = |name: &str, value: &[u8]| {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        };
        for (field, name) in KEPT {
            let value = self.values(field).next();
            if let Some(value) = value.filter(|value| is_text(value)) {
                add(name, value);
            }
        }
        let length = self.body_length();
        match length {
            BodyLength::Known(length) => add("content-length", length.to_string().as_bytes()),
            BodyLength::Chunked => add("transfer-encoding", b"chunked"),
            BodyLength::UntilClose | BodyLength::Unclear => {}
        }
        let is_unclear = self.is_faulty || self.state == State::Cut;
        if is_unclear || length == BodyLength::Unclear || self.has_token(Field::Connection, "close")
        {
            add("connection", b"close");
        } else if self.has_token(Field::Connection, "keep-alive") {
            add("connection", b"keep-alive");
        }
        head.extend_from_slice(b"\r\n");
        head
    }

    fn body_length(&self) -> BodyLength {
        if self.state == State::Cut {
            return BodyLength::Known(0);
        }
        if self.values(Field::TransferEncoding).next().is_some() {
            return if self.has_token(Field::TransferEncoding, "chunked") {
                BodyLength::Chunked
            } else {
                BodyLength::Unclear
            };
        }
        let mut lengths = self.tokens(Field::ContentLength).map(|token| {
            let is_number = !token.is_empty() && token.iter().all(u8::is_ascii_digit);
            let text = std::str::from_utf8(token).ok().filter(|_| is_number)?;
            text.parse::<u64>().ok()
        });
        match lengths.next() {
            None => BodyLength::UntilClose,
            Some(first) if lengths.any(|other| other != first) => BodyLength::Unclear,
            Some(Some(length)) => BodyLength::Known(length),
            Some(None) => BodyLength::Unclear,
        }
    }

    fn has_token(&self, field: Field, token: &str) -> bool {
        self.tokens(field)
            .any(|found| found.eq_ignore_ascii_case(token.as_bytes()))
    }

    fn tokens(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        self.values(field)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .map(<[u8]>::trim_ascii)
    }

    fn values(&self, field: Field) -> impl Iterator<Item = &[u8]> {
        let fields = self.fields.iter();
        fields
            .filter(move |(found, _)| *found == field)
            .map(|(_, value)| value.as_slice())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyLength {
    Known(u64),
    Chunked,
    UntilClose,
    /// What the head says contradicts itself. The body is read until the server closes.
    Unclear,
}

const BEGINNING: &[u8] = b"HTTP/1.";

fn may_be_status_line(line: &[u8]) -> bool {
    let length = line.len().min(BEGINNING.len());
    line[..length] == BEGINNING[..length] || line == b"\r"
}

impl StatusLine {
    fn parse(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(BEGINNING)?;
        let [minor_version @ (b'0' | b'1'), b' ', digits @ ..] = rest else {
            return None;
        };
        let (digits, reason) = digits.split_at_checked(3)?;
        if !digits.iter().all(u8::is_ascii_digit) || !matches!(reason, [] | [b' ', ..]) {
            return None;
        }
        let status = std::str::from_utf8(digits).ok()?.parse().ok()?;
        (status >= 100).then_some(Self {
            minor_version: char::from(*minor_version),
            status,
        })
    }
}

impl Field {
    fn of(name: &[u8]) -> Option<Self> {
        const FRAMING: [(Field, &str); 3] = [
            (Field::Connection, "connection"),
            (Field::ContentLength, "content-length"),
            (Field::TransferEncoding, "transfer-encoding"),
        ];
        let mut known = FRAMING.iter().chain(&KEPT);
        let found = known.find(|(_, known)| name.eq_ignore_ascii_case(known.as_bytes()));
        found.map(|(field, _)| *field)
    }
}

fn is_text(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b' '..=b'~'))
}

#[cfg(test)]
mod tests;
