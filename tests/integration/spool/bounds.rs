//! Records that are dropped from the spool: too many, or too old.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use trubrics::{DropReason, Event};

use super::{assert_balanced_with_spool, indexes, offline};
use crate::support::{Folder, LONG, build, client_of, server};

#[test]
fn figures_asked_for_while_records_are_dropped_are_sound() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    let shared: Arc<OnceLock<trubrics::Trubrics>> = Arc::default();
    let asked = Arc::new(AtomicU64::new(0));
    let answered = Arc::new(AtomicU64::new(0));
    let (client, before, after) = (shared.clone(), asked.clone(), answered.clone());
    let builder = client_of(&server).spool(&folder.0).spool_max_bytes(20_000);
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
    let client = build(offline(&server, &folder.0).spool_max_bytes(100_000));
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

    let client = build(client_of(&server).spool(&folder.0));
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
    let client = build(client_of(&server).spool(&folder.0));
    client.track(Event::new("u", "old"));
    client.close(Duration::ZERO).expect("nothing is lost");
    make_old(&folder);

    server.set_unavailable(false);
    let client = build(client_of(&server).spool(&folder.0));
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
    // The folder is removed by hand, and another client fills it anew.
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

    let next = build(client_of(&server).spool(&folder.0));
    next.close(LONG).expect("delivered");
    assert_eq!(server.accepted() as u64, 50 + 90 - stats.dropped);
}
