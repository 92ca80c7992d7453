//! The keys of objects, as they are in JSON.

/// A cheap hash. If two keys share a bit, it costs a look into the object.
pub(super) fn key_bit(key: &[u8]) -> u128 {
    let at = |index: usize| usize::from(key.get(index).copied().unwrap_or_default());
    let middle = key.len() / 2;
    let hash = key.len() * 31
        + at(0) * 7
        + at(middle) * 13
        + at(middle + 1) * 3
        + at(key.len().wrapping_sub(1)) * 5;
    1 << (hash % 128)
}

/// One past the closing quote of the text that begins at `start`.
pub(crate) fn end_of_text(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < json.len() && json[at] != b'"' {
        at += if json[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(json.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_after_its_closing_quote_or_with_the_json() {
        assert_eq!(end_of_text(br#"x"a\"b",1"#, 1), 7);
        assert_eq!(end_of_text(br#""abc"#, 0), 4);
        assert_eq!(end_of_text(br#""ab\"#, 0), 4);
    }
}
