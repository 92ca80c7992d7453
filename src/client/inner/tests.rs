#[cfg(unix)]
use std::process;
use std::{
    cell::RefCell,
    error::Error,
    fmt, thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, bounded, unbounded};

use crate::{Event, Overflow, Response, TransportError, Trubrics, spool::MemoryDisk, transport_fn};

const LONG: Duration = Duration::from_secs(20);

#[cfg(unix)]
fn builder() -> crate::TrubricsBuilder {
    Trubrics::builder("key").transport(transport_fn(|_| Ok(Response::new(200))))
}

/// Ends the process with this status when it is dropped in a process other than `parent`.
#[cfg(unix)]
struct ExitInChild {
    parent: u32,
    status: i32,
}

#[cfg(unix)]
impl Drop for ExitInChild {
    fn drop(&mut self) {
        if process::id() != self.parent {
            process::exit(self.status);
        }
    }
}

/// The exit status of a forked child that runs `code`, or 9 if it hangs.
#[cfg(unix)]
fn status_of_child(code: impl FnOnce()) -> i32 {
    match fork::fork().expect("a child") {
        fork::Fork::Child => {
            thread::spawn(|| {
                thread::sleep(LONG / 4);
                process::exit(9);
            });
            code();
            process::exit(0);
        }
        fork::Fork::Parent(child) => fork::waitpid(child).expect("the end of the child"),
    }
}

#[cfg(unix)]
#[test]
fn an_inherited_handle_waits_for_no_lock_of_its_parent() {
    let client = builder().build().expect("a client");
    let inner = client.inner.clone().expect("enabled");
    let mut inherited = Some(client);
    let mut status = None;
    let thread = inner.state.thread.lock().expect("the lock");
    inner.lifecycle().while_locked(|| {
        inner.state.parts.exchange.while_locked(|| {
            status = Some(status_of_child(|| {
                let client = inherited.take().expect("the handle");
                client.flush(LONG).expect_err("nothing is sent here");
                client.close(LONG).expect_err("nothing is sent here");
                client.close_in_time();
                let _ = client.stats();
            }));
        });
    });
    drop(thread);
    assert_eq!(status.map(exit_code), Some(0));
}

#[cfg(unix)]
#[test]
fn a_withdrawal_in_a_forked_child_is_noticed_by_the_parent() {
    let folder = std::env::temp_dir().join(format!("trubrics-forked-{}", process::id()));
    let fails = transport_fn(|_| Ok(Response::new(503)));
    let client = Trubrics::builder("key").transport(fails).spool(&folder);
    let client = client.build().expect("a client");
    client.track(Event::new("user", "before"));
    client
        .flush(Duration::from_millis(50))
        .expect_err("an outage");
    let inherited = client.clone();
    let inner = client.inner.clone().expect("enabled");
    let mut status = None;
    inner.state.parts.exchange.while_locked(|| {
        status = Some(status_of_child(|| {
            inherited.withdraw().expect("the disk works");
            assert_eq!(inherited.consent(), crate::Consent::Withdrawn);
            inherited.grant().expect_err("the parent's");
        }));
    });
    assert_eq!(status.map(exit_code), Some(0));
    client.track(Event::new("user", "later"));
    client.close(LONG).expect_err("they were dropped");
    assert_eq!(client.consent(), crate::Consent::Withdrawn);
    let dropped = client.stats().dropped_for(crate::DropReason::Withdrawn);
    assert_eq!(dropped, 2, "{:?}", client.stats());
    std::fs::remove_dir_all(folder).expect("the folder of the spool");
}

#[test]
fn try_track_does_not_pass_a_caller_that_waits_for_room() {
    let (held, end) = bounded::<()>(0);
    let transport = transport_fn(move |_| {
        let _ = end.recv();
        Ok(Response::new(200))
    });
    let client = Trubrics::builder("key").transport(transport);
    let client = client.overflow(Overflow::Block).queue_bytes(3_000);
    let client = client.build().expect("a client");
    let large = || Event::new("user", "large").property("text", "x".repeat(2_000));
    client.track(large());
    let waiting = client.clone();
    let caller = thread::spawn(move || waiting.track(large()));
    let inner = client.inner.clone().expect("enabled");
    while !inner.intake().queue.has_blocked() {
        thread::yield_now();
    }
    let small = client.try_track(Event::new("user", "small"));
    drop(held);
    assert!(small.expect_err("another caller waits").is_full());
    caller.join().expect("no panic");
    client.close(LONG).expect("all is delivered");
}

