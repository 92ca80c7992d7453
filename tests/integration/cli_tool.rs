//! The example of a command-line tool: what it delivers, keeps and prints.

use std::{
    env,
    fs::{self, File},
    io,
    net::TcpListener,
    path::PathBuf,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use trubrics::testing::{API_KEY, Server};

use crate::support::{Folder, LONG, example, server};

/// The tool of `examples/cli_tool.rs`, with a home of its own.
struct Tool {
    home: Folder,
    host: String,
}

impl Tool {
    /// A tool whose user has seen the notice.
    fn at(host: &str) -> Self {
        let tool = Self::new(host);
        assert!(tool.run_with(&["telemetry", "on"]).status.success());
        tool
    }

    fn new(host: &str) -> Self {
        Self {
            home: Folder::new(),
            host: host.to_owned(),
        }
    }

    fn command(&self) -> Command {
        let mut command = self.bare();
        command.arg("greet");
        command
    }

    /// Without a word of what to do, and without the variables of a system for CI that runs this test.
    fn bare(&self) -> Command {
        let mut command = example("cli_tool");
        command.env_clear();
        for system in ["PATH", "SYSTEMROOT"] {
            command.envs(env::var_os(system).map(|value| (system, value)));
        }
        for home in ["XDG_STATE_HOME", "APPDATA", "LOCALAPPDATA", "HOME"] {
            command.env(home, &self.home.0);
        }
        command.env("TRUBRICS_HOST", &self.host);
        command.env("TRUBRICS_API_KEY", API_KEY);
        command
    }

    fn run_with(&self, words: &[&str]) -> Output {
        self.bare().args(words).output().expect("a run")
    }

    fn run(&self) {
        assert_greets(&self.command().output().expect("a run"));
    }

    fn waiting(&self) -> usize {
        self.home.records()
    }

    /// The file that says when a process was started that delivers.
    fn stamp(&self) -> Option<PathBuf> {
        let mut files = self.home.files().into_iter();
        let stamp = files.find(|file| file.ends_with("hand-off"));
        stamp.map(|file| self.home.0.join(file))
    }

    /// A process that delivers was started just now: the next run starts none.
    fn rest(&self) {
        let mut run = self.command();
        // A process with this variable starts none, and leaves the folder in which the stamp is.
        assert_greets(&run.env("TRUBRICS_HAND_OFF", "1").output().expect("a run"));
        let mut files = self.home.files().into_iter();
        let segment = files.find(|file| file.ends_with(".trubrics"));
        let segment = self.home.0.join(segment.expect("a segment"));
        let stamp = segment.with_file_name("hand-off");
        fs::remove_file(segment).expect("removed");
        File::create(stamp).expect("a file");
    }

    /// No process was started for a long time: the next run starts one.
    fn wake(&self) {
        if let Some(stamp) = self.stamp() {
            let stamp = File::options().write(true).open(stamp).expect("a file");
            stamp.set_modified(SystemTime::UNIX_EPOCH).expect("a time");
        }
    }
}

/// It does what it would do without, and says nothing more.
#[track_caller]
fn assert_greets(output: &Output) {
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{said:?}");
    assert_eq!(said[0].replace("\r\n", "\n"), "Hello!\n");
    assert_eq!(said[1], "");
}

fn users(server: &Server) -> Vec<String> {
    let user = |event: &serde_json::Value| event["user_id"].as_str().expect("a user").to_owned();
    server.events().iter().map(user).collect()
}

#[test]
fn a_run_is_delivered_after_its_end() {
    let server = server();
    let tool = Tool::at(server.url());
    tool.run();
    let events = server.wait_for(1, LONG).expect("an event");
    assert_eq!(events[0]["event"], "Run");
    assert_eq!(events[0]["properties"]["command"], "greet");
}

#[test]
fn what_no_server_took_is_delivered_by_a_later_run_for_the_same_user() {
    let server = server();
    let tool = Tool::at(server.url());
    tool.rest();
    for waiting in 1..4 {
        tool.run();
        assert_eq!(tool.waiting(), waiting, "nothing is delivered so soon");
    }
    tool.wake();
    tool.run();
    server.wait_for(4, LONG).expect("those of all runs");
    let users = users(&server);
    assert!(users.iter().all(|user| *user == users[0]), "{users:?}");
    assert_eq!(users[0].len(), 36);
}

#[test]
fn runs_soon_after_a_delivery_are_delivered_without_another_one() {
    let server = server();
    let tool = Tool::at(server.url());
    tool.run();
    server.wait_for(1, LONG).expect("the first");
    tool.run();
    tool.run();
    server.wait_for(3, LONG).expect("all of them");
}

#[test]
fn who_opts_out_ends_a_delivery_in_the_background() {
    let server = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = format!("http://{}", server.local_addr().expect("an address"));
    let tool = Tool::at(&host);
    tool.run();
    let (mut request, _) = server.accept().expect("a request");
    request.set_read_timeout(Some(LONG)).expect("a socket");
    let opt_out = Instant::now();
    let output = tool.command().env("DO_NOT_TRACK", "1").output();
    assert_greets(&output.expect("a run"));
    // Without an answer, the request goes on until the process ends.
    let _ = io::copy(&mut request, &mut io::sink());
    assert!(opt_out.elapsed() < Duration::from_secs(5));
}

#[test]
fn first_runs_at_once_are_one_user() {
    let server = server();
    let tool = Tool::at(server.url());
    tool.rest();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| tool.run());
        }
    });
    tool.wake();
    tool.run();
    server.wait_for(9, LONG).expect("those of all runs");
    let users = users(&server);
    assert!(users.iter().all(|user| *user == users[0]), "{users:?}");
}

