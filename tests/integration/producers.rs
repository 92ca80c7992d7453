//! Eight threads track as fast as they can, with a spool and `Overflow::Block`, while the server fails now and then.
//!
//! `TRUBRICS_PRODUCERS_SECONDS=120` runs it in the size that gives figures.

use std::{
    env, fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use trubrics::{
    Event, Overflow, Response, Transport, Trubrics, TrubricsBuilder, defaults, transport_fn,
};

use crate::{
    child::{self, tell},
    support::{Folder, LONG, build},
};

const PRODUCERS: usize = 8;

/// Less than the producers track while the server fails.
const SPOOL_BYTES: u64 = 4 * 1024 * 1024;

/// How many records are tracked while the server is down, at the end.
const REST: u64 = 5_000;

/// Of this many requests, the last few get a 503.
const EPISODE: u64 = 500;
const FAILURES: u64 = 5;

/// The most bytes that the process may grow by beside the queue: the segments in the worker's hands, and this test's
/// own notes.
const SLACK: usize = 24 * 1024 * 1024;

const MIB: f64 = 1024.0 * 1024.0;

/// A server in this process, which notes each record and needs a bit for it.
#[derive(Default)]
struct Sink {
    requests: AtomicU64,
    is_down: AtomicBool,
    /// No request gets a 503, but while the server is down.
    is_steady: AtomicBool,
    /// For each producer and for the rest, whether their records arrived, by their index.
    arrived: [Mutex<Vec<u64>>; PRODUCERS + 1],
    delivered: AtomicU64,
    doubled: AtomicU64,
}

impl Sink {
    fn answer(&self, body: &[u8]) -> u16 {
        if self.is_down.load(SeqCst) {
            return 503;
        }
        let request = self.requests.fetch_add(1, Relaxed) % EPISODE;
        if request >= EPISODE - FAILURES && !self.is_steady.load(SeqCst) {
            return 503;
        }
        let body = std::str::from_utf8(body).expect("JSON");
        for record in body.split(r#""user_id":"producer "#).skip(1) {
            let (producer, rest) = record.split_once('"').expect("a number");
            let (_, rest) = rest.split_once(r#""index":"#).expect("an index");
            let end = rest.find(|next: char| !next.is_ascii_digit());
            let index = rest[..end.expect("an end")].parse().expect("a number");
            self.note(producer.parse().expect("a number"), index);
        }
        200
    }

    fn note(&self, producer: usize, index: usize) {
        let mut arrived = self.arrived[producer].lock().expect("no panic");
        let (word, bit) = (index / 64, 1 << (index % 64));
        if arrived.len() <= word {
            arrived.resize(word + 1, 0);
        }
        self.delivered.fetch_add(1, SeqCst);
        if arrived[word] & bit != 0 {
            self.doubled.fetch_add(1, SeqCst);
        }
        arrived[word] |= bit;
    }

    /// How many different records arrived.
    fn arrived(&self) -> u64 {
        let of_one = |arrived: &Mutex<Vec<u64>>| -> u64 {
            let arrived = arrived.lock().expect("no panic");
            arrived
                .iter()
                .map(|word| u64::from(word.count_ones()))
                .sum()
        };
        self.arrived.iter().map(of_one).sum()
    }
}

fn transport(sink: &Arc<Sink>) -> impl Transport {
    let sink = Arc::clone(sink);
    transport_fn(move |request| Ok(Response::new(sink.answer(request.body()))))
}

fn builder(sink: &Arc<Sink>, folder: &Folder) -> TrubricsBuilder {
    Trubrics::builder("key")
        .transport(transport(sink))
        .spool(&folder.0)
        .spool_max_bytes(SPOOL_BYTES)
        .overflow(Overflow::Block)
        .initial_backoff(Duration::from_millis(50))
        .max_backoff(Duration::from_millis(200))
}

/// Tracks without a pause; returns how many records.
fn produce(client: &Trubrics, producer: usize, is_over: &AtomicBool) -> u64 {
    let mut index = 0;
    while !is_over.load(Relaxed) {
        let user = format!("producer {producer}");
        client.track(Event::new(user, "Row imported").property("index", index));
        index += 1;
    }
    index
}

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

/// Lets the producers work for this time. Returns how many records they tracked, and the most memory meanwhile.
fn run(client: &Trubrics, time: Duration) -> (u64, usize) {
    let is_over = &AtomicBool::new(false);
    let (end, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let peak = scope.spawn(move || {
            let mut peak = resident_bytes();
            while ended.recv_timeout(Duration::from_millis(50)) == Err(RecvTimeoutError::Timeout) {
                peak = peak.max(resident_bytes());
            }
            peak
        });
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|producer| scope.spawn(move || produce(client, producer, is_over)))
            .collect();
        let start = Instant::now();
        while start.elapsed() < time {
            thread::park_timeout(time.saturating_sub(start.elapsed()));
        }
        is_over.store(true, Relaxed);
        let tracked = producers.into_iter().map(|producer| producer.join());
        let tracked = tracked.map(|tracked| tracked.expect("no panic")).sum();
        drop(end);
        (tracked, peak.join().expect("no panic"))
    })
}

