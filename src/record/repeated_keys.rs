//! Objects that have a key twice: the last one is sent, as with a map that is filled in the same order.

use std::{borrow::Cow, collections::HashMap, ops::Range};

use super::{keys::end_of_text, text::write_text};

/// Removes each entry whose key comes again in the same object, at every depth. `json[start..]` is the inside of an
/// object. Keys are equal if they read the same, with or without escapes.
pub(super) fn remove_repeated_keys(json: &mut Vec<u8>, start: usize) {
    let repeated = repeated_entries(&json[start..]);
    let (mut kept, mut read) = (start, start);
    for entry in repeated {
        let (from, to) = (start + entry.start, start + entry.end);
        // An entry inside of one that is removed goes with it.
        if to <= read {
            continue;
        }
        json.copy_within(read..from, kept);
        kept += from - read;
        read = to;
    }
    json.copy_within(read.., kept);
    json.truncate(json.len() - (read - kept));
}

/// The entries to remove, in order. Each ends where the next entry of its object begins, so its comma goes with it.
fn repeated_entries(json: &[u8]) -> Vec<Range<usize>> {
    let mut repeated = Vec::new();
    // The keys of each object that is open; none for a list.
    let mut open = vec![Some(Vec::new())];
    let mut is_key_next = true;
    let mut at = 0;
    while at < json.len() {
        match json[at] {
            b'"' => {
                let end = end_of_text(json, at);
                if let Some(Some(keys)) = open.last_mut().filter(|_| is_key_next) {
                    keys.push(at..end);
                }
                is_key_next = false;
                at = end;
                continue;
            }
            b'{' => {
                open.push(Some(Vec::new()));
                is_key_next = true;
            }
            b'[' => open.push(None),
            b',' => is_key_next = matches!(open.last(), Some(Some(_))),
            b'}' | b']' => {
                let keys = open.pop().flatten().unwrap_or_default();
                add_repeated(&mut repeated, json, &keys);
                is_key_next = false;
            }
            _ => {}
        }
        at += 1;
    }
    let keys = open.pop().flatten().unwrap_or_default();
    add_repeated(&mut repeated, json, &keys);
    repeated.sort_unstable_by_key(|entry| entry.start);
    repeated
}

fn add_repeated(repeated: &mut Vec<Range<usize>>, json: &[u8], keys: &[Range<usize>]) {
    let last: HashMap<_, _> = keys
        .iter()
        .map(|key| (in_one_spelling(&json[key.clone()]), key.start))
        .collect();
    for (key, next) in keys.iter().zip(keys.iter().skip(1)) {
        if last.get(&in_one_spelling(&json[key.clone()])) != Some(&key.start) {
            repeated.push(key.start..next.start);
        }
    }
}

/// The key as this crate writes it: raw JSON may have other escapes. A key that cannot be read stays as it is.
fn in_one_spelling(key: &[u8]) -> Cow<'_, [u8]> {
    if !key.contains(&b'\\') {
        return Cow::Borrowed(key);
    }
    let Ok(text) = serde_json::from_slice::<String>(key) else {
        return Cow::Borrowed(key);
    };
    let mut json = Vec::with_capacity(key.len());
    write_text(&mut json, &text);
    Cow::Owned(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_leaves(object: &str, expected: &str) {
        let mut json = format!("before{object}").into_bytes();
        remove_repeated_keys(&mut json, "before".len());
        assert_eq!(String::from_utf8_lossy(&json), format!("before{expected}"));
    }

    #[test]
    fn the_last_of_equal_keys_stays_at_every_depth() {
        assert_leaves("", "");
        assert_leaves(r#""a":1,"b":2"#, r#""a":1,"b":2"#);
        assert_leaves(r#""a":1,"b":2,"a":3"#, r#""b":2,"a":3"#);
        assert_leaves(r#""a":{"c":1,"c":2,"c":3}"#, r#""a":{"c":3}"#);
        assert_leaves(
            r#""a":[{"c":1,"c":"c"},{"c":"\",\"c"}],"b":[]"#,
            r#""a":[{"c":"c"},{"c":"\",\"c"}],"b":[]"#,
        );
        assert_leaves(r#""a":{"b":1,"b":2},"a":{"b":3,"b":4}"#, r#""a":{"b":4}"#);
        assert_leaves(r#""a":["a","a"],"b":"a""#, r#""a":["a","a"],"b":"a""#);
    }

    #[test]
    fn keys_are_equal_with_and_without_escapes() {
        assert_leaves(r#""a":1,"\u0061":2"#, r#""\u0061":2"#);
        assert_leaves(r#""\/":1,"\u002F":2,"/":3"#, r#""/":3"#);
        assert_leaves(r#""\"":1,"b":2,"\u0022":3"#, r#""b":2,"\u0022":3"#);
        // Keys that cannot be read are compared by their JSON.
        let unreadable = r#""\ud800":2,"\"\\ud800\"":3,"a":4"#;
        assert_leaves(&format!(r#""\ud800":1,{unreadable}"#), unreadable);
    }

    #[test]
    fn ten_thousand_levels_are_walked_through() {
        let levels = 10_000;
        let close = "}".repeat(levels);
        let nested = format!("{}1{close}", r#"{"a":0,"a":"#.repeat(levels));
        let expected = format!("{}1{close}", r#"{"a":"#.repeat(levels));
        assert_leaves(&format!(r#""x":{nested}"#), &format!(r#""x":{expected}"#));
    }
}
