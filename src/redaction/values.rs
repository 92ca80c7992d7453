//! Whether the text after the name of a secret is a secret, or a word of a sentence, a placeholder or code.

use super::{keys::is_secret, scan::run_end};

/// How a value is joined to its name, which says how sure it is that it is a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Claim {
    /// `name=value`, `"name": value`.
    Assigned,
    /// The value is in quotes.
    Quoted,
    /// `<name>value</name>`.
    Element,
    /// `name == value`.
    Compared,
    /// `name: value`.
    Labelled,
    /// `--name value`.
    Option,
    /// `name is value`.
    Said,
}

impl Claim {
    /// The claim of the same value in quotes. Sentences quote words, too.
    pub(super) fn in_quotes(self) -> Self {
        match self {
            Self::Said => Self::Said,
            _ => Self::Quoted,
        }
    }
}

/// Longer values are not words.
const MAX_WORD: usize = 64;

/// Values that stand for a secret, or for its type.
const PLACEHOLDERS: [&str; 27] = [
    "null",
    "none",
    "nil",
    "true",
    "false",
    "undefined",
    "empty",
    "str",
    "string",
    "text",
    "int",
    "integer",
    "number",
    "bool",
    "boolean",
    "bytes",
    "any",
    "object",
    "required",
    "optional",
    "redacted",
    "hidden",
    "masked",
    "yes",
    "no",
    "on",
    "off",
];

/// Whether this is a secret; `after` is the text after it.
pub(super) fn is_value(value: &str, after: &str, claim: Claim) -> bool {
    if value.is_empty() {
        return false;
    }
    if value.len() > MAX_WORD {
        return true;
    }
    if is_placeholder(value) {
        return false;
    }
    match claim {
        Claim::Quoted => true,
        Claim::Assigned | Claim::Element => !is_code(value, after),
        Claim::Labelled => {
            is_strong(value) || (value.len() >= 4 && is_alone(after) && !is_code(value, after))
        }
        Claim::Compared | Claim::Option | Claim::Said => is_strong(value),
    }
}

fn is_placeholder(value: &str) -> bool {
    let first = value.as_bytes()[0];
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'%');
    // `****`, `xxxx`, `...`
    let is_masked = (!first.is_ascii_alphanumeric() || matches!(first, b'x' | b'X'))
        && value.bytes().all(|byte| byte == first);
    let is_masked = is_masked || value.chars().all(|char| char == '•');
    // `$VARIABLE`, `%VARIABLE%`, `${{ .. }}`
    let is_variable = matches!(first, b'$' | b'%') && value[1..].bytes().all(is_name);
    let is_yours = value
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("your"));
    let is_word = PLACEHOLDERS
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word));
    is_masked || is_variable || (is_yours && !is_strong(value)) || is_word
}

/// Whether the value is an expression of a program: a call, an index, a path of fields, the name of a secret.
fn is_code(value: &str, after: &str) -> bool {
    let is_path = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.' | b':');
    let (path, is_called) = match value.find(['(', '[']) {
        Some(at) => (&value[..at], true),
        None => (value, after.starts_with(['(', '['])),
    };
    let is_field = path.contains('.') && !path.contains(':');
    path.bytes().all(is_path) && (is_called || is_field || is_secret(path))
}

/// Whether nothing follows on the line.
fn is_alone(after: &str) -> bool {
    let blanks = run_end(after, 0, |byte| matches!(byte, b' ' | b'\t' | b'.' | b'*'));
    let after = &after[blanks..];
    after.is_empty() || after.starts_with(['\n', '\r', '"', '\'', '`', '\\'])
}

/// Whether the value is not a word of a language: it has letters and digits, or a symbol that words have not.
fn is_strong(value: &str) -> bool {
    let value = value.trim_end_matches(['.', ',', '!', '?', ':']);
    let has_letter = value.bytes().any(|byte| byte.is_ascii_alphabetic());
    let has_digit = value.bytes().any(|byte| byte.is_ascii_digit());
    let has_symbol = value.bytes().any(|byte| b"!@#$%^*+=~?".contains(&byte));
    // `8-character`
    let is_counted = value.split_once('-').is_some_and(|(count, word)| {
        count.bytes().all(|byte| byte.is_ascii_digit())
            && word.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    let is_url = value.starts_with("http") && value.contains("://");
    let is_mixed = value.len() >= 6 && has_letter && has_digit;
    let is_odd = value.len() >= 8 && has_letter && has_symbol;
    (is_mixed || is_odd) && !is_counted && !is_url
}
