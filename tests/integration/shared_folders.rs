//! What else may be in the folder of a spool, and who else may use it: other projects, other users, other programs, and
//! very many earlier runs.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use trubrics::{DebugTransport, Event, Trubrics, testing::Server};

use crate::child::tell;
use crate::support::{Folder, LONG, build, client_of, server};

/// A run that stores one record and delivers nothing.
fn leave_one(server: &Server, folder: &Folder, name: &str) {
    let client = build(client_of(server).spool(&folder.0));
    client.track(Event::new("u", name));
    client.close(Duration::ZERO).expect("it is on disk");
    assert_eq!(client.stats().left_in_spool, 1);
}

fn names(server: &Server) -> Vec<String> {
    let events = server.events();
    let name = |event: &serde_json::Value| event["event"].as_str().expect("a name").to_owned();
    events.iter().map(name).collect()
}

/// Delivers what is there for this server's project, and returns how many records there were.
fn deliver(server: &Server, folder: &Folder) -> u64 {
    let client = build(client_of(server).spool(&folder.0));
    client.close(LONG).expect("delivered");
    client.stats().recovered
}

/// The folder in which the segments of the only project are.
fn project_folder(folder: &Folder) -> PathBuf {
    let file = folder.0.join(folder.files().remove(0));
    file.parent().expect("a folder").to_path_buf()
}

/// Names of segments that nothing else makes.
fn segment_name(number: usize) -> String {
    format!("{number:014}-e-{number:032x}.trubrics")
}

#[test]
fn records_go_to_their_own_project_and_to_no_other() {
    let one = Server::start_with_api_key("key one").expect("a port");
    let two = Server::start_with_api_key("key two").expect("a port");
    let folder = Folder::new();
    leave_one(&one, &folder, "for one");
    assert_eq!((deliver(&two, &folder), two.requests().len()), (0, 0));
    leave_one(&two, &folder, "for two");
    for key in ["key one", "key two"] {
        assert!(!folder.text().contains(key) && !folder.files().concat().contains(key));
    }

    // The same host with another key is another project.
    let stranger = Trubrics::builder("key three").host(one.url());
    build(stranger.spool(&folder.0))
        .close(LONG)
        .expect("nothing to do");
    assert_eq!(folder.files().len(), 2);

    assert_eq!(deliver(&one, &folder), 1);
    assert_eq!(deliver(&two, &folder), 1);
    assert_eq!(names(&one), ["for one"]);
    assert_eq!(names(&two), ["for two"]);
    assert!(folder.files().is_empty(), "{:?}", folder.files());
}

#[test]
fn a_sparse_file_of_1500_mb_is_not_read() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    leave_one(&server, &folder, "left");
    let sparse = project_folder(&folder).join(segment_name(1));
    let file = File::create(&sparse).expect("a file");
    file.set_len(1_500_000_000).expect("it has holes");
    server.set_unavailable(false);
    let client = build(client_of(&server).spool(&folder.0));
    client.track(Event::new("u", "own"));
    client.close(LONG).expect("delivered");
    assert_eq!(names(&server), ["left", "own"]);
    assert_eq!(sparse.metadata().expect("it stays").len(), 1_500_000_000);
}

#[test]
fn a_client_stores_a_few_records_beside_a_process_that_holds_everything() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    let spooling = || {
        client_of(&server)
            .spool(&folder.0)
            .spool_max_bytes(1_000_000)
    };
    let sibling = build(spooling());
    // How many of them fit depends on how the sibling puts them into files. Files that it delivers make no room.
    let start = Instant::now();
    while folder.text().matches("held").count() < 9 {
        assert!(start.elapsed() < LONG, "{:?}", sibling.stats());
        if sibling.stats().pending < 24 {
            sibling.track(Event::new("u", "held").text("x".repeat(80_000)));
        }
    }
    let client = build(spooling());
    for _ in 0..5 {
        client.track(Event::new("u", "own"));
    }
    client.close(Duration::ZERO).expect("they are on disk");
    assert_eq!(
        (client.stats().left_in_spool, client.stats().dropped),
        (5, 0)
    );
    drop(sibling);
}

#[test]
fn many_runs_leave_few_files_that_go_out_in_few_requests() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    for run in 0..400 {
        leave_one(&server, &folder, &format!("run {run}"));
    }
    assert!(folder.files().len() < 10, "{}", folder.files().len());
    server.set_unavailable(false);
    let before = server.requests().len();
    let recovered = deliver(&server, &folder);
    let requests = server.requests().len() - before;
    tell(&format!("{recovered} runs: {requests} requests"));
    assert!(requests <= 8, "{requests}");
    assert_eq!((recovered, server.accepted()), (400, 400));
}

#[test]
fn many_small_files_go_out_in_few_requests() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    leave_one(&server, &folder, "left");
    let project = project_folder(&folder);
    let first = folder.0.join(folder.files().remove(0));
    for number in 0..999 {
        std::fs::copy(&first, project.join(segment_name(number))).expect("a copy");
    }
    server.set_unavailable(false);
    let before = server.requests().len();
    let recovered = deliver(&server, &folder);
    let requests = server.requests().len() - before;
    tell(&format!(
        "{recovered} records of 1,000 files: {requests} requests"
    ));
    assert_eq!((recovered, server.accepted()), (1_000, 1_000));
    assert!(requests <= 40, "{requests}");
    assert!(folder.files().is_empty());
}

