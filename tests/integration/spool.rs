//! Records on disk: what a close, another process or a bad disk does to them.

use std::{
    collections::HashSet,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use trubrics::{
    DropReason, Event, LlmEvent, TransportError, TrubricsBuilder, testing::Server, transport_fn,
};

use crate::support::{Folder, Gate, LONG, NEVER, assert_balanced, build, client_of, server};

fn spooling(server: &Server, folder: &Path) -> TrubricsBuilder {
    client_of(server).spool(folder)
}

/// The same project without a network. A server may take a request in flight after its client is gone.
fn offline(server: &Server, folder: &Path) -> TrubricsBuilder {
    spooling(server, folder).transport(transport_fn(|_| Err(TransportError::new("no network"))))
}

fn indexes(server: &Server) -> Vec<u64> {
    let index =
        |event: &serde_json::Value| event["properties"]["index"].as_u64().expect("an index");
    server.events().iter().map(index).collect()
}

#[test]
fn what_is_delivered_leaves_no_file() {
    let (server, folder) = (server(), Folder::new());
    let client = build(spooling(&server, &folder.0));
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

    let client = build(spooling(&server, &folder.0));
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
    let client = build(spooling(&server, &folder.0).flush_batch_size(1));
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
    let client = build(spooling(&server, &folder.0));
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
        spooling(&server, &folder.0)
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
        spooling(&server, &folder.0)
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
    let client = build(spooling(&server, &folder.0).spool_max_bytes(400_000));
    client.track(Event::new("u", "fills a segment").property("text", "x".repeat(150_000)));
    let start = Instant::now();
    client.close(LONG).expect("delivered");
    assert!(start.elapsed() < LONG / 2, "it does not wait for its end");
    assert_eq!((server.accepted(), client.stats().left_in_spool), (1, 0));
}

#[test]
fn figures_asked_for_while_records_are_dropped_are_sound() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    let shared: Arc<OnceLock<trubrics::Trubrics>> = Arc::default();
    let asked = Arc::new(AtomicU64::new(0));
    let answered = Arc::new(AtomicU64::new(0));
    let (client, before, after) = (shared.clone(), asked.clone(), answered.clone());
    let builder = spooling(&server, &folder.0).spool_max_bytes(20_000);
    let built = build(builder.on_drop(move |_| {
        if let Some(client) = client.get() {
            before.fetch_add(1, Relaxed);
            // A panic in here would be caught, and count as no answer.
            assert!(client.stats().pending <= 2_000);
            after.fetch_add(1, Relaxed);
        }
    }));
    let client = shared.get_or_init(|| built);
    for _ in 0..2_000 {
        client.track(Event::new("u", "e"));
    }
    client.close(Duration::ZERO).expect_err("some had to go");
    let (asked, answered) = (asked.load(Relaxed), answered.load(Relaxed));
    assert!(asked > 0 && answered == asked, "{answered} of {asked}");
}

#[test]
fn a_folder_that_holds_too_much_lets_the_oldest_go() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    let client = build(spooling(&server, &folder.0).spool_max_bytes(100_000));
    for index in 0..5_000 {
        while client
            .try_track(Event::new("u", "e").property("index", index))
            .is_err()
        {
            std::thread::yield_now();
        }
    }
    client.close(Duration::ZERO).expect_err("some had to go");
    let stats = client.stats();
    assert_balanced_with_spool(&client);
    assert!(stats.dropped_for(DropReason::SpoolFull) > 0, "{stats:?}");
    let size: u64 = folder
        .files()
        .iter()
        .map(|name| folder.0.join(name).metadata().expect("a file").len())
        .sum();
    assert!(size <= 100_000, "{size}");

    server.set_unavailable(false);
    let client = build(spooling(&server, &folder.0));
    server
        .wait_for(stats.left_in_spool as usize, LONG)
        .expect("recovered");
    client.close(LONG).expect("delivered");
    assert_eq!(indexes(&server).len() as u64, stats.left_in_spool);
    assert!(
        indexes(&server).contains(&4_999),
        "the newest are still there"
    );
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

