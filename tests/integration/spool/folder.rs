//! The folder of the spool, and what others do to it.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use trubrics::Event;

use super::{assert_balanced_with_spool, indexes, offline};
use crate::child;
use crate::support::{Folder, Gate, LONG, NEVER, build, client_of, server};

#[test]
fn files_of_others_and_of_other_versions_are_left_alone() {
    let (server, folder) = (server(), Folder::new());
    std::fs::create_dir_all(&folder.0).expect("a folder");
    let id = "0".repeat(32);
    let strangers = [
        ("notes.txt".to_owned(), "mine"),
        (
            format!("00000000000001-e-{id}.trubrics"),
            "trubrics spool 2\ne …",
        ),
        ("x.trubrics".to_owned(), "trubrics spool 1\n"),
    ];
    for (name, text) in &strangers {
        std::fs::write(folder.0.join(name), text).expect("written");
    }
    let client = build(client_of(&server).spool(&folder.0));
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
    let client = build(client_of(&server).spool(&folder.0));
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
    let client = build(client_of(&server).spool(&folder.0));
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
        build(client_of(&server).spool(&folder.0)),
    ];
    for index in 0..100 {
        clients[index % 2].track(Event::new("u", "e").property("index", index));
    }
    clients[0].close(Duration::ZERO).expect("nothing is lost");
    server.set_unavailable(false);
    let third = build(client_of(&server).spool(&folder.0));
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
    let client = build(client_of(&server).spool(&folder.0));
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
    let client = build(client_of(&server).spool(&folder.0));
    client.close(LONG).expect("delivered");
    assert_eq!(indexes(&server), [7]);
}

#[test]
fn a_folder_that_is_removed_in_the_middle_of_a_delivery_doubles_none() {
    let (server, folder) = (server(), Folder::new());
    let (gate, transport) = Gate::new();
    let client = build(
        client_of(&server)
            .spool(&folder.0)
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

    let next = build(client_of(&server).spool(&folder.0));
    next.close(LONG).expect("delivered");
    assert_eq!(indexes(&server), (count..20).collect::<Vec<_>>());
}

#[cfg(unix)]
#[test]
fn a_forked_child_that_lives_on_keeps_no_record_of_its_parent() {
    use std::{io::Read, os::unix::net::UnixStream};

    let test = "a_forked_child_that_lives_on_keeps_no_record_of_its_parent";
    if !child::is_this(module_path!(), test) {
        return;
    }
    let (server, folder) = (server(), Folder::new());
    let client = build(offline(&server, &folder.0));
    client.track(Event::new("u", "of the parent"));
    let _ = client.flush(Duration::from_millis(100));
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    match fork::fork().expect("a child") {
        fork::Fork::Child => {
            drop(ours);
            let _ = theirs.read(&mut [0]);
            std::process::exit(0);
        }
        fork::Fork::Parent(child) => {
            client.close(Duration::ZERO).expect("it is on disk");
            let next = build(client_of(&server).spool(&folder.0));
            next.close(LONG).expect("delivered");
            assert_eq!((next.stats().recovered, server.accepted()), (1, 1));
            drop(ours);
            fork::waitpid(child).expect("its end");
        }
    }
}
