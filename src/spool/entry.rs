//! One line of a segment, and what it costs when it is damaged: itself.
//!
//! ```text
//! e 1f3a90c2 7 153 {"user_id":"user_123",…}     an event: checksum, number, length, JSON
//! l 90b1f3a2 8 4711 {"user_id":"user_123",…}    an LLM event
//! a 5c02e1d9 0 3 7-8                            acknowledged: what came to its end
//! ```
//!
//! The checksum is CRC-32 of the kind and of all that follows the checksum and its blank. The length makes a line
//! readable whose end is damaged; after a line that is not, reading goes on behind the next line break.

use std::{
    num::NonZeroU32,
    ops::{Range, RangeInclusive},
};

use super::checksum::crc32;
use crate::record::Endpoint;

/// Appends the line of a record.
pub(super) fn write_record(out: &mut Vec<u8>, endpoint: Endpoint, number: u32, json: &[u8]) {
    let kind = match endpoint {
        Endpoint::Events => b'e',
        Endpoint::LlmEvents => b'l',
    };
    write_line(out, kind, number, json);
}

/// Appends the line that acknowledges these records; `number` only tells it from its neighbours.
pub(super) fn write_acknowledgement(out: &mut Vec<u8>, numbers: &mut [u32]) {
    numbers.sort_unstable();
    let mut ranges = String::new();
    for run in numbers.chunk_by(|one, next| one.checked_add(1) == Some(*next)) {
        if !ranges.is_empty() {
            ranges.push(' ');
        }
        if let [first, .., last] = run {
            ranges.push_str(&format!("{first}-{last}"));
        } else if let [only] = run {
            ranges.push_str(&only.to_string());
        }
    }
    write_line(out, b'a', 0, ranges.as_bytes());
}

fn write_line(out: &mut Vec<u8>, kind: u8, number: u32, payload: &[u8]) {
    let head = format!("{number} {} ", payload.len());
    let checksum = crc32(&[&[kind], head.as_bytes(), payload]);
    out.push(kind);
    out.extend_from_slice(format!(" {checksum:08x} {head}").as_bytes());
    out.extend_from_slice(payload);
    out.push(b'\n');
}

/// What a line says.
#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    Record {
        endpoint: Endpoint,
        number: NonZeroU32,
        json: &'a [u8],
    },
    Acknowledged(Vec<RangeInclusive<u32>>),
}

/// As often may all bytes be read in vain, by lines whose length was damaged.
const MAX_REREADS: usize = 16;

/// Reads all lines that are whole, in their order.
pub(super) fn read_lines(mut bytes: &[u8]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut reread_budget = bytes.len().saturating_mul(MAX_REREADS);
    while !bytes.is_empty() {
        match read_line(bytes, &mut reread_budget) {
            Some((line, length)) => {
                lines.push(line);
                // Whatever stands where the line break should be is skipped.
                bytes = bytes.get(length + 1..).unwrap_or_default();
            }
            None => {
                let next = bytes.iter().position(|byte| *byte == b'\n');
                bytes = next.map(|next| &bytes[next + 1..]).unwrap_or_default();
            }
        }
    }
    lines
}

/// Reads the line at the start; says how long it is without its line break.
fn read_line<'a>(bytes: &'a [u8], reread_budget: &mut usize) -> Option<(Line<'a>, usize)> {
    let head = read_head(bytes)?;
    let end = head.payload.checked_add(head.length)?;
    let payload = bytes.get(head.payload..end)?;
    if *reread_budget < payload.len() && payload.contains(&b'\n') {
        // Without an end to this, a file could hold the worker up for minutes.
        return None;
    }
    let kind = *bytes.first()?;
    if crc32(&[&[kind], &bytes[COVERED..end]]) != head.checksum {
        *reread_budget = reread_budget.saturating_sub(payload.len());
        return None;
    }
    let record = |endpoint| {
        Some(Line::Record {
            endpoint,
            number: NonZeroU32::new(head.number)?,
            json: payload,
        })
    };
    let line = match kind {
        b'e' => record(Endpoint::Events)?,
        b'l' => record(Endpoint::LlmEvents)?,
        b'a' => Line::Acknowledged(read_ranges(payload)?),
        _ => return None,
    };
    Some((line, end))
}

/// Where the checksum stands in a line, and where that begins which it covers beside the kind.
pub(super) const CHECKSUM: Range<usize> = 2..10;
pub(super) const COVERED: usize = 11;

/// What a line says of itself, before its checksum is looked at.
pub(super) struct Head {
    checksum: u32,
    number: u32,
    /// Where the payload begins, and how long it is.
    pub(super) payload: usize,
    pub(super) length: usize,
}

pub(super) fn read_head(bytes: &[u8]) -> Option<Head> {
    let checksum = std::str::from_utf8(bytes.get(CHECKSUM)?).ok()?;
    let is_spaced = bytes[1] == b' ' && *bytes.get(COVERED - 1)? == b' ';
    let (number, rest) = read_number(bytes.get(COVERED..)?)?;
    let (length, payload) = read_number(rest)?;
    is_spaced.then_some(Head {
        checksum: u32::from_str_radix(checksum, 16).ok()?,
        number,
        payload: bytes.len() - payload.len(),
        length: usize::try_from(length).ok()?,
    })
}

/// Reads a number and the blank after it.
fn read_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let blank = bytes.iter().take(11).position(|byte| *byte == b' ')?;
    let number = std::str::from_utf8(&bytes[..blank]).ok()?.parse().ok()?;
    Some((number, &bytes[blank + 1..]))
}

fn read_ranges(payload: &[u8]) -> Option<Vec<RangeInclusive<u32>>> {
    let text = std::str::from_utf8(payload).ok()?;
    let range = |range: &str| match range.split_once('-') {
        Some((first, last)) => Some(first.parse().ok()?..=last.parse().ok()?),
        None => range.parse().ok().map(|only| only..=only),
    };
    text.split(' ').map(range).collect()
}

#[cfg(test)]
mod tests;