#[test]
fn eight_blocking_producers_lose_nothing_with_a_spool() {
    let test = "eight_blocking_producers_lose_nothing_with_a_spool";
    if !child::is_this(module_path!(), test) {
        return;
    }
    let seconds = env::var("TRUBRICS_PRODUCERS_SECONDS").ok();
    let seconds = seconds.map_or(2, |seconds| seconds.parse().expect("a number"));
    let (sink, folder) = (Arc::new(Sink::default()), Folder::new());
    let client = build(builder(&sink, &folder));
    client
        .track_sync(Event::new("before", "the others"))
        .expect("accepted");

    let before = resident_bytes();
    let (mut tracked, peak) = run(&client, Duration::from_secs(seconds));
    let delivered = sink.arrived();
    client.flush(LONG * 4).expect("all are delivered");
    sink.is_down.store(true, SeqCst);
    for index in 0..REST {
        let event = Event::new(format!("producer {PRODUCERS}"), "Row imported");
        client.track(event.property("index", index));
    }
    tracked += REST;
    let left = close_at_once(&client);
    let after = resident_bytes();
    let delivered_by_it = sink.arrived();
    // A close with a spool ends with the first attempt that fails.
    sink.is_steady.store(true, SeqCst);
    sink.is_down.store(false, SeqCst);
    let next = build(builder(&sink, &folder));
    next.close(LONG * 4).expect("delivered");

    tell(&format!(
        "{PRODUCERS} producers for {seconds} s: {tracked} tracked, {} delivered each second, {} delivered once, {} \
         twice, {left} left in the spool and delivered by the next client, {} dropped; memory before {:.1} MiB, at \
         most {:.1} MiB, after {:.1} MiB",
        delivered / seconds,
        delivered_by_it,
        sink.doubled.load(SeqCst),
        client.stats().dropped,
        before as f64 / MIB,
        peak as f64 / MIB,
        after as f64 / MIB,
    ));
    assert_eq!(client.stats().dropped, 0, "{:?}", client.stats());
    assert_eq!(client.stats().pending, 0, "{:?}", client.stats());
    assert_eq!(tracked, delivered_by_it + left);
    assert_eq!((sink.arrived(), sink.doubled.load(SeqCst)), (tracked, 0));
    assert!(
        peak - before <= defaults::QUEUE_BYTES + SLACK,
        "{} MiB",
        (peak - before) as f64 / MIB
    );
}

/// Returns how many records are left in the spool.
fn close_at_once(client: &Trubrics) -> u64 {
    let start = Instant::now();
    let _ = client.close(Duration::ZERO);
    while client.stats().pending > 0 {
        assert!(start.elapsed() < LONG, "{:?}", client.stats());
        thread::yield_now();
    }
    client.stats().left_in_spool
}