#[test]
fn who_opts_out_is_not_tracked_and_what_waits_is_forgotten() {
    let server = server();
    let tool = Tool::at(server.url());
    tool.rest();
    for variable in ["DO_NOT_TRACK", "CLI_TOOL_NO_TELEMETRY", "TRUBRICS_DISABLED"] {
        for yes in ["1", "true", "yes please"] {
            tool.run();
            assert_eq!(tool.waiting(), 1);
            let output = tool.command().env(variable, yes).output().expect("a run");
            assert_greets(&output);
            assert_eq!(tool.waiting(), 0);
        }
        for no in ["", "0", "false", " FALSE "] {
            let before = tool.waiting();
            let output = tool.command().env(variable, no).output().expect("a run");
            assert_greets(&output);
            assert_eq!(tool.waiting(), before + 1);
        }
        assert_greets(&tool.command().env(variable, "1").output().expect("a run"));
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_user_switches_telemetry_off_and_on_and_sees_the_state() {
    let server = server();
    let tool = Tool::new(server.url());
    let said = |word, variable: Option<&str>| {
        let mut command = tool.bare();
        command
            .args(["telemetry", word])
            .envs(variable.map(|name| (name, "1")));
        let output = command.output().expect("a run");
        assert!(output.status.success() && output.stderr.is_empty());
        String::from_utf8(output.stdout)
            .expect("text")
            .trim()
            .to_owned()
    };
    assert_eq!(said("status", None), "telemetry is undecided");
    tool.run();
    assert_eq!(tool.waiting(), 0, "nothing is counted before the notice");
    assert_eq!(said("on", None), "telemetry is on");
    tool.rest();
    tool.run();
    assert_eq!(tool.waiting(), 1);
    let in_ci = said("status", Some("GITHUB_ACTIONS"));
    assert_eq!(
        in_ci,
        "telemetry is off: this is CI, because GITHUB_ACTIONS is set"
    );
    assert_eq!(tool.waiting(), 1, "a run in CI says nothing about the user");
    let opted_out = said("on", Some("DO_NOT_TRACK"));
    assert_eq!(opted_out, "telemetry is off: DO_NOT_TRACK is set");
    tool.run();
    assert_eq!(tool.waiting(), 1);
    let off = said("off", None);
    assert!(
        off.starts_with("telemetry is off: the stored choice is off, since "),
        "{off}"
    );
    assert_eq!(tool.waiting(), 0, "the stored events are deleted");
    tool.wake();
    tool.run();
    assert_eq!((tool.waiting(), said("status", None)), (0, off));
    assert_eq!(said("on", None), "telemetry is on");
    assert!(
        server.requests().is_empty(),
        "no event says that the user opted out"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_notice_is_shown_once_in_a_terminal_before_anything_is_counted() {
    let server = server();
    let tool = Tool::new(server.url());
    tool.run();
    assert!(
        tool.home.files().is_empty(),
        "nothing is shown without a terminal"
    );
    let in_terminal = || {
        let tool_in_terminal = tool.command();
        let program = tool_in_terminal.get_program().to_str().expect("a path");
        let mut script = Command::new("script");
        script
            .args(["-qec", &format!("{program} greet"), "/dev/null"])
            .env_clear();
        script.envs(
            tool_in_terminal
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        let output = script.stdin(Stdio::null()).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let Some(first) = in_terminal() else {
        // Without the program `script`, there is no terminal.
        return;
    };
    assert!(
        first.contains("Hello!") && first.contains("`cli_tool telemetry off`"),
        "{first}"
    );
    assert_eq!(tool.waiting(), 0);
    let second = in_terminal().expect("a terminal");
    assert_eq!(second.trim(), "Hello!");
    server.wait_for(1, LONG).expect("the second run");
}

#[test]
fn what_would_be_sent_can_be_seen_and_is_not_sent() {
    let server = server();
    let tool = Tool::at(server.url());
    let output = tool.command().arg("--print-telemetry").output();
    let mut keyless = tool.command();
    let keyless = keyless
        .arg("--print-telemetry")
        .env_remove("TRUBRICS_API_KEY")
        .output();
    for output in [output, keyless].map(|output| output.expect("a run")) {
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let record = said.lines().last().expect("a record");
        let event: serde_json::Value = serde_json::from_str(record).expect("JSON");
        assert_eq!(event["event"], "Run");
        assert!(!said.contains(API_KEY), "{said}");
    }
    assert_eq!(tool.waiting(), 0);
    assert!(server.requests().is_empty());
}

#[test]
fn a_run_that_is_asked_for_nothing_prints_the_usage_and_is_not_tracked() {
    let server = server();
    let tool = Tool::at(server.url());
    tool.rest();
    let run = |arguments: &[&str]| {
        let Output {
            status,
            stdout,
            stderr,
        } = tool.bare().args(arguments).output().expect("a run");
        let said = [stdout, stderr].map(|bytes| String::from_utf8(bytes).expect("text"));
        (status.code(), said)
    };
    let usage =
        || "usage: cli_tool greet [--print-telemetry] | telemetry on|off|status\n".to_owned();
    for words in [
        &[][..],
        &["nonsense"],
        &["telemetry"],
        &["telemetry", "maybe"],
        &["--help"],
    ] {
        assert_eq!(run(words), (Some(2), [String::new(), usage()]));
    }
    assert_eq!(tool.waiting(), 0);
    assert!(server.requests().is_empty());
}

/// The default host needs TLS, and a crypto provider that the tool does not install.
#[cfg(any(
    feature = "rustls",
    all(feature = "native-tls", not(feature = "rustls-no-provider"))
))]
#[test]
fn an_empty_host_is_none() {
    let tool = Tool::at("");
    tool.rest(); // so nothing is sent
    tool.run();
    assert_eq!(tool.waiting(), 1);
}

/// With `TRUBRICS_MEASURE=1` the bound is that of a machine at rest.
#[test]
#[expect(clippy::print_stdout, reason = "figures are asked for")]
fn a_black_hole_costs_a_run_next_to_nothing() {
    let black_hole = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = format!("http://{}", black_hole.local_addr().expect("an address"));
    let tool = Tool::at(&host);
    let timed = |mut command: Command, code| {
        let start = Instant::now();
        let output = command.output().expect("a run");
        let time = start.elapsed();
        assert_eq!(output.status.code(), Some(code));
        time
    };
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..20 {
        // The usage is printed without a look at telemetry.
        times[0].push(timed(tool.bare(), 2));
        times[1].push(timed(tool.command(), 0));
        tool.wake();
        times[2].push(timed(tool.command(), 0));
    }
    let [without, with, delivering] = times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    println!(
        "median of 20 runs: {without:?} without the SDK, {with:?} with it against a black hole, {delivering:?} when the \
         run starts a delivery"
    );
    let bound = if env::var_os("TRUBRICS_MEASURE").is_some() {
        Duration::from_millis(2)
    } else {
        // A machine that is busy with other tests; a wait for the network would be seconds.
        Duration::from_millis(500)
    };
    assert!(with <= without + bound && delivering <= without + bound);
}
