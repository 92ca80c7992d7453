//! Withdrawals beside other processes, and in processes that are killed.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    net::TcpListener,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use trubrics::testing::API_KEY;

use super::*;
use crate::{chance::Chance, child};

/// Before what a process says to its parent.
const SIGN: &str = "says: ";

/// The folder and the host that a process works with.
const FOLDER: &str = "TRUBRICS_WITHDRAWAL_FOLDER";
const HOST: &str = "TRUBRICS_WITHDRAWAL_HOST";

#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn say(text: &str) {
    println!("{SIGN}{text}");
}

/// Another process that carries out one of the tests here.
struct Process {
    child: Child,
    orders: ChildStdin,
    said: BufReader<ChildStdout>,
}

fn command(test: &str, server: &Server, folder: &Folder) -> Command {
    let mut command = child::command(module_path!(), test);
    command.env(FOLDER, &folder.0).env(HOST, server.url());
    command
}

impl Process {
    fn start(mut command: Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("a process");
        let orders = child.stdin.take().expect("a pipe");
        let said = BufReader::new(child.stdout.take().expect("a pipe"));
        Self {
            child,
            orders,
            said,
        }
    }

    /// Waits for the next text that the process says.
    fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            let read = self.said.read_line(&mut line).expect("text");
            assert!(read > 0, "the process has ended");
            if let Some((_, text)) = line.split_once(SIGN) {
                return text.trim().to_owned();
            }
        }
    }

    fn order(&mut self) {
        writeln!(self.orders, "go on").expect("the process lives");
    }

    #[cfg(unix)]
    fn signal(&self, signal: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &process]).status();
        assert!(sent.expect("the program kill").success(), "{signal}");
    }

    fn end(mut self) {
        assert!(self.child.wait().expect("its end").success());
    }
}

fn wait_for_order() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).expect("the parent lives");
}

/// The client of a process; none in the test that is only the other end.
fn client_of_process() -> Option<Trubrics> {
    let (folder, host) = (env::var_os(FOLDER)?, env::var(HOST).ok()?);
    let builder = Trubrics::builder(API_KEY).host(host);
    let builder = builder.flush_interval(NEVER).spool(folder);
    Some(build(builder.max_backoff(Duration::from_millis(250))))
}

fn leave(server: &Server, folder: &Folder, count: usize) {
    let client = build(client_of(server).spool(&folder.0));
    (0..count).for_each(|_| client.track(event("before")));
    client.close(Duration::ZERO).expect("all is on disk");
}

/// Delivers what is left, and returns the consent that the client had.
fn deliver(server: &Server, folder: &Folder) -> Consent {
    let client = build(client_of(server).spool(&folder.0));
    let consent = client.consent();
    client.close(LONG).expect("delivered");
    consent
}

/// The other end of the next test.
#[test]
fn a_process_with_records() {
    let Some(client) = client_of_process() else {
        return;
    };
    (0..50).for_each(|_| client.track(event("before")));
    let _ = client
        .flush(Duration::from_millis(300))
        .expect_err("an outage");
    say("stored");
    wait_for_order();
    client.track(event("not noticed"));
    let _ = client.flush(LONG);
    say(&client.consent().to_string());
    client.track(event("later"));
    let _ = client.close(LONG);
    let stats = client.stats();
    say(&format!(
        "{} {}",
        stats.dropped_for(DropReason::Withdrawn),
        stats.delivered
    ));
    assert_eq!((stats.pending, stats.left_in_spool), (0, 0), "{stats:?}");
}

#[cfg(unix)]
#[test]
fn a_process_with_records_notices_the_withdrawal_of_another() {
    for is_granted in [false, true] {
        let (server, folder) = (server(), Folder::new());
        server.set_unavailable(true);
        let mut process = Process::start(command("a_process_with_records", &server, &folder));
        assert_eq!(process.hear(), "stored");
        assert!(folder.records() > 0);
        // It must not look between the two changes.
        process.signal("-STOP");
        trubrics::withdraw_in(&folder.0).expect("the disk works");
        assert_eq!(folder.records(), 0, "also those that the process holds");
        if is_granted {
            trubrics::grant_in(&folder.0).expect("the disk works");
        }
        server.set_unavailable(false);
        process.signal("-CONT");
        process.order();
        let consent = if is_granted { "granted" } else { "withdrawn" };
        assert_eq!(process.hear(), consent);
        let ended = process.hear();
        process.end();
        assert_eq!(server.events_named("before").len(), 0);
        // The process may notice before it tracks the first record after the grant.
        let expected: &[&str] = if is_granted {
            &["51 1", "50 2"]
        } else {
            &["52 0"]
        };
        assert!(
            expected.contains(&&*ended),
            "granted: {is_granted}, {ended}"
        );
        assert!(
            ended.ends_with(&format!(" {}", server.accepted())),
            "{ended}"
        );
        assert_eq!(folder.records(), 0);
    }
}

