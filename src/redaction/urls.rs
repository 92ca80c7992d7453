//! Secrets in URLs: the password of `user:password@host`, and values of a query or a fragment.

use std::ops::Range;

use super::{
    SECRET,
    emails::is_user_end,
    keys::{is_last_of, is_secret},
    scan::{Ahead, byte_at, byte_before, is_mark_at, is_mixed, next, run_start},
};

/// Keys that are secret in a URL, beside those that are secret anywhere.
const URL_KEYS: [&str; 4] = ["sig", "signature", "auth", "pass"];

/// Keys that are secret in a URL if their value looks random.
const RANDOM_KEYS: [&str; 4] = ["key", "code", "sid", "ticket"];

/// The shortest value that can look random.
const RANDOM_LENGTH: usize = 16;

/// The secrets in the text, in order.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut value_end = Ahead::new(ends_value);
    let mut authority_end = Ahead::new(ends_authority);
    let mut user_end = Ahead::<fn(&str, usize) -> bool>::new(ends_user);
    let mut at = 0;
    while let Some(trigger) = next(text, at, |byte| matches!(byte, b':' | b'=')) {
        let secret = if text[trigger..].starts_with("://") {
            let start = trigger + 3;
            let user = user(text, start, authority_end.find(text, start));
            // Its secret was hidden before, and the rest was not looked at then.
            if user.contains(SECRET) {
                at = start + user.len();
                continue;
            }
            in_user(text, start..start + user.len())
        } else if byte_at(text, trigger) == Some(b'=') {
            let secret = in_parameter(text, at, trigger, value_end.find(text, trigger));
            secret.map(|secret| with_user(text, secret, &mut user_end))
        } else {
            None
        };
        at = trigger + 1;
        if let Some(secret) = secret {
            at = secret.end;
            found.push(secret);
        }
    }
    found
}

/// The user in front of the host, perhaps with a password; empty if there is none.
fn user(text: &str, start: usize, end: usize) -> &str {
    let user_end = run_start(text, start, end, |byte| byte != b'@');
    text[start..user_end].strip_suffix('@').unwrap_or_default()
}

/// The secret of the user: a password, or a random name, which is then an access token.
fn in_user(text: &str, user: Range<usize>) -> Option<Range<usize>> {
    let secret = match text[user.clone()].find(':') {
        Some(colon) => user.start + colon + 1..user.end,
        None if is_random(&text[user.clone()]) => user,
        None => return None,
    };
    let is_shown = !secret.is_empty() && !is_mark_at(text, secret.start);
    is_shown.then_some(secret)
}

/// The value of `?key=value` or `&key=value`, if the key is secret; `equals` is the position of the `=`.
fn in_parameter(text: &str, floor: usize, equals: usize, end: usize) -> Option<Range<usize>> {
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]%$".contains(&byte);
    let key_start = run_start(text, floor, equals, is_key);
    let is_parameter = match byte_before(text, key_start) {
        Some(b'?' | b'&' | b'#') => true,
        Some(b';') => text[..key_start].ends_with("&amp;"),
        _ => false,
    };
    if !is_parameter {
        return None;
    }
    let value = text[equals + 1..end].trim_end_matches(['.', ',', '!', ':']);
    if value.is_empty() {
        return None;
    }
    let key = &text[key_start..equals];
    let is_one_of = |keys: &[&str]| keys.iter().any(|secret| is_last_of(key, secret));
    let is_secret =
        is_secret(key) || is_one_of(&URL_KEYS) || (is_one_of(&RANDOM_KEYS) && is_random(value));
    is_secret.then_some(equals + 1..equals + 1 + value.len())
}

/// The secret together with the rest of the user's name or password that it has the beginning of, up to the `@`.
/// Without its beginning, the rest would look like an e-mail address.
fn with_user(
    text: &str,
    secret: Range<usize>,
    user_end: &mut Ahead<fn(&str, usize) -> bool>,
) -> Range<usize> {
    let Range { start, end } = secret;
    let user = run_start(text, start, end, |byte| !is_user_end(byte));
    if !text[start..user].ends_with("://") {
        return secret;
    }
    let at = user_end.find(text, end);
    match text.as_bytes().get(at) {
        Some(b'@' | b'%') => start..at,
        _ => secret,
    }
}

fn is_random(value: &str) -> bool {
    value.len() >= RANDOM_LENGTH && is_mixed(value)
}

fn ends_value(text: &str, at: usize) -> bool {
    let byte = text.as_bytes()[at];
    byte <= b' ' || b"&#\"'<>`()[]{}|\\;".contains(&byte)
}

/// As the e-mail addresses see it, which are not taken from a URL.
fn ends_user(text: &str, at: usize) -> bool {
    is_user_end(text.as_bytes()[at]) || text.as_bytes()[at..].starts_with(b"%40")
}

fn ends_authority(text: &str, at: usize) -> bool {
    let byte = text.as_bytes()[at];
    byte <= b' ' || b"/?#\"'<>`\\".contains(&byte)
}
