//! A process that stores its records and ends, and the process that it starts to deliver them.

mod faults;

use std::{
    env, fs,
    io::{ErrorKind, Write},
    net::TcpListener,
    path::PathBuf,
    process::Command,
    sync::Once,
    thread,
    time::{Duration, Instant, SystemTime},
};

use trubrics::{
    Consent, Event, Gate, Overflow, Response, Trubrics, TrubricsBuilder,
    testing::{API_KEY, Reply, Server},
    transport_fn,
};

use crate::{
    child,
    support::{Folder, LONG, build, server},
};

/// The folder and the host that a process works with.
const FOLDER: &str = "TRUBRICS_HAND_OFF_FOLDER";
const HOST: &str = "TRUBRICS_HAND_OFF_HOST";

/// Set for a process that removes its own program.
const REMOVED: &str = "TRUBRICS_HAND_OFF_REMOVED";

/// Set for the process that delivers.
const MARK: &str = "TRUBRICS_HAND_OFF";

/// Long enough for all the runs of a test to end in it.
const INTERVAL: Duration = Duration::from_secs(5);

fn settings(host: &str, folder: impl Into<PathBuf>) -> TrubricsBuilder {
    Trubrics::builder(API_KEY).host(host).spool(folder)
}

/// As [`settings`], for a client that starts this program with an argument that makes it end at once.
fn storing(host: &str, folder: &Folder) -> TrubricsBuilder {
    settings(host, &folder.0).hand_off(["--list"])
}

/// The settings of a process; none in a test that is only the other end.
fn of_process() -> Option<TrubricsBuilder> {
    let (folder, host) = (env::var_os(FOLDER)?, env::var(HOST).ok()?);
    let deliver = format!("{}::a_process_that_delivers", "hand_off");
    let settings = settings(&host, folder).hand_off_interval(INTERVAL);
    Some(settings.hand_off([&deliver, "--exact"]))
}

/// The other end of the tests here: tracks one event.
#[test]
fn a_process_that_stores() {
    if let Some(settings) = of_process() {
        let client = build(settings);
        client.track(Event::new("user", "Run"));
        if env::var_os(REMOVED).is_some() {
            fs::remove_file(env::current_exe().expect("a program")).expect("removed");
        }
    }
}

/// The process that it starts: adds a line about itself to a file.
#[test]
fn a_process_that_delivers() {
    if let Some(settings) = of_process() {
        let folder = PathBuf::from(env::var_os(FOLDER).expect("a folder"));
        let report = format!("{}\n", about_this_process());
        let mut file = fs::File::options();
        let file = file.create(true).append(true).open(folder.join("report"));
        let mut file = file.expect("a file");
        file.write_all(report.as_bytes()).expect("written");
        settings.deliver_handed_off().expect("good settings");
    }
}

/// The targets of its descriptors, its folder, and whether it leads its group.
fn about_this_process() -> String {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten();
    let targets = entries.flatten().filter_map(|entry| {
        let target = fs::read_link(entry.path()).ok()?;
        Some(format!("{:?} is {}", entry.file_name(), target.display()))
    });
    let targets: Vec<_> = targets.collect();
    let folder = env::current_dir().expect("a folder");
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let group = stat.split(' ').nth(4).unwrap_or_default();
    let leads = group == std::process::id().to_string();
    format!("{targets:?} in {} leads: {leads}", folder.display())
}

fn run(server: &Server, folder: &Folder) -> Command {
    let mut command = child::command(module_path!(), "a_process_that_stores");
    command.env(FOLDER, &folder.0).env(HOST, server.url());
    command
}

