//! The entries of an object of JSON, found without parsing them.

use std::ops::Range;

use crate::record::keys::end_of_text;

/// Copies the entries that `is_kept` chooses.
pub(super) fn retain(entries: &[u8], is_kept: impl Fn(&Entry) -> bool) -> Vec<u8> {
    let mut kept = Vec::with_capacity(entries.len());
    for entry in split_entries(entries).filter(is_kept) {
        if !kept.is_empty() {
            kept.push(b',');
        }
        kept.extend_from_slice(&entries[entry.whole]);
    }
    kept
}

/// Whether the JSON text is this key, with or without escapes.
pub(super) fn is_key(json: &[u8], key: &str) -> bool {
    if json.contains(&b'\\') {
        return serde_json::from_slice::<String>(json).is_ok_and(|text| text == key);
    }
    without_quotes(json) == key.as_bytes()
}

pub(super) fn without_quotes(key: &[u8]) -> &[u8] {
    key.get(1..key.len().saturating_sub(1)).unwrap_or_default()
}

pub(in crate::record) struct Entry {
    /// The key with its quotes.
    pub(in crate::record) key: Range<usize>,
    /// The text after the colon.
    pub(in crate::record) value: Range<usize>,
    pub(super) whole: Range<usize>,
}

/// Splits the inside of an object into its entries. A scan for quotes and brackets is enough, because the JSON is
/// valid. A raw value may have blanks anywhere between them.
pub(in crate::record) fn split_entries(json: &[u8]) -> impl Iterator<Item = Entry> {
    let mut start = 0;
    std::iter::from_fn(move || {
        if start >= json.len() {
            return None;
        }
        let key_start = start + json[start..].iter().position(|byte| *byte == b'"')?;
        let key = key_start..end_of_text(json, key_start);
        let colon = key.end + json[key.end..].iter().position(|byte| *byte == b':')?;
        let mut at = colon + 1;
        let mut depth = 0_usize;
        while at < json.len() {
            match json[at] {
                b'"' => {
                    at = end_of_text(json, at);
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' if depth == 0 => break,
                _ => {}
            }
            at += 1;
        }
        let (value, whole) = (colon + 1..at, start..at);
        start = at + 1;
        Some(Entry { key, value, whole })
    })
}
