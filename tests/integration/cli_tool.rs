//! The example of a command-line tool: what it delivers, keeps and prints.

use std::{
    env,
    fs::{self, File},
    io,
    net::TcpListener,
    path::PathBuf,
    process::{Command, Output},
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
    fn at(host: &str) -> Self {
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

    /// Without a word of what to do.
    fn bare(&self) -> Command {
        let mut command = example("cli_tool");
        for home in ["XDG_STATE_HOME", "LOCALAPPDATA", "HOME"] {
            command.env(home, &self.home.0);
        }
        for opt_out in ["DO_NOT_TRACK", "CLI_TOOL_NO_TELEMETRY"] {
            command.env_remove(opt_out);
        }
        command.env("TRUBRICS_HOST", &self.host);
        command.env("TRUBRICS_API_KEY", API_KEY);
        command
    }

    fn run(&self) {
        assert_greets(&self.command().output().expect("a run"));
    }

    fn telemetry(&self) -> PathBuf {
        if cfg!(target_os = "macos") {
            let support = self.home.0.join("Library/Application Support");
            return support.join("cli_tool/telemetry");
        }
        self.home.0.join("cli_tool/telemetry")
    }

    fn waiting(&self) -> usize {
        self.home.records()
    }

    /// Something was delivered just now: the next run will not.
    fn rest(&self) {
        fs::create_dir_all(self.telemetry()).expect("a folder");
        self.stamp(SystemTime::now());
    }

    /// Nothing was delivered for a long time: the next run will.
    fn wake(&self) {
        self.stamp(SystemTime::UNIX_EPOCH);
    }

    fn stamp(&self, time: SystemTime) {
        let stamp = File::create(self.telemetry().join("last-delivery")).expect("a file");
        stamp.set_modified(time).expect("a time");
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
    for variable in ["DO_NOT_TRACK", "CLI_TOOL_NO_TELEMETRY"] {
        for yes in ["1", "true", "yes please"] {
            tool.rest();
            tool.run();
            assert_eq!(tool.waiting(), 1);
            tool.wake();
            let output = tool.command().env(variable, yes).output().expect("a run");
            assert_greets(&output);
            assert_eq!(tool.waiting(), 0);
        }
        for no in ["", "0", "false", " FALSE "] {
            tool.rest();
            let output = tool.command().env(variable, no).output().expect("a run");
            assert_greets(&output);
            assert_eq!(tool.waiting(), 1);
            fs::remove_dir_all(tool.telemetry()).expect("removed");
        }
    }
    assert!(server.requests().is_empty());
}

#[test]
fn what_would_be_sent_can_be_seen_and_is_not_sent() {
    let server = server();
    let tool = Tool::at(server.url());
    let output = tool.command().arg("--print-telemetry").output();
    let keyless = tool.command().env_remove("TRUBRICS_API_KEY").output();
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
    let usage = || "usage: cli_tool greet [--print-telemetry]\n".to_owned();
    let nothing = String::new;
    assert_eq!(run(&[]), (Some(2), [nothing(), usage()]));
    assert_eq!(run(&["nonsense"]), (Some(2), [nothing(), usage()]));
    assert_eq!(run(&["--help"]), (Some(0), [usage(), nothing()]));
    assert_eq!(run(&["greet", "--help"]), (Some(0), [usage(), nothing()]));
    assert_eq!(tool.waiting(), 0);
    assert!(server.requests().is_empty());
}

#[test]
fn an_empty_host_is_none() {
    let tool = Tool::at("");
    tool.rest(); // and so nothing is sent
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
    let timed = |mut command: Command| {
        let start = Instant::now();
        assert_greets(&command.output().expect("a run"));
        start.elapsed()
    };
    let without = || {
        let mut command = tool.command();
        command.env("DO_NOT_TRACK", "1");
        command
    };
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..20 {
        times[0].push(timed(without()));
        times[1].push(timed(tool.command()));
        tool.wake();
        times[2].push(timed(tool.command()));
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
        Duration::from_millis(10)
    } else {
        // A machine that is busy with other tests; a wait for the network would be seconds.
        Duration::from_millis(500)
    };
    assert!(with <= without + bound && delivering <= without + bound);
}
