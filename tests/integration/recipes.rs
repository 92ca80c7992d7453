//! Each test runs this program again as the program of one recipe, in a process of its own that ends as the recipe says.

use std::{
    env, panic,
    process::{self, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value;
use trubrics::{Event, Request, Response, TransportError, Trubrics, testing::Server};

use crate::support::{Gate, LONG, NEVER, build, server};

const RECIPE: &str = "TRUBRICS_TEST_RECIPE";

fn program(recipe: &str, server: &Server) -> Command {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command
        .args(["recipes::the_program_of_a_recipe", "--exact", "--nocapture"])
        .env(RECIPE, recipe)
        .env("TRUBRICS_HOST", server.url())
        .env("TRUBRICS_API_KEY", server.api_key());
    command
}

fn run(recipe: &str, server: &Server) -> Output {
    program(recipe, server).output().expect("a child process")
}

/// The names of the events that arrived, sorted: two processes have no order.
fn names(server: &Server) -> Vec<String> {
    let events = server.events();
    let mut names: Vec<_> = events
        .iter()
        .filter_map(|event| event["event"].as_str().map(str::to_owned))
        .collect();
    names.sort();
    names
}

#[test]
fn the_program_of_a_recipe() {
    match env::var(RECIPE).as_deref() {
        Ok("return") => program_that_returns(),
        Ok("exit") => program_that_exits(),
        Ok("signal") => program_with_a_signal(),
        Ok("panic") => program_with_a_panic_hook(),
        Ok("abort") => program_that_aborts(),
        Ok("panic inside") => program_that_panics_inside(),
        Ok("static") => program_with_a_static(),
        Ok("process") => program_with_a_client_of_the_process(),
        #[cfg(unix)]
        Ok("fork") => program_that_forks(),
        #[cfg(unix)]
        Ok("fork with a client of the process") => {
            program_that_forks_with_a_client_of_the_process();
        }
        Ok("opt out") => program_that_asks(),
        Ok(other) => panic!("no such recipe: {other}"),
        Err(_) => {}
    }
}

fn from_env() -> Trubrics {
    Trubrics::from_env().expect("the test has set it")
}

fn program_that_returns() {
    let client = from_env();
    client.track(Event::new("user_123", "Report made"));
}

#[test]
fn a_program_that_returns_loses_nothing() {
    let server = server();
    assert!(run("return", &server).status.success());
    assert_eq!(names(&server), ["Report made"]);
}

fn program_that_exits() {
    let client = from_env();
    client.track(Event::new("user_123", "Report made"));
    let _ = client.close(Duration::from_secs(2));
    process::exit(3);
}

#[test]
fn a_program_that_exits_loses_nothing_and_keeps_its_code() {
    let server = server();
    assert_eq!(run("exit", &server).status.code(), Some(3));
    assert_eq!(names(&server), ["Report made"]);
}

#[test]
fn a_program_that_exits_keeps_its_code_when_nobody_answers() {
    let server = server();
    server.set_unavailable(true);
    let started = Instant::now();
    assert_eq!(run("exit", &server).status.code(), Some(3));
    assert!(started.elapsed() < LONG);
}

fn program_with_a_signal() {
    let client = from_env();
    ctrlc::set_handler({
        let client = client.clone();
        move || {
            let _ = client.close(Duration::from_secs(2));
            process::exit(130);
        }
    })
    .expect("the only handler");
    client.track(Event::new("user_123", "Report made"));
    // Tells that the handler is there; the record itself waits for its interval.
    client
        .track_sync(Event::new("user_123", "Ready"))
        .expect("delivered");
    loop {
        std::thread::park();
    }
}

#[cfg(unix)]
#[test]
fn a_program_that_is_interrupted_loses_nothing() {
    for signal in ["INT", "TERM"] {
        let server = server();
        let mut child = program("signal", &server)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child process");
        server.wait_for(1, LONG).expect("ready");
        let kill = format!("kill -{signal} {}", child.id());
        let killed = Command::new("sh").args(["-c", &kill]).status();
        assert!(killed.expect("a shell").success());
        assert_eq!(child.wait().expect("an end").code(), Some(130));
        assert_eq!(names(&server), ["Ready", "Report made"]);
    }
}

fn set_panic_hook(client: &Trubrics) {
    let former = panic::take_hook();
    panic::set_hook(Box::new({
        let client = client.clone();
        move |info| {
            let place = info.location().map(ToString::to_string);
            client.track(Event::new("user_123", "Crash").property("place", place));
            let _ = client.flush(Duration::from_secs(2));
            former(info);
        }
    }));
}

fn program_with_a_panic_hook() {
    let client = from_env();
    set_panic_hook(&client);
    client.track(Event::new("user_123", "Report made"));
    let crash = panic::catch_unwind(|| panic!("on purpose"));
    // Nothing that comes later is needed for the delivery.
    assert!(crash.is_err());
    process::exit(101);
}

fn program_that_aborts() {
    let client = from_env();
    set_panic_hook(&client);
    client.track(Event::new("user_123", "Report made"));
    let crash = panic::catch_unwind(|| panic!("on purpose"));
    assert!(crash.is_err());
    process::abort();
}

#[test]
fn a_program_that_panics_or_aborts_tells_of_it_and_loses_nothing() {
    for recipe in ["panic", "abort"] {
        let server = server();
        let output = run(recipe, &server);
        assert!(!output.status.success());
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(complaint.contains("on purpose"), "{complaint}");
        assert_eq!(names(&server), ["Crash", "Report made"], "{recipe}");
        let crash = server.events_named("Crash").remove(0);
        let place = crash["properties"]["place"].as_str().expect("a place");
        assert!(place.contains("recipes.rs"), "{place}");
    }
}

/// Its hook would wait for ever if it waited for the thread that it runs on.
fn program_that_panics_inside() {
    let client = build(
        Trubrics::builder("key")
            .before_send(|record| match record.user_id() {
                "nobody" => panic!("on purpose, in a hook"),
                _ => Some(record),
            })
            .transport(|_: &Request<'_>| -> Result<Response, TransportError> {
                panic!("on purpose, in the transport")
            }),
    );
    let (tell, told) = std::sync::mpsc::channel();
    panic::set_hook(Box::new({
        let client = client.clone();
        move |_| {
            let error = client.flush(LONG).expect_err("called from inside");
            let _ = tell.send(error.is_in_hook());
        }
    }));
    client.track(Event::new("nobody", "e"));
    assert_eq!(told.recv_timeout(LONG), Ok(true), "in a hook");
    client.track(Event::new("user_123", "e"));
    // It makes the worker send, and so panic.
    let _ = client.flush(Duration::from_millis(500));
    assert_eq!(told.recv_timeout(LONG), Ok(true), "on the worker");
    process::exit(9);
}

#[test]
fn a_panic_hook_that_flushes_does_not_wait_for_itself() {
    let output = run("panic inside", &server());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{complaint}");
}

fn program_with_a_static() {
    static CLIENT: OnceLock<Trubrics> = OnceLock::new();
    let analytics =
        || CLIENT.get_or_init(|| Trubrics::from_env().unwrap_or_else(|_| Trubrics::disabled()));
    analytics().track(Event::new("user_123", "Report made"));
    let _ = analytics().close(Duration::from_secs(2));
    process::exit(0);
}

#[test]
fn a_program_with_a_static_client_loses_nothing() {
    let server = server();
    assert!(run("static", &server).status.success());
    assert_eq!(names(&server), ["Report made"]);
}

fn program_with_a_client_of_the_process() {
    {
        let _guard = trubrics::init(from_env()).expect("the first");
        trubrics::track(Event::new("user_123", "Report made"));
    }
    process::exit(0);
}

#[test]
fn a_program_with_a_client_of_the_process_loses_nothing() {
    let server = server();
    assert!(run("process", &server).status.success());
    assert_eq!(names(&server), ["Report made"]);
}

#[test]
fn an_async_program_runs_on_while_it_flushes() {
    let (gate, transport) = Gate::new();
    let settings = Trubrics::builder("key").transport(transport);
    let client = build(settings.flush_interval(NEVER));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let delivered = runtime.block_on(async {
        client.track(Event::new("user_123", "Report made"));
        let flush = tokio::task::spawn_blocking({
            let client = client.clone();
            move || client.flush(LONG)
        });
        // The only thread of the runtime gets here, and lets the flush go on, while that one waits.
        gate.next_request();
        gate.answer(200);
        flush.await.expect("no panic")
    });
    delivered.expect("delivered");
}

#[cfg(unix)]
fn program_that_forks() {
    let mut client = from_env();
    client.track(Event::new("user_123", "Before the fork"));
    match fork::fork().expect("a child") {
        fork::Fork::Child => {
            let started = Instant::now();
            let error = client.flush(LONG).expect_err("nobody delivers it here");
            assert!(error.pending() > 0);
            let error = client
                .track_sync(Event::new("user_123", "On the parent's connection"))
                .expect_err("not here");
            assert_eq!(error.to_string(), "the client is closed");
            client = from_env();
            assert!(started.elapsed() < Duration::from_secs(10), "it waited");
            client.track(Event::new("user_123", "In the child"));
            drop(client);
            process::exit(7);
        }
        fork::Fork::Parent(child) => {
            fork::waitpid(child).expect("its end");
            client.track(Event::new("user_123", "After the fork"));
        }
    }
}

#[cfg(unix)]
fn program_that_forks_with_a_client_of_the_process() {
    let mut guard = trubrics::init(from_env()).expect("the first");
    trubrics::track(Event::new("user_123", "Before the fork"));
    if let fork::Fork::Parent(child) = fork::fork().expect("a child") {
        fork::waitpid(child).expect("its end");
        trubrics::track(Event::new("user_123", "After the fork"));
    } else {
        drop(guard);
        guard = trubrics::init(from_env()).expect("the first of the child");
        trubrics::track(Event::new("user_123", "In the child"));
        drop(guard);
        process::exit(7);
    }
    drop(guard);
}

#[cfg(unix)]
#[test]
fn after_a_fork_both_processes_deliver_what_is_theirs_once() {
    for recipe in ["fork", "fork with a client of the process"] {
        let server = server();
        let output = run(recipe, &server);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        assert_eq!(
            names(&server),
            ["After the fork", "Before the fork", "In the child"]
        );
    }
}

fn program_that_asks() {
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
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use trubrics::{DebugTransport, LlmEvent};

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
