//! Runs of base64 in a text: of either alphabet, in one line or wrapped, in plain text or in JSON with its escapes.
//!
//! A text may itself be JSON, and JSON may hold JSON as a text, so any number of backslashes begins an escape.

use std::{iter, ops::Range};

/// Shorter runs are left alone unless they belong to a data URL.
pub(super) const MIN_DIGITS: usize = 1024;

/// The digits of a line of wrapped base64. Usual are 64 and 76. A line outside of these bounds stands alone.
const WRAPPED: Range<usize> = 60..257;

/// The base64 digits of one file.
pub(super) struct Run {
    /// From the first digit to the end of the padding.
    pub(super) range: Range<usize>,
    /// How many digits there are, without the padding.
    pub(super) digits: usize,
    padding: usize,
}

/// Returns the first run from here on that is long enough and looks like base64.
///
/// A run that begins at `at` or later reaches at least to `at + MIN_DIGITS - 1`. So most texts are searched by one byte
/// in 1,023, and no byte is read more than a few times.
pub(super) fn find(text: &[u8], from: usize) -> Option<Run> {
    let mut at = from;
    loop {
        let sample = at + MIN_DIGITS - 1;
        if !may_be_in_run(*text.get(sample)?) {
            at = sample;
            continue;
        }
        at = sample - length_at_end(&text[at..sample]);
        while at <= sample {
            let start = next_start(text, at);
            let short = start + short_line(&text[start..]);
            if short > start {
                at = short;
                continue;
            }
            let run = Run::at(text, start);
            if run.is_long() && run.looks_like_base64(text) {
                return Some(run);
            }
            // The bytes up to the sample may be in a run, so there is a digit.
            at = run.range.end;
        }
    }
}

impl Run {
    /// The run whose first digit is here, or an empty one.
    pub(super) fn at(text: &[u8], start: usize) -> Self {
        let first = Line::at(text, start);
        let mut run = Self {
            range: start..first.end,
            digits: first.digits,
            padding: first.padding,
        };
        if !WRAPPED.contains(&first.digits) || !first.digits.is_multiple_of(4) {
            return run;
        }
        let mut is_last = first.padding > 0;
        while !is_last && let Some(start) = after_break(text, run.range.end) {
            let line = Line::at(text, start);
            let is_whole = line.digits == first.digits;
            is_last = !is_whole || line.padding > 0;
            let is_part = is_whole || line.digits < first.digits && ends_line(text, line.end);
            if !is_part || line.digits == 0 {
                break;
            }
            run.range.end = line.end;
            run.digits += line.digits;
            run.padding = line.padding;
        }
        run
    }

    /// Bytes of the decoded data.
    pub(super) fn decoded_size(&self) -> usize {
        self.digits / 4 * 3 + self.digits % 4 * 3 / 4
    }

    /// The first bytes of the decoded data.
    pub(super) fn first_bytes(&self, text: &[u8]) -> Vec<u8> {
        let mut digits = self.iter(text).take(16).filter_map(value);
        let mut bytes = Vec::with_capacity(12);
        while let (Some(first), Some(second)) = (digits.next(), digits.next()) {
            let [third, fourth] = [digits.next(), digits.next()].map(Option::unwrap_or_default);
            let word = first << 18 | second << 12 | third << 6 | fourth;
            bytes.extend_from_slice(&word.to_be_bytes()[1..]);
        }
        bytes
    }

    /// Cuts digits off the end, which has no escapes there and no padding.
    pub(super) fn cut_end(&mut self, digits: usize) {
        self.range.end -= digits;
        self.digits -= digits;
    }

    fn is_long(&self) -> bool {
        self.digits + self.padding >= MIN_DIGITS
    }

    /// Whether it has capital and small letters, decimal digits, and letters beyond those of hexadecimal numbers. This
    /// much base64 of a file has all of them. Hashes, lines of dashes and stretched words do not.
    fn looks_like_base64(&self, text: &[u8]) -> bool {
        let run = &text[self.range.clone()];
        let mut found = 0;
        let mut is_enough = |kinds: u8| {
            found |= kinds;
            found == ALL_KINDS
        };
        if run.contains(&b'\\') {
            return self.iter(text).any(|digit| is_enough(kind(digit)));
        }
        // Whole blocks, without stopping early, become vector instructions.
        let of_block = |block: &[u8]| block.iter().fold(0, |all, byte| all | kind(*byte));
        run.chunks(BLOCK).any(|block| is_enough(of_block(block)))
    }

    /// The digits, without line breaks, escapes and padding.
    fn iter<'t>(&self, text: &'t [u8]) -> impl Iterator<Item = u8> + use<'t> {
        let Range { start: mut at, end } = self.range;
        iter::from_fn(move || {
            while at < end {
                let byte = text[at];
                if byte == b'\\' {
                    let (escape, after) = escape(text, at);
                    at = after;
                    if let Escape::Digit(digit) = escape {
                        return Some(digit);
                    }
                    continue;
                }
                at += 1;
                if is_digit(byte) {
                    return Some(byte);
                }
            }
            None
        })
    }
}

const ALL_KINDS: u8 = 15;

/// The kinds that a digit has, of [`ALL_KINDS`]: a decimal digit, a small letter, a capital one, not hexadecimal.
fn kind(digit: u8) -> u8 {
    let is_letter = within(digit | 0x20, b'a', 26);
    let is_small = digit & 0x20 != 0;
    u8::from(within(digit, b'0', 10))
        | u8::from(is_letter & is_small) << 1
        | u8::from(is_letter & !is_small) << 2
        | u8::from(within(digit | 0x20, b'g', 20)) << 3
}

