#![expect(clippy::print_stdout, reason = "a status command talks to its user")]

use std::{env, fs, time::Duration};

use trubrics::{
    Choice, Event, Gate, OffReason, ProcessFacts, State, Stats, StoredChoice, Trubrics,
    testing::{API_KEY, Recorder},
};

use crate::{
    child,
    support::{LONG, build, client_of, server},
};

#[test]
fn a_client_that_is_off_says_why_and_does_nothing() {
    let folder = env::temp_dir().join(trubrics::anonymous_id());
    let undecided = StoredChoice::in_file(folder.join("telemetry"));
    let server = server();
    let settings = || client_of(&server);
    let cases = [
        (Trubrics::disabled(), State::Off(OffReason::Disabled)),
        (
            build(settings().disabled(true)),
            State::Off(OffReason::Setting),
        ),
        (
            build(settings().off_if(Gate::when(true, "a test"))),
            State::Off(OffReason::Condition("a test")),
        ),
        (
            build(settings().off_if(Gate::choice(&undecided))),
            State::Undecided,
        ),
    ];
    for (client, expected) in cases {
        assert_eq!(client.state(), expected);
        assert!(client.is_disabled());
        let clone = client.clone();
        assert_eq!(clone.state(), expected);
        assert!(format!("{client:?}").contains("state"), "{client:?}");
        client.track(Event::new("u", "e"));
        client
            .track_sync(Event::new("u", "e"))
            .expect("nothing is sent");
        client.close(Duration::ZERO).expect("nothing waits");
        assert_eq!(client.stats(), Stats::default());
    }
    assert!(server.requests().is_empty());
    assert!(!folder.exists(), "a choice is read, not made");
}

#[test]
fn a_client_with_open_gates_is_on_also_after_its_close() {
    let folder = env::temp_dir().join(trubrics::anonymous_id());
    let stored = StoredChoice::in_file(folder.join("telemetry"));
    stored.set(Choice::On, "1.4.2").expect("stored");
    let server = server();
    let settings = client_of(&server)
        .off_if(Gate::choice(&stored))
        .off_if(Gate::when(false, "a test"));
    let client = build(settings);
    stored.set(Choice::Off, "1.4.2").expect("stored");
    assert_eq!(client.state(), State::On, "a gate is evaluated once");
    client.track(Event::new("u", "e"));
    client.close(LONG).expect("delivered");
    assert_eq!((client.state(), client.is_disabled()), (State::On, false));
    assert_eq!(server.events().len(), 1);
    fs::remove_dir_all(folder).expect("removed");
}

#[test]
fn a_gate_for_a_variable_without_a_name_is_refused() {
    let settings = Trubrics::builder("key").transport(Recorder::new());
    let error = settings
        .off_if(Gate::variable(""))
        .build()
        .expect_err("no name");
    assert_eq!(error.setting(), Some("off_if"));
    assert_eq!(
        error.to_string(),
        "off_if has a gate for a variable with a name that no variable can have"
    );
}

/// In the child process, this test is a status command.
#[test]
fn a_status_command_prints_a_line_that_follows_the_environment() {
    const THIS: &str = "a_status_command_prints_a_line_that_follows_the_environment";
    const MARK: &str = "TRUBRICS_TEST_STATUS";
    if env::var_os(MARK).is_some() {
        let settings = Trubrics::builder("key")
            .transport(Recorder::new())
            .respect_opt_out(true)
            .off_if(Gate::variable("MY_TOOL_NO_TELEMETRY"))
            .off_if(Gate::ci());
        println!("telemetry: {}.", build(settings).state());
        return;
    }
    let cases: [(&[_], _); 6] = [
        (&[], "on"),
        (
            &["GITHUB_ACTIONS"],
            "off: this is CI, because GITHUB_ACTIONS is set",
        ),
        (
            &["GITHUB_ACTIONS", "MY_TOOL_NO_TELEMETRY"],
            "off: MY_TOOL_NO_TELEMETRY is set",
        ),
        (
            &["MY_TOOL_NO_TELEMETRY", "DO_NOT_TRACK"],
            "off: DO_NOT_TRACK is set",
        ),
        (&["TRUBRICS_DISABLED"], "off: TRUBRICS_DISABLED is set"),
        (&["CLAUDECODE"], "on"),
    ];
    for (variables, expected) in cases {
        let mut command = child::command(module_path!(), THIS);
        command.env_clear().env(MARK, "1");
        command.envs(variables.iter().map(|name| (name, "1")));
        let output = command.output().expect("a child process");
        let printed = String::from_utf8_lossy(&output.stdout);
        let line = format!("telemetry: {expected}.\n");
        assert!(printed.contains(&line), "{line} {printed}");
    }
}

#[test]
fn the_facts_of_the_process_are_default_properties() {
    let recorder = Recorder::new();
    let settings = Trubrics::builder(API_KEY)
        .default_property("app.version", "0")
        .process_facts(ProcessFacts::new("1.4.2"))
        .default_property("host.arch", "mine")
        .transport(recorder.clone());
    let client = build(settings);
    client.track(Event::new("u", "e").property("terminal", "my own"));
    client.flush(LONG).expect("delivered");
    let properties = &recorder.events()[0]["properties"];
    assert_eq!(properties["app.version"], "1.4.2");
    assert_eq!(properties["host.arch"], "mine");
    assert_eq!(properties["terminal"], "my own");
    assert!(properties["ci"].is_boolean() && properties["os.type"].is_string());
    let known = [
        "app.version",
        "os.type",
        "host.arch",
        "ci",
        "ci_name",
        "terminal",
        "agent",
    ];
    let mut keys = properties.as_object().expect("an object").keys();
    assert!(
        keys.all(|key| known.contains(&key.as_str())),
        "{properties}"
    );
}
