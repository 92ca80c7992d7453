use std::{
    env,
    io::Write,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use trubrics::{DebugTransport, Event, LlmEvent, Trubrics};

use super::{names, program};
use crate::support::{LONG, build, server};

pub(super) fn program_that_asks() {
    let polite = || {
        let host = env::var("TRUBRICS_HOST").expect("the test has set it");
        let key = env::var("TRUBRICS_API_KEY").expect("the test has set it");
        Trubrics::builder(key).host(host)
    };
    let client = build(polite().respect_opt_out(true));
    client.track(Event::new("user_123", "Asked first"));
    let client = build(polite());
    client.track(Event::new("user_123", "Did not ask"));
}

#[test]
fn an_opt_out_is_respected_by_those_who_ask_for_it() {
    for (variable, value, expected) in [
        ("DO_NOT_TRACK", "1", &["Did not ask"][..]),
        ("TRUBRICS_DISABLED", "true", &["Did not ask"][..]),
        ("DO_NOT_TRACK", "0", &["Asked first", "Did not ask"][..]),
    ] {
        let server = server();
        let mut program = program("opt out", &server);
        program
            .env_remove("DO_NOT_TRACK")
            .env_remove("TRUBRICS_DISABLED");
        let output = program.env(variable, value).output();
        assert!(output.expect("a child process").status.success());
        assert_eq!(names(&server), expected, "{variable}={value}");
    }
}

#[test]
fn a_debug_transport_writes_what_would_be_sent_and_sends_nothing() {
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let paper = Paper::default();
    let transport = DebugTransport::new(paper.clone());
    let client = build(Trubrics::builder("the-key").transport(transport));
    client.track(Event::new("user_1", "Sign up"));
    client.track(Event::new("user_2", "Sign up"));
    client.track(LlmEvent::new("user_1", "2 + 2?", "4"));
    client.flush(LONG).expect("written");
    assert_eq!(client.stats().delivered, 3);

    let written = paper.0.lock().expect("no panic").clone();
    let written = String::from_utf8(written).expect("text");
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), 5, "{written}");
    assert!(lines[0].starts_with("POST ") && lines[0].ends_with("/publish_events"));
    assert!(lines[3].ends_with("/publish_llm_events"));
    for (line, user_id) in [(1, "user_1"), (2, "user_2"), (4, "user_1")] {
        let record: Value = serde_json::from_str(lines[line]).expect("JSON");
        assert_eq!(record["user_id"], user_id);
    }
    assert!(!written.contains("the-key"));
}
