//! What earlier runs left in a spool: who delivers it, and who need not wait for it.

use std::time::{Duration, Instant};

use trubrics::{Event, testing::Server};

use crate::support::{Folder, Gate, LONG, build, client_of, server};

/// This many runs at the same time leave a record each, of this many characters: every one in a file of its own,
/// because the other runs hold theirs.
fn runs_that_left_one_each(server: &Server, folder: &Folder, runs: usize, length: usize) {
    server.set_unavailable(true);
    let mut clients = Vec::new();
    for run in 0..runs {
        let client = build(client_of(server).spool(&folder.0));
        client.track(Event::new("u", "left").text("x".repeat(length)));
        let start = Instant::now();
        while folder.text().matches("left").count() <= run {
            assert!(start.elapsed() < LONG);
            std::thread::yield_now();
        }
        clients.push(client);
    }
    for client in clients {
        client.close(Duration::ZERO).expect("it is on disk");
    }
    assert_eq!(folder.files().len(), runs);
    server.set_unavailable(false);
}

/// More than one load of the spool holds.
const LARGE: usize = 1_100_000;

#[test]
fn a_flush_is_not_forgotten_over_what_others_left() {
    let (server, folder) = (server(), Folder::new());
    runs_that_left_one_each(&server, &folder, 5, LARGE);
    server.set_latency(Duration::from_millis(20));
    let client = build(client_of(&server).spool(&folder.0));
    for already in 0..2 {
        server
            .wait_for_requests(already + 1, LONG)
            .expect("what was left and what is our own, by turns");
        client.track(Event::new("u", "own"));
        client.flush(Duration::ZERO).unwrap_or_default();
    }
    client.flush(LONG).expect("delivered");
    server.wait_for(7, LONG).expect("and what was left");
}

#[test]
fn a_flush_waits_for_nothing_that_others_left_but_what_is_in_delivery_already() {
    let (server, folder) = (server(), Folder::new());
    runs_that_left_one_each(&server, &folder, 5, LARGE);
    let (gate, transport) = Gate::new();
    let builder = client_of(&server).spool(&folder.0).transport(transport);
    let client = build(builder);
    assert!(
        gate.next_request().contains("left"),
        "nothing else is there"
    );
    for _ in 0..3 {
        client.track(Event::new("u", "own").property("text", "x".repeat(LARGE)));
    }
    client.flush(Duration::ZERO).unwrap_or_default();
    for expected in ["own", "own", "own", "left", "left"] {
        gate.answer(200);
        let request = gate.next_request();
        assert!(request.contains(&format!(r#""event":"{expected}""#)));
    }
    drop(gate);
    client.close(Duration::ZERO).expect("it is on disk");
}

#[test]
fn a_run_that_closes_at_once_delivers_what_all_the_others_left() {
    let (server, folder) = (server(), Folder::new());
    runs_that_left_one_each(&server, &folder, 20, 1);
    let client = build(client_of(&server).spool(&folder.0));
    client.track(Event::new("u", "own"));
    client.close(LONG).expect("delivered");
    let stats = client.stats();
    assert_eq!(
        (stats.recovered, stats.delivered, stats.left_in_spool),
        (20, 21, 0)
    );
    assert_eq!(server.accepted(), 21);
    assert!(folder.files().is_empty(), "{:?}", folder.files());
}

#[test]
fn a_close_without_time_delivers_nothing_that_others_left() {
    let (server, folder) = (server(), Folder::new());
    runs_that_left_one_each(&server, &folder, 3, 1);
    server.set_unavailable(true);
    let client = build(client_of(&server).spool(&folder.0));
    client.track(Event::new("u", "own"));
    client.close(Duration::ZERO).expect("it is on disk");
    assert_eq!(folder.files().len(), 3, "it added to one of them");
    assert!(folder.text().contains("own"));
    assert_eq!(client.stats().delivered, 0);
}
