//! The lines of a segment. Damage to a line costs that line only.
//!
//! ```text
//! e 1f3a90c2 7 1789000000123 153 {"user_id":"user_123",…}    an event: checksum, number, time, length, JSON
//! l 90b1f3a2 8 1789000000456 4711 {"user_id":"user_123",…}   an LLM event
//! a 5c02e1d9 0 0 3 7-8                                       an acknowledgement: these records are settled
//! ```
//!
//! The checksum is CRC-32 of the kind and of everything behind the checksum and its blank. The time is when the record
//! was stored, in milliseconds since 1970. The length makes a line readable whose line break is damaged. After a line
//! that cannot be read, reading goes on behind the next line break.

use std::{
    num::NonZeroU32,
    ops::{Range, RangeInclusive},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::checksum::crc32;
use crate::record::Endpoint;

/// The kind of the lines of records for this endpoint.
pub(super) fn kind(endpoint: Endpoint) -> u8 {
    match endpoint {
        Endpoint::Events => b'e',
        Endpoint::LlmEvents => b'l',
    }
}

/// The endpoint of records in lines of this kind.
pub(super) fn endpoint(kind: u8) -> Option<Endpoint> {
    Endpoint::ALL
        .into_iter()
        .find(|endpoint| self::kind(*endpoint) == kind)
}

/// Appends the line of a record.
pub(super) fn write_record(
    out: &mut Vec<u8>,
    endpoint: Endpoint,
    number: u32,
    time: SystemTime,
    json: &[u8],
) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let milliseconds = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    write_line(out, kind(endpoint), number, milliseconds, json);
}

/// Appends the line that acknowledges these records, and sorts them.
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
    write_line(out, b'a', 0, 0, ranges.as_bytes());
}

fn write_line(out: &mut Vec<u8>, kind: u8, number: u32, milliseconds: u64, payload: &[u8]) {
    let head = format!("{number} {milliseconds} {} ", payload.len());
    let checksum = crc32(&[&[kind], head.as_bytes(), payload]);
    out.push(kind);
    out.extend_from_slice(format!(" {checksum:08x} {head}").as_bytes());
    out.extend_from_slice(payload);
    out.push(b'\n');
}

#[derive(Debug, PartialEq)]
pub(super) enum Line<'a> {
    Record(RecordLine<'a>),
    Acknowledged(Vec<RangeInclusive<u32>>),
}

#[derive(Debug, PartialEq)]
pub(super) struct RecordLine<'a> {
    pub(super) endpoint: Endpoint,
    pub(super) number: NonZeroU32,
    pub(super) time: SystemTime,
    pub(super) json: &'a [u8],
}

/// Lines whose length was damaged may have this many times the bytes of the file read once more. Without a limit, one
/// file could keep the worker busy for minutes.
const MAX_REREADS: usize = 16;

/// Reads all lines that are whole, in their order.
pub(super) fn read_lines(mut bytes: &[u8]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut reread_budget = bytes.len().saturating_mul(MAX_REREADS);
    while !bytes.is_empty() {
        match read_line(bytes, &mut reread_budget) {
            Some((line, length)) => {
                lines.push(line);
                // One byte is skipped, even if it is not a line break any more.
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

/// Reads the line at the start, and returns it with its length without the line break.
fn read_line<'a>(bytes: &'a [u8], reread_budget: &mut usize) -> Option<(Line<'a>, usize)> {
    let head = read_head(bytes)?;
    let end = head.payload.checked_add(head.length)?;
    let payload = bytes.get(head.payload..end)?;
    if *reread_budget < payload.len() && payload.contains(&b'\n') {
        return None;
    }
    let kind = *bytes.first()?;
    if crc32(&[&[kind], &bytes[COVERED..end]]) != head.checksum {
        *reread_budget = reread_budget.saturating_sub(payload.len());
        return None;
    }
    let record = || {
        Some(Line::Record(RecordLine {
            endpoint: endpoint(kind)?,
            number: NonZeroU32::new(head.number)?,
            time: UNIX_EPOCH.checked_add(Duration::from_millis(head.milliseconds))?,
            json: payload,
        }))
    };
    let line = match kind {
        b'a' => Line::Acknowledged(read_ranges(payload)?),
        _ => record()?,
    };
    Some((line, end))
}

/// Where the checksum of a line is, and where the part begins that it covers beside the kind.
pub(super) const CHECKSUM: Range<usize> = 2..10;
pub(super) const COVERED: usize = 11;

/// The start of a line, before its checksum is compared.
pub(super) struct Head {
    checksum: u32,
    number: u32,
    milliseconds: u64,
    /// Where the payload begins, and its length.
    pub(super) payload: usize,
    pub(super) length: usize,
}

pub(super) fn read_head(bytes: &[u8]) -> Option<Head> {
    let checksum = std::str::from_utf8(bytes.get(CHECKSUM)?).ok()?;
    let is_spaced = bytes[1] == b' ' && *bytes.get(COVERED - 1)? == b' ';
    let (number, rest) = read_number(bytes.get(COVERED..)?)?;
    let (milliseconds, rest) = read_number(rest)?;
    let (length, payload) = read_number(rest)?;
    is_spaced.then_some(Head {
        checksum: u32::from_str_radix(checksum, 16).ok()?,
        number: u32::try_from(number).ok()?,
        milliseconds,
        payload: bytes.len() - payload.len(),
        length: usize::try_from(u32::try_from(length).ok()?).ok()?,
    })
}

/// Reads a number and the blank behind it.
fn read_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let max_digits = u64::MAX.ilog10() as usize + 1;
    let blank = bytes
        .iter()
        .take(max_digits + 1)
        .position(|byte| *byte == b' ')?;
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
