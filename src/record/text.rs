//! Writes texts as JSON, byte for byte as `serde_json` does. Most of a record is text, so it is copied in runs, where
//! `serde_json` looks at every byte on its own.

/// Appends the text in quotes, with the escapes that JSON asks for.
pub(crate) fn write_text(json: &mut Vec<u8>, text: &str) {
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

/// How many bytes at the front need no escape.
fn plain_length(text: &[u8]) -> usize {
    let runs = text.chunks_exact(RUN).take_while(|run| is_plain(run));
    let sure = runs.count() * RUN;
    let rest = &text[sure..];
    // The last run may overlap the one before, which is quicker than to go byte by byte.
    let is_end_plain = rest.len() < RUN
        && match (
            text.last_chunk::<RUN>(),
            rest.first_chunk(),
            rest.last_chunk(),
        ) {
            (Some(last), _, _) => is_plain(last),
            (None, Some(first), Some(last)) => is_plain_word(*first) && is_plain_word(*last),
            (None, _, _) => false,
        };
    if is_end_plain {
        return text.len();
    }
    sure + rest.iter().take_while(|byte| !is_special(**byte)).count()
}

const RUN: usize = 16;

/// Looks at every byte without stopping early, which the compiler turns into a few vector instructions.
fn is_plain(run: &[u8]) -> bool {
    !run.iter()
        .fold(false, |found, byte| found | is_special(*byte))
}

/// The same for the eight bytes of a word at once: a byte's top bit is set where subtracting borrows.
fn is_plain_word(word: [u8; 8]) -> bool {
    let word = u64::from_ne_bytes(word);
    let ones = u64::from_ne_bytes([1; 8]);
    let below = |word: u64, bound: u8| word.wrapping_sub(ones * u64::from(bound)) & !word;
    let is = |byte: u8| below(word ^ (ones * u64::from(byte)), 1);
    (below(word, b' ') | is(b'"') | is(b'\\')) & (ones << 7) == 0
}

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
