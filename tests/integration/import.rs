//! The example that imports past events, as the program that `cargo test` has built.

/// Imports in the size that gives figures, one of them killed.
mod long;

use std::{
    collections::HashMap,
    env, fs,
    path::PathBuf,
    process::{Child, Output, Stdio},
};

use serde_json::{Value, json};
use trubrics::testing::Server;

use crate::support::{example, server};

/// A file of events in a folder of its own, removed at the end.
struct Import {
    folder: PathBuf,
    input: PathBuf,
}

impl Import {
    fn of(lines: &str) -> Self {
        let folder = env::temp_dir().join(format!("trubrics-{}", trubrics::anonymous_id()));
        fs::create_dir(&folder).unwrap();
        let input = folder.join("past_events.jsonl");
        fs::write(&input, lines).unwrap();
        Self { folder, input }
    }

    fn start(&self, server: &Server, api_key: &str) -> Child {
        self.start_with(server, api_key, &[])
    }

    #[track_caller]
    fn start_with(&self, server: &Server, api_key: &str, arguments: &[&str]) -> Child {
        example("import")
            .arg(&self.input)
            .args(arguments)
            .env("TRUBRICS_API_KEY", api_key)
            .env("TRUBRICS_HOST", server.url())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs to the end; gives what it printed.
    #[track_caller]
    fn run(&self, server: &Server) -> String {
        self.run_with(server, &[])
    }

    #[track_caller]
    fn run_with(&self, server: &Server, arguments: &[&str]) -> String {
        let child = self.start_with(server, server.api_key(), arguments);
        let Output {
            status,
            stdout,
            stderr,
        } = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(stderr).unwrap();
        assert!(status.success(), "{stderr}");
        assert_eq!(stderr, "", "there is no terminal to draw on");
        String::from_utf8(stdout).unwrap()
    }

    fn dead_letters(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.with(".dead-letters")).unwrap_or_default();
        let parse = |line| serde_json::from_str(line).expect("a whole line");
        text.lines().map(parse).collect()
    }

