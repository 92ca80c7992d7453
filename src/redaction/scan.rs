//! Looks at texts byte by byte. Each position that these functions return lies between two characters.

use std::{borrow::Cow, ops::Range};

/// The replacements. No finder takes a part of one for something to replace, so a second redaction changes nothing.
pub(super) const MARKS: [&str; 5] = [
    super::CREDENTIAL,
    super::EMAIL,
    super::CARD,
    super::SECRET,
    super::REDACTED,
];

/// Whether a replacement begins here.
pub(super) fn is_mark_at(text: &str, at: usize) -> bool {
    let rest = &text.as_bytes()[at..];
    rest.first() == Some(&b'[') && MARKS.iter().any(|mark| rest.starts_with(mark.as_bytes()))
}

/// Whether the text ends with a replacement.
pub(super) fn ends_with_mark(text: &str) -> bool {
    text.ends_with(']') && MARKS.iter().any(|mark| text.ends_with(mark))
}

/// Replaces these parts, which are in order and do not overlap. Without one, nothing is copied.
pub(super) fn replace<'t>(text: Cow<'t, str>, parts: &[Range<usize>], mark: &str) -> Cow<'t, str> {
    if parts.is_empty() {
        return text;
    }
    let mut replaced = String::with_capacity(text.len());
    let mut kept = 0;
    for part in parts {
        replaced.push_str(&text[kept..part.start]);
        replaced.push_str(mark);
        kept = part.end;
    }
    replaced.push_str(&text[kept..]);
    Cow::Owned(replaced)
}

/// A letter or digit of ASCII, `_` or `-`: tokens and names are made of these.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The byte before this position.
pub(super) fn byte_before(text: &str, at: usize) -> Option<u8> {
    text.as_bytes()[..at].last().copied()
}

/// The byte at this position.
pub(super) fn byte_at(text: &str, at: usize) -> Option<u8> {
    text.as_bytes().get(at).copied()
}

/// Notes that a look found nothing in this many bytes, for the test of the time that texts take.
pub(super) fn note_steps(_steps: usize) {
    #[cfg(any(test, fuzzing))]
    STEPS.set(STEPS.get() + _steps + 1);
}

#[cfg(any(test, fuzzing))]
thread_local! {
    pub(super) static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The next such byte at or after `start`.
pub(super) fn next(text: &str, start: usize, is_wanted: impl Fn(u8) -> bool) -> Option<usize> {
    let bytes = &text.as_bytes()[start..];
    let length = bytes.iter().position(|byte| is_wanted(*byte));
    note_steps(length.unwrap_or(bytes.len()));
    Some(start + length?)
}

/// The end of the run of such bytes that begins at `start`.
pub(super) fn run_end(text: &str, start: usize, is_part: impl Fn(u8) -> bool) -> usize {
    next(text, start, |byte| !is_part(byte)).unwrap_or(text.len())
}

/// The start of the run of such bytes that ends at `end`, not before `floor`.
pub(super) fn run_start(
    text: &str,
    floor: usize,
    end: usize,
    is_part: impl Fn(u8) -> bool,
) -> usize {
    let bytes = &text.as_bytes()[floor..end];
    let last_other = bytes.iter().rposition(|byte| !is_part(*byte));
    let start = last_other.map_or(floor, |other| floor + other + 1);
    note_steps(end - start);
    start
}

/// The position one past up to `most` such bytes.
pub(super) fn skip(
    text: &str,
    start: usize,
    most: usize,
    is_skipped: impl Fn(u8) -> bool,
) -> usize {
    let end = text.len().min(start + most);
    let bytes = &text.as_bytes()[start..end];
    let length = bytes.iter().position(|byte| !is_skipped(*byte));
    start + length.unwrap_or(bytes.len())
}

/// Finds the next position of a kind. Positions that were looked at are remembered, so that all calls together look at
/// each position once, if no call asks for an earlier position than the call before.
pub(super) struct Ahead<F> {
    is_wanted: F,
    /// There is none between the two.
    known: Range<usize>,
}

impl<F: Fn(&str, usize) -> bool> Ahead<F> {
    pub(super) fn new(is_wanted: F) -> Self {
        Self {
            is_wanted,
            known: 0..0,
        }
    }

    /// The first such position at or after `from`, or the end of the text.
    pub(super) fn find(&mut self, text: &str, from: usize) -> usize {
        let is_known = (self.known.start..=self.known.end).contains(&from);
        if !is_known {
            self.known = from..from;
        }
        let found = (self.known.end..text.len()).find(|at| (self.is_wanted)(text, *at));
        let found = found.unwrap_or(text.len());
        note_steps(found - self.known.end);
        self.known.end = found;
        self.known.end
    }
}

/// Whether there are a letter and a digit of ASCII, as in random texts and seldom in words.
pub(super) fn is_mixed(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_position_is_found_from_any_position_before_it() {
        let text = "ab,cd,,e";
        let mut ahead = Ahead::new(|text, at| byte_at(text, at) == Some(b','));
        let found: Vec<_> = (0..text.len()).map(|from| ahead.find(text, from)).collect();
        assert_eq!(found, [2, 2, 2, 5, 5, 5, 6, 8]);
    }

    #[test]
    fn a_text_without_a_finding_is_not_copied() {
        assert!(matches!(
            replace("text".into(), &[], "x"),
            Cow::Borrowed("text")
        ));
        assert_eq!(replace("text".into(), &[0..1, 2..4], "_"), "_e_");
    }
}
