use super::*;

/// This many digits that look like base64.
fn digits(count: usize) -> String {
    "iVBORw0KGgo/9j+QmFz".chars().cycle().take(count).collect()
}

fn found(text: &str) -> Option<&str> {
    find(text.as_bytes(), 0).map(|run| &text[run.range])
}

fn lines(text: &str, width: usize, line_break: &str) -> String {
    let lines = text.as_bytes().chunks(width);
    let lines: Vec<_> = lines
        .map(|line| str::from_utf8(line).expect("ASCII"))
        .collect();
    lines.join(line_break)
}

#[test]
fn a_run_is_found_wherever_it_begins() {
    let run = digits(MIN_DIGITS);
    for offset in (0..2_100).chain(5_000..5_003) {
        let text = format!("{}{run} and more", ".".repeat(offset));
        assert_eq!(found(&text), Some(&*run), "{offset}");
    }
}

#[test]
fn a_run_has_1024_characters_with_its_padding() {
    assert_eq!(found(&digits(1_023)), None);
    assert!(found(&digits(1_024)).is_some());
    let padded = format!("{}==", digits(1_022));
    assert_eq!(found(&format!("({padded})")), Some(&*padded));
    assert_eq!(found(&format!("{}==", digits(1_021))), None);
}

#[test]
fn a_wrapped_run_is_one_run() {
    for width in [60, 64, 76, 256] {
        for line_break in ["\n", "\r\n", "\\n", "\\r\\n", "\\\\n"] {
            let run = lines(&digits(2_000), width, line_break);
            let text = format!("Look:{line_break}{run}{line_break}Describe it");
            assert_eq!(found(&text), Some(&*run), "{width} {line_break:?}");
        }
    }
}

#[test]
fn lines_of_other_widths_are_not_one_run() {
    for width in [4, 20, 56, 65, 260, 1_023] {
        assert_eq!(found(&lines(&digits(8_000), width, "\n")), None, "{width}");
    }
}

#[test]
fn a_run_is_found_behind_lines_of_other_lengths() {
    let run = digits(MIN_DIGITS);
    for word in 1..60 {
        let text = format!("{}{}\n{run}", ".".repeat(10), "a".repeat(word));
        assert_eq!(found(&text), Some(&*run), "{word}");
    }
}

#[test]
fn a_shorter_or_padded_line_is_the_last_one_of_its_run() {
    let (line, run) = (digits(76), lines(&digits(76 * 20), 76, "\n"));
    for last in [format!("{run}\n{}", &line[..20]), format!("{run}=")] {
        assert_eq!(found(&format!("{last}\n{line}")), Some(&*last));
    }
    assert_eq!(found(&format!("{line}=\n{run}")), Some(&*run));
}

#[test]
fn the_padding_is_two_characters_behind_digits_at_most() {
    for (text, end) in [("QQ=", 3), ("QQ==", 4), ("QQ===", 4), ("==", 0)] {
        assert_eq!(Run::at(text.as_bytes(), 0).range, 0..end, "{text}");
    }
}

#[test]
fn the_next_word_is_not_a_part_of_the_run() {
    let run = lines(&digits(76 * 20), 76, "\n");
    for after in [" What", "\n\n.", "\nWhat is it?", "\nWhat", "\nWhat."] {
        let text = format!("{run}{after}");
        let expected = if after == "\nWhat" { &text } else { &run };
        assert_eq!(found(&text), Some(&**expected), "{after:?}");
    }
    let one_line = digits(2_000);
    assert_eq!(found(&format!("{one_line}\nThanks")), Some(&*one_line));
}

#[test]
fn an_escape_before_a_run_stays_whole() {
    let run = digits(1_500);
    for before in [
        "\\n", "\\t", "\\u", "\\u0041", "\\\\n", "\\\"", "\\u00e9", "\\é", "\\", "é\\",
    ] {
        let text = format!("a {before}{run}");
        let rest = found(&text).expect("a run");
        let kept = &text[..text.len() - rest.len()];
        let is_whole = kept.ends_with(before) || before.ends_with('\\') && rest.len() == 1_499;
        assert!(is_whole, "{kept} before {before}");
    }
}

#[test]
fn a_text_of_all_kinds_of_digits_is_a_run_however_often_each_occurs() {
    let text = "aAg1".repeat(300);
    assert_eq!(found(&text), Some(&*text));
}

#[test]
fn escaped_digits_are_digits() {
    let text = format!("\\/9j\\/4AAQ{}\\u002b\\u002F\\u003d", digits(1_500));
    let run = find(text.as_bytes(), 0).expect("a run");
    assert_eq!(run.range, 0..text.len());
    assert_eq!((run.digits, run.padding), (8 + 1_500 + 2, 1));
    assert_eq!(run.first_bytes(text.as_bytes())[..3], [0xFF, 0xD8, 0xFF]);
}

#[test]
fn a_long_text_that_is_not_base64_is_left_alone() {
    let hex = "0123456789abcdef".repeat(100);
    let cases = [
        "x".repeat(20_000),
        "=".repeat(5_000),
        "-".repeat(5_000),
        "\\".repeat(5_001),
        "\n".repeat(5_000),
        hex.to_uppercase(),
        lines(&hex, 64, "\n"),
        lines(&hex.to_uppercase(), 64, "\\n"),
        "3141592653589793".repeat(100),
        "ACGT".repeat(1_000),
        "Donaudampfschifffahrt".repeat(100),
        "apple\nBanana\ncherry7\n".repeat(500),
        "aB3dE5gH9\n".repeat(500),
        "私はAIです".repeat(500),
        "/usr/lib/Node18/index.js\n".repeat(200),
        "function a(b){return b?c[3]:D.e(f,G)};var h=1,I=J.k;".repeat(100),
        "https://example.org/A/b?c=1&d=E2%20f".repeat(100),
        hex,
    ];
    for text in cases {
        assert_eq!(
            found(&text),
            None,
            "{}",
            text.chars().take(40).collect::<String>()
        );
    }
}

#[test]
fn the_size_is_that_of_the_decoded_data() {
    for (text, size) in [
        ("", 0),
        ("QQ==", 1),
        ("QUI=", 2),
        ("QUJD", 3),
        ("QUJDRA", 4),
        ("Q", 0),
    ] {
        assert_eq!(Run::at(text.as_bytes(), 0).decoded_size(), size, "{text}");
    }
    let run = Run::at(b"QUJDRA", 0);
    assert_eq!(run.first_bytes(b"QUJDRA")[..4], *b"ABCD");
}

#[test]
fn the_bytes_with_a_value_are_the_digits() {
    for byte in 0..=255 {
        let is_digit_by_range = u8::is_ascii_alphanumeric(&byte) || b"+/-_".contains(&byte);
        assert_eq!(is_digit(byte), is_digit_by_range, "{byte}");
        assert_eq!(value(byte).is_some(), is_digit_by_range, "{byte}");
        let kinds = [
            byte.is_ascii_digit(),
            byte.is_ascii_lowercase(),
            byte.is_ascii_uppercase(),
            byte.is_ascii_alphabetic() && !byte.is_ascii_hexdigit(),
        ];
        for (bit, expected) in kinds.into_iter().enumerate() {
            assert_eq!(kind(byte) >> bit & 1 == 1, expected, "{byte}");
        }
    }
}
