//! A spool on a disk that is full, read-only, without locks, or out of descriptors.

use std::{
    fs::File,
    iter,
    path::Path,
    process::Command,
    sync::{Mutex, OnceLock},
    time::{Duration, Instant},
};

use crossbeam_channel::never;
use log::{Level, LevelFilter, Log, Metadata, Record};
use trubrics::{DropReason, Event, Trubrics, testing::Server};

use crate::{
    child,
    support::{Folder, Gate, LONG, build, client_of, server},
};

/// Other processes do not see the mounts of a mount namespace of its own. They end with it.
const OWN_MOUNTS: [&str; 2] = ["unshare", "-rm"];

/// What the client says of the spool, word for word but for the error.
#[derive(Default)]
pub(crate) struct Lines(Mutex<Vec<String>>);

impl Lines {
    pub(crate) fn start() -> &'static Self {
        static LINES: OnceLock<Lines> = OnceLock::new();
        let lines = LINES.get_or_init(Self::default);
        log::set_max_level(LevelFilter::Warn);
        log::set_logger(lines).expect("a process of its own");
        lines
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }

    fn wait_for(&self, count: usize) -> Vec<String> {
        let start = Instant::now();
        while self.all().len() < count {
            assert!(start.elapsed() < LONG, "{:?}", self.all());
            std::thread::yield_now();
        }
        self.all()
    }
}

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if record.target() == "trubrics" && record.level() <= Level::Warn {
            let line = record.args().to_string();
            let told = line.split(" (").next().unwrap_or_default().to_owned();
            self.0.lock().expect("no panic").push(told);
        }
    }

    fn flush(&self) {}
}

const FAILS: &str = "the spool cannot be written: records wait in memory";
const WORKS: &str = "the spool can be written again";

#[track_caller]
fn mount(options: &str, folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
    let mut command = Command::new("mount");
    command.args(["-t", "tmpfs", "-o", options, "tmpfs"]);
    let status = command.arg(folder).status().expect("mount");
    assert!(status.success(), "{status}");
}

fn track(client: &Trubrics, index: u64) {
    let padding = "x".repeat(200);
    let event = Event::new("u", "e").property("index", index);
    client.track(event.property("padding", padding));
}

/// Tracks records, from `next` on, until the client has said that the disk is well again; says how many it took. They
/// are too few to be sent for their number.
fn track_until_well(client: &Trubrics, lines: &Lines, next: u64) -> u64 {
    let start = Instant::now();
    for index in next.. {
        track(client, index);
        let _ = never::<()>().recv_timeout(Duration::from_millis(100));
        if lines.all() == [FAILS, WORKS] {
            return index + 1 - next;
        }
        assert!(start.elapsed() < LONG, "{:?}", lines.all());
    }
    unreachable!("there are more numbers than that")
}

/// The disk takes records again: it keeps those from `next` on for the next client, and each of all arrives once.
#[track_caller]
fn assert_takes_records_again(
    client: &Trubrics,
    lines: &Lines,
    server: &Server,
    folder: &Folder,
    next: u64,
) {
    server.set_unavailable(true);
    let more = track_until_well(client, lines, next);
    client.close(Duration::ZERO).expect("on disk");
    server.set_unavailable(false);
    let other = build(client_of(server).spool(&folder.0));
    other.close(LONG).expect("delivered");
    assert_arrived(server, next + more);
}

/// All of them arrived, each once.
#[track_caller]
fn assert_arrived(server: &Server, count: u64) {
    let index =
        |event: &serde_json::Value| event["properties"]["index"].as_u64().expect("a number");
    let mut indexes: Vec<_> = server.events().iter().map(index).collect();
    indexes.sort_unstable();
    assert!(
        indexes.iter().copied().eq(0..count),
        "{} of {count}",
        indexes.len()
    );
}

#[test]
fn a_disk_that_runs_full_costs_nothing_that_memory_can_hold() {
    let test = "a_disk_that_runs_full_costs_nothing_that_memory_can_hold";
    if !child::is_this_under(&OWN_MOUNTS, module_path!(), test) {
        return;
    }
    let (server, folder, lines) = (server(), Folder::new(), Lines::start());
    mount("size=256k", &folder.0);
    server.set_unavailable(true);
    let client = build(client_of(&server).spool(&folder.0));
    // More than three times of what there is room for.
    for index in 0..3_000 {
        track(&client, index);
        if index % 10 == 0 {
            let _ = client.flush(Duration::from_millis(1));
        }
    }
    assert_eq!(lines.wait_for(1), [FAILS]);
    let stats = client.stats();
    assert_eq!((stats.pending, stats.dropped), (3_000, 0), "{stats:?}");
    server.set_unavailable(false);
    client.flush(LONG).expect("delivered");
    assert_arrived(&server, 3_000);

    // There is room again.
    server.set_unavailable(true);
    let more = track_until_well(&client, lines, 3_000);
    client.close(Duration::ZERO).expect("on disk");
    assert_eq!(client.stats().left_in_spool, more);
}

