//! Flush and close by several callers at once, from a hook, after a close, and while callers wait for room.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{bounded, unbounded};
use trubrics::{
    DropReason, Event, FlushError, Overflow, Request, Response, Transport, TransportError,
    Trubrics,
    testing::{API_KEY, Reply, Server},
    transport_fn,
};

use crate::support::{Folder, Gate, LONG, assert_settled, default_client_of};

/// A handle that a hook can use, and that the test takes away at the end: a hook must not own its client.
type Handle = Arc<Mutex<Option<Trubrics>>>;

fn event() -> Event {
    Event::new("user", "Called")
}

/// A client whose first request is never answered, and is under way.
fn waiting_client() -> (Trubrics, Server) {
    let server = Server::start().unwrap();
    server.script([Reply::hang()]);
    let client = default_client_of(&server)
        .flush_batch_size(1)
        .build()
        .unwrap();
    client.track(event());
    server.wait_for_requests(1, LONG).unwrap();
    (client, server)
}

#[test]
fn closes_with_different_limits_each_keep_their_own() {
    let (client, _server) = waiting_client();
    let (early, late) = (Duration::from_millis(200), Duration::from_millis(2_000));
    let started = Instant::now();
    thread::scope(|scope| {
        let early = scope.spawn(|| {
            let error = client.close(early).unwrap_err();
            (error.pending(), started.elapsed())
        });
        let late = scope.spawn(|| {
            let error = client.close(late).unwrap_err();
            (error.dropped(), started.elapsed())
        });
        let (_, took) = early.join().unwrap();
        assert!(took < Duration::from_millis(1_200), "{took:?}");
        let (dropped, took) = late.join().unwrap();
        assert!(took < Duration::from_millis(3_000), "{took:?}");
        assert_eq!(dropped, 1);
    });
    assert_settled(&client);
    assert_eq!(client.stats().dropped_for(DropReason::CloseTimeout), 1);
}

#[test]
fn a_flush_ends_with_the_close_that_overtakes_it() {
    let (client, _server) = waiting_client();
    let started = Instant::now();
    let (sign, flushing) = bounded(0);
    thread::scope(|scope| {
        let flush = scope.spawn(|| {
            sign.send(()).unwrap();
            client.flush(LONG)
        });
        flushing.recv().unwrap();
        client.close(Duration::from_millis(200)).unwrap_err();
        let error = flush.join().unwrap().unwrap_err();
        assert_eq!((error.pending(), error.dropped()), (0, 1));
    });
    assert!(started.elapsed() < LONG / 2);
    assert_settled(&client);
}

#[test]
fn two_flushes_at_once_both_speak_of_a_drop_in_their_time() {
    let (gate, transport) = Gate::new();
    let builder = Trubrics::builder(API_KEY).transport(transport);
    let client = builder.flush_batch_size(1).build().unwrap();
    client.track(event());
    gate.next_request();
    let (sign, begun) = bounded(2);
    thread::scope(|scope| {
        let flush = |timeout| {
            let (client, sign) = (client.clone(), sign.clone());
            scope.spawn(move || {
                sign.send(()).unwrap();
                client.flush(timeout)
            })
        };
        let flushes = [flush(LONG), flush(LONG / 2)];
        (0..2).for_each(|_| begun.recv().unwrap());
        // Both count from their beginning, which is right after the sign.
        thread::park_timeout(Duration::from_millis(100));
        gate.answer(401);
        for flush in flushes {
            let error = flush.join().unwrap().unwrap_err();
            assert_eq!((error.pending(), error.dropped()), (0, 1));
        }
    });
    client.flush(LONG).expect("no drop since this call");
    let error = client.close(LONG).unwrap_err();
    assert_eq!((error.pending(), error.dropped()), (0, 1));
}

#[test]
fn without_end_is_long_enough_for_a_healthy_server() {
    let server = Server::start().unwrap();
    let client = default_client_of(&server).build().unwrap();
    client.track(event());
    client.flush(Duration::MAX).unwrap();
    assert_eq!(server.accepted(), 1);
    client.track(event());
    client.close(Duration::MAX).unwrap();
    assert_eq!(server.accepted(), 2);
    assert_settled(&client);
}

