//! Records on disk: what a close, another process or a bad disk does to them.

mod bounds;
mod folder;

use std::{
    collections::HashSet,
    path::Path,
    time::{Duration, Instant},
};

use trubrics::{Event, LlmEvent, TransportError, TrubricsBuilder, testing::Server, transport_fn};

use crate::support::{Folder, LONG, NEVER, assert_balanced, build, client_of, server};

/// The same project without a network. A server may take a request in flight after its client is gone.
fn offline(server: &Server, folder: &Path) -> TrubricsBuilder {
    client_of(server)
        .spool(folder)
        .transport(transport_fn(|_| Err(TransportError::new("no network"))))
}

fn indexes(server: &Server) -> Vec<u64> {
    let index =
        |event: &serde_json::Value| event["properties"]["index"].as_u64().expect("an index");
    server.events().iter().map(index).collect()
}

#[test]
fn what_is_delivered_leaves_no_file() {
    let (server, folder) = (server(), Folder::new());
    let client = build(client_of(&server).spool(&folder.0));
    for index in 0..50 {
        client.track(Event::new("u", "e").property("index", index));
    }
    client.track(LlmEvent::new("u", "p", "g"));
    client.flush(LONG).expect("delivered");
    assert_eq!(indexes(&server), (0..50).collect::<Vec<_>>());
    assert_eq!(server.llm_events().len(), 1);
    assert!(folder.files().is_empty(), "{:?}", folder.files());
    client.close(LONG).expect("nothing is left");
    let stats = client.stats();
    assert_eq!(
        (
            stats.tracked,
            stats.delivered,
            stats.pending,
            stats.left_in_spool
        ),
        (51, 51, 0, 0)
    );
}

#[test]
fn no_file_holds_the_key_or_names_it() {
    let (server, folder) = (server(), Folder::new());
    let client = build(offline(&server, &folder.0));
    client.track(Event::new("u", "e"));
    client.track(LlmEvent::new("u", "p", "g"));
    client.close(Duration::ZERO).expect("all is on disk");
    let (names, text) = (folder.files(), folder.text());
    assert!(names.len() == 2 && text.contains("user_id"));
    trubrics::withdraw_in(&folder.0).expect("the disk works");
    for all in [names.concat(), text, folder.files().concat(), folder.text()] {
        assert!(!all.contains(server.api_key()), "{all}");
    }
}

#[test]
fn a_close_without_time_leaves_everything_on_disk_for_the_next_run() {
    let (server, folder) = (server(), Folder::new());
    let client = build(offline(&server, &folder.0));
    for index in 0..200 {
        client.track(Event::new("u", "e").property("index", index));
    }
    client.close(Duration::ZERO).expect("nothing is lost");
    let stats = client.stats();
    assert_eq!(
        (
            stats.tracked,
            stats.left_in_spool,
            stats.dropped,
            stats.pending
        ),
        (200, 200, 0, 0)
    );
    assert!(!folder.files().is_empty());
    assert!(
        !folder.text().contains(server.api_key()),
        "the key is not on disk"
    );

    let client = build(client_of(&server).spool(&folder.0));
    client.track(Event::new("u", "e").property("index", 200));
    server
        .wait_for(200, LONG)
        .expect("recovered without a call");
    client.close(LONG).expect("delivered");
    let found: HashSet<_> = indexes(&server).into_iter().collect();
    assert_eq!(
        (found.len(), server.accepted()),
        (201, 201),
        "all, and none twice"
    );
    let stats = client.stats();
    assert_eq!(
        (
            stats.tracked,
            stats.recovered,
            stats.delivered,
            stats.left_in_spool
        ),
        (1, 200, 201, 0)
    );
    assert!(folder.files().is_empty());
}

#[test]
fn records_are_on_disk_while_a_request_hangs() {
    let (server, folder) = (server(), Folder::new());
    server.script([trubrics::testing::Reply::hang()]);
    let client = build(client_of(&server).spool(&folder.0).flush_batch_size(1));
    client.track(Event::new("u", "in flight"));
    server.wait_for_requests(1, LONG).expect("a request");
    client.track(Event::new("u", "behind it"));
    let start = Instant::now();
    while !folder.text().contains("behind it") {
        assert!(start.elapsed() < LONG);
        std::thread::yield_now();
    }
    client.close(Duration::ZERO).expect("nothing is lost");
    assert_eq!(client.stats().left_in_spool, 2);
}

