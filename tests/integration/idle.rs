//! How often the worker wakes, counted by the system: voluntary context switches of the thread `trubrics-worker`.
//!
//! `TRUBRICS_IDLE_SECONDS=10` watches the idle client for as long.

use std::{
    env, fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{bounded, never};
use trubrics::{Event, Response, Trubrics, defaults, testing::Server, transport_fn};

use crate::{
    child::{self, tell},
    support::LONG,
};

/// The one worker of this process, which gives itself its name once it runs.
fn worker() -> PathBuf {
    let is_worker = |task: &PathBuf| {
        fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == "trubrics-worker")
    };
    let deadline = Instant::now() + LONG;
    while Instant::now() < deadline {
        let tasks = fs::read_dir("/proc/self/task").expect("threads");
        let mut tasks = tasks.map(|task| task.expect("a thread").path());
        if let Some(worker) = tasks.find(is_worker) {
            return worker;
        }
        thread::yield_now();
    }
    panic!("there is no worker");
}

/// How often the worker has gone to sleep.
fn worker_switches() -> u64 {
    let worker = worker();
    let status = fs::read_to_string(worker.join("status")).expect("its status");
    let count = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    count.expect("a count").trim().parse().expect("a number")
}

/// Waits until the worker has nothing left to do: its count stands still for a while.
fn settled_switches() -> u64 {
    let mut before = worker_switches();
    loop {
        let _ = never::<()>().recv_timeout(Duration::from_millis(100));
        let now = worker_switches();
        if now == before {
            return now;
        }
        before = now;
    }
}

#[test]
fn an_idle_client_never_wakes() {
    if !child::is_this(module_path!(), "an_idle_client_never_wakes") {
        return;
    }
    let seconds = env::var("TRUBRICS_IDLE_SECONDS")
        .ok()
        .and_then(|value| value.parse().ok());
    let watch = seconds.map_or(Duration::from_millis(1_500), Duration::from_secs);
    let server = Server::start().expect("a server");
    let client = Trubrics::builder(server.api_key())
        .host(server.url())
        .flush_interval(Duration::from_secs(1))
        .build()
        .expect("a client");
    client.track(Event::new("user", "Sign up"));
    client.flush(LONG).expect("delivered");

    let before = settled_switches();
    let _ = never::<()>().recv_timeout(watch);
    let wakes = worker_switches() - before;
    tell(&format!("{wakes} wake-ups of an idle client in {watch:?}"));
    assert_eq!(wakes, 0);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn tracking_wakes_the_worker_at_most_twice_for_each_batch() {
    if !child::is_this(
        module_path!(),
        "tracking_wakes_the_worker_at_most_twice_for_each_batch",
    ) {
        return;
    }
    const BATCHES: u64 = 10;
    let (sent, batches) = bounded(BATCHES as usize);
    // No network: its waits would be counted too.
    let transport = transport_fn(move |_| {
        sent.send(()).expect("the test waits");
        Ok(Response::new(200))
    });
    let client = Trubrics::builder("key")
        .transport(transport)
        .build()
        .expect("a client");
    let before = settled_switches();
    for _ in 0..BATCHES {
        for _ in 0..defaults::FLUSH_BATCH_SIZE {
            client.track(Event::new("user", "Sign up"));
            thread::yield_now();
        }
        batches.recv_timeout(LONG).expect("a full batch is sent");
    }
    let wakes = settled_switches() - before;
    tell(&format!("{wakes} wake-ups for {BATCHES} batches"));
    assert!(wakes <= 2 * BATCHES + 3, "{wakes} for {BATCHES} batches");
}
