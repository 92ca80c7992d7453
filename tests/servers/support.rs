#![expect(clippy::print_stdout, reason = "figures are asked for")]

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    thread,
    time::Duration,
};

use serde_json::Value;
use trubrics::{DropReason, Event, Stats, Trubrics, TrubricsBuilder, testing};

use crate::program::Folder;

/// Longer than anything here takes; a test that reaches it has failed.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A longer interval than any test lasts: records are sent because there are enough, or for a flush.
const NEVER: Duration = Duration::from_secs(3600);

pub(crate) const KILOBYTE: usize = 1000;

/// Settings for a client of this host that retries quickly.
pub(crate) fn client_of(host: impl Into<String>) -> TrubricsBuilder {
    Trubrics::builder(testing::API_KEY)
        .host(host)
        .flush_interval(NEVER)
        .initial_backoff(Duration::from_millis(5))
        .max_backoff(Duration::from_millis(100))
}

#[track_caller]
pub(crate) fn build(builder: TrubricsBuilder) -> Trubrics {
    builder.build().expect("good settings")
}

pub(crate) fn backend() -> testing::Server {
    testing::Server::start().expect("a free port on loopback")
}

/// The port of a server, and what its host has after it.
pub(crate) fn port_and_path(server: &testing::Server) -> (u16, String) {
    let (_, address) = server.url().rsplit_once(':').expect("a port");
    let (port, path) = address.split_once('/').unwrap_or((address, ""));
    (port.parse().expect("a number"), format!("/{path}"))
}

/// An event with a number and about this many bytes.
pub(crate) fn event(id: u64, bytes: usize) -> Event {
    let text = "x".repeat(bytes);
    Event::new("user", "Row imported")
        .property("id", id)
        .property("text", text)
}

pub(crate) fn track(client: &Trubrics, ids: Range<u64>, bytes: usize) {
    for id in ids {
        client.track(event(id, bytes));
    }
}

/// Tracks an event each millisecond, and does something after each hundred.
pub(crate) fn track_under(client: &Trubrics, ids: Range<u64>, mut disturb: impl FnMut()) {
    for id in ids {
        client.track(event(id, 200));
        thread::sleep(Duration::from_millis(1));
        if id % 100 == 99 {
            disturb();
        }
    }
}

/// The records that one of the Python programs has written down.
pub(crate) fn received(folder: &Folder) -> Vec<Value> {
    let text = folder.read("received");
    let records = text.lines().map(serde_json::from_str);
    records
        .collect::<Result<_, _>>()
        .expect("a record on each line")
}

/// How many workers of a Python program have received records.
pub(crate) fn workers(folder: &Folder) -> usize {
    let records = received(folder);
    let workers = records.iter().map(|record| record["worker"].as_u64());
    workers.collect::<BTreeSet<_>>().len()
}

/// Sends events one by one.
pub(crate) fn send_each(client: &Trubrics, ids: Range<u64>) {
    for id in ids {
        client.track(event(id, 100));
        client.flush(LONG).expect("delivered");
    }
}

fn counts(records: &[Value]) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    for record in records {
        let id = record["properties"]["id"].as_u64().expect("a number");
        *counts.entry(id).or_default() += 1;
    }
    counts
}

/// Each record arrived, and no other. Returns how many arrivals there were beside the first ones.
#[track_caller]
pub(crate) fn assert_at_least_once(records: &[Value], ids: Range<u64>) -> u64 {
    let counts = counts(records);
    let missing: Vec<_> = ids.clone().filter(|id| !counts.contains_key(id)).collect();
    let others: Vec<_> = counts.keys().filter(|id| !ids.contains(id)).collect();
    assert!(missing.is_empty(), "{missing:?} did not arrive");
    assert!(others.is_empty(), "{others:?} arrived");
    counts.values().map(|count| count - 1).sum()
}

/// Each record arrived at a server that was ended so often, and each end doubled at most the batch that was in flight.
#[track_caller]
pub(crate) fn assert_doubled_by_ends(server: &testing::Server, ids: Range<u64>, ends: u64) -> u64 {
    assert_at_least_once(&server.events(), ids);
    let (mut last, mut doubled) = (BTreeMap::new(), BTreeSet::new());
    for (number, request) in server.requests().iter().enumerate() {
        let records: Vec<Value> = serde_json::from_slice(request.body()).expect("an array");
        for id in counts(&records).into_keys() {
            doubled.extend(last.insert(id, number));
        }
    }
    let doubled = doubled.len() as u64;
    assert!(
        doubled <= ends,
        "{doubled} batches came twice, after {ends} ends"
    );
    doubled
}

#[track_caller]
pub(crate) fn assert_once(records: &[Value], ids: Range<u64>) {
    let doubled = assert_at_least_once(records, ids);
    assert_eq!(doubled, 0, "records arrived more than once");
}

pub(crate) fn tell(figures: &str) {
    println!("figures: {figures}");
}

/// Every record is delivered, or dropped for one of these reasons.
#[track_caller]
pub(crate) fn assert_settled(client: &Trubrics, delivered: u64, drops: &[(DropReason, u64)]) {
    let stats = client.stats();
    assert_balanced(stats);
    assert_eq!(stats.drops().collect::<Vec<_>>(), drops, "{stats:?}");
    assert_eq!(
        (stats.delivered, stats.pending),
        (delivered, 0),
        "{stats:?}"
    );
}

/// No attempt failed: a request that met a connection which the server had ended was sent again at once.
#[track_caller]
pub(crate) fn assert_no_failure(client: &Trubrics) {
    let health = client.health();
    assert!(health.last_failure.is_none(), "{health:?}");
}

#[track_caller]
pub(crate) fn assert_balanced(stats: Stats) {
    assert_eq!(
        stats.tracked + stats.recovered,
        stats.delivered + stats.dropped + stats.pending + stats.left_in_spool,
        "{stats:?}"
    );
}