    fn with(&self, suffix: &str) -> PathBuf {
        self.folder.join(format!("past_events.jsonl{suffix}"))
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A line with this number in it; each tenth is an LLM event.
fn line(number: usize) -> String {
    let (user_id, timestamp) = (format!("user_{}", number % 100), "2024-10-09T13:21:46.182Z");
    let event = if number % 10 == 9 {
        json!({"user_id": user_id, "prompt": "How?", "generation": "So.", "timestamp": timestamp,
               "properties": {"number": number}})
    } else {
        json!({"user_id": user_id, "event": "Chart exported", "timestamp": timestamp,
               "properties": {"number": number, "format": "svg", "title": "Revenue by month and country"}})
    };
    format!("{event}\n")
}

fn lines(count: usize) -> String {
    (0..count).map(line).collect()
}

/// How often each number has arrived.
fn arrivals(server: &Server) -> HashMap<u64, usize> {
    let mut arrivals = HashMap::new();
    for event in server.events().iter().chain(&server.llm_events()) {
        let number = event["properties"]["number"].as_u64().expect("a number");
        *arrivals.entry(number).or_default() += 1;
    }
    arrivals
}

#[test]
fn an_import_delivers_what_is_good_and_writes_down_the_rest_with_its_reason() {
    let import = Import::of(concat!(
        r#"{"user_id": "u", "event": "Sign up", "timestamp": "2024-10-09T15:21:46.182+02:00"}"#,
        "\n\n",
        r#"{"user_id": "u", "event": "Refused", "timestamp": "2024-10-09T13:21:46Z"}"#,
        "\n",
        "no JSON\n",
        r#"{"user_id": "u", "event": "When?"}"#,
        "\n  \r\n",
        r#"{"user_id": "u", "event": "e", "timestamp": "yesterday"}"#,
        "\r\n",
        r#"{"user_id": "u", "event": "e", "timestamp": "2024-10-09T13:21:46Z", "propertys": {}}"#,
        "\n",
        r#"{"user_id": "", "event": "e", "timestamp": "2024-10-09T13:21:46Z"}"#,
        "\n",
        r#"{"user_id": "u", "prompt": "p", "generation": "g", "timestamp": "2024-10-09T13:21:47Z", "#,
        r#""latency": 1.5, "assistant_id": "a", "thread_id": "t", "prompt_event_name": "P", "#,
        r#""generation_event_name": "G", "properties": {"key": [1, null]}}"#,
    ));
    let server = server();
    server.set_refusal(|event| event["event"] == "Refused");
    let printed = import.run(&server);
    assert_eq!(
        server.events(),
        [json!({"user_id": "u", "event": "Sign up", "timestamp": "2024-10-09T13:21:46.182Z"})]
    );
    assert_eq!(
        server.llm_events(),
        [
            json!({"user_id": "u", "prompt": "p", "generation": "g", "timestamp": "2024-10-09T13:21:47.000Z",
                "latency": 1.5, "assistant_id": "a", "thread_id": "t", "prompt_event_name": "P",
                "generation_event_name": "G", "properties": {"key": [1, null]}})
        ]
    );

    let letters = import.dead_letters();
    let refused = letters[0]["reason"].as_str().unwrap();
    let status = "the server answered with status 422: body.";
    assert!(refused.starts_with(status), "{refused}");
    let text = letters[0]["text"].as_str().unwrap();
    assert!(
        text.ends_with(r#""timestamp": "2024-10-09T13:21:46Z"}"#),
        "{text}"
    );
    let letters: Vec<_> = letters
        .iter()
        .map(|letter| {
            (
                letter["line"].as_u64().unwrap(),
                letter["reason"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        letters,
        [
            (3, refused),
            (4, "record is not JSON: expected ident at line 1 column 2"),
            (5, "timestamp is missing"),
            (
                7,
                "timestamp `yesterday` is not RFC 3339: the 'year' component could not be parsed"
            ),
            (8, "propertys is not a field of an event"),
            (
                9,
                "user_id is empty: use anonymous_id() for a user without auth"
            ),
        ]
    );
    let summary: Vec<_> = printed
        .lines()
        .map(|line| line.split(" in ").next().unwrap())
        .collect();
    let named = |what, suffix| format!("{what}  {}", import.with(suffix).display());
    assert_eq!(
        summary,
        [
            "lines            10",
            "delivered         2",
            "refused           1 by the server",
            "invalid           5 lines",
            &named("dead letters", ".dead-letters"),
            &named("resume point", ".resume-point"),
        ]
    );
}

#[test]
fn a_rehearsal_without_a_key_keeps_no_line_from_the_server() {
    let import = Import::of(&(lines(3) + "no JSON\n"));
    let mut rehearsal = example("import");
    rehearsal.arg(&import.input).env_remove("TRUBRICS_API_KEY");
    let output = rehearsal.output().unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("delivered         3"), "{printed}");
    assert!(printed.contains("Dead letters:\n{\"line\":4"), "{printed}");
    assert_eq!(fs::read_dir(&import.folder).unwrap().count(), 1);

    let server = server();
    import.run(&server);
    assert_eq!(server.accepted(), 3);
}

#[test]
fn a_rehearsal_of_which_nothing_arrives_shows_nothing() {
    let import = Import::of("");
    let mut rehearsal = example("import");
    rehearsal.arg(&import.input).env_remove("TRUBRICS_API_KEY");
    let output = rehearsal.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.ends_with("invalid           0 lines\n"),
        "{printed}"
    );
}

#[test]
fn an_import_to_another_host_is_refused_and_not_shortened() {
    let import = Import::of(&lines(3));
    let (first, second) = (server(), server());
    import.run(&first);
    let child = import.start(&second, second.api_key());
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success());
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        format!(
            "import: {} is for {}, this import for {}; without that file an import begins at the first line\n",
            import.with(".resume-point").display(),
            first.url(),
            second.url(),
        )
    );

    fs::remove_file(import.with(".resume-point")).unwrap();
    import.run(&second);
    assert_eq!(second.accepted(), 3);
}

#[test]
fn an_empty_host_is_none() {
    let import = Import::of("");
    let mut command = example("import");
    command.arg(&import.input).env("TRUBRICS_API_KEY", "key");
    let output = command.env("TRUBRICS_HOST", "").output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    // Without TLS, the host that there is by default cannot be used; an empty one would be no URL.
    assert!(!stderr.contains("must be a URL"), "{stderr}");
}

#[test]
fn help_prints_the_usage() {
    let output = example("import").arg("--help").output().unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("Usage: "), "{printed}");
}

#[test]
fn an_import_that_is_run_again_sends_what_was_added() {
    let import = Import::of(&lines(250));
    let server = server();
    import.run(&server);
    assert_eq!(server.accepted(), 250);
    let requests = server.requests().len();

    let printed = import.run(&server);
    assert!(printed.contains("lines             0"), "{printed}");
    assert_eq!(server.requests().len(), requests);

    fs::write(&import.input, lines(260)).unwrap();
    let printed = import.run(&server);
    assert!(
        printed.contains("250 lines were settled before"),
        "{printed}"
    );
    assert_eq!(server.accepted(), 260);
    assert_eq!(arrivals(&server).len(), 260);

    fs::write(&import.input, lines(1)).unwrap();
    let output = import
        .start(&server, server.api_key())
        .wait_with_output()
        .unwrap();
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        stderr,
        "import: the resume point is past the end: it is of another file\n"
    );
}

#[test]
fn an_import_that_cannot_go_on_stops_and_settles_nothing() {
    let import = Import::of(&lines(250));
    let server = server();
    let output = import
        .start(&server, "another key")
        .wait_with_output()
        .unwrap();
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        stderr,
        "import: the server answered with status 401: Invalid API key\n"
    );
    assert_eq!((import.dead_letters().len(), server.accepted()), (0, 0));
    assert!(server.requests().len() <= 4, "one of each thread");
    assert!(!import.with(".resume-point").exists());

    import.run(&server);
    assert_eq!(server.accepted(), 250);
}

#[test]
fn an_import_without_a_thread_is_refused() {
    let import = Import::of(&lines(1));
    let server = server();
    let child = import.start_with(&server, server.api_key(), &["--threads", "0"]);
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(server.accepted(), 0);
}

#[test]
fn a_half_of_a_dead_letter_does_not_spoil_the_next_one() {
    let import = Import::of("no JSON\n");
    fs::write(import.with(".dead-letters"), "{\"line\":1,\"rea").unwrap();
    import.run(&server());
    let text = fs::read_to_string(import.with(".dead-letters")).unwrap();
    let last = text.lines().last().expect("a line");
    let letter: Value = serde_json::from_str(last).expect("a whole line");
    assert_eq!(letter["text"], "no JSON");
}
