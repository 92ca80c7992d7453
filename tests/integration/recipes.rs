//! Each test runs this program again as the program of one recipe. It is a process of its own that ends as the recipe
//! says.

/// A program that forks.
#[cfg(unix)]
mod forks;
/// When the person at the machine does not want it.
mod opt_out;
/// A program with a panic hook.
mod panics;

use std::{
    env,
    io::{BufRead, BufReader},
    process::{self, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use trubrics::{Event, Trubrics, testing::Server};

use crate::support::{LONG, build, client_of, server};

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
        Ok("signal handler") => program_that_returns_with_a_handler(),
        Ok("panic") => panics::program_with_a_panic_hook(),
        Ok("abort") => panics::program_that_aborts(),
        Ok("panic inside") => panics::program_that_panics_inside(),
        Ok("static") => program_with_a_static(),
        Ok("process") => program_with_a_client_of_the_process(),
        Ok("async") => program_that_is_async(),
        #[cfg(unix)]
        Ok("fork") => forks::program_that_forks(),
        #[cfg(unix)]
        Ok("fork with a client of the process") => {
            forks::program_that_forks_with_a_client_of_the_process();
        }
        Ok("opt out") => opt_out::program_that_asks(),
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
fn a_program_that_exits_keeps_its_code_when_no_server_answers() {
    let server = server();
    server.set_unavailable(true);
    let started = Instant::now();
    assert_eq!(run("exit", &server).status.code(), Some(3));
    assert!(started.elapsed() < LONG);
}

fn close_at_a_signal(client: &Trubrics) {
    ctrlc::set_handler({
        let client = client.clone();
        move || {
            let _ = client.close(Duration::from_secs(2));
            process::exit(130);
        }
    })
    .expect("the only handler");
}

/// The handler keeps its clone, so that the drop of the client would close nothing.
fn program_that_returns_with_a_handler() {
    let client = from_env();
    close_at_a_signal(&client);
    client.track(Event::new("user_123", "Report made"));
    client.close(Duration::from_secs(2)).expect("delivered");
}

#[test]
fn a_program_with_a_signal_handler_loses_nothing_when_it_returns() {
    let server = server();
    assert!(run("signal handler", &server).status.success());
    assert_eq!(names(&server), ["Report made"]);
}

#[test]
fn a_clone_that_is_kept_keeps_the_client_open() {
    let server = server();
    let client = build(client_of(&server));
    let kept_by_a_hook = client.clone();
    client.track(Event::new("user_123", "Report made"));
    drop(client);
    assert_eq!(kept_by_a_hook.stats().pending, 1);
    assert!(kept_by_a_hook.close(LONG).is_ok());
    assert_eq!(names(&server), ["Report made"]);
}

fn program_with_a_signal() {
    let client = from_env();
    close_at_a_signal(&client);
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

/// The recipe's `serve`, on the only thread of a runtime.
#[expect(clippy::print_stdout, reason = "its parent listens")]
fn program_that_is_async() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let client = from_env();
        client.track(Event::new("user_123", "Report made"));
        let close = tokio::task::spawn_blocking(move || client.close(LONG));
        println!("{RUNS_ON}");
        close.await.expect("no panic").expect("delivered");
    });
}

const RUNS_ON: &str = "it runs on";

#[test]
fn an_async_program_runs_on_while_it_closes() {
    let server = server();
    // Nothing is delivered, and so the close waits, until the program has said that it runs on.
    server.set_unavailable(true);
    let mut child = program("async", &server)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child process");
    let said = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut lines = said.lines().map(|line| line.expect("text"));
    assert!(lines.any(|line| line.ends_with(RUNS_ON)));
    server.set_unavailable(false);
    lines.for_each(drop);
    assert!(child.wait().expect("an end").success());
    assert_eq!(names(&server), ["Report made"]);
}