#[test]
fn a_withdrawal_elsewhere_breaks_off_a_request_in_flight() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = format!("http://{}", server.local_addr().expect("an address"));
    let folder = Folder::new();
    let builder = Trubrics::builder(API_KEY).host(host).spool(&folder.0);
    let client = build(builder.request_timeout(LONG * 4));
    client.track(event("before"));
    client.flush(Duration::ZERO).expect("it does not wait");
    let (mut request, _) = server.accept().expect("a request");
    request.set_read_timeout(Some(LONG)).expect("a socket");
    trubrics::withdraw_in(&folder.0).expect("the disk works");
    // Without an answer, the connection stays until the request is broken off.
    io::copy(&mut request, &mut io::sink()).expect("the end of the connection");
    client.close(LONG).expect_err("the record is dropped");
    assert_eq!(client.stats().dropped_for(DropReason::Withdrawn), 1);
    assert_eq!(client.consent(), Consent::Withdrawn);
}

/// The other end of the next test.
#[test]
fn a_process_that_withdraws() {
    if let Some(folder) = env::var_os(FOLDER) {
        say("begins");
        trubrics::withdraw_in(folder).expect("the disk works");
        say("ended");
    }
}

#[test]
fn a_kill_in_the_middle_of_a_withdrawal_brings_nothing_back() {
    let server = server();
    let (mut in_the_middle, mut chance) = (0, Chance::new(1, 0));
    for _ in 0..25 {
        let folder = Folder::new();
        leave(&server, &folder, 1);
        let first = folder.0.join(&folder.files()[0]);
        let project = first.parent().expect("a folder").to_path_buf();
        let bytes = fs::read(&first).expect("a segment");
        for number in 0..1_500 {
            fs::write(
                project.join(format!("{number:014}-e-{number:032x}.trubrics")),
                &bytes,
            )
            .expect("room");
        }
        let mut process = Process::start(command("a_process_that_withdraws", &server, &folder));
        assert_eq!(process.hear(), "begins");
        thread::sleep(Duration::from_micros(chance.below(30_000)));
        let _ = process.child.kill();
        let _ = process.child.wait();
        let left = folder.records();
        in_the_middle += usize::from(left > 0 && left < 1_501);
        let is_noted = project.join("consent").exists();
        trubrics::grant_in(&folder.0).expect("the disk works");
        if is_noted {
            let accepted = server.accepted();
            assert_eq!(deliver(&server, &folder), Consent::Granted);
            assert_eq!(server.accepted(), accepted, "{left} were left");
            assert_eq!(folder.records(), 0);
        } else {
            assert_eq!(left, 1_501);
        }
    }
    child::tell(&format!(
        "25 kills of a withdrawal, {in_the_middle} in the middle"
    ));
}

#[test]
fn a_withdrawn_folder_stays_withdrawn_for_later_runs_until_a_grant() {
    let (server, folder) = (server(), Folder::new());
    leave(&server, &folder, 10);
    trubrics::withdraw_in(&folder.0).expect("the disk works");
    assert_eq!(deliver(&server, &folder), Consent::Withdrawn);
    trubrics::grant_in(&folder.0).expect("the disk works");
    assert_eq!(deliver(&server, &folder), Consent::Granted);
    assert_eq!(server.accepted(), 0);
    leave(&server, &folder, 2);
    deliver(&server, &folder);
    assert_eq!(server.accepted(), 2);
}