#[cfg(unix)]
#[test]
fn the_last_drop_of_an_inherited_handle_drops_no_part_of_the_client() {
    let part = ExitInChild {
        parent: process::id(),
        status: 3,
    };
    let client = builder()
        .before_send(move |record| {
            let _ = &part;
            Some(record)
        })
        .build()
        .expect("a client");
    client.track(Event::new("user", "Sign up"));
    let mut inherited = Some(client);
    let status = status_of_child(|| drop(inherited.take()));
    assert_eq!(exit_code(status), 0);
}

/// The exit code in a status of `waitpid`.
#[cfg(unix)]
fn exit_code(status: i32) -> i32 {
    status >> 8 & 0xff
}

#[test]
fn a_close_after_an_interrupted_one_makes_no_further_attempt() {
    let (began, requests) = unbounded();
    let (release, released) = bounded::<()>(0);
    let transport = transport_fn(move |_| {
        let _ = began.send(());
        let _ = released.recv();
        Err(TransportError::new("no server"))
    });
    let client = Trubrics::builder("key").transport(transport).build();
    let client = client.expect("a client");
    client.track(Event::new("user", "Sign up"));
    let _ = client.flush(Duration::ZERO);
    requests.recv().expect("a request");
    client.close(Duration::ZERO).expect_err("it hangs");
    let started = Instant::now();
    thread::scope(|scope| {
        let second = scope.spawn(|| client.close(LONG));
        // The second close has sent its message, if it sends one, when its thread waits; a late one fails no test.
        drop(release);
        let _ = second.join();
    });
    assert!(started.elapsed() < LONG / 2);
    assert_eq!(requests.try_iter().count(), 0);
    assert_eq!(client.stats().pending, 0);
}

/// Waits in its drop until the test lets it go on.
struct Slow(RefCell<Option<Receiver<()>>>);

impl Drop for Slow {
    fn drop(&mut self) {
        if let Some(released) = self.0.take() {
            let _ = released.recv_timeout(LONG);
        }
    }
}

thread_local! {
    static SLOW: Slow = const { Slow(RefCell::new(None)) };
}

#[test]
fn close_and_drop_wait_for_thread_locals_only_until_their_deadline() {
    let ends: [fn(Trubrics); 2] = [
        |client| client.close(LONG / 100).expect("delivered"),
        |client| drop(client),
    ];
    for end in ends {
        let (release, released) = bounded::<()>(0);
        let transport = transport_fn(move |_| {
            SLOW.with(|slow| slow.0.replace(Some(released.clone())));
            Ok(Response::new(200))
        });
        let builder = Trubrics::builder("key").transport(transport);
        let client = builder.shutdown_timeout(LONG / 100).build();
        let client = client.expect("a client");
        client.track(Event::new("user", "Sign up"));
        client.flush(LONG).expect("delivered");
        let started = Instant::now();
        end(client);
        assert!(started.elapsed() < LONG / 2);
        drop(release);
    }
}

/// A cause of an error whose drop waits until the test lets it go on, and panics then.
#[derive(Debug)]
struct SlowBomb(Receiver<()>);

impl Drop for SlowBomb {
    fn drop(&mut self) {
        let _ = self.0.recv_timeout(LONG);
        panic!("dropped");
    }
}

impl fmt::Display for SlowBomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("slow")
    }
}

impl Error for SlowBomb {}

#[test]
fn the_drop_of_a_transport_error_delays_no_caller_and_costs_no_record() {
    let (release, released) = bounded::<()>(0);
    let (began, requests) = unbounded();
    let transport = transport_fn(move |_| {
        let _ = began.send(());
        match began.len() {
            1 => Err(TransportError::new(SlowBomb(released.clone()))),
            _ => Err(TransportError::new("no server")),
        }
    });
    let client = Trubrics::builder("key")
        .transport(transport)
        .initial_backoff(Duration::from_millis(1))
        .build()
        .expect("a client");
    client.track(Event::new("user", "Sign up"));
    let _ = client.flush(Duration::ZERO);
    while requests.len() < 2 {
        thread::yield_now();
    }
    let started = Instant::now();
    client.flush(LONG / 100).expect_err("no server");
    assert!(started.elapsed() < LONG / 2);
    drop(release);
    while requests.len() < 3 {
        assert!(started.elapsed() < LONG, "the worker does not go on");
        thread::yield_now();
    }
    client.close(Duration::ZERO).expect_err("no server");
}

