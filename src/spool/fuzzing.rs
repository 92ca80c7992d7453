//! The door through which the targets in `fuzz/` come in.

use std::{collections::HashSet, num::NonZeroU32, path::Path};

use super::{
    checksum::crc32,
    disk::double::MemoryDisk,
    entry::{CHECKSUM, COVERED, read_head},
    segment::Segment,
};
use crate::record::Encoded;

/// Reads the bytes as somebody's segment, as they are, and then with checksums that are right, which no fuzzer finds.
///
/// # Panics
/// If a record comes back that was acknowledged, or one gets lost or made up on the way.
pub fn read_segment(bytes: &[u8]) {
    read(bytes);
    let mut mended = bytes.to_vec();
    mend(&mut mended);
    read(&mended);
}

/// Puts the right checksum into each line that is whole but for it.
fn mend(bytes: &mut [u8]) {
    let mut from = 0;
    while let Some(line) = bytes.get(from..).filter(|line| !line.is_empty()) {
        let end = read_head(line).map(|head| head.payload.saturating_add(head.length));
        if let Some(end) = end.filter(|end| *end <= line.len()) {
            let checksum = crc32(&[&line[..1], &line[COVERED..end]]);
            let text = format!("{checksum:08x}");
            bytes[from..][CHECKSUM].copy_from_slice(text.as_bytes());
            from += end + 1;
        } else {
            let next = line.iter().position(|byte| *byte == b'\n');
            from += next.unwrap_or(line.len()) + 1;
        }
    }
}

/// Acknowledges the odd records and then the even ones, as far as they are there.
fn read(bytes: &[u8]) {
    let (disk, folder) = (MemoryDisk::default(), Path::new("spool"));
    let name = format!("00000000000001-{}.trubrics", "0".repeat(32));
    disk.put(&folder.join(&name), bytes);
    let adopt = || {
        let adopted = Segment::adopt(&disk, folder, &name);
        let adopted = adopted.expect("the disk is well");
        adopted.map(|(segment, contents)| (segment, contents.records))
    };
    let Some((mut segment, mut left)) = adopt() else {
        return;
    };
    for is_odd in [true, false] {
        let (settled, rest): (Vec<_>, _) = left
            .into_iter()
            .partition(|record: &Encoded| (number(record).get() % 2 == 1) == is_odd);
        left = rest;
        if settled.is_empty() {
            continue;
        }
        for record in &settled {
            let json = &*record.json;
            assert!(json.is_empty() || bytes.windows(json.len()).any(|part| part == json));
        }
        let numbers: Vec<_> = settled.iter().map(number).collect();
        segment
            .acknowledge(&numbers, false)
            .expect("the disk is well");
        drop(segment);
        let (again, found) = adopt().expect("it is there");
        segment = again;
        assert_eq!(entries(&found), entries(&left));
    }
    assert!(segment.is_settled() && left.is_empty());
}

fn number(record: &Encoded) -> NonZeroU32 {
    record
        .spool_entry
        .expect("a record of a segment has a number")
}

fn entries(records: &[Encoded]) -> HashSet<(NonZeroU32, &[u8])> {
    let entries = records.iter().map(|record| (number(record), &*record.json));
    entries.collect()
}
