//! The program of the page `start`.

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    process::{Command, Output},
};

use trubrics::testing::Server;

use crate::support::{Folder, example, server};

/// The program itself, for the tests that it has.
#[expect(dead_code, reason = "its `main` is run as an example below")]
#[path = "../../examples/start.rs"]
mod program;

const PAGE: &str = include_str!("../../src/_docs/start.md");
const PROGRAM: &str = include_str!("../../examples/start.rs");

/// The items of a program by their names. Each ends with the first line that ends one and is not indented.
fn items<'a>(code: impl Iterator<Item = &'a str>) -> BTreeMap<String, String> {
    let mut items = BTreeMap::new();
    let mut item = String::new();
    for line in code.filter(|line| !line.is_empty()) {
        item += line;
        item.push('\n');
        if line.starts_with('}') || line.ends_with(';') && !line.starts_with(' ') {
            items.insert(name(&item), std::mem::take(&mut item));
        }
    }
    assert_eq!(item, "", "an item that does not end");
    items
}

/// `fn main`, `use std`: what two items that replace each other have in common.
fn name(item: &str) -> String {
    let head = item.lines().find(|line| !line.starts_with('#')).unwrap();
    let end = head.find(['(', ':', '<']).unwrap();
    head[..end].to_owned()
}

/// The items of the program that the page shows. The block above its heading is a program of its own.
fn shown() -> BTreeMap<String, String> {
    let (_, page) = PAGE.split_once("\n# A whole program\n").expect("a heading");
    let mut shown = BTreeMap::new();
    for block in page.split("\n```rust\n").skip(1) {
        let block = block.split("\n```").next().expect("its end");
        let is_shown = |line: &&str| !line.starts_with("# ");
        shown.extend(items(block.lines().filter(is_shown)));
    }
    shown
}

#[test]
fn the_page_shows_the_whole_example_and_nothing_else() {
    let is_code = |line: &&str| !line.starts_with("//!") && !line.starts_with("#![");
    let example = items(PROGRAM.lines().filter(is_code));
    let shown = shown();
    assert!(shown.len() > 8, "blocks are found: {shown:?}");
    assert_eq!(shown, example);
}

/// The program of the page, in a home of its own.
struct Program {
    home: Folder,
}

impl Program {
    fn new() -> Self {
        let home = Folder::new();
        fs::create_dir_all(&home.0).unwrap();
        Self { home }
    }

    fn command(&self) -> Command {
        let mut command = example("start");
        command.args(["Who", "is", "ada@example.com"]);
        for home in ["HOME", "USERPROFILE"] {
            command.env(home, &self.home.0);
        }
        for name in [
            "TRUBRICS_API_KEY",
            "TRUBRICS_HOST",
            "TRUBRICS_DISABLED",
            "DO_NOT_TRACK",
        ] {
            command.env_remove(name);
        }
        command
    }

    fn command_to(&self, host: &str) -> Command {
        let mut command = self.command();
        command.env("TRUBRICS_API_KEY", trubrics::testing::API_KEY);
        command.env("TRUBRICS_HOST", host);
        command
    }

    /// How many records its spool holds.
    fn waiting(&self) -> usize {
        self.home.records()
    }
}

/// Runs it to its end; gives what it said beside its answer.
#[track_caller]
fn run(command: &mut Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    assert!(status.success());
    let answer = String::from_utf8(stdout).unwrap();
    assert_eq!(answer.trim_end(), "You said: Who is ada@example.com");
    String::from_utf8(stderr).unwrap()
}

#[track_caller]
fn assert_has_runs(server: &Server, runs: usize) {
    let (events, exchanges) = (server.events(), server.llm_events());
    assert_eq!((events.len(), exchanges.len()), (runs, runs));
    for (event, exchange) in events.iter().zip(&exchanges) {
        assert_eq!(event["event"], "Question");
        assert_eq!(event["user_id"], events[0]["user_id"], "the id is kept");
        assert_eq!(exchange["prompt"], "Who is [address]");
        assert_eq!(exchange["properties"]["outcome"], "finished");
    }
}

#[test]
fn without_a_key_the_program_shows_what_it_would_send() {
    let shown = run(&mut Program::new().command());
    assert!(
        shown.contains("/publish_events\n  {\"user_id\":"),
        "{shown}"
    );
    assert!(shown.contains("\"prompt\":\"Who is [address]\""), "{shown}");
    assert!(!shown.contains("ada@"), "{shown}");
}

#[test]
fn what_the_program_could_not_deliver_the_next_run_delivers() {
    let program = Program::new();
    // Dropped at once, so that the first run finds the port closed.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    // The spool keeps the records of each host apart, so both runs need the same host.
    let host = format!("http://127.0.0.1:{port}/api/ingestion");
    assert_eq!(run(&mut program.command_to(&host)), "");
    assert_eq!(program.waiting(), 2, "an event and an exchange");

    let server = Server::start_on_port(port, trubrics::testing::API_KEY).unwrap();
    assert_eq!(server.url(), host);
    assert_eq!(run(&mut program.command_to(server.url())), "");
    assert_has_runs(&server, 2);
    assert_eq!(program.waiting(), 0);
}

#[test]
fn a_user_who_opts_out_is_not_tracked() {
    let program = Program::new();
    let server = server();
    let said = run(program.command_to(server.url()).env("DO_NOT_TRACK", "1"));
    assert_eq!(said, "");
    assert_has_runs(&server, 0);
    let kept = fs::read_dir(&program.home.0).unwrap().count();
    assert_eq!(kept, 0, "not even an id is made");
}
