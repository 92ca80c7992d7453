use std::{
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use trubrics::{DropReason, Event, Trubrics};

use crate::{
    program::{Folder, Program, free_port, installed, is_listening, wait_until},
    support::{
        KILOBYTE, LONG, assert_at_least_once, assert_no_failure, assert_once, assert_settled,
        build, client_of, event, received, send_each, tell, track, track_under, workers,
    },
};

struct Uvicorn {
    folder: Folder,
    port: u16,
    program: Program,
}

impl Uvicorn {
    fn start(arguments: &[&str], variables: &[(&str, &str)]) -> Option<Self> {
        installed("uvicorn")?;
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
    let mut command = Command::new(installed("uvicorn").expect("it was there"));
    let apps = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/servers");
    command
        .args(["--app-dir", apps, "--port", &port.to_string()])
        .args(["--log-level", "warning", "--timeout-graceful-shutdown", "5"])
        .args(arguments)
        .arg("fastapi_app:app")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("FOLDER", &folder.0)
        .envs(variables.iter().copied());
    Program::start(&mut command, folder, port)
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn records_that_fastapi_names_are_dropped_and_no_others() {
    let Some(uvicorn) = Uvicorn::start(&[], &[]) else {
        return;
    };
    let (tell, told) = mpsc::channel();
    let settings = client_of(uvicorn.host()).flush_batch_size(100);
    let client = build(settings.on_drop(move |dropped| {
        let detail = dropped.detail().unwrap_or_default().to_owned();
        let _ = tell.send((dropped.status(), detail));
    }));
    let bad = [3, 50, 51, 99, 150];
    for id in 0..200 {
        if bad.contains(&id) {
            client.track(Event::new("user", "Bad!").property("id", id));
        } else {
            client.track(event(id, 100));
        }
    }
    let _ = client.flush(LONG);
    let records = received(&uvicorn.folder);
    let ids: Vec<_> = records
        .iter()
        .map(|record| record["properties"]["id"].as_u64())
        .collect();
    let good: Vec<_> = (0..200).filter(|id| !bad.contains(id)).map(Some).collect();
    assert_eq!(ids, good);
    assert_settled(&client, 195, &[(DropReason::Rejected, 5)]);
    for (status, detail) in told.try_iter() {
        assert_eq!(status, Some(422));
        assert!(detail.contains("String should match pattern"), "{detail}");
    }
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_key_that_fastapi_refuses_is_a_refused_key() {
    let Some(uvicorn) = Uvicorn::start(&[], &[]) else {
        return;
    };
    let settings = Trubrics::builder("another-key").host(uvicorn.host());
    let client = build(settings.flush_batch_size(100));
    track(&client, 0..100, 9 * KILOBYTE);
    let _ = client.flush(LONG);
    assert_settled(&client, 0, &[(DropReason::Unauthorized, 100)]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_limit_of_concurrency_of_uvicorn_delays_records_and_drops_none() {
    let delay = [("DELAY", "0.02")];
    let Some(uvicorn) = Uvicorn::start(&["--limit-concurrency", "3"], &delay) else {
        return;
    };
    let settings = client_of(uvicorn.host()).flush_batch_size(5);
    let client = build(settings.max_concurrent_requests(8));
    let (tell, told) = mpsc::channel();
    // Other clients of the same server keep it busy.
    thread::scope(|scope| {
        for _ in 0..4 {
            let (tell, host) = (tell.clone(), uvicorn.host());
            scope.spawn(move || {
                for _ in 0..50 {
                    let busy = Trubrics::builder("another-key").host(&host).build();
                    let sent = busy.expect("good settings").track_sync(event(0, 10));
                    let _ = tell.send(sent.expect_err("a wrong key").status());
                }
            });
        }
        track_under(&client, 0..500, || {});
        client.flush(LONG).expect("delivered");
    });
    drop(tell);
    assert!(told.iter().any(|status| status == Some(503)), "it was busy");
    assert_once(&received(&uvicorn.folder), 0..500);
    assert_settled(&client, 500, &[]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn connections_that_uvicorn_ends_when_idle_cost_nothing() {
    let Some(uvicorn) = Uvicorn::start(&["--timeout-keep-alive", "1"], &[]) else {
        return;
    };
    let client = build(client_of(uvicorn.host()));
    // Around the moment at which it closes.
    for id in 0..15 {
        client.track(event(id, 100));
        client.flush(LONG).expect("delivered");
        thread::sleep(Duration::from_micros(998_000 + id % 5 * 1000));
    }
    assert_once(&received(&uvicorn.folder), 0..15);
    assert_settled(&client, 15, &[]);
    assert_no_failure(&client);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn answers_of_uvicorn_in_chunks_are_read_to_their_end() {
    let Some(uvicorn) = Uvicorn::start(&[], &[("CHUNKED", "1")]) else {
        return;
    };
    let client = build(client_of(uvicorn.host()));
    send_each(&client, 0..50);
    assert_once(&received(&uvicorn.folder), 0..50);
    assert_settled(&client, 50, &[]);
    assert_no_failure(&client);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn workers_that_uvicorn_recycles_lose_nothing() {
    let arguments = ["--workers", "2", "--limit-max-requests", "10"];
    let Some(uvicorn) = Uvicorn::start(&arguments, &[]) else {
        return;
    };
    let client = build(client_of(uvicorn.host()).flush_batch_size(5));
    // Requests of one record each, and then larger ones.
    send_each(&client, 0..40);
    track_under(&client, 40..500, || {});
    client.flush(LONG).expect("delivered");
    let workers = workers(&uvicorn.folder);
    assert!(workers > 2, "{workers}");
    // At least once: a worker may end between a request and its answer.
    let doubled = assert_at_least_once(&received(&uvicorn.folder), 0..500);
    tell(&format!(
        "uvicorn, {workers} workers: {doubled} of 500 records doubled"
    ));
    assert_settled(&client, 500, &[]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_restart_of_uvicorn_under_load_loses_nothing() {
    let Some(uvicorn) = Uvicorn::start(&[], &[]) else {
        return;
    };
    let client = build(client_of(uvicorn.host()).flush_batch_size(5));
    let Uvicorn {
        folder,
        port,
        program,
    } = uvicorn;
    let mut program = Some(program);
    track_under(&client, 0..300, || {
        program.take().expect("it runs").end("-TERM");
        wait_until("the port", || !is_listening(port));
        program = Some(start(&folder, port, &[], &[]));
    });
    client.flush(LONG).expect("delivered");
    // At least once: it may end between a request and its answer.
    let doubled = assert_at_least_once(&received(&folder), 0..300);
    tell(&format!(
        "restarts of uvicorn: {doubled} of 300 records doubled"
    ));
    assert_settled(&client, 300, &[]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_frozen_uvicorn_delays_no_caller_and_loses_nothing() {
    let Some(uvicorn) = Uvicorn::start(&[], &[]) else {
        return;
    };
    let settings = client_of(uvicorn.host()).request_timeout(Duration::from_millis(300));
    let client = build(settings.max_backoff(Duration::from_secs(1)));
    track(&client, 0..10, 100);
    client.flush(LONG).expect("delivered");
    uvicorn.program.signal("-STOP");
    track(&client, 10..60, 100);
    for _ in 0..3 {
        let (start, limit) = (Instant::now(), Duration::from_millis(500));
        client.flush(limit).expect_err("no answer");
        let took = start.elapsed();
        assert!(limit <= took && took < limit * 2, "{took:?}");
    }
    uvicorn.program.signal("-CONT");
    client.flush(LONG).expect("delivered");
    // At least once: it reads the requests that had no answer in time when it goes on.
    let doubled = assert_at_least_once(&received(&uvicorn.folder), 0..60);
    tell(&format!(
        "a frozen uvicorn: {doubled} arrivals of 50 records beside the first"
    ));
    assert_settled(&client, 60, &[]);
}