#[test]
fn flush_and_close_after_close_return_at_once() {
    let server = Server::start().unwrap();
    let client = default_client_of(&server).build().unwrap();
    client.track(event());
    client.close(LONG).unwrap();

    let started = Instant::now();
    client.flush(LONG).unwrap();
    client.close(LONG).unwrap();
    client.close(Duration::ZERO).unwrap();
    client.track(event());
    client.flush(LONG).unwrap();
    let error = client.close(LONG).unwrap_err();
    assert_eq!((error.pending(), error.dropped()), (0, 1));
    drop(client.clone());
    assert!(client.try_track(event()).unwrap_err().is_closed());
    assert!(started.elapsed() < LONG / 2);

    assert_settled(&client);
    assert_eq!(client.stats().dropped_for(DropReason::Closed), 1);
}

#[test]
fn flush_and_close_in_before_send_return_an_error() {
    let server = Server::start().unwrap();
    let handle = Handle::default();
    let (sender, errors) = unbounded();
    let client = default_client_of(&server)
        .before_send({
            let handle = handle.clone();
            move |record| {
                send_errors(&handle, &sender);
                Some(record)
            }
        })
        .build()
        .unwrap();
    *handle.lock().unwrap() = Some(client.clone());
    client.track(event());
    client.track_sync(event()).unwrap();
    handle.lock().unwrap().take();
    assert_eq!(errors.try_iter().filter(FlushError::is_in_hook).count(), 4);
    client.close(LONG).unwrap();
    assert_eq!(server.accepted(), 2);
    assert_settled(&client);
}

#[test]
fn flush_and_close_in_on_drop_return_an_error() {
    let server = Server::start().unwrap();
    server.script([Reply::status(401)]);
    let handle = Handle::default();
    let (sender, errors) = unbounded();
    let client = default_client_of(&server)
        .on_drop({
            let handle = handle.clone();
            move |_| send_errors(&handle, &sender)
        })
        .build()
        .unwrap();
    *handle.lock().unwrap() = Some(client.clone());
    // On the worker thread, and on this one.
    client.track(event());
    client.flush(LONG).unwrap_err();
    client.track(Event::new("", "Nobody"));
    handle.lock().unwrap().take();
    assert_eq!(errors.try_iter().filter(FlushError::is_in_hook).count(), 4);
    client.close(LONG).unwrap_err();
    assert_settled(&client);
}

fn send_errors(handle: &Handle, sender: &crossbeam_channel::Sender<FlushError>) {
    let client = handle.lock().unwrap().clone().unwrap();
    sender.send(client.flush(LONG).unwrap_err()).unwrap();
    sender.send(client.close(LONG).unwrap_err()).unwrap();
}

#[test]
fn flush_and_close_in_a_transport_return_an_error() {
    for connections in [1, 3] {
        let handle = Handle::default();
        let (sender, errors) = unbounded();
        let inner = handle.clone();
        let transport = transport_fn(move |_| {
            send_errors(&inner, &sender);
            Ok(Response::new(200))
        });
        let client = Trubrics::builder(API_KEY)
            .max_concurrent_requests(connections)
            .transport(transport)
            .build()
            .unwrap();
        *handle.lock().unwrap() = Some(client.clone());
        client.track(event());
        client.flush(LONG).unwrap();
        client.track_sync(event()).unwrap();
        handle.lock().unwrap().take();
        assert_eq!(errors.try_iter().filter(FlushError::is_in_hook).count(), 4);
        client.close(LONG).unwrap();
        assert_settled(&client);
    }
}

/// A client with room for one record, which its transport holds until it is let go, and callers that wait for room.
fn crowded(callers: usize) -> (Trubrics, Vec<thread::JoinHandle<()>>, impl Fn() + Sync) {
    let (sign, there) = unbounded();
    let (let_go, held) = unbounded::<()>();
    let transport = transport_fn(move |_| {
        let _ = sign.send(());
        let _ = held.recv();
        Ok(Response::new(200))
    });
    let client = Trubrics::builder(API_KEY)
        .transport(transport)
        .overflow(Overflow::Block)
        .queue_capacity(1)
        .build()
        .unwrap();
    client.track(event());
    there.recv_timeout(LONG).unwrap();
    let (ready, all_ready) = unbounded();
    let threads = (0..callers)
        .map(|_| {
            let (client, ready) = (client.clone(), ready.clone());
            thread::spawn(move || {
                ready.send(()).unwrap();
                client.track(event());
            })
        })
        .collect();
    for _ in 0..callers {
        all_ready.recv_timeout(LONG).unwrap();
    }
    let release = move || let_go.send(()).unwrap();
    (client, threads, release)
}