/// Whether all records reach a server that appears 600 ms before the deadline of the call that ends with them.
fn reach_a_server_that_appears(end: fn(Trubrics, Duration)) -> bool {
    let time = Duration::from_secs(2);
    let appears_at = Instant::now() + Duration::from_millis(1_400);
    let (sender, arrived) = unbounded();
    let transport = transport_fn(move |request| match Instant::now() < appears_at {
        true => Err(TransportError::new("no server")),
        false => {
            let body = String::from_utf8_lossy(request.body());
            let _ = sender.send(body.matches("Sign up").count());
            Ok(Response::new(200))
        }
    });
    let builder = Trubrics::builder("key").transport(transport);
    let client = builder.shutdown_timeout(time).build();
    let client = client.expect("a client");
    for _ in 0..50 {
        client.track(Event::new("user", "Sign up"));
    }
    end(client, time);
    arrived.try_iter().sum::<usize>() == 50
}

#[test]
fn close_flush_and_drop_deliver_to_a_server_that_appears_before_their_deadline() {
    let ends: [fn(Trubrics, Duration); 3] = [
        |client, time| client.close(time).expect("delivered"),
        |client, time| client.flush(time).expect("delivered"),
        |client, _| drop(client),
    ];
    let threads = ends.map(|end| thread::spawn(move || reach_a_server_that_appears(end)));
    assert_eq!(
        threads.map(|thread| thread.join().expect("no panic")),
        [true; 3]
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures, for those who want them")]
fn a_loop_of_flushes_in_an_outage_costs_few_calls_and_requests() {
    let (began, requests) = unbounded();
    let transport = transport_fn(move |_| {
        let _ = began.send(());
        Err(TransportError::new("no server"))
    });
    let client = Trubrics::builder("key").transport(transport).build();
    let client = client.expect("a client");
    client.track(Event::new("user", "Sign up"));
    let (started, mut calls) = (Instant::now(), 0);
    while started.elapsed() < Duration::from_secs(1) {
        client.flush(LONG / 200).expect_err("no server");
        calls += 1;
    }
    let requests = requests.len();
    println!("{calls} flushes of 100 ms and {requests} requests in a second");
    assert!(
        calls <= 10 && requests <= 10,
        "{calls} calls, {requests} requests"
    );
    let _ = client.close(Duration::ZERO);
}

#[test]
fn a_flush_that_cannot_deliver_waits_for_its_deadline() {
    let response = |_: &crate::Request<'_>| Ok(Response::new(429).with_header("retry-after", "60"));
    let client = Trubrics::builder("key").transport(transport_fn(response));
    let client = client.build().expect("a client");
    client.track(Event::new("user", "Sign up"));
    let time = Duration::from_millis(200);
    for _ in 0..2 {
        let started = Instant::now();
        client.flush(time).expect_err("the server is busy");
        assert!(started.elapsed() >= time);
    }
    let _ = client.close(Duration::ZERO);
}

#[test]
fn a_flush_speaks_of_its_own_time_and_a_close_of_all_drops() {
    let client = Trubrics::builder("key").transport(transport_fn(|_| Ok(Response::new(200))));
    let client = client.build().expect("a client");
    client.track(Event::new("", "Nobody"));
    client.track(Event::new("user", "Sign up"));
    client.flush(Duration::ZERO).expect("all were sent");
    client.flush(LONG).expect("no drop since the call");
    for _ in 0..2 {
        let error = client.close(LONG).expect_err("one was dropped");
        assert_eq!((error.pending(), error.dropped()), (0, 1));
    }
}

#[test]
fn a_close_and_a_drop_return_while_the_disk_hangs() {
    for is_drop in [false, true] {
        let transport = transport_fn(|_| Ok(Response::new(200)));
        let builder = Trubrics::builder("key")
            .spool(std::env::temp_dir().join(crate::anonymous_id()))
            .shutdown_timeout(Duration::ZERO)
            .transport(transport);
        let (parts, mut worker) = builder.prepare().expect("settings").expect("a client");
        let (disk, accounting) = (MemoryDisk::default(), parts.intake.accounting.clone());
        let (began, writes) = bounded(1);
        let (release, released) = bounded::<()>(0);
        disk.before_create(move || {
            let _ = began.send(());
            let _ = released.recv();
        });
        worker.store_on(&disk);
        let (alive, running) = bounded(0);
        let thread = thread::spawn(move || worker.run(alive));
        let client = Trubrics::running(parts, thread, running);
        client.track(Event::new("user", "Sign up"));
        writes.recv().expect("the disk is written to");
        let started = Instant::now();
        match is_drop {
            true => drop(client),
            false => drop(client.close(Duration::ZERO).expect_err("it is not on disk")),
        }
        assert!(started.elapsed() < LONG);
        assert_eq!(accounting.stats().pending, 1, "{is_drop}");
        drop(release);
    }
}