/// Digits up to a line break or anything else, and their padding.
struct Line {
    digits: usize,
    padding: usize,
    end: usize,
}

impl Line {
    fn at(text: &[u8], start: usize) -> Self {
        let (mut digits, mut padding, mut end) = (0, 0, start);
        loop {
            let plain = plain_digits(&text[end..]);
            digits += plain;
            end += plain;
            match escape(text, end) {
                (Escape::Digit(_), after) => end = after,
                _ => break,
            }
            digits += 1;
        }
        while digits > 0 && padding < 2 {
            end = match escape(text, end) {
                (Escape::Padding, after) => after,
                _ if text.get(end) == Some(&b'=') => end + 1,
                _ => break,
            };
            padding += 1;
        }
        Self {
            digits,
            padding,
            end,
        }
    }
}

/// The length of a line that is too short to be a run or a line of wrapped digits; zero for any other.
fn short_line(text: &[u8]) -> usize {
    let front = &text[..text.len().min(WRAPPED.start)];
    let length = front.iter().take_while(|byte| is_digit(**byte)).count();
    match front.get(length) {
        Some(b'\\') | None => 0,
        Some(_) => length,
    }
}

/// How many digits are at the front without an escape.
fn plain_digits(text: &[u8]) -> usize {
    // Whole blocks, without stopping early, become vector instructions.
    let is_plain = |block: &&[u8]| block.iter().fold(true, |all, byte| all & is_digit(*byte));
    let blocks = text.chunks_exact(BLOCK).take_while(is_plain).count();
    let rest = text[blocks * BLOCK..].iter();
    blocks * BLOCK + rest.take_while(|byte| is_digit(**byte)).count()
}

/// How many bytes at the end may be in a run.
fn length_at_end(text: &[u8]) -> usize {
    let is_plain = |block: &&[u8]| {
        block
            .iter()
            .fold(true, |all, byte| all & may_be_in_run(*byte))
    };
    let blocks = text.rchunks_exact(BLOCK).take_while(is_plain).count();
    let rest = text[..text.len() - blocks * BLOCK].iter().rev();
    blocks * BLOCK + rest.take_while(|byte| may_be_in_run(**byte)).count()
}

const BLOCK: usize = 32;

fn within(byte: u8, first: u8, count: u8) -> bool {
    byte.wrapping_sub(first) < count
}

/// Without a branch, so that a block of bytes is looked at as a whole.
fn is_digit(byte: u8) -> bool {
    // `+,-./` and the decimal digits follow each other.
    within(byte | 0x20, b'a', 26)
        | (within(byte, b'+', 15) & (byte != b',') & (byte != b'.'))
        | (byte == b'_')
}

fn may_be_in_run(byte: u8) -> bool {
    is_digit(byte) | (byte == b'=') | (byte == b'\n') | (byte == b'\r') | (byte == b'\\')
}

/// The six bits of a digit.
fn value(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(value.into())
}

/// An escape of JSON.
enum Escape {
    Digit(u8),
    Padding,
    Break,
    /// Anything else, or no escape.
    Other,
}

/// The escape here, and where it ends. Encoders may escape the slash, and also the plus and equals signs.
fn escape(text: &[u8], at: usize) -> (Escape, usize) {
    let backslashes = text[at..].iter().take_while(|byte| **byte == b'\\').count();
    let at = at + backslashes;
    if backslashes == 0 {
        return (Escape::Other, at);
    }
    let hex = match &text[at..] {
        [b'n' | b'r', ..] => return (Escape::Break, at + 1),
        [b'/', ..] => return (Escape::Digit(b'/'), at + 1),
        [b'u', a, b, c, d, ..] => [*a, *b, *c, *d],
        [_, ..] => return (Escape::Other, at + 1),
        [] => return (Escape::Other, at),
    };
    if !hex.iter().all(u8::is_ascii_hexdigit) {
        return (Escape::Other, at + 1);
    }
    let escape = match &hex.map(|digit| digit.to_ascii_lowercase()) {
        b"002b" => Escape::Digit(b'+'),
        b"002f" => Escape::Digit(b'/'),
        b"003d" => Escape::Padding,
        _ => Escape::Other,
    };
    (escape, at + 5)
}

/// Where the next digit may be, past line breaks, padding and escapes.
fn next_start(text: &[u8], mut at: usize) -> usize {
    loop {
        at = match text.get(at) {
            Some(b'\n' | b'\r' | b'=') => at + 1,
            Some(b'\\') => match escape(text, at) {
                (Escape::Digit(_), _) => return at,
                (_, after) => after,
            },
            _ => return at,
        }
    }
}

/// The start of the next line, if a line break is here.
fn after_break(text: &[u8], at: usize) -> Option<usize> {
    let after_one = |at: usize| match text.get(at)? {
        b'\n' | b'\r' => Some(at + 1),
        b'\\' => match escape(text, at) {
            (Escape::Break, after) => Some(after),
            _ => None,
        },
        _ => None,
    };
    let after = after_one(at)?;
    Some(after_one(after).unwrap_or(after))
}

/// Whether a line of digits is complete here. A word of prose goes on with a space or a point.
fn ends_line(text: &[u8], at: usize) -> bool {
    let marks = b"\n\r\\\"'`<)]},";
    text.get(at).is_none_or(|byte| marks.contains(byte))
}

#[cfg(test)]
mod tests;