#[test]
fn close_sends_off_the_callers_that_wait_for_room() {
    let (client, threads, let_go) = crowded(5);
    let started = Instant::now();
    let error = client.close(Duration::from_millis(300)).unwrap_err();
    assert!(started.elapsed() < Duration::from_millis(1_000));
    assert_eq!(error.pending(), 1);
    for thread in threads {
        thread.join().unwrap();
    }
    let_go();
    let _ = client.close(LONG);
    assert_settled(&client);
    let stats = client.stats();
    assert_eq!(stats.delivered, 1, "{stats:?}");
    assert_eq!(stats.dropped_for(DropReason::Closed), 5, "{stats:?}");
}

#[test]
fn the_drop_of_a_handle_leaves_the_callers_that_wait_on_others_alone() {
    let (client, threads, let_go) = crowded(5);
    let started = Instant::now();
    let last = client.clone();
    drop(client);
    assert!(started.elapsed() < LONG / 2);
    for _ in 0..6 {
        let_go();
    }
    for thread in threads {
        thread.join().unwrap();
    }
    last.close(LONG).unwrap();
    assert_settled(&last);
    assert_eq!(last.stats().delivered, 6);
}

#[test]
fn the_drop_of_the_last_handle_adds_nothing_to_a_close() {
    let (gate, transport) = Gate::new();
    let builder = Trubrics::builder(API_KEY).transport(transport);
    let client = builder
        .flush_batch_size(1)
        .shutdown_timeout(LONG)
        .build()
        .unwrap();
    client.track(event());
    gate.next_request();
    let start = Instant::now();
    client.close(Duration::from_millis(50)).unwrap_err();
    drop(client);
    assert!(start.elapsed() < LONG / 2, "{:?}", start.elapsed());
    gate.answer(200);
}

#[test]
fn a_close_beside_a_longer_one_keeps_its_time_with_a_spool_too() {
    let folder = Folder::new();
    let (gate, transport) = Gate::new();
    let builder = Trubrics::builder(API_KEY).transport(transport);
    let client = builder
        .spool(&folder.0)
        .flush_batch_size(1)
        .build()
        .unwrap();
    client.track(event());
    gate.next_request();
    let other = client.clone();
    let long = thread::spawn(move || other.close(LONG));
    while client.try_track(event()).is_ok() {
        thread::yield_now();
    }
    let start = Instant::now();
    client.close(Duration::from_millis(100)).unwrap_err();
    // A second is what a close waits for a disk that hangs.
    assert!(start.elapsed() < Duration::from_millis(900));
    for _ in 0..client.stats().pending {
        gate.answer(200);
    }
    long.join().unwrap().unwrap();
}

/// A transport that calls its own client when it is interrupted.
struct Interrupted {
    requests: Mutex<std::sync::mpsc::Receiver<()>>,
    client: Handle,
    errors: crossbeam_channel::Sender<FlushError>,
}

impl Transport for Interrupted {
    fn send(&self, _: &Request<'_>) -> Result<Response, TransportError> {
        let _ = self.requests.lock().unwrap().recv();
        Ok(Response::new(200))
    }

    fn interrupt(&self) {
        send_errors(&self.client, &self.errors);
    }
}

#[test]
fn flush_and_close_in_an_interruption_return_an_error() {
    let (end, requests) = std::sync::mpsc::channel();
    let (sender, errors) = unbounded();
    let handle = Handle::default();
    let transport = Interrupted {
        requests: Mutex::new(requests),
        client: handle.clone(),
        errors: sender,
    };
    let builder = Trubrics::builder(API_KEY).transport(transport);
    let client = builder.flush_batch_size(1).build().unwrap();
    *handle.lock().unwrap() = Some(client.clone());
    client.track(event());
    client.close(Duration::from_millis(100)).unwrap_err();
    assert_eq!(errors.try_iter().filter(FlushError::is_in_hook).count(), 2);
    drop(end);
    handle.lock().unwrap().take();
}