#[track_caller]
fn assert_succeeds(mut command: Command) {
    let output = command.output().expect("a process");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

fn stamp(folder: &Folder) -> Option<PathBuf> {
    let mut files = folder.files().into_iter();
    let stamp = files.find(|file| file.ends_with("hand-off"));
    stamp.map(|file| folder.0.join(file))
}

#[test]
fn runs_that_end_at_once_are_delivered_by_one_process() {
    let (server, folder) = (server(), Folder::new());
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_succeeds(run(&server, &folder)));
        }
    });
    server.wait_for(8, LONG).expect("those of all runs");
    let report = fs::read_to_string(folder.0.join("report")).expect("a report");
    assert_eq!(report.lines().count(), 1, "{report}");
    assert_eq!(server.events().len(), 8, "each once");
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_that_delivers_has_nothing_of_the_one_that_started_it() {
    let (server, folder) = (server(), Folder::new());
    fs::create_dir(&folder.0).expect("a folder");
    let mut shell = Command::new("sh");
    let leak = r#"exec 3>"$0/leak" 7>&3; exec "$@""#;
    let run = run(&server, &folder);
    shell.args(["-c", leak]).arg(&folder.0);
    shell.arg(run.get_program()).args(run.get_args());
    shell.env(FOLDER, &folder.0).env(HOST, server.url());
    assert_succeeds(shell);
    server.wait_for(1, LONG).expect("the event");
    let report = fs::read_to_string(folder.0.join("report")).expect("a report");
    assert!(!report.contains("leak"), "{report}");
    for descriptor in ["0", "1", "2"] {
        let null = format!("\"\\\"{descriptor}\\\" is /dev/null\"");
        assert!(report.contains(&null), "{report}");
    }
    assert!(report.ends_with("in / leads: true\n"), "{report}");
}

#[test]
fn no_process_is_started_soon_after_another_one() {
    let (server, folder) = (server(), Folder::new());
    let mut first = run(&server, &folder);
    first.env(MARK, "1");
    assert_succeeds(first);
    assert_eq!(
        stamp(&folder),
        None,
        "the process that delivers starts none"
    );
    let segment = folder.files().pop().expect("a segment");
    let project = folder.0.join(segment);
    fs::write(project.with_file_name("hand-off"), "").expect("written");
    assert_succeeds(run(&server, &folder));
    assert_eq!(folder.records(), 2);

    let long_ago = SystemTime::now() - INTERVAL * 2;
    let stamp = fs::File::options()
        .write(true)
        .open(stamp(&folder).expect("a file"));
    stamp
        .expect("a file")
        .set_modified(long_ago)
        .expect("a time");
    assert_succeeds(run(&server, &folder));
    server.wait_for(3, LONG).expect("those of all runs");
}

#[test]
fn a_close_waits_for_the_disk_and_makes_no_request() {
    let black_hole = TcpListener::bind("127.0.0.1:0").expect("a port");
    black_hole.set_nonblocking(true).expect("a socket");
    let host = format!("http://{}", black_hole.local_addr().expect("an address"));
    let folder = Folder::new();
    let client = build(storing(&host, &folder));
    for _ in 0..1_000 {
        client.track(Event::new("user", "Run"));
    }
    client.flush(LONG).expect("all is on disk");
    assert_eq!((folder.records(), client.stats().pending), (1_000, 1_000));
    client.track(Event::new("user", "Run"));
    let start = Instant::now();
    client.close(LONG).expect("all is on disk");
    assert!(start.elapsed() < LONG / 2);
    assert_eq!(client.stats().left_in_spool, 1_001);
    let accepted = black_hole.accept().expect_err("no request");
    assert_eq!(accepted.kind(), ErrorKind::WouldBlock);
    assert!(stamp(&folder).is_some(), "a process was started");
}

#[test]
fn without_records_no_process_is_started() {
    let (server, folder) = (server(), Folder::new());
    build(storing(server.url(), &folder))
        .close(LONG)
        .expect("nothing to do");
    assert!(folder.files().is_empty());
    // Neither is there one without consent.
    let undecided = build(storing(server.url(), &folder).consent(Consent::Undecided));
    undecided.track(Event::new("user", "Run"));
    undecided.close(LONG).expect_err("the record is dropped");
    assert!(folder.files().is_empty());
    let off = build(storing(server.url(), &folder).off_if(Gate::when(true, "a test")));
    off.track(Event::new("user", "Run"));
    off.close(LONG).expect("nothing to do");
    assert!(folder.files().is_empty());
}