#[test]
fn a_disk_that_is_full_all_along_is_told_of_once() {
    let test = "a_disk_that_is_full_all_along_is_told_of_once";
    if !child::is_this_under(&OWN_MOUNTS, module_path!(), test) {
        return;
    }
    let (server, folder, lines) = (server(), Folder::new(), Lines::start());
    mount("size=16k", &folder.0);
    std::fs::write(folder.0.join("of somebody else"), [1; 4096 * 4]).expect("it fits");
    let client = build(client_of(&server).spool(&folder.0).flush_batch_size(1));
    for index in 0..500 {
        track(&client, index);
        client.flush(LONG).expect("delivered from memory");
    }
    assert_eq!(lines.wait_for(1), [FAILS]);
    assert_arrived(&server, 500);
    server.set_unavailable(true);
    track(&client, 500);
    client.close(Duration::ZERO).expect_err("it is nowhere");
    assert_eq!(client.stats().dropped_for(DropReason::CloseTimeout), 1);
    assert_eq!(folder.files(), ["of somebody else"]);
}

#[test]
fn a_disk_that_becomes_read_only_and_writable_again_costs_nothing() {
    let test = "a_disk_that_becomes_read_only_and_writable_again_costs_nothing";
    if !child::is_this_under(&OWN_MOUNTS, module_path!(), test) {
        return;
    }
    let (server, folder, lines) = (server(), Folder::new(), Lines::start());
    mount("ro", &folder.0);
    let client = build(client_of(&server).spool(&folder.0));
    for index in 0..100 {
        track(&client, index);
    }
    client.flush(LONG).expect("delivered from memory");
    assert_eq!(lines.wait_for(1), [FAILS]);
    mount("remount,rw", &folder.0);
    assert_takes_records_again(&client, lines, &server, &folder, 100);
}

#[test]
fn without_a_descriptor_records_wait_in_memory() {
    let test = "without_a_descriptor_records_wait_in_memory";
    if !child::is_this_with("ulimit -n 50", module_path!(), test) {
        return;
    }
    let (server, folder, lines) = (server(), Folder::new(), Lines::start());
    let client = build(client_of(&server).spool(&folder.0));
    let files: Vec<File> = iter::from_fn(|| File::open("/dev/null").ok()).collect();
    for index in 0..100 {
        track(&client, index);
    }
    assert_eq!(lines.wait_for(1), [FAILS]);
    drop(files);
    client.flush(LONG).expect("delivered");
    assert_takes_records_again(&client, lines, &server, &folder, 100);
}

#[test]
fn a_disk_without_locks_is_not_used() {
    let test = "a_disk_without_locks_is_not_used";
    // As on some network file systems.
    let no_locks = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=flock",
        "-e",
        "inject=flock:error=ENOLCK",
    ];
    if !child::is_this_under(&no_locks, module_path!(), test) {
        return;
    }
    let (server, folder, lines) = (server(), Folder::new(), Lines::start());
    let client = build(client_of(&server).spool(&folder.0));
    for index in 0..100 {
        track(&client, index);
        client.flush(LONG).expect("delivered from memory");
    }
    assert_eq!(lines.wait_for(1), [FAILS]);
    client.close(LONG).expect("delivered");
    assert_arrived(&server, 100);
    assert!(folder.files().is_empty(), "{:?}", folder.files());
}

#[test]
fn a_disk_that_fails_does_not_make_a_request_of_each_record() {
    let (server, folder) = (server(), Folder::new());
    std::fs::write(&folder.0, "in the way").expect("a file");
    let client = build(client_of(&server).spool(folder.0.join("spool")));
    for index in 0..19 {
        track(&client, index);
        let _ = never::<()>().recv_timeout(Duration::from_millis(5));
    }
    assert_eq!(server.requests().len(), 0, "they are too few");
    track(&client, 19);
    server.wait_for(20, LONG).expect("a full batch");
    assert_eq!(server.requests().len(), 1);
    client.close(LONG).expect("delivered");
    std::fs::remove_file(&folder.0).expect("removed");
}

#[test]
fn what_a_disk_did_not_take_gets_there_when_it_is_well_again() {
    let (server, folder) = (server(), Folder::new());
    let spool = folder.0.join("spool");
    std::fs::write(&folder.0, "in the way").expect("a file");
    let client = build(client_of(&server).spool(&spool));
    for index in 0..5 {
        track(&client, index);
        let _ = never::<()>().recv_timeout(Duration::from_millis(5));
    }
    std::fs::remove_file(&folder.0).expect("removed");
    track(&client, 5);
    let start = Instant::now();
    let is_there = |index| {
        let text = folder.text();
        text.contains(&format!("\"index\":{index},"))
    };
    while !(0..6).all(is_there) {
        assert!(start.elapsed() < LONG);
        std::thread::yield_now();
    }
    client.close(Duration::ZERO).expect("on disk");
    assert_eq!(
        (client.stats().left_in_spool, server.requests().len()),
        (6, 0)
    );
}

#[test]
fn a_folder_that_is_removed_is_no_disk_that_fails() {
    let test = "a_folder_that_is_removed_is_no_disk_that_fails";
    if !child::is_this(module_path!(), test) {
        return;
    }
    let (folder, lines) = (Folder::new(), Lines::start());
    let (gate, transport) = Gate::new();
    let builder = Trubrics::builder("key").transport(transport);
    let client = build(builder.spool(&folder.0).max_batch_size(5));
    for index in 0..20 {
        track(&client, index);
    }
    for request in 0..4 {
        gate.next_request();
        if request == 0 {
            std::fs::remove_dir_all(&folder.0).expect("removed");
        }
        gate.answer(200);
    }
    client.close(LONG).expect("delivered");
    assert!(lines.all().is_empty(), "{:?}", lines.all());
}
