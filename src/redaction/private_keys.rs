//! Blocks of private keys in PEM, OpenSSH's and OpenPGP's armour.

use std::ops::Range;

use super::scan::{byte_at, note_steps, run_end};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";

/// `BEGIN RSA PRIVATE KEY` and its like are much shorter.
const MAX_LABEL: usize = 64;

/// The blocks in the text, in order. A block without an end is taken to go to the end of the text.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(length) = text[at..].find(BEGIN) {
        note_steps(length);
        let start = at + length;
        at = start + BEGIN.len();
        if is_private_key(&text[at..]) {
            at = block_end(text, at);
            found.push(start..at);
        }
    }
    found
}

/// Whether the label that begins here is that of a private key.
fn is_private_key(rest: &str) -> bool {
    let is_label = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ';
    let length = rest
        .bytes()
        .take(MAX_LABEL)
        .take_while(|byte| is_label(*byte));
    rest[..length.count()].contains("PRIVATE KEY")
}

fn block_end(text: &str, start: usize) -> usize {
    let length = text[start..].find(END);
    note_steps(length.unwrap_or(text.len() - start));
    let Some(end) = length else {
        return text.len();
    };
    let label = start + end + END.len();
    let dashes = run_end(text, label, |byte| {
        byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' '
    });
    // A label that is not closed is cut.
    if byte_at(text, dashes) == Some(b'-') {
        run_end(text, dashes, |byte| byte == b'-')
    } else {
        dashes
    }
}