/// Sets the time in the line of the only record to 1970.
fn make_old(folder: &Folder) {
    let path = folder.0.join(folder.files().remove(0));
    let text = std::fs::read_to_string(&path).expect("a file");
    let (header, line) = text.split_once('\n').expect("a header");
    let mut fields = line.splitn(5, ' ');
    let mut next = || fields.next().expect("a field");
    let (kind, _, number, _, rest) = (next(), next(), next(), next(), next());
    let rest = format!("{number} 1000 {}", rest.trim_end());
    let checksum = crc32(format!("{kind}{rest}").as_bytes());
    let text = format!("{header}\n{kind} {checksum:08x} {rest}\n");
    std::fs::write(path, text).expect("written");
}

/// The checksum of a line, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), step)
    })
}

#[test]
fn records_that_are_too_old_are_dropped_as_expired() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    let client = build(spooling(&server, &folder.0));
    client.track(Event::new("u", "old"));
    client.close(Duration::ZERO).expect("nothing is lost");
    make_old(&folder);

    server.set_unavailable(false);
    let client = build(spooling(&server, &folder.0));
    client.track(Event::new("u", "new"));
    let start = Instant::now();
    while client.stats().dropped_for(DropReason::Expired) == 0 {
        assert!(start.elapsed() < LONG);
        std::thread::yield_now();
    }
    client.close(LONG).expect_err("one was too old");
    assert_eq!(server.accepted(), 1);
    assert_balanced_with_spool(&client);
}

#[test]
fn files_of_others_and_of_other_versions_are_left_alone() {
    let (server, folder) = (server(), Folder::new());
    std::fs::create_dir_all(&folder.0).expect("a folder");
    let id = "0".repeat(32);
    let strangers = [
        ("notes.txt".to_owned(), "mine"),
        (
            format!("00000000000001-{id}.trubrics"),
            "trubrics spool 2\ne …",
        ),
        ("x.trubrics".to_owned(), "trubrics spool 1\n"),
    ];
    for (name, text) in &strangers {
        std::fs::write(folder.0.join(name), text).expect("written");
    }
    let client = build(spooling(&server, &folder.0));
    client.track(Event::new("u", "e"));
    client.close(LONG).expect("delivered");
    for (name, text) in &strangers {
        assert_eq!(
            &std::fs::read_to_string(folder.0.join(name)).expect("it is there"),
            text
        );
    }
}

#[test]
fn a_folder_that_goes_away_costs_nothing() {
    let (server, folder) = (server(), Folder::new());
    let client = build(spooling(&server, &folder.0));
    client.track(Event::new("u", "e").property("index", 0));
    client.flush(LONG).expect("delivered");
    std::fs::remove_dir_all(&folder.0).expect("removed");
    client.track(Event::new("u", "e").property("index", 1));
    client.flush(LONG).expect("delivered");
    std::fs::remove_dir_all(&folder.0).expect("removed");
    std::fs::write(&folder.0, "a file where the folder was").expect("written");
    client.track(Event::new("u", "e").property("index", 2));
    client.flush(LONG).expect("delivered from memory");
    std::fs::remove_file(&folder.0).expect("removed");
    client.track(Event::new("u", "e").property("index", 3));
    client.close(LONG).expect("delivered");
    assert_eq!(indexes(&server), [0, 1, 2, 3]);
    assert_balanced_with_spool(&client);
}

#[cfg(unix)]
#[test]
fn the_folder_and_its_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    let client = build(spooling(&server, &folder.0));
    client.track(Event::new("u", "e"));
    client.close(Duration::ZERO).expect("nothing is lost");
    let mode = |path: &Path| path.metadata().expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&folder.0), 0o700);
    assert_eq!(mode(&folder.0.join(&folder.files()[0])), 0o600);
}

#[test]
fn two_clients_share_a_folder_and_each_record_is_delivered_once() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    let clients = [
        build(offline(&server, &folder.0)),
        build(spooling(&server, &folder.0)),
    ];
    for index in 0..100 {
        clients[index % 2].track(Event::new("u", "e").property("index", index));
    }
    clients[0].close(Duration::ZERO).expect("nothing is lost");
    server.set_unavailable(false);
    let third = build(spooling(&server, &folder.0));
    clients[1].flush(LONG).expect("delivered");
    server.wait_for(100, LONG).expect("all");
    for client in [&clients[1], &third] {
        client.close(LONG).expect("delivered");
        assert_balanced_with_spool(client);
    }
    assert_eq!(server.accepted(), 100);
    assert!(folder.files().is_empty(), "{:?}", folder.files());
}

