//! What a client that cannot deliver costs in memory: what its queue may hold, and little more.

use std::{fs, net::TcpListener, time::Duration};

use trubrics::{Event, Trubrics, defaults};

use crate::child::{self, tell};

const MIB: f64 = 1024.0 * 1024.0;

/// The most bytes that the client may take beside the JSON that its queue may hold.
const SLACK: usize = 4 * 1024 * 1024;

/// The most bytes that a record may take beside its JSON: 32 in the channel, up to twice 24 in the worker after a
/// flush, and the allocator's share.
const BESIDE_JSON: usize = 96;

const TRACKED: u64 = 1_000_000;

fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("our status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.expect("a size")
        .trim()
        .parse::<usize>()
        .expect("a number")
        * 1024
}

/// Tracks a million records, each with `text` bytes of text, for a server that accepts connections and never answers.
/// Returns by how many bytes the process grows.
#[track_caller]
fn grow(text: usize) -> usize {
    let black_hole = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let host = format!("http://{}", black_hole.local_addr().expect("an address"));
    let text = "x".repeat(text);
    let event = Event::new("user", "Black hole").property("text", &text);
    // The first one pays for what every program has once: the transport, the thread, buffers.
    let client = Trubrics::builder("key")
        .host(host)
        .request_timeout(Duration::from_millis(200))
        .build()
        .expect("a client");
    client.track(event.clone());
    let _ = client.flush(Duration::from_millis(100));

    let before = resident_bytes();
    for _ in 0..TRACKED {
        client.track(event.clone());
    }
    let full = resident_bytes() - before;
    // Moves everything from the channel into the worker's hands, once it is out of its request.
    let _ = client.flush(Duration::from_secs(1));
    let flushed = resident_bytes() - before;
    let stats = client.stats();
    let json = stats.pending as usize * json_bytes(text.len());
    tell(&format!(
        "{} of {TRACKED} records of {} bytes pending: {:.1} MiB of JSON, memory grew by {:.1} MiB, \
         {:.1} MiB after a flush; {:.1} bytes beside the JSON of each",
        stats.pending,
        json_bytes(text.len()),
        json as f64 / MIB,
        full as f64 / MIB,
        flushed as f64 / MIB,
        (full as f64 - json as f64) / stats.pending as f64,
    ));
    assert!(stats.pending as usize <= defaults::QUEUE_CAPACITY);
    full.max(flushed)
}

/// The JSON of an event of this module.
fn json_bytes(text: usize) -> usize {
    r#"{"user_id":"user","event":"Black hole","timestamp":"2024-10-09T13:21:46.182Z","properties":{"text":""}}"#
        .len()
        + text
}

#[test]
fn a_million_small_records_against_a_black_hole_stay_within_the_queues_bounds() {
    if child::is_this(
        module_path!(),
        "a_million_small_records_against_a_black_hole_stay_within_the_queues_bounds",
    ) {
        assert!(grow(20) <= defaults::QUEUE_BYTES + SLACK);
    }
}

#[test]
fn a_million_large_records_against_a_black_hole_stay_within_the_queues_bounds() {
    if child::is_this(
        module_path!(),
        "a_million_large_records_against_a_black_hole_stay_within_the_queues_bounds",
    ) {
        assert!(grow(2_000) <= defaults::QUEUE_BYTES + SLACK);
    }
}

#[test]
fn records_that_reach_both_bounds_at_once_cost_little_beside_their_json() {
    if child::is_this(
        module_path!(),
        "records_that_reach_both_bounds_at_once_cost_little_beside_their_json",
    ) {
        let text = defaults::QUEUE_BYTES / defaults::QUEUE_CAPACITY - json_bytes(0);
        // The bounds count JSON and records; what a record costs beside its JSON is in neither.
        assert!(grow(text) <= defaults::QUEUE_BYTES + defaults::QUEUE_CAPACITY * BESIDE_JSON);
    }
}