#[test]
fn a_grant_of_a_client_is_noted_for_later_runs() {
    let (server, folder) = (server(), Folder::new());
    let client = build(client_of(&server).spool(&folder.0));
    for is_granted_elsewhere in [false, true] {
        client.withdraw().expect("the disk works");
        if is_granted_elsewhere {
            trubrics::grant_in(&folder.0).expect("the disk works");
        }
        client.grant().expect("the disk works");
        assert_eq!(deliver(&server, &folder), Consent::Granted);
    }
}

#[test]
fn a_folder_that_is_not_there_is_not_an_error_and_is_not_made() {
    let folder = Folder::new();
    trubrics::withdraw_in(&folder.0).expect("nothing to do");
    trubrics::grant_in(&folder.0).expect("nothing to do");
    assert!(!folder.0.exists());
}

#[test]
fn files_of_others_stay_when_the_consent_is_withdrawn() {
    let (server, folder) = (server(), Folder::new());
    leave(&server, &folder, 10);
    let project = folder.0.join(&folder.files()[0]);
    let project = project.parent().expect("a folder");
    let foreign = [
        folder.0.join("notes.txt"),
        project.join("notes.txt"),
        folder.0.join("sub/x.trubrics"),
    ];
    for file in &foreign {
        fs::create_dir_all(file.parent().expect("a folder")).expect("room");
        fs::write(file, "mine").expect("room");
    }
    trubrics::withdraw_in(&folder.0).expect("the disk works");
    for file in &foreign {
        assert_eq!(fs::read_to_string(file).expect("a file"), "mine");
    }
    assert_eq!(folder.files().len(), 4, "{:?}", folder.files());
}

#[test]
fn a_note_that_cannot_be_read_keeps_everything_from_being_sent() {
    let (server, folder) = (server(), Folder::new());
    leave(&server, &folder, 10);
    let project = folder.0.join(&folder.files()[0]);
    let note = project.parent().expect("a folder").join("consent");
    fs::write(&note, "torn").expect("room");
    let client = build(client_of(&server).spool(&folder.0));
    client.track(event("later"));
    let _ = client
        .flush(Duration::from_millis(300))
        .expect_err("nothing is sent");
    client
        .track_sync(event("sync"))
        .expect_err("nothing is sent");
    assert!(server.requests().is_empty());
    client.withdraw().expect("the note is written anew");
    assert_eq!(client.consent(), Consent::Withdrawn);
    assert_eq!((server.requests().len(), folder.records()), (0, 0));
    client.close(LONG).expect_err("they were dropped");
    let stats = client.stats();
    assert_eq!((stats.dropped, stats.pending), (11, 0), "{stats:?}");
}

#[test]
fn a_withdrawal_after_the_close_empties_the_folder() {
    let (server, folder) = (server(), Folder::new());
    let client = build(client_of(&server).spool(&folder.0));
    (0..10).for_each(|_| client.track(event("before")));
    client.close(Duration::ZERO).expect("all is on disk");
    client.withdraw().expect("the disk works");
    assert_eq!(folder.records(), 0);
    assert_eq!(deliver(&server, &folder), Consent::Withdrawn);
}

/// The other end of the next test.
#[test]
fn a_process_that_builds_a_client() {
    if let (Some(folder), Ok(host)) = (env::var_os(FOLDER), env::var(HOST)) {
        let builder = Trubrics::builder(API_KEY).host(host);
        let client = build(builder.spool(folder).respect_opt_out(true));
        say(&client.is_disabled().to_string());
    }
}

#[test]
fn an_opt_out_by_environment_forgets_the_spool() {
    let (server, folder) = (server(), Folder::new());
    let other = Server::start_with_api_key("another key").expect("a port");
    leave(&server, &folder, 10);
    leave(&other, &folder, 1);
    let mut command = command("a_process_that_builds_a_client", &server, &folder);
    command.env("DO_NOT_TRACK", "1");
    let mut process = Process::start(command);
    assert_eq!(process.hear(), "true");
    process.end();
    assert_eq!(folder.records(), 1, "that of the other project");
    assert_eq!(deliver(&server, &folder), Consent::Granted);
    assert_eq!(server.accepted(), 0);
    leave(&server, &folder, 1);
    deliver(&server, &folder);
    assert_eq!(server.accepted(), 1, "later records are delivered");
}
