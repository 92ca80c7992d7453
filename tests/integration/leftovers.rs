use std::time::Duration;

use trubrics::{Event, testing::Server};

use crate::{
    spool::Folder,
    support::{Gate, LONG, build, client_of, server},
};

/// So many runs leave a record each, for the server is down.
fn runs_that_left_one_each(server: &Server, folder: &Folder, runs: usize) {
    server.set_unavailable(true);
    for run in 0..runs {
        let client = build(client_of(server).spool(&folder.0));
        client.track(Event::new("u", "left").property("run", run));
        client.close(Duration::ZERO).expect("it is on disk");
    }
    server.set_unavailable(false);
}

#[test]
fn a_flush_is_not_forgotten_over_what_others_left() {
    let (server, folder) = (server(), Folder::new());
    runs_that_left_one_each(&server, &folder, 5);
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
    runs_that_left_one_each(&server, &folder, 5);
    let (gate, transport) = Gate::new();
    let builder = client_of(&server).spool(&folder.0).transport(transport);
    // Each of our own fills a segment.
    let client = build(builder.spool_max_bytes(40_000));
    assert!(
        gate.next_request().contains("left"),
        "nothing else is there"
    );
    for _ in 0..3 {
        client.track(Event::new("u", "own").property("text", "x".repeat(10_000)));
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
    runs_that_left_one_each(&server, &folder, 20);
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
fn a_close_without_time_does_not_touch_what_others_left() {
    let (server, folder) = (server(), Folder::new());
    runs_that_left_one_each(&server, &folder, 3);
    server.set_unavailable(true);
    let client = build(client_of(&server).spool(&folder.0));
    client.track(Event::new("u", "own"));
    client.close(Duration::ZERO).expect("it is on disk");
    assert_eq!(folder.files().len(), 4, "{:?}", folder.files());
    assert_eq!(client.stats().delivered, 0);
}
