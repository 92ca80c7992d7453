//! The entry point of the targets in `fuzz/`.

use std::{collections::HashSet, path::Path};

use super::{
    checksum::crc32,
    disk::double::MemoryDisk,
    entry::{CHECKSUM, COVERED, read_head},
    segment::{Adoption, Content, Segment},
};

/// Reads the bytes as a segment of another process: as they are, and with right checksums, which no fuzzer finds.
///
/// # Panics
/// If an acknowledged record comes back, a record is lost, or one is made up.
pub fn read_segment(bytes: &[u8]) {
    read(bytes);
    let mut mended = bytes.to_vec();
    mend(&mut mended);
    read(&mended);
}

/// Puts the right checksum into each line that is whole except for it.
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

/// Acknowledges the records with odd numbers and then the others, as far as they are there.
fn read(bytes: &[u8]) {
    let (disk, folder) = (MemoryDisk::default(), Path::new("spool"));
    let name = format!("00000000000001-e-{}.trubrics", "0".repeat(32));
    disk.put(&folder.join(&name), bytes);
    let adopt = || match Segment::adopt(&disk, folder, &name, 0).expect("the disk works") {
        Adoption::Taken(mut segment, contents) => {
            segment.note_handed_out(&contents);
            Some((segment, contents.records))
        }
        _ => None,
    };
    let Some((mut segment, mut left)) = adopt() else {
        return;
    };
    for parity in [1, 0] {
        let (settled, rest): (Vec<_>, _) = left
            .into_iter()
            .partition(|content: &Content| content.number % 2 == parity);
        left = rest;
        if settled.is_empty() {
            continue;
        }
        for content in &settled {
            assert!(content.number > 0, "no record has the number 0");
            let json = &*content.json;
            assert!(json.is_empty() || bytes.windows(json.len()).any(|part| part == json));
        }
        let numbers: Vec<_> = settled.iter().map(|content| content.number).collect();
        segment.settle(&numbers);
        segment.write_settled(false).expect("the disk works");
        drop(segment);
        let (again, found) = adopt().expect("it is there");
        segment = again;
        assert_eq!(entries(&found), entries(&left));
    }
    assert!(segment.is_settled() && left.is_empty());
}

fn entries(contents: &[Content]) -> HashSet<(u32, &[u8])> {
    let entries = contents
        .iter()
        .map(|content| (content.number, &*content.json));
    entries.collect()
}