/// The shortest of a few closes without time, each after one record.
fn shortest_close(server: &Server, folder: &Path) -> Duration {
    let close = |_| {
        let client = build(client_of(server).spool(folder));
        client.track(Event::new("u", "own"));
        let start = Instant::now();
        client.close(Duration::ZERO).expect("it is on disk");
        let took = start.elapsed();
        assert_eq!(client.stats().left_in_spool, 1);
        took
    };
    (0..10).map(close).min().expect("some")
}

#[test]
fn a_close_without_time_is_quick_whatever_the_folder_holds() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    leave_one(&server, &folder, "left");
    let project = project_folder(&folder);
    let first = folder.0.join(folder.files().remove(0));
    let segment = std::fs::read(first).expect("a segment");
    for number in 0..100_000 {
        std::fs::write(project.join(segment_name(number)), &segment).expect("a copy");
        File::create(folder.0.join(format!("{number}.txt"))).expect("a file");
    }
    let shortest = shortest_close(&server, &folder.0);
    tell(&format!(
        "100,000 segments beside 100,000 other files: closed without time in {shortest:?}"
    ));
    assert!(shortest < Duration::from_millis(50), "{shortest:?}");

    let client = build(client_of(&server).spool(&folder.0));
    client.track(Event::new("u", "own"));
    let (time, start) = (Duration::from_millis(700), Instant::now());
    let _ = client.close(time);
    let took = start.elapsed();
    tell(&format!("closed within 700 ms in {took:?}"));
    assert!(took < time * 2, "{took:?}");
    assert_eq!(client.stats().dropped, 0);
}

#[cfg(target_os = "linux")]
mod users {
    use std::os::unix::fs::{PermissionsExt, chown};

    use super::*;
    use crate::{child, disks::Lines};

    const FOLDER: &str = "another user may write to the folder of the spool: what earlier runs left there is not delivered";
    const FILE: &str = "a file of the spool may have been written by another user: it stays there";

    #[track_caller]
    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("the mode is set");
    }

    /// Nothing that earlier runs left is delivered, which one line says.
    #[track_caller]
    fn assert_not_delivered(server: &Server, folder: &Folder, lines: &Lines, line: &str) {
        let before = lines.all().len();
        let client = build(client_of(server).spool(&folder.0));
        client.track(Event::new("u", "own"));
        client.close(LONG).expect("its own record is delivered");
        assert_eq!(
            (client.stats().recovered, names(server)),
            (0, vec!["own".into()])
        );
        assert_eq!(lines.all()[before..], [line]);
        assert_eq!(folder.files().len(), 1);
    }

    /// A folder with one record in it, in a process with a log of its own.
    fn with_one_left(test: &str, check: impl FnOnce(&Server, &Folder, &Lines)) {
        if !child::is_this(module_path!(), test) {
            return;
        }
        let (server, folder, lines) = (server(), Folder::new(), Lines::start());
        server.set_unavailable(true);
        leave_one(&server, &folder, "left");
        server.set_unavailable(false);
        check(&server, &folder, lines);
    }

    #[test]
    fn a_folder_that_all_may_write_to_is_not_delivered() {
        let test = "a_folder_that_all_may_write_to_is_not_delivered";
        with_one_left(test, |server, folder, lines| {
            set_mode(&folder.0, 0o777);
            assert_not_delivered(server, folder, lines, FOLDER);
        });
    }

    #[test]
    fn a_projects_folder_that_a_group_may_write_to_is_not_delivered() {
        let test = "a_projects_folder_that_a_group_may_write_to_is_not_delivered";
        with_one_left(test, |server, folder, lines| {
            set_mode(&project_folder(folder), 0o770);
            assert_not_delivered(server, folder, lines, FOLDER);
        });
    }

    #[test]
    fn a_segment_that_all_may_write_to_is_not_delivered() {
        let test = "a_segment_that_all_may_write_to_is_not_delivered";
        with_one_left(test, |server, folder, lines| {
            set_mode(&folder.0.join(folder.files().remove(0)), 0o666);
            assert_not_delivered(server, folder, lines, FILE);
        });
    }

    #[test]
    fn a_segment_of_another_user_is_not_delivered() {
        let test = "a_segment_of_another_user_is_not_delivered";
        with_one_left(test, |server, folder, lines| {
            // Only the administrator can give files away, and only the administrator could write to them then.
            if chown(folder.0.join(folder.files().remove(0)), Some(12_345), None).is_ok() {
                assert_not_delivered(server, folder, lines, FILE);
            }
        });
    }

    #[test]
    fn a_folder_like_tmp_is_as_good_as_any() {
        let test = "a_folder_like_tmp_is_as_good_as_any";
        with_one_left(test, |server, folder, lines| {
            set_mode(&folder.0, 0o1777);
            assert_eq!(deliver(server, folder), 1);
            assert!(lines.all().is_empty());
        });
    }
}

#[test]
fn a_transport_that_sends_nothing_takes_nothing_out_of_the_folder() {
    let (server, folder) = (server(), Folder::new());
    leave_one(&server, &folder, "for the server");
    let shown = client_of(&server).transport(DebugTransport::new(std::io::sink()));
    let client = build(shown.spool(&folder.0));
    client.track(Event::new("u", "only shown"));
    client.close(LONG).expect("shown");
    let stats = client.stats();
    assert_eq!((stats.delivered, stats.recovered), (1, 0));
    assert_eq!(deliver(&server, &folder), 1);
    assert_eq!(names(&server), ["for the server"]);
}
