//! Texts as JSON. They are most of what a record is, so they are copied in runs: `serde_json` looks at every byte on its
//! own. What is written is the same, byte for byte.

/// Appends the text in quotes, with what JSON asks to be escaped.
pub(super) fn write_text(json: &mut Vec<u8>, text: &str) {
    json.reserve(text.len() + 2);
    json.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (plain, special) = rest.split_at(plain_length(rest));
        json.extend_from_slice(plain);
        let Some((special, after)) = special.split_first() else {
            break;
        };
        write_escaped(json, *special);
        rest = after;
    }
    json.push(b'"');
}

/// How many bytes from the front on stand for themselves.
fn plain_length(text: &[u8]) -> usize {
    // A run of fixed length without an early end becomes a few vector instructions.
    let is_plain = |run: &&[u8]| {
        !run.iter()
            .fold(false, |found, byte| found | is_special(*byte))
    };
    let runs = text.chunks_exact(RUN).take_while(is_plain).count();
    let plain = runs * RUN;
    plain
        + text[plain..]
            .iter()
            .take_while(|byte| !is_special(**byte))
            .count()
}

const RUN: usize = 16;

fn is_special(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

fn write_escaped(json: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        _ => {
            let hex = |digit: u8| b"0123456789abcdef"[usize::from(digit)];
            json.extend_from_slice(b"\\u00");
            json.extend([hex(byte >> 4), hex(byte & 15)]);
            return;
        }
    };
    json.extend([b'\\', short]);
}
