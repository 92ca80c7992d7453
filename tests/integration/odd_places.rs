//! A client used where few would think of it: in destructors, inside tokio, in its own hooks, on its own worker.

use std::{
    cell::RefCell,
    sync::{Arc, Barrier, Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use trubrics::{
    DropReason, Event, Overflow, Response, Trubrics,
    testing::{API_KEY, Server},
    transport_fn,
};

use crate::{
    child,
    support::{Folder, LONG, default_client_of},
};

type Handle = Arc<Mutex<Option<Trubrics>>>;

fn event() -> Event {
    Event::new("user", "Odd")
}

/// Waits until a hook that owns the other end is gone, and the worker with it.
#[track_caller]
fn wait_for_the_end<T>(hook: &Receiver<T>) {
    let deadline = Instant::now() + LONG;
    loop {
        match hook.recv_deadline(deadline) {
            Ok(_) => {}
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => panic!("the worker did not end"),
        }
    }
}

/// Uses its client to the full when the thread ends.
struct Farewell(Trubrics);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.track(event());
        self.0.flush(LONG).unwrap();
        self.0.track(event());
    }
}

thread_local! {
    static FAREWELL: RefCell<Option<Farewell>> = const { RefCell::new(None) };
}

#[test]
fn a_client_works_in_the_destructor_of_a_thread_local() {
    let server = Server::start().unwrap();
    // What the client itself keeps for the thread is made after the test's own, or before: it goes in turn.
    for used_before in [false, true] {
        let client = default_client_of(&server).build().unwrap();
        let (sender, told) = unbounded();
        let hooked = default_client_of(&server)
            .before_send(Some)
            .on_drop(move |dropped| sender.send(dropped.reason()).unwrap())
            .build()
            .unwrap();
        for client in [client, hooked] {
            let thread = thread::spawn(move || {
                if used_before {
                    client.track(event());
                    client.flush(LONG).unwrap();
                }
                FAREWELL.set(Some(Farewell(client)));
                FAREWELL.with_borrow(|farewell| {
                    let client = &farewell.as_ref().unwrap().0;
                    client.track(event());
                    client.flush(LONG).unwrap();
                });
            });
            thread.join().unwrap();
        }
        wait_for_the_end(&told);
    }
    assert_eq!(server.accepted(), 2 * 3 + 2 * 4);
}

async fn in_a_task(url: String) {
    let client = Trubrics::builder(API_KEY).host(url).build().unwrap();
    client.track(event());
    client.flush(LONG).unwrap();
    client.track_sync(event()).unwrap();
    client.track(event());
}

#[test]
fn a_client_is_made_used_and_dropped_inside_tokio() {
    let server = Server::start().unwrap();
    let one_thread = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let many_threads = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    for runtime in [one_thread, many_threads] {
        let url = server.url().to_owned();
        runtime.block_on(async {
            in_a_task(url.clone()).await;
            tokio::spawn(in_a_task(url)).await.unwrap();
        });
        // Never dropped inside a task, but with the runtime.
        let client = default_client_of(&server).build().unwrap();
        runtime.spawn(async move {
            client.track(event());
            std::future::pending::<()>().await;
        });
        runtime.block_on(tokio::task::yield_now());
        drop(runtime);
    }
    assert!(server.accepted() >= 2 * 2 * 3);
}

#[test]
fn the_last_handle_may_go_inside_a_hook_on_the_worker() {
    let server = Server::start().unwrap();
    server.set_refusal(|record| record["event"] == "Bad");
    let handle = Handle::default();
    let (sender, told) = unbounded();
    let client = default_client_of(&server)
        .flush_batch_size(2)
        .on_drop({
            let handle = handle.clone();
            move |dropped| {
                drop(handle.lock().unwrap().take());
                sender.send(dropped.reason()).unwrap();
            }
        })
        .build()
        .unwrap();
    // The hook waits for the slot until the last handle is in it.
    let mut slot = handle.lock().unwrap();
    client.track(Event::new("user", "Bad"));
    client.track(event());
    *slot = Some(client);
    drop(slot);
    wait_for_the_end(&told);
    assert_eq!(server.accepted(), 1);
}