#[test]
fn refused_records_are_dropped_and_do_not_stay_on_disk() {
    let (server, folder) = (server(), Folder::new());
    server.set_refusal(|record| record["event"] == "bad");
    let client = build(client_of(&server).spool(&folder.0));
    client.track(Event::new("u", "bad"));
    client.track(Event::new("u", "good"));
    let error = client.flush(LONG).expect_err("one was refused");
    assert_eq!((error.dropped(), error.pending()), (1, 0));
    assert!(folder.files().is_empty());
    assert_balanced(client.stats());
}

#[test]
fn a_long_outage_does_not_fill_the_queue_and_is_not_given_up() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    let client = build(
        client_of(&server)
            .spool(&folder.0)
            .queue_capacity(100)
            .give_up_after(Duration::ZERO),
    );
    for index in 0..5_000 {
        while client
            .try_track(Event::new("u", "e").property("index", index))
            .is_err()
        {
            std::thread::yield_now();
        }
    }
    client
        .flush(Duration::from_millis(200))
        .expect_err("the server is down");
    let stats = client.stats();
    assert_eq!(
        (stats.tracked, stats.dropped, stats.pending),
        (5_000, 0, 5_000)
    );
    server.set_unavailable(false);
    client.flush(LONG).expect("delivered");
    // A batch that failed twice may be passed by one that follows. The first success restores the order.
    let indexes = indexes(&server);
    let steps_back = indexes.windows(2).filter(|two| two[0] > two[1]).count();
    assert!(steps_back <= 1, "{steps_back} steps back");
    let mut sorted = indexes;
    sorted.sort_unstable();
    assert_eq!(sorted, (0..5_000).collect::<Vec<_>>());
}

#[test]
fn a_flush_delivers_full_segments_and_what_was_gathered_behind_them() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    let client = build(
        client_of(&server)
            .spool(&folder.0)
            .spool_max_bytes(400_000)
            // Attempts are made because of a flush, and for no other reason.
            .initial_backoff(NEVER)
            .max_backoff(NEVER),
    );
    client.track(Event::new("u", "in hand"));
    client
        .flush(Duration::from_millis(200))
        .expect_err("the server is down");
    client.track(Event::new("u", "fills a segment").property("text", "x".repeat(150_000)));
    client.track(Event::new("u", "behind it"));
    server.set_unavailable(false);
    client.flush(LONG).expect("delivered");
    assert_eq!(server.accepted(), 3);
}

#[test]
fn a_close_delivers_full_segments() {
    let (server, folder) = (server(), Folder::new());
    let client = build(client_of(&server).spool(&folder.0).spool_max_bytes(400_000));
    client.track(Event::new("u", "fills a segment").property("text", "x".repeat(150_000)));
    let start = Instant::now();
    client.close(LONG).expect("delivered");
    assert!(start.elapsed() < LONG / 2, "it does not wait for its end");
    assert_eq!((server.accepted(), client.stats().left_in_spool), (1, 0));
}

fn assert_balanced_with_spool(client: &trubrics::Trubrics) {
    let stats = client.stats();
    let (came, went) = (
        stats.tracked + stats.recovered,
        stats.delivered + stats.dropped,
    );
    assert_eq!(
        came,
        went + stats.pending + stats.left_in_spool,
        "{stats:?}"
    );
}

#[test]
fn records_in_the_spool_outlive_a_refusal_of_the_request() {
    for status in [401, 403, 302, 404, 407] {
        let (server, folder) = (server(), Folder::new());
        let stored = build(offline(&server, &folder.0));
        for index in 0..300 {
            stored.track(Event::new("u", format!("event {index}")));
        }
        stored.close(Duration::ZERO).expect("they are on disk");

        server.script([trubrics::testing::Reply::status(status)]);
        let refused = build(client_of(&server).spool(&folder.0));
        refused.close(LONG).expect("nothing is lost");
        let stats = refused.stats();
        assert_eq!(
            (stats.dropped, stats.left_in_spool),
            (0, 300),
            "{status}: {stats:?}"
        );
        assert_eq!(server.requests().len(), 1, "{status}");

        let next = build(client_of(&server).spool(&folder.0));
        next.close(LONG).expect("delivered");
        assert_eq!(server.accepted(), 300, "{status}");
    }
}
