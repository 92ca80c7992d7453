//! The spool on a disk in memory: what it does in order, and what becomes of the records when the disk fails.

mod failures;
mod limits;
mod order;

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{disk::double::MemoryDisk, *};
use crate::record::Endpoint;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn folder() -> &'static Path {
    Path::new("spool")
}

/// Segments of this spool are closed at 1,000 bytes.
fn settings() -> SpoolSettings {
    SpoolSettings {
        folder: folder().into(),
        max_bytes: 4_000,
        max_age: 7 * DAY,
        sync: false,
    }
}

fn spool(disk: &MemoryDisk, settings: SpoolSettings) -> Spool {
    Spool::on_disk(settings, Box::new(disk.clone()))
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + DAY + Duration::from_secs(seconds)
}

/// A record whose line takes about 100 bytes.
fn record(text: &str) -> Encoded {
    Encoded {
        json: format!("{{\"event\":\"{text:_<70}\"}}").into_bytes().into(),
        endpoint: Endpoint::Events,
        spool_entry: None,
    }
}

fn records(prefix: &str, numbers: std::ops::Range<u32>) -> Vec<Encoded> {
    let one = |number| record(&format!("{prefix}{number}"));
    numbers.map(one).collect()
}

fn text(record: &Encoded) -> String {
    let json = String::from_utf8_lossy(&record.json);
    json[r#"{"event":""#.len()..]
        .trim_end_matches(['_', '"', '}'])
        .to_owned()
}

fn texts(records: &[Encoded]) -> Vec<String> {
    records.iter().map(text).collect()
}

fn entries(records: &[Encoded]) -> Vec<NonZeroU32> {
    let entries = records.iter().filter_map(|record| record.spool_entry);
    entries.collect()
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("above 0")
}

/// Stores them in a spool of their own, which is left at once.
fn leave_behind(disk: &MemoryDisk, prefix: &str, count: u32, now: SystemTime) {
    let mut spool = spool(
        disk,
        SpoolSettings {
            max_bytes: 1_000_000,
            ..settings()
        },
    );
    let mut records = records(prefix, 0..count);
    spool.store(&mut records, now).expect("the disk is well");
    assert_eq!(spool.leave(at(0)).records, u64::from(count));
}

/// Everything that is found in the folder, delivered and acknowledged.
fn deliver_all(disk: &MemoryDisk) -> Vec<String> {
    let mut spool = spool(disk, settings());
    let _ = spool.scan_for_orphans(at(20));
    let mut delivered = Vec::new();
    while let Some(loaded) = spool.load(true, true, at(0)) {
        delivered.extend(texts(&loaded.records));
        spool
            .acknowledge(&entries(&loaded.records))
            .expect("the disk is well");
    }
    delivered
}
