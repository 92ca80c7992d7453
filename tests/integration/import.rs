use std::{
    collections::HashMap,
    env, fs,
    path::PathBuf,
    process::{Child, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use trubrics::{DEFAULT_MAX_BATCH_SIZE, testing::Server};

use crate::support::{LONG, example, server};

/// How many lines the long tests import, unless `TRUBRICS_IMPORT_LINES` says otherwise. For figures:
/// `cargo build --release --example import`, then
/// `TRUBRICS_IMPORT_LINES=200000 cargo test --release --test integration import -- --nocapture`.
const LINES: usize = 2_000;

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

    #[track_caller]
    fn start(&self, server: &Server, api_key: &str) -> Child {
        example("import")
            .arg(&self.input)
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
        let child = self.start(server, server.api_key());
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

fn line_count() -> usize {
    env::var("TRUBRICS_IMPORT_LINES").map_or(LINES, |lines| lines.parse().expect("a number"))
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
    server.refuse(|event| event["event"] == "Refused");
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

    let mut letters = import.dead_letters();
    let refused = letters.pop().unwrap();
    assert_eq!(refused["record"]["event"], "Refused");
    let reason = refused["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("the server refused it: 422 "),
        "{reason}"
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
            (4, "expected ident at column 2"),
            (5, "missing field `timestamp` at column 34"),
            (
                7,
                "timestamp `yesterday` is not RFC 3339: the 'year' component could not be parsed at column 56"
            ),
            (
                8,
                "unknown field `propertys`, expected one of `user_id`, `event`, `timestamp`, `properties` at column 79"
            ),
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
    assert_eq!(
        summary,
        [
            "lines            10",
            "delivered         2",
            "refused           1 by the server",
            "no event          5",
        ]
    );
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
        "import: the server refused the key: 401 Invalid API key\n"
    );
    assert_eq!((import.dead_letters().len(), server.accepted()), (0, 0));
    assert!(!import.with(".resume-point").exists());

    import.run(&server);
    assert_eq!(server.accepted(), 250);
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures, for whoever wants them")]
fn an_import_that_is_killed_goes_on_where_it_was_and_doubles_at_most_one_batch() {
    let count = line_count();
    // Each hundredth is no event, and each hundredth is refused.
    let text = |number| match number % 100 {
        3 => format!("no event {number}\n"),
        _ => line(number),
    };
    let text: String = (0..count).map(text).collect();
    let is_refused = |number: u64| number % 100 == 55;
    for seed in 0..5 {
        let mut random = fastrand::Rng::with_seed(seed);
        let import = Import::of(&text);
        let server = server();
        server.refuse(move |event| {
            event["properties"]["number"]
                .as_u64()
                .is_some_and(is_refused)
        });
        let latency = Duration::from_millis(2);
        server.latency(latency);

        let mut child = import.start(&server, server.api_key());
        let moment = random.usize(count / 10..count * 9 / 10);
        let start = Instant::now();
        while server.accepted() < moment {
            assert!(start.elapsed() < LONG, "{} accepted", server.accepted());
            thread::yield_now();
        }
        // Not always at the moment when a request has arrived.
        let wait = latency.mul_f64(random.f64() * 2.0);
        let start = Instant::now();
        while start.elapsed() < wait {
            thread::yield_now();
        }
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "it was under way");

        let printed = import.run(&server);
        let arrivals = arrivals(&server);
        for number in 0..count as u64 {
            let is_good = number % 100 != 3 && !is_refused(number);
            assert_eq!(
                arrivals.contains_key(&number),
                is_good,
                "{number}: {printed}"
            );
        }
        let doubles = server.accepted() - arrivals.len();
        println!("seed {seed}: killed at {moment} of {count}, {doubles} doubles\n{printed}");
        assert!(doubles <= DEFAULT_MAX_BATCH_SIZE, "{doubles} doubles");

        let letters = import.dead_letters();
        let mut distinct: Vec<_> = letters
            .iter()
            .map(|letter| format!("{} {}", letter["line"], letter["record"]))
            .collect();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), 2 * count / 100, "each one is written down");
        assert!(
            letters.len() - distinct.len() <= 2,
            "of one batch, if any, twice"
        );
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the figures, for whoever wants them")]
fn an_import_delivers_every_line_once() {
    let count = line_count();
    let import = Import::of(&lines(count));
    let (first, second) = (server(), server());
    let latency = env::var("TRUBRICS_IMPORT_LATENCY_MS").map_or(0, |ms| ms.parse().unwrap());
    for server in [&first, &second] {
        server.latency(Duration::from_millis(latency));
    }
    let printed = import.run(&first);
    let arrivals = arrivals(&first);
    assert_eq!((first.accepted(), arrivals.len()), (count, count));

    // The limit: full requests, made before, over one connection.
    let bodies = |path: &str, records: &[Value]| -> Vec<_> {
        let body = |records| (path.to_owned(), json!(records).to_string());
        records.chunks(DEFAULT_MAX_BATCH_SIZE).map(body).collect()
    };
    let mut requests = bodies("/publish_events", &first.events());
    requests.extend(bodies("/publish_llm_events", &first.llm_events()));
    let agent = ureq::Agent::new_with_defaults();
    let start = Instant::now();
    for (path, body) in &requests {
        let post = agent.post(format!("{}{path}", second.url()));
        let post = post
            .header("x-api-key", second.api_key())
            .content_type("application/json");
        let reply = post.send(body).unwrap().into_body().read_to_string();
        assert_eq!(reply.unwrap(), r#"{"status":"success"}"#);
    }
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(second.accepted(), count);
    let rate = count as f64 / seconds;
    println!(
        "{printed}ureq alone: {rate:.0} a second, in {} requests",
        requests.len()
    );
}
