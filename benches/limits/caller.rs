//! What a call costs the thread that makes it.

use std::{
    hint::black_box,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{bounded, unbounded};
use trubrics::{Record, Trubrics};

use crate::{
    limits::{self, Quiet},
    process::{self, child},
    sink::Sink,
    table::{Unit::Nanoseconds, compare, line, plain, quantile},
};

const TURNS: usize = 15;
const CALLS: usize = 20_000;

pub(crate) fn run() {
    for threads in [1, 4, 16] {
        quiet(threads);
    }
    for threads in [1, 4, 16] {
        live(threads);
    }
    for (name, bytes, calls) in [("2 KB", 2 << 10, 5_000), ("100 KB", 100 << 10, 500)] {
        llm(name, bytes, calls);
    }
    default_property();
    hook();
    disabled();
    full();
    move_only();
    paced();
    system_calls();
}

/// Nanoseconds per call, as the threads that make this many each see it.
fn time(threads: usize, calls: usize, call: impl Fn(usize) + Sync) -> f64 {
    // Many threads need fewer calls each to be in each other's way, and what they leave has to fit into memory.
    let calls = calls.min(4 * CALLS / threads);
    let timed = || {
        let start = Instant::now();
        for count in 0..calls {
            call(black_box(count));
        }
        start.elapsed().as_nanos() as f64 / calls as f64
    };
    if threads == 1 {
        return timed();
    }
    let barrier = Barrier::new(threads);
    thread::scope(|scope| {
        let start = || {
            barrier.wait();
            timed()
        };
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(start)).collect();
        let times = running
            .into_iter()
            .map(|thread| thread.join().expect("no panic"));
        times.sum::<f64>() / threads as f64
    })
}

fn track(client: &Trubrics, threads: usize) -> f64 {
    time(threads, CALLS, |count| client.track(limits::event(count)))
}

/// Encodes and pushes on a channel without a thread that waits.
fn raw(threads: usize, calls: usize, encode: impl Fn(usize) -> Vec<u8> + Sync) -> f64 {
    let (sender, _receiver) = unbounded();
    time(threads, calls, |count| {
        sender.send(encode(count)).expect("a receiver");
    })
}

fn quiet(threads: usize) {
    let mut ours = || track(&Quiet::new(|builder| builder).client, threads);
    let mut encode_and_push = || raw(threads, CALLS, limits::encode);
    compare(
        &format!("track, worker quiet, threads: {threads}"),
        Nanoseconds,
        TURNS,
        &mut ours,
        &mut [("encode and push", &mut encode_and_push)],
    );
}

fn live(threads: usize) {
    let mut ours = || track(&limits::live(), threads);
    let mut encode_and_push = || {
        let (sender, receiver) = unbounded();
        thread::scope(|scope| {
            scope.spawn(move || receiver.into_iter().for_each(|json: Vec<u8>| drop(json)));
            let time = time(threads, CALLS, |count| {
                sender.send(limits::encode(count)).expect("a receiver");
            });
            drop(sender);
            time
        })
    };
    compare(
        &format!("track, worker live, threads: {threads}"),
        Nanoseconds,
        TURNS,
        &mut ours,
        &mut [("encode and push", &mut encode_and_push)],
    );
}

fn llm(name: &str, bytes: usize, calls: usize) {
    let text = limits::prose(bytes);
    let mut ours = || {
        let quiet = Quiet::new(|builder| builder);
        time(1, calls, |_| quiet.client.track(limits::llm_event(&text)))
    };
    let mut encode_and_push = || raw(1, calls, |_| limits::encode_llm(&text));
    compare(
        &format!("track, LLM event of {name}"),
        Nanoseconds,
        TURNS,
        &mut ours,
        &mut [("encode and push", &mut encode_and_push)],
    );
}

fn default_property() {
    let mut ours = || track(&Quiet::new(limits::with_default).client, 1);
    let mut encode_and_push = || raw(1, CALLS, limits::encode_with_default);
    compare(
        "track, a default property set",
        Nanoseconds,
        TURNS,
        &mut ours,
        &mut [("encode and push", &mut encode_and_push)],
    );
}

fn hook() {
    let mut ours = || {
        let hooked = Quiet::new(|builder| builder.before_send(|record: Record| Some(record)));
        track(&hooked.client, 1)
    };
    let mut encode_and_push = || raw(1, CALLS, limits::encode);
    compare(
        "track, a hook set",
        Nanoseconds,
        TURNS,
        &mut ours,
        &mut [("encode and push", &mut encode_and_push)],
    );
}

fn disabled() {
    let client = Trubrics::disabled();
    let mut ours = || track(&client, 1);
    let mut build = || {
        time(1, CALLS, |count| {
            let _ = black_box(limits::event(count));
        })
    };
    let mut encode_and_push = || raw(1, CALLS, limits::encode);
    compare(
        "track, client disabled",
        Nanoseconds,
        TURNS,
        &mut ours,
        &mut [
            ("encode and push", &mut encode_and_push),
            ("building the event alone", &mut build),
        ],
    );
}

