//! Which records of a segment have no fate yet, and which are missing.

use super::HEADER;
use crate::{
    record::Encoded,
    spool::entry::{Line, read_lines},
};

/// No line of a record is shorter.
const MIN_LINE: usize = b"e 00000000 1 2 {}\n".len();

/// What the lines of a segment say.
pub(super) struct Scan {
    /// Those without a fate.
    pub(super) records: Vec<Encoded>,
    /// The numbers that should be there as well, and cannot be read.
    pub(super) missing: Vec<u32>,
    /// The highest number there is.
    pub(super) last_number: u32,
}

impl Scan {
    /// Reads the lines behind the header, in which the numbers up to `last_number` should be, and all below any other;
    /// those in `unwritten` are settled too.
    pub(super) fn of(bytes: &[u8], last_number: u32, unwritten: &[u32]) -> Self {
        let lines = read_lines(bytes.get(HEADER.len()..).unwrap_or_default());
        let settled = Ranges::of(&lines, unwritten);
        let mut numbers = Vec::new();
        let mut records = Vec::new();
        for line in lines {
            if let Line::Record {
                endpoint,
                number,
                json,
            } = line
            {
                numbers.push(number.get());
                if !settled.contains(number.get()) {
                    records.push(Encoded {
                        json: json.into(),
                        endpoint,
                        spool_entry: Some(number),
                    });
                }
            }
        }
        numbers.sort_unstable();
        let last_number = last_number.max(numbers.last().copied().unwrap_or(0));
        let missing = (1..=last_number)
            // A number that is damaged and holds all the same must not make up more than there was room for.
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
            Line::Record { .. } => &[],
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
