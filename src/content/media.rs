//! Images, recordings and files in texts, and the placeholders that are sent instead of them.

use std::{borrow::Cow, fmt, ops::Range};

use super::base64::{self, Run};

/// A text without its media.
pub(super) struct WithoutMedia<'t> {
    pub(super) text: Cow<'t, str>,
    /// How many placeholders there are instead.
    pub(super) omitted: usize,
}

/// Whether [`replace`] would change the text. Allocates nothing.
pub(super) fn is_in(text: &[u8]) -> bool {
    find_url(text, 0).is_some() || base64::find(text, 0).is_some()
}

/// Replaces each data URL and each long run of base64 by a placeholder of its kind and size.
///
/// JSON stays JSON: a placeholder has no character that JSON escapes, and replaces whole characters and escapes.
pub(super) fn replace(text: &str) -> WithoutMedia<'_> {
    let bytes = text.as_bytes();
    let mut output = Output {
        text,
        written: String::new(),
        read: 0,
        placeholders: 0,
    };
    loop {
        let url = find_url(bytes, output.read);
        let end = url.as_ref().map_or(bytes.len(), |url| url.range.start);
        while let Some(run) = base64::find(&bytes[..end], output.read) {
            output.write_placeholder(&run.range, "", &run);
        }
        let Some(url) = url else { break };
        output.write_placeholder(&url.range, &url.kind, &url.run);
    }
    output.finish()
}

struct Output<'t> {
    text: &'t str,
    written: String,
    /// How much of the text is written.
    read: usize,
    placeholders: usize,
}

impl<'t> Output<'t> {
    fn write_placeholder(&mut self, range: &Range<usize>, kind: &str, run: &Run) {
        let kind = match kind {
            "" => kind_of(&run.first_bytes(self.text.as_bytes())),
            kind => kind,
        };
        let before = &self.text[self.read..range.start];
        let placeholder = format!("[{kind}, {}]", Size(run.decoded_size()));
        self.written.extend([before, &placeholder]);
        self.read = range.end;
        self.placeholders += 1;
    }

    fn finish(mut self) -> WithoutMedia<'t> {
        if self.placeholders == 0 {
            return WithoutMedia {
                text: Cow::Borrowed(self.text),
                omitted: 0,
            };
        }
        self.written.push_str(&self.text[self.read..]);
        WithoutMedia {
            text: Cow::Owned(self.written),
            omitted: self.placeholders,
        }
    }
}

/// A data URL with base64.
struct Url {
    range: Range<usize>,
    /// The media type without its parameters, or nothing.
    kind: String,
    run: Run,
}

const MARK: &[u8; 8] = b";base64,";
const SCHEME: &[u8] = b"data:";

/// Returns the first data URL from here on that holds at least one digit.
fn find_url(text: &[u8], from: usize) -> Option<Url> {
    let mut at = from;
    while let Some(mark) = find_mark(text, at) {
        at = mark + MARK.len();
        let Some(start) = start_of_url(text, from, mark) else {
            continue;
        };
        let mut run = Run::at(text, at);
        let digits = &text[run.range.clone()];
        // The next data URL may begin right here.
        if text.get(run.range.end) == Some(&b':') && ends_with(digits, b"data") {
            run.cut_end(b"data".len());
        }
        if run.digits > 0 {
            let kind = media_type(&text[start + SCHEME.len()..mark]);
            let range = start..run.range.end;
            return Some(Url { range, kind, run });
        }
    }
    None
}

/// Where the data URL begins whose media type ends at the mark.
fn start_of_url(text: &[u8], from: usize, mark: usize) -> Option<usize> {
    let before = &text[from..mark];
    let of_type = |byte: &&u8| matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-'..=b'9' | b';' | b'=' | b'A'..=b'Z' | b'\\' | b'^'..=b'z' | b'~');
    let length = before.iter().rev().take_while(of_type).count();
    let before = &before[..before.len() - length];
    ends_with(before, SCHEME).then(|| from + before.len() - SCHEME.len())
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    let start = text.len().checked_sub(end.len());
    start.is_some_and(|start| text[start..].eq_ignore_ascii_case(end))
}

/// A longer media type is not shown.
const MAX_KIND: usize = 64;

/// The media type without parameters and backslashes, or nothing if it is not a usual one.
fn media_type(text: &[u8]) -> String {
    let kind = text.iter().take_while(|byte| **byte != b';');
    let kind: Vec<u8> = kind.copied().filter(|byte| *byte != b'\\').collect();
    let is_usual = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-./_".contains(byte);
    match String::from_utf8(kind) {
        Ok(kind) if kind.len() <= MAX_KIND && kind.bytes().all(|byte| is_usual(&byte)) => kind,
        _ => String::new(),
    }
}

/// Returns where the mark of a data URL is, from here on.
///
/// A block is looked at as a whole, which becomes a few vector instructions. Two bytes of the mark that rarely stand so
/// in a text decide whether to look closer.
fn find_mark(text: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(block) = text[at..].first_chunk::<{ BLOCK + MARK.len() - 1 }>() {
        let may_hold_mark = (0..BLOCK).fold(false, |found, index| {
            found | ((block[index + 3] == MARK[3]) & (block[index + 5] == MARK[5]))
        });
        if may_hold_mark && let Some(found) = position(block) {
            return Some(at + found);
        }
        at += BLOCK;
    }
    position(&text[at..]).map(|found| at + found)
}

const BLOCK: usize = 32;

fn position(text: &[u8]) -> Option<usize> {
    let mut places = 0..(text.len() + 1).saturating_sub(MARK.len());
    places.find(|place| text[*place..].first_chunk() == Some(MARK))
}

/// The kind of a file by its first bytes.
fn kind_of(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [0xFF, 0xD8, 0xFF, ..] => "image/jpeg",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => "image/webp",
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'A',
            b'V',
            b'E',
            ..,
        ] => "audio/wav",
        [b'%', b'P', b'D', b'F', ..] => "application/pdf",
        [b'I', b'D', b'3', ..] | [0xFF, 0xFA | 0xFB | 0xF2 | 0xF3, ..] => "audio/mpeg",
        _ => "base64",
    }
}

/// Bytes, in a unit that gives a short number.
struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ ..1_000 => write!(f, "{bytes} B"),
            bytes @ ..999_500 => write!(f, "{} kB", (bytes + 500) / 1_000),
            bytes => write!(f, "{:.1} MB", bytes as f64 / 1e6),
        }
    }
}

#[cfg(test)]
mod tests;
