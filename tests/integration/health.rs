//! What a client says of its health.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use trubrics::{
    Event, Health, Trubrics,
    testing::{API_KEY, Reply},
};

use crate::support::{Folder, Gate, LONG, NEVER, build, client_of, server};

/// Asks until this holds: the worker publishes its numbers with its next step.
#[track_caller]
fn until(client: &Trubrics, holds: impl Fn(&Health) -> bool) -> Health {
    let deadline = std::time::Instant::now() + LONG;
    loop {
        let health = client.health();
        if holds(&health) {
            return health;
        }
        assert!(std::time::Instant::now() < deadline, "{health:?}");
        thread::yield_now();
    }
}

#[test]
fn health_follows_a_success_an_outage_a_refused_key_and_a_close() {
    let server = server();
    let client = build(client_of(&server));
    let before = SystemTime::now();
    let fresh = client.health();
    assert!(fresh.worker_alive && !fresh.disabled && !fresh.key_refused);
    assert_eq!(
        (fresh.pending, fresh.oldest_pending, fresh.memory_bytes),
        (0, None, 0)
    );
    assert!(fresh.last_success.is_none() && fresh.last_failure.is_none());

    client.track(Event::new("u", "e"));
    client.flush(LONG).expect("delivered");
    let well = client.health();
    assert!(well.last_success >= Some(before) && well.last_failure.is_none());
    assert_eq!((well.pending, well.oldest_pending), (0, None));

    server.set_unavailable(true);
    client.track(Event::new("u", "e"));
    client
        .flush(Duration::from_millis(1))
        .expect_err("an outage");
    let ill = until(&client, |health| health.last_failure.is_some());
    assert_eq!((ill.pending, ill.last_success), (1, well.last_success));
    assert!(
        ill.oldest_pending.is_some() && ill.memory_bytes > 48,
        "{ill}"
    );
    let cause = ill.last_failure_cause.expect("a cause");
    assert!(cause.is_transient(), "{cause}");
    let later = until(&client, |health| health.oldest_pending > ill.oldest_pending);
    assert!(later.oldest_pending < Some(LONG));

    server.set_unavailable(false);
    client.flush(LONG).expect("the outage is over");
    let well = client.health();
    assert!(well.last_success >= well.last_failure, "{well}");
    assert_eq!((well.pending, well.oldest_pending), (0, None));

    server.script([Reply::status(401)]);
    client.track(Event::new("u", "e"));
    client.flush(LONG).expect_err("dropped");
    let refused = client.health();
    assert!(refused.key_refused);
    assert_eq!(
        refused.last_failure_cause.expect("a cause").status(),
        Some(401)
    );
    client.track(Event::new("u", "e"));
    client.flush(LONG).expect("delivered");
    assert!(!client.health().key_refused);

    let _ = client.close(LONG);
    let closed = client.health();
    assert!(!closed.worker_alive && closed.last_success.is_some());
    assert!(
        closed
            .to_string()
            .starts_with("the worker has ended; pending: 0 ")
    );
}

#[test]
fn health_answers_while_a_request_hangs() {
    let (gate, transport) = Gate::new();
    let client = Trubrics::builder(API_KEY)
        .flush_batch_size(1)
        .transport(transport);
    let client = build(client);
    assert_eq!(client.health().oldest_pending, None);
    client.track(Event::new("u", "first"));
    gate.next_request();
    let held = client.health();
    assert_eq!((held.pending, held.worker_alive), (1, true));
    assert!(held.oldest_pending.is_some() && held.last_success.is_none());
    client.track(Event::new("u", "second"));
    let held = client.health();
    assert_eq!(held.pending, 2);
    let older = until(&client, |health| {
        health.oldest_pending > held.oldest_pending
    });
    assert!(older.last_failure.is_none());
    gate.answer(200);
    gate.next_request();
    gate.answer(200);
    client.close(LONG).expect("delivered");
}

#[test]
fn health_shows_what_is_in_the_spool_and_why_it_stays_there() {
    let (server, folder) = (server(), Folder::new());
    let spooled = || build(client_of(&server).spool(&folder.0));
    server.set_unavailable(true);
    let client = spooled();
    for _ in 0..3 {
        client.track(Event::new("u", "e"));
    }
    let stored = until(&client, |health| {
        health.in_spool == 3 && health.spool_bytes > 0
    });
    let on_disk = folder.text().len() as u64;
    assert_eq!((stored.pending, stored.memory_bytes), (3, 0), "{stored}");
    assert!(stored.spool_bytes <= on_disk && stored.spool_bytes > on_disk / 2);
    assert!(stored.oldest_pending.is_some());
    let _ = client.close(Duration::ZERO);
    let left = client.health();
    assert_eq!(
        (left.pending, left.in_spool, left.spool_bytes),
        (0, 0, 0),
        "{left}"
    );

    // The next run finds them, and its key is refused.
    server.set_unavailable(false);
    server.script([Reply::status(403)]);
    let client = spooled();
    let refused = until(&client, |health| health.key_refused && health.in_spool == 3);
    assert_eq!(
        refused
            .last_failure_cause
            .as_ref()
            .and_then(|cause| cause.status()),
        Some(403)
    );
    let line = refused.to_string();
    assert!(
        line.starts_with("the server refuses the API key; pending: 3 (0 B in memory, oldest: "),
        "{line}"
    );
    assert!(
        line.contains("); in the spool: 3 (")
            && line.ends_with(" (the server answered with status 403)"),
        "{line}"
    );
    let _ = client.close(Duration::ZERO);
}

#[test]
fn a_request_that_is_refused_for_another_reason_is_not_a_refused_key() {
    let (server, folder) = (server(), Folder::new());
    server.script([Reply::status(404)]);
    let client = build(client_of(&server).spool(&folder.0));
    client.track(Event::new("u", "e"));
    client
        .flush(Duration::from_millis(1))
        .expect_err("it stays in the spool");
    let health = until(&client, |health| health.last_failure.is_some());
    assert!(!health.key_refused, "{health}");
    let _ = client.close(Duration::ZERO);
}

#[test]
fn health_shows_neither_the_key_nor_a_record() {
    let server = server();
    let client = build(client_of(&server).give_up_after(NEVER));
    let echo = format!("unknown key {}", server.api_key());
    server.script([Reply::status(400).body(echo), Reply::status(500)]);
    client.track(Event::new("ada", "secret").property("word", "secret"));
    let _ = client.flush(LONG);
    let health = client.health();
    assert!(health.last_failure.is_some());
    for text in [format!("{health:?}"), health.to_string()] {
        assert!(
            !text.contains(server.api_key()) && !text.contains("secret") && !text.contains("ada"),
            "{text}"
        );
    }
}

#[test]
fn a_disabled_client_says_so_and_nothing_else() {
    let health = Trubrics::disabled().health();
    assert!(health.disabled && !health.worker_alive);
    assert_eq!(health.to_string(), "the client is disabled");
}
