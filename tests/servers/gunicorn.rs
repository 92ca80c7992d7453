use std::{
    process::Command,
    thread,
    time::{Duration, Instant},
};

use trubrics::{DropReason, Trubrics};

use crate::{
    program::{Folder, Program, free_port, installed, is_listening, wait_until},
    support::{
        KILOBYTE, LONG, assert_at_least_once, assert_no_failure, assert_once, assert_settled,
        build, client_of, event, received, send_each, tell, track, track_under, workers,
    },
};

struct Gunicorn {
    folder: Folder,
    port: u16,
    program: Program,
}

impl Gunicorn {
    /// Connections are kept only with threads.
    const THREADS: [&str; 4] = ["--worker-class", "gthread", "--threads", "4"];

    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Option<Self> {
        installed("gunicorn")?;
        let (folder, port) = (Folder::new(), free_port());
        let program = start(&folder, port, arguments, variables);
        Some(Self {
            folder,
            port,
            program,
        })
    }

    fn host(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn start(folder: &Folder, port: u16, arguments: &[&str], variables: &[(&str, &str)]) -> Program {
    let mut command = Command::new(installed("gunicorn").expect("it was there"));
    let apps = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers");
    command
        .args(["--chdir", apps, "--bind", &format!("127.0.0.1:{port}")])
        .args(["--graceful-timeout", "5", "--log-level", "warning"])
        .args(arguments)
        .arg("flask_app:app")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("FOLDER", &folder.0)
        .envs(variables.iter().copied());
    Program::start(&mut command, folder, port)
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_limit_of_flask_costs_only_the_record_that_is_too_large() {
    for arguments in [&["--workers", "2"][..], &Gunicorn::THREADS] {
        let limit = [("LIMIT", "100000")];
        let Some(gunicorn) = Gunicorn::start(arguments, &limit) else {
            return;
        };
        let client = build(client_of(gunicorn.host()).flush_batch_size(100));
        track(&client, 0..100, 9 * KILOBYTE);
        client.track(event(1000, 150 * KILOBYTE));
        track(&client, 100..200, 9 * KILOBYTE);
        let _ = client.flush(LONG);
        assert_once(&received(&gunicorn.folder), 0..200);
        assert_settled(&client, 200, &[(DropReason::TooLarge, 1)]);
    }
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_key_that_flask_refuses_before_the_body_is_a_refused_key() {
    for arguments in [&["--workers", "2"][..], &Gunicorn::THREADS] {
        let Some(gunicorn) = Gunicorn::start(arguments, &[]) else {
            return;
        };
        let settings = Trubrics::builder("another-key").host(gunicorn.host());
        let client = build(settings.flush_batch_size(100));
        track(&client, 0..100, 9 * KILOBYTE);
        let _ = client.flush(LONG);
        assert_settled(&client, 0, &[(DropReason::Unauthorized, 100)]);
    }
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn answers_of_gunicorn_in_chunks_are_read_to_their_end() {
    let chunked = [("CHUNKED", "1")];
    for arguments in [&["--workers", "2"][..], &Gunicorn::THREADS] {
        let Some(gunicorn) = Gunicorn::start(arguments, &chunked) else {
            return;
        };
        let client = build(client_of(gunicorn.host()));
        send_each(&client, 0..50);
        assert_once(&received(&gunicorn.folder), 0..50);
        assert_settled(&client, 50, &[]);
        assert_no_failure(&client);
    }
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn workers_that_gunicorn_recycles_lose_nothing() {
    let recycle = ["--workers", "2", "--max-requests", "5"];
    for (class, requests) in [
        (&[][..], 1),
        (&Gunicorn::THREADS, 1),
        (&Gunicorn::THREADS, 4),
    ] {
        let arguments = [&recycle, class].concat();
        let Some(gunicorn) = Gunicorn::start(&arguments, &[]) else {
            return;
        };
        let settings = client_of(gunicorn.host()).flush_batch_size(5);
        let client = build(settings.max_concurrent_requests(requests));
        // Requests of one record each, and then larger ones.
        send_each(&client, 0..40);
        track_under(&client, 40..500, || {});
        client.flush(LONG).expect("delivered");
        let workers = workers(&gunicorn.folder);
        assert!(workers > 4, "{workers}");
        // At least once: a worker that ends may have read a request of a connection that it kept.
        let doubled = assert_at_least_once(&received(&gunicorn.folder), 0..500);
        tell(&format!(
            "gunicorn {class:?}, {requests} at a time, {workers} workers: {doubled} of 500 records doubled"
        ));
        assert_settled(&client, 500, &[]);
    }
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn connections_that_gunicorn_ends_when_idle_cost_nothing() {
    let arguments = [&Gunicorn::THREADS[..], &["--keep-alive", "1"]].concat();
    let Some(gunicorn) = Gunicorn::start(&arguments, &[]) else {
        return;
    };
    let client = build(client_of(gunicorn.host()));
    for id in 0..10 {
        client.track(event(id, 100));
        client.flush(LONG).expect("delivered");
        // Its clock has steps of a second.
        thread::sleep(Duration::from_millis(900 + id % 5 * 50));
    }
    assert_once(&received(&gunicorn.folder), 0..10);
    assert_settled(&client, 10, &[]);
    assert_no_failure(&client);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn reloads_of_gunicorn_under_load_lose_nothing() {
    let arguments = [&Gunicorn::THREADS[..], &["--workers", "2"]].concat();
    let Some(gunicorn) = Gunicorn::start(&arguments, &[]) else {
        return;
    };
    let client = build(client_of(gunicorn.host()).flush_batch_size(5));
    send_each(&client, 0..10);
    let mut next = 10;
    for _ in 0..5 {
        let before = workers(&gunicorn.folder);
        gunicorn.program.signal("-HUP");
        let start = Instant::now();
        // Until a new worker has had a request.
        while workers(&gunicorn.folder) == before {
            assert!(start.elapsed() < LONG, "no new worker");
            track_under(&client, next..next + 10, || {});
            next += 10;
        }
    }
    client.flush(LONG).expect("delivered");
    // At least once, as with recycled workers.
    let doubled = assert_at_least_once(&received(&gunicorn.folder), 0..next);
    tell(&format!(
        "reloads of gunicorn: {doubled} of {} records doubled",
        next
    ));
    assert_settled(&client, next, &[]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_worker_that_gunicorn_kills_in_a_request_costs_nothing() {
    let hang = [("HANG_ONCE", "1")];
    let Some(gunicorn) = Gunicorn::start(&["--timeout", "1"], &hang) else {
        return;
    };
    let client = build(client_of(gunicorn.host()));
    track(&client, 0..10, 100);
    client.flush(LONG).expect("delivered");
    // At least once: the worker has written the records down before it hangs.
    let doubled = assert_at_least_once(&received(&gunicorn.folder), 0..10);
    assert_eq!(doubled, 10);
    assert_settled(&client, 10, &[]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_restart_of_gunicorn_under_load_loses_nothing() {
    let Some(gunicorn) = Gunicorn::start(&Gunicorn::THREADS, &[]) else {
        return;
    };
    let client = build(client_of(gunicorn.host()).flush_batch_size(5));
    let Gunicorn {
        folder,
        port,
        program,
    } = gunicorn;
    let mut program = Some(program);
    track_under(&client, 0..300, || {
        program.take().expect("it runs").end("-TERM");
        wait_until("the port", || !is_listening(port));
        program = Some(start(&folder, port, &Gunicorn::THREADS, &[]));
    });
    client.flush(LONG).expect("delivered");
    // At least once: it may end between a request and its answer.
    let doubled = assert_at_least_once(&received(&folder), 0..300);
    tell(&format!(
        "restarts of gunicorn: {doubled} of 300 records doubled"
    ));
    assert_settled(&client, 300, &[]);
}
