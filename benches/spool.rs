//! What a spool costs the thread that tracks: the same client with and without one, by turns. Then how many records a
//! client with a spool delivers while threads track as fast as they can.
//!
//! `cargo bench --bench spool`
//!
//! Time is the caller's own on a processor, where the system tells it (Linux): on a busy machine, the time that passes
//! says more about the neighbours.
#![expect(clippy::print_stdout, reason = "figures are the point")]

use std::{
    env, fs,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use trubrics::{Event, Overflow, Response, Trubrics, transport_fn};

const TURNS: usize = 15;
const CALLS: usize = 50_000;
const PACED_CALLS: usize = 500;

/// How long threads track as fast as they can.
const RATE_TIME: Duration = Duration::from_secs(10);

fn main() {
    compare("nothing is answered", |is_spooling| {
        with_client(false, is_spooling, burst)
    });
    compare("everything is answered at once", |is_spooling| {
        with_client(true, is_spooling, burst)
    });
    compare("one each millisecond, median", |is_spooling| {
        with_client(true, is_spooling, paced)
    });
    for producers in [1, 8] {
        print_rates(producers);
    }
}

/// Prints how many records threads that wait for room track each second, and how many are delivered meanwhile to a
/// server that answers at once.
fn print_rates(producers: usize) {
    let folder = env::temp_dir().join(format!("trubrics-bench-{}", trubrics::anonymous_id()));
    let client = Trubrics::builder("bench-key")
        .transport(transport_fn(|_| Ok(Response::new(200))))
        .spool(&folder)
        .overflow(Overflow::Block)
        .build()
        .expect("good settings");
    let start = Instant::now();
    let produce = || {
        (0..)
            .take_while(|_| start.elapsed() < RATE_TIME)
            .for_each(|count| track(&client, count));
    };
    thread::scope(|scope| {
        for _ in 0..producers {
            scope.spawn(produce);
        }
    });
    let (seconds, stats) = (start.elapsed().as_secs_f64(), client.stats());
    let rate = |count: u64| count as f64 / seconds;
    println!(
        "producers: {producers}, with a spool and Overflow::Block: {:.0} tracked, {:.0} delivered, {:.0} dropped each second, \
         for {seconds:.1} s",
        rate(stats.tracked),
        rate(stats.delivered),
        rate(stats.dropped),
    );
    drop(client.close(Duration::from_secs(60)));
    let _ = fs::remove_dir_all(folder);
}

/// Prints the nanoseconds of a call: median, least and most of the turns.
fn compare(what: &str, measure: impl Fn(bool) -> f64) {
    let mut times = [Vec::new(), Vec::new()];
    for turn in 0..TURNS {
        // Neither is always the first.
        for is_spooling in [turn % 2 == 0, turn % 2 == 1] {
            times[usize::from(is_spooling)].push(measure(is_spooling));
        }
    }
    let [without, with] = times.map(|mut times| {
        times.sort_unstable_by(f64::total_cmp);
        let [least, median, most] = [0, TURNS / 2, TURNS - 1].map(|index| times[index]);
        (median, format!("{median:.0} ({least:.0}-{most:.0})"))
    });
    let ratio = with.0 / without.0;
    println!(
        "track, {what}: {} ns, with a spool {} ns, ratio {ratio:.2}",
        without.1, with.1
    );
}

/// Nothing is dropped: the queue has room for all.
fn burst(client: &Trubrics) -> f64 {
    let (start, start_on_processor) = (Instant::now(), on_processor());
    (0..CALLS).for_each(|count| track(client, count));
    let time = match (start_on_processor, on_processor()) {
        (Some(start), Some(end)) => end - start,
        _ => start.elapsed(),
    };
    time.as_nanos() as f64 / CALLS as f64
}

/// How long this thread has run so far.
fn on_processor() -> Option<Duration> {
    // The count is brought up to date when another thread gets its turn.
    thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

fn paced(client: &Trubrics) -> f64 {
    let call = |count| {
        thread::sleep(Duration::from_millis(1));
        let start = Instant::now();
        track(client, count);
        start.elapsed().as_nanos() as f64
    };
    let mut times: Vec<_> = (0..PACED_CALLS).map(call).collect();
    times.sort_unstable_by(f64::total_cmp);
    times[PACED_CALLS / 2]
}

fn track(client: &Trubrics, count: usize) {
    client.track(
        Event::new("user_12345", "Report exported")
            .property("title", "a chart of the quarter, as a spreadsheet")
            .property("count", count)
            .property("is_first", true),
    );
}

/// Answers every request at once, or none before the end.
fn with_client(answers: bool, is_spooling: bool, measure: fn(&Trubrics) -> f64) -> f64 {
    let (let_go, end) = mpsc::channel::<()>();
    let end = std::sync::Mutex::new(end);
    let transport = transport_fn(move |_| {
        if !answers {
            let _ = end.lock().map(|end| end.recv());
        }
        Ok(Response::new(200))
    });
    let folder = env::temp_dir().join(format!("trubrics-bench-{}", trubrics::anonymous_id()));
    let mut builder = Trubrics::builder("bench-key").transport(transport);
    if is_spooling {
        builder = builder.spool(&folder);
    }
    let client = builder.build().expect("good settings");
    let time = measure(&client);
    assert_eq!(client.stats().dropped, 0);
    drop(let_go);
    client.close(Duration::from_secs(60)).expect("delivered");
    let _ = fs::remove_dir_all(folder);
    time
}
