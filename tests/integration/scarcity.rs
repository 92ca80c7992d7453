//! Without threads or descriptors a client waits for better times; and it leaves none of its own behind.

use std::{
    fs::{self, File},
    iter, thread,
    time::{Duration, Instant},
};

use trubrics::{Event, Response, transport_fn};

use crate::{
    child,
    support::{LONG, build, client_of, server},
};

fn event() -> Event {
    Event::new("user", "Scarce")
}

/// Runs while the process cannot start another thread.
fn without_threads(what: impl FnOnce()) {
    // Far more than a client needs for its allocations, but less than a thread's stack. The stacks that use up the rest
    // are small, so that there is no space left for a large one.
    let reserve = vec![1_u8; 16 << 20];
    thread::scope(|scope| {
        let (let_go, held) = crossbeam_channel::bounded::<()>(0);
        let spawn = || {
            let held = held.clone();
            let wait = move || held.recv().unwrap_or_default();
            let builder = thread::Builder::new().stack_size(1 << 20);
            builder.spawn_scoped(scope, wait).ok()
        };
        let threads: Vec<_> = iter::from_fn(spawn).take(10_000).collect();
        assert!((1..10_000).contains(&threads.len()));
        drop(reserve);
        what();
        drop(let_go);
        for thread in threads {
            // The last one may have got its stack, and nothing beside it.
            let _ = thread.join();
        }
    });
}

#[test]
fn without_a_thread_build_returns_an_error_and_a_client_waits() {
    // Every user is bound by it, root too, which a limit upon threads does not hold for.
    let limits = "RUST_MIN_STACK=67108864 && export RUST_MIN_STACK && ulimit -v 2000000";
    let test = "without_a_thread_build_returns_an_error_and_a_client_waits";
    if !child::is_this_with(limits, module_path!(), test) {
        return;
    }
    let server = server();
    // The lookup of a name needs a thread.
    let host = server.url().replace("127.0.0.1", "localhost");
    let client = build(client_of(&server).host(&host));
    without_threads(|| {
        let error = client_of(&server).build().unwrap_err();
        assert_eq!(error.setting(), None, "{error}");
        client.track(event());
        let error = client.flush(Duration::from_millis(50)).unwrap_err();
        assert_eq!((error.pending(), error.dropped()), (1, 0));
        assert!(client.track_sync(event()).unwrap_err().is_transient());
    });
    client.close(LONG).unwrap();
    assert_eq!(server.accepted(), 1);
    build(client_of(&server)).close(LONG).unwrap();
}

#[test]
fn without_a_descriptor_records_wait_until_there_is_one() {
    let test = "without_a_descriptor_records_wait_until_there_is_one";
    if !child::is_this_with("ulimit -n 50", module_path!(), test) {
        return;
    }
    let server = server();
    let client = build(client_of(&server));
    let files: Vec<File> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(files.len() < 50);
    let other = build(client_of(&server));
    for client in [&client, &other] {
        client.track(event());
        let error = client.flush(Duration::from_millis(50)).unwrap_err();
        assert_eq!((error.pending(), error.dropped()), (1, 0));
        assert!(client.track_sync(event()).unwrap_err().is_transient());
    }
    drop(files);
    for client in [client, other] {
        client.close(LONG).unwrap();
        let stats = client.stats();
        assert_eq!((stats.tracked, stats.delivered), (1, 1), "{stats:?}");
    }
    assert_eq!(server.accepted(), 2);
}

/// How many threads and descriptors this process has.
fn holdings() -> [usize; 2] {
    ["/proc/self/task", "/proc/self/fd"].map(|folder| fs::read_dir(folder).unwrap().count())
}

#[test]
fn ten_thousand_clients_leave_no_thread_and_no_descriptor_behind() {
    let test = "ten_thousand_clients_leave_no_thread_and_no_descriptor_behind";
    if !child::is_this(module_path!(), test) {
        return;
    }
    let before = holdings();
    let mut accepted = 0;
    let server = server();
    for number in 0..10_000 {
        match number % 10 {
            0 => drop(build(client_of(&server))),
            // Over the network, by a name that has to be looked up.
            1 if number % 50 == 1 => {
                let host = server.url().replace("127.0.0.1", "localhost");
                let client = build(client_of(&server).host(&host));
                client.track(event());
                client.track_sync(event()).unwrap();
                accepted += 2;
            }
            _ => {
                let fine = transport_fn(|_| Ok(Response::new(200)));
                let client = build(client_of(&server).transport(fine));
                client.track(event());
            }
        }
    }
    assert_eq!(server.accepted(), accepted);
    drop(server);
    // A thread that was joined may still be listed for a moment.
    let deadline = Instant::now() + LONG;
    while holdings() != before && Instant::now() < deadline {
        thread::yield_now();
    }
    assert_eq!(holdings(), before);
}
