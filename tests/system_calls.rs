//! The system calls of a paced caller and of a client without consent, as strace shows them; without it there is
//! nothing to see here.
#![cfg(feature = "http")]
#![expect(
    clippy::print_stderr,
    reason = "a test that does not look has to say so"
)]

use std::{env, fs, process::Command, thread, time::Duration};

use trubrics::{Consent, Event, Trubrics, testing::Server};

const CALLS: usize = 400;

/// Set for the child that strace looks at: the server to send to.
const CHILD: &str = "TRUBRICS_TEST_TRACED";

/// The name of a file that is not there: to ask for it is a system call that shows in the trace.
const MARK: &str = "/trubrics-mark";

/// A call that wakes the worker makes one system call. At most two calls for each batch do: the first one and the one
/// that fills it. With records as dense as here, the worker polls instead.
#[test]
fn a_paced_caller_makes_a_system_call_for_at_most_one_record_in_five() {
    if let Ok(url) = env::var(CHILD) {
        return track_at_a_pace(&url);
    }
    let server = Server::start().expect("a free port");
    let Some(trace) = trace_of(
        "a_paced_caller_makes_a_system_call_for_at_most_one_record_in_five",
        server.url(),
    ) else {
        return;
    };
    let [sleeps, made] = calls_between_marks(&trace);
    assert!(sleeps >= CALLS, "{sleeps} of the sleeps are in the trace");
    assert!(made < CALLS / 5, "{made} system calls in {CALLS} calls");
}

/// The system calls of all threads of a process that runs this test with this value of [`CHILD`].
fn trace_of(test: &str, value: &str) -> Option<String> {
    let log = env::temp_dir().join(format!("trubrics-{test}-{}", std::process::id()));
    let traced = Command::new("strace")
        .args(["-f", "-qq", "-s", "256", "-o"])
        .arg(&log)
        .arg(env::current_exe().expect("a path of its own"))
        .args(["--exact", test])
        .env(CHILD, value)
        .output();
    let trace = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(&log);
    if !traced.is_ok_and(|output| output.status.success()) {
        eprintln!("not counted: strace is not there, or not allowed to look");
        return None;
    }
    Some(trace)
}

/// A folder of the spool that is not there, and a name in it for the trace.
const FOLDER: &str = "trubrics-undecided";

#[test]
fn an_undecided_client_opens_no_socket_and_no_file_before_the_grant() {
    if let Ok(url) = env::var(CHILD) {
        return wait_for_consent(&url);
    }
    let server = Server::start().expect("a free port");
    let test = "an_undecided_client_opens_no_socket_and_no_file_before_the_grant";
    let Some(trace) = trace_of(test, server.url()) else {
        return;
    };
    let parts: Vec<_> = trace.split(MARK).collect();
    let [_, undecided, granted, ..] = parts[..] else {
        panic!("two marks are in the trace");
    };
    let is_forbidden = |call: &&str| {
        let calls = [
            "socket(", "connect(", "mkdir", "rename", "unlink", "O_CREAT", "O_WRONLY", "O_RDWR",
        ];
        // The settings are checked: a file in place of the folder is an error.
        let is_check = call.contains("stat");
        calls.iter().any(|part| call.contains(part)) || call.contains(FOLDER) && !is_check
    };
    let forbidden: Vec<_> = undecided.lines().filter(is_forbidden).collect();
    assert!(forbidden.is_empty(), "{forbidden:#?}");
    assert!(granted.contains("socket(") && granted.contains(FOLDER));
    assert_eq!(server.events_named("waits").len(), 100);
}

fn wait_for_consent(url: &str) {
    let folder = env::temp_dir().join(format!("{FOLDER}-{}", std::process::id()));
    let _ = fs::metadata(MARK);
    let client = Trubrics::builder(trubrics::testing::API_KEY)
        .host(url)
        .spool(&folder)
        .flush_batch_size(1)
        .consent(Consent::Undecided)
        .build()
        .expect("good settings");
    for _ in 0..100 {
        client.track(Event::new("user", "waits"));
    }
    let limit = Duration::from_secs(30);
    client.flush(limit).expect_err("no consent");
    // Long enough for the first scan of a spool.
    thread::sleep(Duration::from_millis(300));
    let _ = fs::metadata(MARK);
    client.grant().expect("the disk works");
    client.flush(limit).expect("a server that answers");
    client.close(limit).expect("all is delivered");
    let _ = fs::remove_dir_all(&folder);
}

fn track_at_a_pace(url: &str) {
    let client = Trubrics::builder(trubrics::testing::API_KEY).host(url);
    let client = client.build().expect("good settings");
    client.track(Event::new("user", "first"));
    client
        .flush(Duration::from_secs(30))
        .expect("a server that answers");
    let _ = fs::metadata(MARK);
    for count in 0..CALLS {
        thread::sleep(Duration::from_millis(1));
        client.track(Event::new("user", "Report exported").property("count", count));
    }
    let _ = fs::metadata(MARK);
}

/// System calls of the thread that set the marks: the sleeps that set the pace, and all others.
fn calls_between_marks(trace: &str) -> [usize; 2] {
    let lines = trace.lines().filter_map(|line| line.split_once(' '));
    let marking = lines.clone().find(|(_, call)| call.contains(MARK));
    let (caller, _) = marking.expect("a mark in the trace");
    lines
        .filter(|(thread, _)| *thread == caller)
        .map(|(_, call)| call)
        .skip_while(|call| !call.contains(MARK))
        .skip(1)
        .take_while(|call| !call.contains(MARK))
        .filter(|call| !call.contains("resumed>"))
        .fold([0, 0], |[sleeps, others], call| {
            let is_sleep = call.contains("nanosleep");
            [
                sleeps + usize::from(is_sleep),
                others + usize::from(!is_sleep),
            ]
        })
}