#[test]
fn a_spool_that_is_no_folder_is_refused_in_words() {
    let folder = Folder::new();
    std::fs::write(&folder.0, "a file").expect("written");
    let problem = |path: &Path| {
        trubrics::Trubrics::builder("key")
            .spool(path)
            .build()
            .expect_err("bad")
            .to_string()
    };
    assert_eq!(
        problem(&folder.0),
        "spool is the path of something that is not a folder"
    );
    assert_eq!(
        problem(Path::new("")),
        "spool is empty: the path of a folder is needed"
    );
    let _ = std::fs::remove_file(&folder.0);
}

#[test]
fn a_close_without_time_finds_another_place_when_the_folder_is_gone() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    let client = build(spooling(&server, &folder.0));
    client.track(Event::new("u", "e").property("index", 7));
    let start = Instant::now();
    while !folder.text().contains("index") {
        assert!(start.elapsed() < LONG);
        std::thread::yield_now();
    }
    std::fs::remove_dir_all(&folder.0).expect("removed");
    client.close(Duration::ZERO).expect("nothing is lost");
    assert_eq!(client.stats().left_in_spool, 1);

    server.set_unavailable(false);
    let client = build(spooling(&server, &folder.0));
    client.close(LONG).expect("delivered");
    assert_eq!(indexes(&server), [7]);
}

#[test]
fn a_folder_that_is_removed_in_the_middle_of_a_delivery_doubles_none() {
    let (server, folder) = (server(), Folder::new());
    let (gate, transport) = Gate::new();
    let client = build(
        spooling(&server, &folder.0)
            .max_batch_size(5)
            .initial_backoff(NEVER)
            .max_backoff(NEVER)
            .transport(transport),
    );
    for index in 0..20 {
        client.track(Event::new("u", "e").property("index", index));
    }
    let first = gate.next_request();
    std::fs::remove_dir_all(&folder.0).expect("removed");
    gate.answer(200);
    gate.next_request();
    gate.answer(503);
    client.close(Duration::ZERO).expect("nothing is lost");
    let delivered: Vec<serde_json::Value> = serde_json::from_str(&first).expect("an array");
    let (count, stats) = (delivered.len() as u64, client.stats());
    assert_eq!(
        (stats.delivered, stats.left_in_spool, stats.pending),
        (count, 20 - count, 0)
    );

    let next = build(spooling(&server, &folder.0));
    next.close(LONG).expect("delivered");
    assert_eq!(indexes(&server), (count..20).collect::<Vec<_>>());
}

#[test]
fn what_has_to_go_when_a_client_leaves_is_told_of() {
    let (server, folder) = (server(), Folder::new());
    let small = || offline(&server, &folder.0).flush_batch_size(100);
    let client = build(small().spool_max_bytes(20_000));
    for _ in 0..50 {
        client.track(Event::new("u", "e"));
    }
    let start = Instant::now();
    while folder.text().matches("user_id").count() < 50 {
        assert!(start.elapsed() < LONG);
        std::thread::yield_now();
    }
    // Somebody removes the folder, and another client fills it anew.
    std::fs::remove_dir_all(&folder.0).expect("removed");
    let other = build(small());
    // Too few to be attempted.
    for _ in 0..90 {
        other.track(Event::new("u", "e").text("x".repeat(200)));
    }
    other.close(Duration::ZERO).expect("nothing is lost");
    assert_eq!(other.stats().left_in_spool, 90);
    client.close(Duration::ZERO).expect_err("some had to go");
    let stats = client.stats();
    assert_eq!(stats.dropped, stats.dropped_for(DropReason::SpoolFull));
    assert!(stats.left_in_spool >= 50, "our own are not among them");
    assert_balanced_with_spool(&client);

    let next = build(spooling(&server, &folder.0));
    next.close(LONG).expect("delivered");
    assert_eq!(server.accepted() as u64, 50 + 90 - stats.dropped);
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
        let refused = build(spooling(&server, &folder.0));
        refused.close(LONG).expect("nothing is lost");
        let stats = refused.stats();
        assert_eq!(
            (stats.dropped, stats.left_in_spool),
            (0, 300),
            "{status}: {stats:?}"
        );
        assert_eq!(server.requests().len(), 1, "{status}");

        let next = build(spooling(&server, &folder.0));
        next.close(LONG).expect("delivered");
        assert_eq!(server.accepted(), 300, "{status}");
    }
}
