//! E-mail addresses, also with `%40` for the `@`, as in URLs.

use std::ops::Range;

use super::scan::{byte_at, is_word, next, note_steps, run_start};

/// What looks like a domain and is the end of a file's name: `logo@2x.png`.
const FILE_ENDINGS: [&str; 12] = [
    "png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "ts", "json", "html", "pdf",
];

/// As in the DNS, in bytes.
const MAX_DOMAIN: usize = 253;

/// The addresses in the text, in order.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut authority = Authority::default();
    let mut done = 0;
    while let Some((at, after)) = next_at(text, done) {
        let start = local_start(text, done, at);
        let end = domain_end(text, after);
        done = after;
        let Some(end) = end.filter(|_| start < at) else {
            continue;
        };
        if !authority.reaches(text, start) && !is_git(text, start..at, end) {
            found.push(start..end);
            done = end;
        }
    }
    found
}

/// The next `@` or `%40`, and the position after it.
fn next_at(text: &str, from: usize) -> Option<(usize, usize)> {
    let mut from = from;
    loop {
        let at = next(text, from, |byte| matches!(byte, b'@' | b'%'))?;
        if byte_at(text, at) == Some(b'@') {
            return Some((at, at + 1));
        }
        if text[at..].starts_with("%40") {
            return Some((at, at + 3));
        }
        from = at + 1;
    }
}

/// Letters that addresses have in practice. Other scripts, such as Chinese, have no blanks between an address and the
/// words around it.
pub(super) fn is_letter(char: char) -> bool {
    char.is_ascii_alphanumeric() || (char.is_alphabetic() && ('\u{C0}'..'\u{530}').contains(&char))
}

fn local_start(text: &str, floor: usize, at: usize) -> usize {
    let is_local =
        |char: char| is_letter(char) || matches!(char, '.' | '_' | '%' | '+' | '-' | '\'');
    let local = text[floor..at].rsplit(|char| !is_local(char)).next();
    let local = local.unwrap_or_default();
    note_steps(local.len());
    let trimmed = local.trim_start_matches(['.', '\'', '-', '%']);
    at - trimmed.len()
}

/// The end of the domain that begins here; none if it is not a domain.
fn domain_end(text: &str, start: usize) -> Option<usize> {
    let rest = &text[start..];
    let is_after = |(at, char): &(usize, char)| {
        *at >= MAX_DOMAIN || (!is_letter(*char) && *char != '.' && *char != '-')
    };
    let end = rest.char_indices().find(is_after);
    let mut domain = &rest[..end.map_or(rest.len(), |(at, _)| at)];
    note_steps(domain.len());
    // Words may follow the address without a blank.
    if let Some(two_dots) = domain.find("..") {
        domain = &domain[..two_dots];
    }
    domain = domain.trim_end_matches(['.', '-']);
    while !is_domain(domain) {
        note_steps(0);
        domain = domain.rsplit_once('.')?.0.trim_end_matches(['.', '-']);
    }
    let end = start + domain.len();
    let is_cut = byte_at(text, end) == Some(b'_') && byte_at(text, end + 1).is_some_and(is_word);
    (!is_cut).then_some(end)
}

fn is_domain(domain: &str) -> bool {
    let Some((names, top)) = domain.rsplit_once('.') else {
        return false;
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let is_top = top.starts_with("xn--")
        || (top.chars().count() >= 2 && top.chars().all(char::is_alphabetic))
            && !FILE_ENDINGS.contains(&top.to_ascii_lowercase().as_str());
    // `package@1.2.3-beta.rc` is a version.
    let is_version = || {
        let mut labels = names.split('.');
        labels.next().is_some_and(is_number) && labels.next().is_some_and(is_number)
    };
    is_top && names.starts_with(is_letter) && !is_version()
}

/// Where the name that may be a user's of a URL begins. Each position is looked at once, if no call asks for an earlier
/// one than the call before.
#[derive(Default)]
struct Authority {
    start: usize,
    known: usize,
}

impl Authority {
    /// Whether the text up to here is `scheme://`, with or without a user: that is a part of a URL.
    fn reaches(&mut self, text: &str, end: usize) -> bool {
        let floor = self.known.min(end);
        let start = run_start(text, floor, end, |byte| !is_user_end(byte));
        if start > floor {
            self.start = start;
        }
        self.known = end;
        text.as_bytes()[..self.start].ends_with(b"://")
    }
}

/// Whether a user's name in a URL ends here.
pub(super) fn is_user_end(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'/' | b'"' | b'@')
}

/// Whether this is the address of a Git repository: `git@github.com:owner/name`.
fn is_git(text: &str, local: Range<usize>, end: usize) -> bool {
    &text[local] == "git" && byte_at(text, end) == Some(b':')
}