#[test]
fn calls_that_deliver_themselves_need_a_transport_of_their_own() {
    let (server, folder) = (server(), Folder::new());
    let event = || Event::new("user", "Run");
    let client = build(storing(server.url(), &folder));
    // At once, whatever time there is.
    let mut outcomes = client.deliver([event()], Duration::MAX);
    outcomes.push(client.track_sync(event()));
    for outcome in outcomes {
        let error = outcome.expect_err("no transport");
        let text = "hand_off leaves all requests to another process";
        assert_eq!(error.to_string(), text);
        assert!(!error.is_transient());
    }
    let own = transport_fn(|_| Ok(Response::new(200)));
    let client = build(storing(server.url(), &folder).transport(own));
    client.track_sync(event()).expect("delivered");
    assert!(server.requests().is_empty());
}

#[test]
fn the_other_side_delivers_and_says_how_much() {
    let (server, folder) = (server(), Folder::new());
    let settings = || storing(server.url(), &folder).hand_off_interval(Duration::from_secs(1));
    let client = build(settings());
    for _ in 0..30 {
        client.track(Event::new("user", "Run"));
    }
    client.close(LONG).expect("all is on disk");
    server.set_unavailable(true);
    let stats = settings().deliver_handed_off().expect("good settings");
    assert_eq!((stats.delivered, stats.left_in_spool), (0, 30));
    server.set_unavailable(false);
    let stats = settings().deliver_handed_off().expect("good settings");
    assert_eq!(
        (stats.recovered, stats.delivered, stats.left_in_spool),
        (30, 30, 0)
    );
    assert_eq!(server.events().len(), 30);
}

#[test]
fn the_other_side_returns_soon_when_the_consent_is_withdrawn() {
    let (server, folder) = (server(), Folder::new());
    let settings = || storing(server.url(), &folder).hand_off_interval(LONG);
    let client = build(settings());
    client.track(Event::new("user", "Run"));
    client.close(LONG).expect("all is on disk");
    trubrics::withdraw_in(&folder.0).expect("the disk works");
    let start = Instant::now();
    let stats = settings().deliver_handed_off().expect("good settings");
    let off = settings().disabled(true).deliver_handed_off();
    assert_eq!(
        (stats.delivered, off.expect("good settings").delivered),
        (0, 0)
    );
    assert!(start.elapsed() < LONG / 2);
    assert!(server.requests().is_empty());
}

#[test]
fn settings_that_a_hand_off_cannot_work_with_are_refused() {
    let folder = env::temp_dir();
    let without_spool = || Trubrics::builder(API_KEY);
    let good = || without_spool().spool(&folder).hand_off(["deliver"]);
    let cases = [
        (without_spool().hand_off(["deliver"]), "spool"),
        (
            without_spool().spool("relative").hand_off(["deliver"]),
            "absolute",
        ),
        (good().hand_off(Vec::<String>::new()), "argument"),
        (good().hand_off(["a\0b"]), "NUL"),
        (good().overflow(Overflow::Block), "Overflow::Block"),
    ];
    for (settings, word) in cases {
        for error in [
            settings.clone().build().err(),
            settings.deliver_handed_off().err(),
        ] {
            let error = error.expect(word);
            assert_eq!(error.setting(), Some("hand_off"));
            assert!(error.to_string().contains(word), "{error}");
        }
    }
    let too_short = good().hand_off_interval(Duration::from_millis(999));
    let error = too_short.build().expect_err("too short");
    assert_eq!(error.setting(), Some("hand_off_interval"));
    let error = without_spool()
        .deliver_handed_off()
        .expect_err("no hand-off");
    assert_eq!(error.setting(), Some("hand_off"));
}
