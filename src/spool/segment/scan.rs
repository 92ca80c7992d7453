//! Which records of a segment are not settled, and which are missing.

use super::HEADER;
use crate::spool::entry::{Line, RecordLine, read_lines};

/// No line of a record is shorter.
const MIN_LINE: usize = b"e 00000000 1 0 2 {}\n".len();

/// What the lines of a segment say.
pub(super) struct Scan<'a> {
    /// The records that are not settled.
    pub(super) records: Vec<RecordLine<'a>>,
    /// The numbers of those that should be there as well, and cannot be read.
    pub(super) missing: Vec<u32>,
    /// The highest number there is.
    pub(super) last_number: u32,
}

impl<'a> Scan<'a> {
    /// Reads the lines behind the header. The numbers up to `last_number` should be there, and all below any other.
    /// Those in `unwritten` are settled too.
    pub(super) fn of(bytes: &'a [u8], last_number: u32, unwritten: &[u32]) -> Self {
        let lines = read_lines(bytes.get(HEADER.len()..).unwrap_or_default());
        let settled = Ranges::of(&lines, unwritten);
        let mut numbers = Vec::new();
        let mut records = Vec::new();
        for line in lines {
            if let Line::Record(record) = line {
                let number = record.number.get();
                numbers.push(number);
                if !settled.contains(number) {
                    records.push(record);
                }
            }
        }
        numbers.sort_unstable();
        let last_number = last_number.max(numbers.last().copied().unwrap_or(0));
        let missing = (1..=last_number)
            // A damaged number whose checksum holds must not make up more records than the file has room for.
            .take(numbers.len() + bytes.len() / MIN_LINE)
            .filter(|number| numbers.binary_search(number).is_err() && !settled.contains(*number))
            .collect();
        Self {
            records,
            missing,
            last_number,
        }
    }
}

/// The numbers that are settled: ranges in order, none of which overlap.
struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    fn of(lines: &[Line<'_>], unwritten: &[u32]) -> Self {
        let acknowledged = lines.iter().flat_map(|line| match line {
            Line::Acknowledged(ranges) => ranges.as_slice(),
            Line::Record(_) => &[],
        });
        let mut ranges: Vec<_> = acknowledged
            .filter(|range| !range.is_empty())
            .map(|range| (*range.start(), *range.end()))
            .chain(unwritten.iter().map(|number| (*number, *number)))
            .collect();
        ranges.sort_unstable();
        ranges.dedup_by(|next, before| {
            let is_joined = next.0 <= before.1;
            if is_joined {
                before.1 = before.1.max(next.1);
            }
            is_joined
        });
        Self(ranges)
    }

    fn contains(&self, number: u32) -> bool {
        let next = self.0.partition_point(|range| range.0 <= number);
        let before = next.checked_sub(1).and_then(|before| self.0.get(before));
        before.is_some_and(|range| number <= range.1)
    }
}