#[test]
fn the_last_handle_may_go_inside_the_transport() {
    for connections in [1, 3] {
        let handle = Handle::default();
        let (sender, hook) = unbounded::<()>();
        let inner = handle.clone();
        let (sign, took) = unbounded();
        let transport = transport_fn(move |_| {
            let started = Instant::now();
            drop(inner.lock().unwrap().take());
            let _ = sign.send(started.elapsed());
            Ok(Response::new(200))
        });
        let client = Trubrics::builder(API_KEY)
            .max_concurrent_requests(connections)
            .transport(transport)
            .shutdown_timeout(LONG)
            .flush_batch_size(1)
            .on_drop(move |_| drop(sender.clone()))
            .build()
            .unwrap();
        // The transport waits for the slot until the last handle is in it.
        let mut slot = handle.lock().unwrap();
        client.track(event());
        *slot = Some(client);
        drop(slot);
        let took = took.recv_timeout(2 * LONG).unwrap();
        assert!(took < LONG / 2, "{took:?}");
        wait_for_the_end(&hook);
        assert!(handle.lock().unwrap().is_none());
    }
}

#[test]
fn the_last_handle_of_another_client_may_go_inside_a_hook() {
    let server = Server::start().unwrap();
    let (sender, hook) = unbounded::<()>();
    let other = default_client_of(&server)
        .on_drop(move |_| drop(sender.clone()))
        .build()
        .unwrap();
    other.track(event());
    let other = Mutex::new(Some(other));
    let client = default_client_of(&server)
        .before_send(move |record| {
            other.lock().unwrap().take();
            Some(record)
        })
        .build()
        .unwrap();
    client.track(event());
    wait_for_the_end(&hook);
    client.close(LONG).unwrap();
    assert_eq!(server.accepted(), 2);
}

#[test]
fn a_before_send_that_tracks_comes_to_an_end() {
    let server = Server::start().unwrap();
    let handle = Handle::default();
    let client = default_client_of(&server)
        .before_send({
            let handle = handle.clone();
            move |record| {
                let client = handle.lock().unwrap().clone();
                client.unwrap().track(event());
                Some(record)
            }
        })
        .build()
        .unwrap();
    *handle.lock().unwrap() = Some(client.clone());
    client.track(event());
    handle.lock().unwrap().take();
    let error = client.close(LONG).unwrap_err();
    assert_eq!((error.pending(), error.dropped()), (0, 1));
    let stats = client.stats();
    assert_eq!((stats.tracked, stats.delivered), (2, 1), "{stats:?}");
    assert_eq!(stats.dropped_for(DropReason::Hook), 1, "{stats:?}");
}

#[test]
fn an_on_drop_that_tracks_is_shown_to_before_send_and_comes_to_an_end() {
    let server = Server::start().unwrap();
    server.set_refusal(|record| record["event"] == "Bad");
    let handle = Handle::default();
    let (sender, seen) = unbounded();
    let client = default_client_of(&server)
        .before_send(move |record| {
            sender.send(()).unwrap();
            Some(record)
        })
        .on_drop({
            let handle = handle.clone();
            move |_| {
                let client = handle.lock().unwrap().clone().unwrap();
                client.track(Event::new("", "Nobody"));
                client.track(event());
            }
        })
        .build()
        .unwrap();
    *handle.lock().unwrap() = Some(client.clone());
    // Once on the worker, and once on this thread.
    client.track(Event::new("user", "Bad"));
    client.flush(LONG).unwrap_err();
    client.track(Event::new("", "Nobody"));
    handle.lock().unwrap().take();
    client.close(LONG).unwrap_err();
    assert_eq!(server.accepted(), 2);
    assert_eq!(seen.try_iter().count(), 6);
    let stats = client.stats();
    assert_eq!(
        (stats.tracked, stats.dropped, stats.pending),
        (6, 4, 0),
        "{stats:?}"
    );
}

