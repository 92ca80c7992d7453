//! Values with the name of a secret in front of them: `password=..`, `"apiKey": ".."`, `Authorization: Bearer ..`,
//! `--token ..`, `<secret>..</secret>`, `my password is ..`.

use std::ops::Range;

use super::{
    keys::is_secret,
    scan::{
        Ahead, byte_at, byte_before, ends_with_mark, is_mark_at, is_word, next, run_end, run_start,
        skip,
    },
    values::{Claim, is_value},
};

/// The longest name that is read, in bytes.
const MAX_NAME: usize = 64;

/// The most blanks before a separator and after it.
const MAX_BLANKS: usize = 8;

/// The values in the text, in order.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut ends = Ends::new();
    let mut at = 0;
    let is_trigger = |byte: u8| matches!(byte, b':' | b'=' | b'>' | b' ' | b'-');
    while let Some(trigger) = next(text, at, is_trigger) {
        let floor = found.last().map_or(0, |value: &Range<usize>| value.end);
        let value = name_at(text, floor, trigger).and_then(|name| ends.value_after(text, &name));
        at = value.as_ref().map_or(trigger + 1, |value| value.end);
        found.extend(value);
    }
    found
}

/// The name of a secret with its separator.
struct Name {
    /// The position after the separator.
    value: usize,
    claim: Claim,
    /// An HTTP header whose value has several words.
    is_header: bool,
}

/// The name of a secret whose separator begins at `trigger`; it does not begin before `floor`.
fn name_at(text: &str, floor: usize, trigger: usize) -> Option<Name> {
    let rest = &text[trigger..];
    let (claim, length) = match rest.as_bytes() {
        [b':', b':', ..] => return None,
        [b':', b'=', ..] | [b'=', b'>', ..] => (Claim::Assigned, 2),
        [b'=', b'=', ..] => (Claim::Compared, 2),
        [b':', ..] => (Claim::Labelled, 1),
        [b'=', ..] => (Claim::Assigned, 1),
        [b'>', ..] => (Claim::Element, 1),
        [b' ', b'i', b's', b' ', ..] => (Claim::Said, 4),
        [b'-', b'-', ..] => return option(text, trigger),
        _ => return None,
    };
    let (name, is_quoted) = name_before(text, floor, trigger);
    if !is_secret(name) {
        return None;
    }
    let is_element = || {
        let start = trigger - name.len();
        matches!(byte_before(text, start), Some(b'<' | b':'))
    };
    let claim = match claim {
        Claim::Labelled if is_quoted => Claim::Assigned,
        Claim::Element if !is_element() => return None,
        other => other,
    };
    Some(Name {
        value: trigger + length,
        claim,
        is_header: ends_with(name, "authorization") || ends_with(name, "cookie"),
    })
}

fn ends_with(name: &str, word: &str) -> bool {
    let start = name.len().saturating_sub(word.len());
    name.get(start..)
        .is_some_and(|end| end.eq_ignore_ascii_case(word))
}

/// `--token value`, where the separator is a blank.
fn option(text: &str, dashes: usize) -> Option<Name> {
    if byte_before(text, dashes).is_some_and(is_word) {
        return None;
    }
    let end = run_end(text, dashes, is_word);
    let is_option =
        byte_at(text, end) == Some(b' ') && is_secret(&text[dashes..end.min(dashes + MAX_NAME)]);
    is_option.then_some(Name {
        value: end + 1,
        claim: Claim::Option,
        is_header: false,
    })
}

/// The name in front of a separator, and whether it is in quotes.
fn name_before(text: &str, floor: usize, separator: usize) -> (&str, bool) {
    let floor = floor.max(separator.saturating_sub(MAX_NAME));
    let is_blank = |byte: u8| matches!(byte, b' ' | b'\t');
    let is_closing = |byte: u8| matches!(byte, b'"' | b'\'' | b'`' | b'\\' | b'*' | b']');
    let blanks = run_start(text, floor, separator, is_blank);
    let end = run_start(text, floor, blanks, is_closing);
    if byte_at(text, end) == Some(b']') && ends_with_mark(&text[..=end]) {
        return ("", false);
    }
    let is_name = |byte: u8| is_word(byte) || matches!(byte, b'.' | b' ');
    let name = &text[run_start(text, floor, end, is_name)..end];
    let is_quoted = text.as_bytes()[end..blanks]
        .iter()
        .any(|byte| matches!(byte, b'"' | b'\'' | b']'));
    // `My password is: ..`
    let name = name.strip_suffix(" is").unwrap_or(name);
    (name, is_quoted)
}

fn is_line_end(text: &str, at: usize) -> bool {
    matches!(text.as_bytes()[at], b'\n' | b'\r')
}

/// Whether a value ends here that is neither in quotes nor among others.
fn ends_bare(text: &str, at: usize) -> bool {
    let bytes = &text.as_bytes()[at..];
    match bytes[0] {
        byte if byte <= b' ' => true,
        // Blanks and the punctuation of Chinese and Japanese.
        0xC2 => bytes.starts_with("\u{A0}".as_bytes()),
        0xE3 => bytes.get(1) == Some(&0x80),
        0xEF => matches!(bytes.get(1), Some(0xBC | 0xBD)),
        byte => b"\"'`<>\\|".contains(&byte) || is_mark_at(text, at),
    }
}

