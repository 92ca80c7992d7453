//! The spool on a disk in memory.

mod age;
mod consent;
mod endpoints;
mod failures;
mod folder;
mod limits;
mod many;
mod order;
mod projects;
mod set_aside;
mod settled;
mod size;
mod unreadable;

use std::{
    num::NonZeroU32,
    path::Path,
    sync::LazyLock,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{disk::double::MemoryDisk, *};
use crate::record::Endpoint;

const MIB: usize = 1024 * 1024;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Where the segments of the project are.
fn folder() -> PathBuf {
    Path::new("spool").join(project().to_string())
}

fn project() -> Fingerprint {
    Fingerprint::of("https://example.org", "key")
}

/// Segments of this spool are closed at 1,000 bytes.
fn settings() -> SpoolSettings {
    SpoolSettings {
        folder: "spool".into(),
        project: project(),
        max_bytes: 4_000,
        max_age: 7 * DAY,
        sync: false,
        when_full: WhenFull::Evict,
    }
}

fn with_max_bytes(max_bytes: u64) -> SpoolSettings {
    SpoolSettings {
        max_bytes,
        ..settings()
    }
}

fn spool(disk: &MemoryDisk, settings: SpoolSettings) -> Spool {
    Spool::on_disk(settings, Box::new(disk.clone()))
}

/// A moment after the start of a test, by both clocks.
fn at(seconds: u64) -> Now {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let since = Duration::from_secs(seconds);
    Now {
        instant: *START + since,
        system: UNIX_EPOCH + DAY + since,
    }
}

/// Stores the records in a new file, even if they are the first ones of the spool.
fn store_apart(disk: &MemoryDisk, spool: &mut Spool, records: &mut Vec<Encoded>, now: Now) {
    let stored = disk.while_all_are_held(|| store(spool, records, now));
    stored.expect("the disk works");
}

fn store(spool: &mut Spool, records: &mut Vec<Encoded>, now: Now) -> io::Result<StoreOutcome> {
    spool.store(records, WhenFull::Evict, now)
}

/// A record whose line takes about 100 bytes.
fn record(text: &str) -> Encoded {
    Encoded {
        json: format!("{{\"event\":\"{text:_<70}\"}}").into_bytes().into(),
        endpoint: Endpoint::Events,
        spool_entry: None,
    }
}

/// A record whose JSON has this many bytes.
fn record_of(bytes: usize) -> Encoded {
    Encoded {
        json: vec![b'x'; bytes].into(),
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

fn entry(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("above 0")
}

/// Another process stores them in a file of their own, and ends at once.
fn leave_behind(disk: &MemoryDisk, prefix: &str, count: u32, now: Now) {
    let mut spool = spool(
        disk,
        SpoolSettings {
            max_bytes: 1_000_000,
            ..settings()
        },
    );
    let mut records = records(prefix, 0..count);
    store_apart(disk, &mut spool, &mut records, now);
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
            .expect("the disk works");
    }
    delivered
}