#[test]
fn the_last_clones_may_go_on_many_threads_at_once() {
    let server = Server::start().unwrap();
    for _ in 0..50 {
        let (sender, hook) = unbounded::<()>();
        let client = default_client_of(&server)
            .on_drop(move |_| drop(sender.clone()))
            .build()
            .unwrap();
        let barrier = Barrier::new(8);
        thread::scope(|scope| {
            for client in vec![client; 8] {
                let barrier = &barrier;
                scope.spawn(move || {
                    client.track(event());
                    barrier.wait();
                    drop(client);
                });
            }
        });
        assert_eq!(
            hook.try_recv(),
            Err(crossbeam_channel::TryRecvError::Disconnected)
        );
    }
    assert_eq!(server.accepted(), 50 * 8);
}

/// Tracks when the thread ends, with whatever client it is given.
struct LastWord(Trubrics);

impl Drop for LastWord {
    fn drop(&mut self) {
        self.0.track(event());
        // What ureq needs of the thread may be gone: it then says so.
        let _ = self.0.track_sync(event());
    }
}

thread_local! {
    static LAST_WORD: RefCell<Option<LastWord>> = const { RefCell::new(None) };
}

#[test]
fn a_hook_that_tracks_comes_to_an_end_in_the_destructor_of_a_thread_local_too() {
    let server = Server::start().unwrap();
    let itself = Arc::new(OnceLock::<Trubrics>::new());
    let inner = itself.clone();
    let client = default_client_of(&server)
        .before_send(move |record| {
            if let Some(client) = inner.get() {
                client.track(event());
            }
            Some(record)
        })
        .build()
        .unwrap();
    itself.set(client.clone()).unwrap();
    let last_word = LastWord(client.clone());
    let thread = thread::spawn(move || LAST_WORD.set(Some(last_word)));
    thread.join().unwrap();
    client.close(LONG).unwrap_err();
    assert_eq!(client.stats().dropped_for(DropReason::Hook), 2);
    assert_eq!(client.stats().pending, 0);
}

#[test]
fn a_relative_spool_stays_where_it_was_when_the_program_changes_its_directory() {
    if !child::is_this(
        module_path!(),
        "a_relative_spool_stays_where_it_was_when_the_program_changes_its_directory",
    ) {
        return;
    }
    let home = Folder::new();
    let [first, second] = ["first", "second"].map(|name| home.0.join(name));
    for folder in [&first, &second] {
        std::fs::create_dir_all(folder).unwrap();
    }
    std::env::set_current_dir(&first).unwrap();
    let transport = transport_fn(|_| Ok(Response::new(503)));
    let client = Trubrics::builder(API_KEY).transport(transport);
    let client = client.spool("spool").build().unwrap();
    std::env::set_current_dir(&second).unwrap();
    client.track(event());
    client.close(Duration::ZERO).unwrap();
    assert!(first.join("spool").exists());
    assert!(!second.join("spool").exists());
}

#[cfg(unix)]
#[test]
fn a_forked_child_never_waits_for_room() {
    if !child::is_this(module_path!(), "a_forked_child_never_waits_for_room") {
        return;
    }
    let transport = transport_fn(|_| Ok(Response::new(200)));
    let client = Trubrics::builder(API_KEY).transport(transport);
    let client = client
        .queue_capacity(2)
        .overflow(Overflow::Block)
        .build()
        .unwrap();
    match fork::fork().unwrap() {
        fork::Fork::Child => {
            for _ in 0..5 {
                client.track(event());
            }
            let stats = client.stats();
            let is_right = (stats.pending, stats.dropped_for(DropReason::Closed)) == (2, 3);
            std::process::exit(if is_right { 0 } else { 1 });
        }
        fork::Fork::Parent(child) => {
            let ended = thread::spawn(move || fork::waitpid(child));
            let status = ended.join().unwrap().unwrap();
            assert_eq!(status, 0, "what does not fit is dropped, at once");
        }
    }
}