/// Whether a value ends here that may have others after it: `a=1&b=2`, `f(a=1, b=2)`, `a=1;b=2`.
fn ends_in_list(text: &str, at: usize) -> bool {
    b",;&()[]{}".contains(&text.as_bytes()[at]) || ends_bare(text, at)
}

fn ends_quoted<const QUOTE: u8>(text: &str, at: usize) -> bool {
    text.as_bytes()[at] == QUOTE || is_line_end(text, at)
}

type Test = fn(&str, usize) -> bool;

/// Where values end.
struct Ends {
    bare: Ahead<Test>,
    in_list: Ahead<Test>,
    line: Ahead<Test>,
    /// For each kind of quote: that quote, or the end of the line.
    quoted: [(u8, Ahead<Test>); 3],
}

impl Ends {
    fn new() -> Self {
        Self {
            bare: Ahead::new(ends_bare),
            in_list: Ahead::new(ends_in_list),
            line: Ahead::new(is_line_end),
            quoted: [
                (b'"', Ahead::new(ends_quoted::<b'"'>)),
                (b'\'', Ahead::new(ends_quoted::<b'\''>)),
                (b'`', Ahead::new(ends_quoted::<b'`'>)),
            ],
        }
    }

    /// The value after a separator, if it is one to hide.
    fn value_after(&mut self, text: &str, name: &Name) -> Option<Range<usize>> {
        let (separator_end, claim) = (name.value, name.claim);
        let is_blank = |byte: u8| matches!(byte, b' ' | b'\t' | b'*');
        let start = match claim {
            Claim::Element => separator_end,
            _ => skip(text, separator_end, MAX_BLANKS, is_blank),
        };
        let escape = usize::from(byte_at(text, start) == Some(b'\\'));
        let content = start + escape + 1;
        let quote = byte_at(text, start + escape);
        let end = quote.and_then(|quote| self.closing_quote(text, content, quote, escape > 0));
        if name.is_header {
            let start = end.map_or(start, |_| content);
            if let Some(header) = self.header_value(text, start, end) {
                return header;
            }
        }
        match end {
            Some(end) => {
                let is_hidden = !is_mark_at(text, content)
                    && is_value(&text[content..end], "", claim.in_quotes());
                is_hidden.then_some(content..end)
            }
            None => {
                let is_open = quote.is_some_and(|quote| b"\"'`".contains(&quote));
                self.bare_value(text, if is_open { content } else { start }, claim)
            }
        }
    }

    /// The position of the quote that closes a text, if it is on the same line and the text is not empty.
    fn closing_quote(
        &mut self,
        text: &str,
        content: usize,
        quote: u8,
        is_escaped: bool,
    ) -> Option<usize> {
        let (_, ahead) = self.quoted.iter_mut().find(|(of, _)| *of == quote)?;
        let mut end = ahead.find(text, content);
        if is_escaped {
            let end = end - usize::from(byte_before(text, end) == Some(b'\\'));
            return (content < end && byte_at(text, end) == Some(b'\\')).then_some(end);
        }
        while byte_at(text, end) == Some(quote) && byte_before(text, end) == Some(b'\\') {
            end = ahead.find(text, end + 1);
        }
        (content < end && byte_at(text, end) == Some(quote)).then_some(end)
    }

    fn bare_value(&mut self, text: &str, start: usize, claim: Claim) -> Option<Range<usize>> {
        let end = match claim {
            Claim::Labelled | Claim::Option | Claim::Said => self.bare.find(text, start),
            _ => self.in_list.find(text, start),
        };
        let is_punctuation = |byte: u8| b".,:;?)]}".contains(&byte);
        let value = start..run_start(text, start, end, is_punctuation);
        is_value(&text[value.clone()], &text[end..], claim).then_some(value)
    }

    /// The value of `Authorization` after its scheme, or a whole `Cookie`; `Some(None)` if it was hidden before.
    fn header_value(
        &mut self,
        text: &str,
        start: usize,
        quote: Option<usize>,
    ) -> Option<Option<Range<usize>>> {
        let line_end = self.line.find(text, start);
        let end = quote.unwrap_or(line_end);
        let first_end = run_end(text, start, is_word).min(end);
        let first = &text[start..first_end];
        match byte_at(text, first_end) {
            Some(b' ') if is_scheme(first) => {
                let token = skip(text, first_end, MAX_BLANKS, |byte| byte == b' ').min(end);
                let token_end = match quote {
                    Some(end) => end,
                    None if has_parameters(first) => line_end,
                    None => self.bare.find(text, token).min(end),
                };
                match is_mark_at(text, token) {
                    true => Some(None),
                    false => (token < token_end).then_some(Some(token..token_end)),
                }
            }
            // A cookie: `name=value; name=value`.
            Some(b'=') => Some(Some(start..end)),
            _ => None,
        }
    }
}

fn is_scheme(word: &str) -> bool {
    let simple = ["bearer", "basic", "token", "apikey", "negotiate"];
    has_parameters(word)
        || simple
            .iter()
            .any(|scheme| word.eq_ignore_ascii_case(scheme))
}

/// Whether several words come after the scheme.
fn has_parameters(scheme: &str) -> bool {
    ["digest", "aws4-hmac-sha256"]
        .iter()
        .any(|other| scheme.eq_ignore_ascii_case(other))
}