fn full() {
    let quiet = Quiet::new(|builder| builder.queue_capacity(100));
    let mut ours = || track(&quiet.client, 1);
    let (sender, _receiver) = bounded(1);
    let _ = sender.try_send(limits::encode(0));
    let mut refused = || {
        time(1, CALLS, |count| {
            let _ = black_box(sender.try_send(limits::encode(count)));
        })
    };
    compare(
        "track, queue full",
        Nanoseconds,
        TURNS,
        &mut ours,
        &mut [("encode, push refused", &mut refused)],
    );
}

/// What is left when the event is there already: the client's own part, and the channel's.
fn move_only() {
    let mut ours = || {
        let quiet = Quiet::new(|builder| builder);
        let events: Vec<_> = (0..CALLS).map(limits::event).collect();
        let start = Instant::now();
        for event in events {
            quiet.client.track(event);
        }
        start.elapsed().as_nanos() as f64 / CALLS as f64
    };
    let mut push = || {
        let (sender, _receiver) = unbounded();
        let records: Vec<_> = (0..CALLS).map(limits::encode).collect();
        let start = Instant::now();
        for json in records {
            sender.send(json).expect("a receiver");
        }
        start.elapsed().as_nanos() as f64 / CALLS as f64
    };
    compare(
        "track of a built event",
        Nanoseconds,
        TURNS,
        &mut ours,
        &mut [("push of built JSON", &mut push)],
    );
}

const PACED_TURNS: usize = 7;
const PACED_CALLS: usize = 500;

/// One call a millisecond, each timed alone, as in a program that has other things to do.
fn pace(call: impl Fn(usize)) -> Vec<f64> {
    (0..PACED_CALLS)
        .map(|count| {
            thread::sleep(Duration::from_millis(1));
            let start = Instant::now();
            call(count);
            start.elapsed().as_nanos() as f64
        })
        .collect()
}

fn paced() {
    let sink = Sink::start(Duration::ZERO);
    let (mut ours, mut asleep, mut woken) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..PACED_TURNS {
        let client = Trubrics::builder("bench-key").host(sink.url());
        let client = client.build().expect("good settings");
        ours.push(pace(|count| client.track(limits::event(count))));
        drop(client);

        let (sender, receiver) = unbounded();
        asleep.push(pace(|count| {
            sender.send(limits::encode(count)).expect("a receiver");
        }));
        let drain = thread::spawn(move || receiver.into_iter().for_each(drop));
        woken.push(pace(|count| {
            sender.send(limits::encode(count)).expect("a receiver");
        }));
        drop(sender);
        drain.join().expect("no panic");
    }
    for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
        let each = |turns: &[Vec<f64>]| -> Vec<f64> {
            turns.iter().map(|turn| quantile(turn, part)).collect()
        };
        for (limit, raw) in [
            ("encode and push, no wake", &asleep),
            ("encode and push to a sleeping thread", &woken),
        ] {
            let what = format!("track, paced 1 ms, {name}");
            line(&what, Nanoseconds, &each(&ours), limit, &each(raw));
        }
    }
}

const TRACED_CALLS: usize = 1000;

/// Counts the caller's own system calls with strace, without the sleep that sets the pace.
fn system_calls() {
    let sink = Sink::start(Duration::ZERO);
    let what = "system calls per track, paced 1 ms";
    match traced(&mut child("paced", &[&sink.url()])) {
        Some(calls) => plain(
            what,
            format!("{:.3}", calls as f64 / TRACED_CALLS as f64),
            0,
            "by strace, on the caller's thread",
        ),
        None => plain(what, "-", 0, "needs strace"),
    }
}

/// System calls of the first thread between the two marks that the child sets; none without strace.
fn traced(child: &mut std::process::Command) -> Option<usize> {
    let log = std::env::temp_dir().join(format!("trubrics-strace-{}", std::process::id()));
    let status = std::process::Command::new("strace")
        .args(["-f", "-qq", "-o"])
        .arg(&log)
        .arg(child.get_program())
        .args(child.get_args())
        .status();
    let text = std::fs::read_to_string(&log);
    let _ = std::fs::remove_file(&log);
    if !status.ok()?.success() {
        return None;
    }
    let text = text.ok()?;
    let first = text.split_whitespace().next()?;
    let of_caller = text.lines().filter_map(|line| {
        let (thread, call) = line.split_once(' ')?;
        (thread == first).then(|| call.trim_start())
    });
    let marked = of_caller
        .skip_while(|call| !call.contains(MARK))
        .skip(1)
        .take_while(|call| !call.contains(MARK));
    Some(
        marked
            .filter(|call| !call.contains("nanosleep") && !call.contains("resumed>"))
            .count(),
    )
}

/// The name of a file that is not there: asking for it is a system call that shows in the trace.
const MARK: &str = "/trubrics-mark";

pub(crate) fn paced_child(url: &str) {
    let client = Trubrics::builder("bench-key").host(url);
    let client = client.build().expect("good settings");
    client.track(limits::event(0));
    client.flush(limits::LONG).expect("a sink that answers");
    process::settle();
    let _ = std::fs::metadata(MARK);
    for count in 0..TRACED_CALLS {
        thread::sleep(Duration::from_millis(1));
        client.track(limits::event(count));
    }
    let _ = std::fs::metadata(MARK);
}
