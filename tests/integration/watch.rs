//! The example `watch`, as the program that `cargo test` has built, with real clients that send to it.

/// Its page, in a headless browser.
mod page;
/// What it prints, in words and in widths.
mod terminal;
/// As much of WebDriver as the page's tests need.
mod webdriver;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use trubrics::{Event, LlmEvent, Record, Trubrics};

use crate::support::{LONG, NEVER, build, example};

/// The program, with its output line by line.
struct Watch {
    child: Child,
    lines: Receiver<String>,
    host: String,
    api_key: String,
    page: String,
}

impl Watch {
    #[track_caller]
    fn start(options: &[&str]) -> Self {
        Self::start_as_wide_as(120, options)
    }

    /// With this many columns for its output.
    #[track_caller]
    fn start_as_wide_as(columns: usize, options: &[&str]) -> Self {
        let mut command = example("watch");
        command.env("COLUMNS", columns.to_string());
        command.args(["--port", "0", "--page-port", "0"]);
        let mut child = command
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (tell, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        let mut watch = Self {
            child,
            lines,
            host: String::new(),
            api_key: String::new(),
            page: String::new(),
        };
        watch.host = watch.after("export TRUBRICS_HOST=");
        watch.api_key = watch.after("export TRUBRICS_API_KEY=");
        watch.page = watch.after("in a browser: ");
        watch.after("Ctrl-C ends this");
        watch
    }

    fn client(&self) -> Trubrics {
        self.client_with_key(&self.api_key)
    }

    fn client_with_key(&self, key: &str) -> Trubrics {
        build(
            Trubrics::builder(key)
                .host(&self.host)
                .flush_interval(NEVER),
        )
    }

    #[track_caller]
    fn deliver<R: Into<Record>>(&self, records: impl IntoIterator<Item = R>) {
        let client = self.client();
        for record in records {
            client.track(record);
        }
        client.close(LONG).expect("delivered");
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(LONG).expect("a line of output")
    }

    /// What follows this in the first line that has it.
    #[track_caller]
    fn after(&self, start: &str) -> String {
        loop {
            if let Some((_, rest)) = self.line().split_once(start) {
                return rest.to_owned();
            }
        }
    }

    /// What the program prints until it is told to end, and how it ends.
    #[cfg(unix)]
    #[track_caller]
    fn interrupt(mut self) -> (Vec<String>, ExitStatus) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(sent.success());
        let lines = self.lines.iter().collect();
        (lines, self.child.wait().unwrap())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_record_is_printed_as_it_comes() {
    let watch = Watch::start(&[]);
    watch.deliver([Event::new("ada", "Sign up").property("plan", "team")]);
    let title = watch.after("Z  ");
    assert_eq!(title, "ada  Sign up  plan=team");

    let long = "word ".repeat(100);
    watch.deliver([LlmEvent::new("ada", "Why\nso?", &long).latency(Duration::from_millis(1420))]);
    assert_eq!(watch.after("Z  "), "ada  Prompt → Generation  1.42 s");
    assert_eq!(watch.line(), "    prompt      Why so?");
    let generation = watch.line();
    assert!(generation.starts_with("    generation  word word") && generation.ends_with('…'));
    assert_eq!(generation.chars().count(), 120);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_with_the_counts_and_success() {
    let watch = Watch::start(&[]);
    watch.deliver([Event::new("ada", "Sign up"), Event::new("bob", "Sign up")]);
    watch.deliver([LlmEvent::new("ada", "p", "g")]);
    watch.after("Generation");
    let (lines, status) = watch.interrupt();
    assert!(status.success(), "{status}");
    assert_eq!(
        lines.last().map(String::as_str),
        Some("2 events, 1 LLM event, 0 refused requests")
    );
}

#[cfg(unix)]
#[test]
fn only_the_user_and_the_event_that_are_asked_for_are_printed() {
    let titles = |options: &[&str]| {
        let watch = Watch::start(options);
        watch.deliver([
            Event::new("Ada", "Sign up"),
            Event::new("bob", "Sign up"),
            Event::new("ada", "Log in"),
        ]);
        watch.deliver([LlmEvent::new("bob", "p", "g").generation_event_name("Reply")]);
        let (lines, _) = watch.interrupt();
        let titles = lines
            .iter()
            .filter_map(|line| line.split_once("Z  "))
            .map(|(_, title)| title.to_owned());
        titles.collect::<Vec<_>>()
    };
    assert_eq!(titles(&["--user", "ADA"]), ["Ada  Sign up", "ada  Log in"]);
    assert_eq!(
        titles(&["--event", "sign"]),
        ["Ada  Sign up", "bob  Sign up"]
    );
    assert_eq!(titles(&["--event", "reply"]), ["bob  Prompt → Reply"]);
    assert_eq!(
        titles(&["--user", "ada", "--event", "sign up"]),
        ["Ada  Sign up"]
    );
}

#[test]
fn a_refused_request_is_printed_with_the_reason() {
    let watch = Watch::start(&["--key", "right"]);
    assert_eq!(watch.api_key, "right");
    let wrong = watch.client_with_key("wrong");
    wrong
        .track_sync(Event::new("ada", "Sign up"))
        .expect_err("a wrong key");
    assert_eq!(
        watch.after("refused "),
        "401  POST /api/ingestion/publish_events"
    );
    assert_eq!(watch.line(), "    Invalid API key");
    assert_eq!(
        watch.line(),
        "    the key is another one than this server was given"
    );
    assert!(watch.line().ends_with("  user_id=ada"));

    let body = r#"[{"user_id": "ada", "event": "e", "timestamp": "2024-10-09T13:21:46Z"}, {"user_id": "bob"}]"#;
    assert_eq!(post(&watch, body), 422);
    watch.after("refused 422");
    assert_eq!(watch.line(), "    record 2 of 2, event: Field required");
    assert_eq!(watch.line(), "    record 2 of 2, timestamp: Field required");
}

#[test]
fn what_a_record_says_cannot_rewrite_the_terminal() {
    let watch = Watch::start(&[]);
    watch.deliver([
        Event::new("ada", "\u{1b}[2Jgone").property("\u{7}bell", "a\r\nb\u{9b}\u{202e}")
    ]);
    assert_eq!(
        watch.after("ada  "),
        r#"\u{1b}[2Jgone  \u{7}bell="a  b\u{9b}\u{202e}""#
    );
}

#[test]
fn the_demonstration_needs_no_input_and_ends() {
    let output = example("watch").arg("--demo").output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    for expected in [
        "user_1  Sign up  plan=team",
        "Generation  1.42 s  first token 310 ms  1,200 (1,000 cached) → 310 tokens  0.0061 USD",
        "user_1  Tool call  search_docs",
        "user_1  Feedback  thumb up",
        "user_1  Prompt → Generation  ✗ failed",
        "✗ refused 401",
        "✗ refused 422",
        "5 events, 2 LLM events, 2 refused requests",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn a_port_that_is_taken_is_named() {
    let watch = Watch::start(&[]);
    let port = watch.host.split([':', '/']).nth(4).unwrap();
    let output = example("watch").args(["--port", port]).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = format!("watch: cannot listen on port {port}: ");
    assert!(said.starts_with(&expected), "{said}");
}

#[test]
fn the_page_is_not_served_under_another_name() {
    let watch = Watch::start(&[]);
    let address = watch
        .page
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let ask = |host: &str, path: &str| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let page = ask(address, "/");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    for path in ["/", "/feed"] {
        let elsewhere = ask("records.example:80", path);
        assert!(elsewhere.starts_with("HTTP/1.1 421"), "{elsewhere}");
    }
}

#[test]
fn the_page_is_one_document_that_may_load_nothing() {
    let watch = Watch::start(&[]);
    let ask = || {
        let mut answer = ureq::get(&watch.page).call().unwrap();
        let policy = answer.headers()["content-security-policy"].to_str();
        let policy = policy.unwrap().to_owned();
        (policy, answer.body_mut().read_to_string().unwrap())
    };
    let (policy, page) = ask();
    for rule in [
        "default-src 'none'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ] {
        assert!(
            policy.split("; ").any(|one| one == rule),
            "{rule}: {policy}"
        );
    }
    assert!(
        !policy.contains("unsafe") && !policy.contains('*'),
        "{policy}"
    );

    // The script and the style are allowed by a number that each answer has anew.
    let nonce = policy
        .split('\'')
        .find_map(|part| part.strip_prefix("nonce-"));
    let nonce = nonce.expect("a nonce");
    assert_eq!(page.matches(&format!("nonce=\"{nonce}\"")).count(), 2);
    assert_ne!(ask().0, policy);

    // Each way from a text to HTML or to code.
    for way in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "setHTML",
        "srcdoc",
        "createContextualFragment",
        "eval(",
        "new Function",
        "javascript:",
        "src=",
        "@import",
        "url(",
    ] {
        assert!(!page.contains(way), "{way}");
    }
}

/// Sends what no client of ours would; says the status.
fn post(watch: &Watch, body: &str) -> u16 {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(LONG))
        .build()
        .into();
    let request = agent
        .post(format!("{}/publish_events", watch.host))
        .header("x-api-key", &watch.api_key)
        .header("content-type", "application/json");
    request.send(body).unwrap().status().as_u16()
}
