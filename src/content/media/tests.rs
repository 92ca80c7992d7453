use std::iter;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 of a file of this many bytes that begins with these.
fn encode(first: &[u8], bytes: usize) -> String {
    let noise = iter::successors(Some(7_u32), |last| {
        Some(last.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
    });
    let noise = noise.map(|number| (number >> 24) as u8);
    let file: Vec<u8> = first.iter().copied().chain(noise).take(bytes).collect();
    let mut encoded = String::new();
    for group in file.chunks(3) {
        let at = |index: usize| u32::from(group.get(index).copied().unwrap_or_default());
        let word = at(0) << 16 | at(1) << 8 | at(2);
        for index in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * index) & 63) as usize];
            encoded.push(if index > group.len() {
                '='
            } else {
                digit.into()
            });
        }
    }
    encoded
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

fn replaced(text: &str) -> String {
    let result = replace(text);
    assert_eq!(result.omitted > 0, is_in(text.as_bytes()), "{text}");
    result.text.into_owned()
}

#[test]
fn a_data_url_is_replaced_by_its_kind_and_size() {
    let image = encode(PNG, 48_211);
    let cases = [
        (
            format!("a data:image/png;base64,{image} b"),
            "a [image/png, 48 kB] b",
        ),
        (format!("data:;base64,{image}"), "[image/png, 48 kB]"),
        (
            format!("data:image/svg+xml;charset=utf-8;base64,{image}"),
            "[image/svg+xml, 48 kB]",
        ),
        (
            format!("data:{};base64,{image}", "x".repeat(65)),
            "[image/png, 48 kB]",
        ),
        (
            format!("data:im%41ge/png;base64,{image}"),
            "[image/png, 48 kB]",
        ),
        ("DATA:image/png;base64,QUJD".into(), "[image/png, 3 B]"),
        ("data:a/b;base64,QUJDRA==".into(), "[a/b, 4 B]"),
        (
            r#"{"url":"data:image\/jpeg;base64,\/9j\/4A=="}"#.into(),
            r#"{"url":"[image/jpeg, 4 B]"}"#,
        ),
        (
            "data:a/b;base64,data:a/b;base64,QUJDdata:c/d;base64,QUJD".into(),
            "data:a/b;base64,[a/b, 3 B][c/d, 3 B]",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(replaced(&text), expected);
    }
}

#[test]
fn the_kind_of_bare_base64_is_that_of_its_first_bytes() {
    let kinds: [(&[u8], &str); 10] = [
        (PNG, "image/png"),
        (b"\xFF\xD8\xFF\xE0\0\x10JFIF", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x24\x08\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\x24\x08\0\0WAVEfmt ", "audio/wav"),
        (b"%PDF-1.7", "application/pdf"),
        (b"ID3\x04", "audio/mpeg"),
        (b"\xFF\xFB\x90", "audio/mpeg"),
        (b"PK\x03\x04", "base64"),
        (b"RIFF", "base64"),
    ];
    for (first, kind) in kinds {
        let file = encode(first, 1_500_000);
        let url_alphabet = file.replace('+', "-").replace('/', "_");
        for text in [file, url_alphabet] {
            assert_eq!(
                replaced(&format!("x {text} y")),
                format!("x [{kind}, 1.5 MB] y")
            );
        }
    }
}

#[test]
fn a_size_has_at_most_three_digits() {
    for (bytes, size) in [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1 kB"),
        (1_500, "2 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (12_340_000, "12.3 MB"),
    ] {
        assert_eq!(Size(bytes).to_string(), size);
    }
}

#[test]
fn a_text_about_data_urls_is_left_alone() {
    for text in [
        "data:image/png;base64,",
        "data:image/png;base64,...",
        "data:image/png;base64",
        "the mark is ;base64,QUJD",
        "data:,A%20brief%20note",
        "data image/png;base64,QUJD",
        "metadata: image/png;base64,QUJD",
        "data:image/png,;base64,QUJD",
    ] {
        assert_eq!(replaced(text), text);
    }
}

#[test]
fn a_prompt_that_is_json_stays_json() {
    let image = encode(PNG, 30_000);
    let url = format!("data:image/png;base64,{image}");
    let messages = json!([
        {"role": "user", "content": [
            {"type": "text", "text": format!("Look:\n{image}\nand \"{image}\"\\{image}")},
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image}},
        ]},
    ]);
    let messages = messages.to_string();
    let text = replace(&messages);
    let parsed: Value = serde_json::from_str(&text.text).expect("JSON");
    assert_eq!(text.omitted, 5);
    let first = parsed[0]["content"][0]["text"].as_str().expect("a text");
    assert!(
        first.starts_with("Look:\n[image/png, 30 kB]\nand \"[image/png"),
        "{first}"
    );
    // A backslash takes the next character for its escape.
    assert!(first.len() < 100, "{first}");
    let twice = replace(&json!({"inner": messages}).to_string())
        .text
        .into_owned();
    let outer: Value = serde_json::from_str(&twice).expect("JSON");
    let inner = outer["inner"].as_str().expect("a text");
    assert!(serde_json::from_str::<Value>(inner).is_ok(), "{inner}");
    assert!(inner.len() < 400, "{inner}");
}

const FIXED: &[&str] = &[
    "data:",
    "image/png",
    ";base64,",
    "data:image/png;base64,",
    "=",
    "==",
    "\\",
    "\\n",
    "\n",
    "\r\n",
    "\"",
    "\\/",
    "\\u002b",
    "\\u003d",
    "\\u00",
    ",",
    " ",
    "[",
    "]",
    "é",
    "{",
    "}",
    ":",
    "//",
    "+",
    "-",
    "_",
];

/// Pieces of texts, among them all that the rules look for.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(FIXED).prop_map(str::to_owned),
        1 => ".{0,12}",
        1 => (0_usize..1_600).prop_map(|bytes| encode(PNG, bytes)),
        1 => (0_usize..1_400).prop_map(|count| "x".repeat(count)),
        1 => (1_usize..30, 58_usize..79, 0_usize..76).prop_map(|(count, width, last)| {
            let line = &encode(b"", 60)[..width];
            format!("{}{}", format!("{line}\n").repeat(count), &line[..last.min(width)])
        }),
    ]
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(piece(), 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_replacement_leaves_nothing_to_replace(text in text()) {
        let once = replaced(&text);
        prop_assert!(!is_in(once.as_bytes()), "{once}");
        prop_assert!(once.len() <= text.len().max(1) * 8);
    }

    #[test]
    fn json_stays_json(text in text(), depth in 1..4) {
        let mut json = text.clone();
        for _ in 0..depth {
            json = Value::String(json).to_string();
        }
        let replaced = replace(&json).text;
        prop_assert!(serde_json::from_str::<Value>(&replaced).is_ok(), "{replaced}");
    }

    #[test]
    fn a_text_without_media_is_the_same(text in any::<String>(), prose in "[ -~é\n]{0,3000}") {
        for text in [text, prose] {
            prop_assume!(!text.contains(";base64,"));
            prop_assert!(matches!(replace(&text).text, Cow::Borrowed(same) if same == text));
        }
    }
}

#[test]
fn a_kind_is_known_by_the_first_bytes_alone() {
    let kinds: [(&[u8], &str); 9] = [
        (PNG, "image/png"),
        (b"\xFF\xD8\xFF\xE0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x24\x08\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\x24\x08\0\0WAVEfmt ", "audio/wav"),
        (b"%PDF-1.7", "application/pdf"),
        (b"ID3\x04", "audio/mpeg"),
        (b"\xFF\xFB\x90", "audio/mpeg"),
        (b"RIFF", "base64"),
    ];
    for (first, kind) in kinds {
        assert_eq!(kind_of(first), kind);
    }
}

#[test]
fn a_colon_or_the_word_data_alone_ends_no_data_url() {
    for (url, kept) in [("AAAAAAAA:", ":"), ("AAAAdata ", " "), ("AAAAdata,", ",")] {
        let text = format!("data:image/png;base64,{url}x");
        assert_eq!(replaced(&text), format!("[image/png, 6 B]{kept}x"));
    }
    let two = "data:image/png;base64,AAAAAAAAdata:image/png;base64,AAAA";
    assert_eq!(replaced(two), "[image/png, 6 B][image/png, 3 B]");
}
