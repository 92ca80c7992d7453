use std::{process::Command, thread, time::Duration};

use trubrics::{DropReason, testing::Reply, testing::Server};

use crate::{
    program::{Folder, Program, free_port, installed, is_listening, wait_until},
    support::{
        KILOBYTE, LONG, assert_at_least_once, assert_doubled_by_ends, assert_no_failure,
        assert_once, assert_settled, backend, build, client_of, event, port_and_path, send_each,
        tell, track, track_under,
    },
};

/// What differs from one test to the other in nginx' configuration.
#[derive(Default, Clone, Copy)]
pub(crate) struct Config<'a> {
    pub(crate) http: &'a str,
    /// After the port to listen on.
    pub(crate) listen: &'a str,
    pub(crate) server: &'a str,
    pub(crate) location: &'a str,
}

impl Config<'_> {
    fn text(&self, folder: &Folder, port: u16, backend: u16) -> String {
        let at = folder.0.display();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|name| format!("{name}_temp_path {at}/{name};\n"))
            .collect();
        let Self {
            http,
            listen,
            server,
            location,
        } = self;
        format!(
            "user root;\ndaemon off;\nworker_processes 1;\npid {at}/nginx.pid;\nerror_log {at}/error.log;\n\
             events {{ worker_connections 256; }}\n\
             http {{\n{temporary}\
             log_format short '$connection $status';\naccess_log {at}/access.log short;\n{http}\n\
             upstream backend {{ server 127.0.0.1:{backend}; keepalive 4; }}\n\
             server {{\nlisten 127.0.0.1:{port} {listen};\n{server}\n\
             location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection '';\n\
             {location} }}\n}}\n}}\n"
        )
    }
}

pub(crate) struct Nginx {
    pub(crate) folder: Folder,
    pub(crate) port: u16,
    backend: u16,
    program: Program,
}

impl Nginx {
    pub(crate) fn start(config: &Config<'_>, backend: u16) -> Option<Self> {
        let nginx = installed("nginx")?;
        let (folder, port) = (Folder::new(), free_port());
        let file = folder.write("nginx.conf", &config.text(&folder, port, backend));
        let mut command = Command::new(nginx);
        command.arg("-p").arg(&folder.0).arg("-c").arg(file);
        command.arg("-e").arg(folder.path("error.log"));
        let program = Program::start(&mut command, &folder, port);
        Some(Self {
            folder,
            port,
            backend,
            program,
        })
    }

    /// A server behind it.
    pub(crate) fn before(config: &Config<'_>, server: &Server) -> Option<(Self, String)> {
        let (backend, path) = port_and_path(server);
        let nginx = Self::start(config, backend)?;
        let host = format!("http://127.0.0.1:{}{path}", nginx.port);
        Some((nginx, host))
    }

    /// Lets new workers replace the old ones, which end once their requests are answered.
    pub(crate) fn reload(&self) {
        self.program.signal("-HUP");
    }

    fn reload_with(&self, config: &Config<'_>) {
        let text = config.text(&self.folder, self.port, self.backend);
        self.folder.write("nginx.conf", &text);
        self.reload();
    }

    /// The connection and the status of each request that it has answered.
    pub(crate) fn answers(&self) -> Vec<(u64, u16)> {
        let text = self.folder.read("access.log");
        let lines = text.lines().map(|line| {
            let (connection, status) = line.split_once(' ').expect("two parts");
            (
                connection.parse().expect("a number"),
                status.parse().expect("a number"),
            )
        });
        lines.collect()
    }
}

fn connections(answers: &[(u64, u16)]) -> usize {
    let mut connections: Vec<_> = answers.iter().map(|(connection, _)| connection).collect();
    connections.dedup();
    connections.len()
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_limit_of_nginx_costs_only_the_record_that_is_too_large() {
    // The connection is read on for a while after an early answer, or is reset.
    for lingering in ["always", "on", "off"] {
        let server = backend();
        let limit = format!("client_max_body_size 100k; lingering_close {lingering};");
        let config = Config {
            server: &limit,
            ..Config::default()
        };
        let Some((_nginx, host)) = Nginx::before(&config, &server) else {
            return;
        };
        let client = build(client_of(host).flush_batch_size(100));
        track(&client, 0..100, 9 * KILOBYTE);
        client.track(event(1000, 150 * KILOBYTE));
        track(&client, 100..200, 9 * KILOBYTE);
        let _ = client.flush(LONG);
        assert_once(&server.events(), 0..200);
        assert_settled(&client, 200, &[(DropReason::TooLarge, 1)]);
    }
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_limit_behind_an_unbuffered_nginx_costs_nothing() {
    let server = backend();
    server.set_body_limit(100 * KILOBYTE);
    let config = Config {
        server: "client_max_body_size 0;",
        location: "proxy_request_buffering off;",
        ..Config::default()
    };
    let Some((_nginx, host)) = Nginx::before(&config, &server) else {
        return;
    };
    let client = build(client_of(host).flush_batch_size(100));
    track(&client, 0..200, 9 * KILOBYTE);
    client.flush(LONG).expect("delivered");
    assert_once(&server.events(), 0..200);
    assert_settled(&client, 200, &[]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn reloads_of_nginx_under_load_lose_and_double_nothing() {
    let server = backend();
    let Some((nginx, host)) = Nginx::before(&Config::default(), &server) else {
        return;
    };
    for requests in [1, 4] {
        let settings = client_of(&host).flush_batch_size(5);
        let client = build(settings.max_concurrent_requests(requests));
        track_under(&client, 0..2000, || nginx.reload());
        client.flush(LONG).expect("delivered");
        assert_once(&server.events(), 0..2000);
        assert_settled(&client, 2000, &[]);
        assert_no_failure(&client);
        server.take_requests(LONG);
    }
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn connections_that_nginx_ends_after_a_few_requests_cost_nothing() {
    for of_each in 1..=3 {
        let server = backend();
        let limit = format!("keepalive_requests {of_each};");
        let config = Config {
            server: &limit,
            ..Config::default()
        };
        let Some((nginx, host)) = Nginx::before(&config, &server) else {
            return;
        };
        let client = build(client_of(host));
        send_each(&client, 0..30);
        assert_once(&server.events(), 0..30);
        assert_settled(&client, 30, &[]);
        assert_no_failure(&client);
        wait_until("the log", || nginx.answers().len() == 30);
        // An idle connection that a busy machine keeps waiting is too old to be used again.
        let (answers, least) = (nginx.answers(), 30 / of_each);
        let connections = connections(&answers);
        assert!((least..least + 5).contains(&connections), "{answers:?}");
    }
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn connections_that_nginx_ends_when_idle_cost_nothing() {
    let server = backend();
    let config = Config {
        server: "keepalive_timeout 100ms;",
        ..Config::default()
    };
    let Some((nginx, host)) = Nginx::before(&config, &server) else {
        return;
    };
    let client = build(client_of(host));
    // Around the moment at which the server closes.
    for id in 0..100 {
        client.track(event(id, 100));
        client.flush(LONG).expect("delivered");
        thread::sleep(Duration::from_micros(98_000 + id % 25 * 200));
    }
    assert_once(&server.events(), 0..100);
    assert_settled(&client, 100, &[]);
    assert_eq!(server.requests().len(), 100);
    assert_no_failure(&client);
    assert!(connections(&nginx.answers()) > 1);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn records_wait_until_the_backend_of_nginx_is_there() {
    let port = free_port();
    let Some(nginx) = Nginx::start(&Config::default(), port) else {
        return;
    };
    let path = port_and_path(&backend()).1;
    let client = build(client_of(format!("http://127.0.0.1:{}{path}", nginx.port)));
    track(&client, 0..50, 100);
    let error = client.flush(Duration::from_millis(500)).expect_err("a 502");
    assert_eq!(error.pending(), 50);
    assert!(nginx.answers().iter().all(|(_, status)| *status == 502));
    let server = Server::start_on_port(port, "test-key").expect("the port");
    client.flush(LONG).expect("delivered");
    assert_once(&server.events(), 0..50);
    assert_settled(&client, 50, &[]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn records_wait_while_nginx_answers_503() {
    let server = backend();
    let unavailable = Config {
        server: "add_header Retry-After 1 always; return 503;",
        ..Config::default()
    };
    let Some((nginx, host)) = Nginx::before(&unavailable, &server) else {
        return;
    };
    let client = build(client_of(host).flush_batch_size(100));
    // More than the server would read after its early answer.
    track(&client, 0..100, 9 * KILOBYTE);
    let error = client.flush(Duration::from_millis(500));
    assert_eq!(error.expect_err("a 503").pending(), 100);
    assert_eq!(nginx.answers().len(), 1, "it honours Retry-After");
    nginx.reload_with(&Config {
        server: "client_max_body_size 0;",
        ..Config::default()
    });
    client.flush(LONG).expect("delivered");
    assert_once(&server.events(), 0..100);
    assert_settled(&client, 100, &[]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_504_of_nginx_is_tried_again() {
    let server = backend();
    let config = Config {
        location: "proxy_read_timeout 200ms;",
        ..Config::default()
    };
    let Some((nginx, host)) = Nginx::before(&config, &server) else {
        return;
    };
    let client = build(client_of(host));
    server.script([Reply::hang()]);
    track(&client, 0..10, 100);
    client.flush(LONG).expect("delivered");
    assert_once(&server.events(), 0..10);
    assert_settled(&client, 10, &[]);

    // At least once: the backend has the records before nginx gives up.
    server.take_requests(LONG);
    server.script([Reply::accept().delay(Duration::from_secs(1))]);
    track(&client, 0..10, 100);
    client.flush(LONG).expect("delivered");
    assert_eq!(assert_at_least_once(&server.events(), 0..10), 10);
    assert_settled(&client, 20, &[]);
    let answers = nginx.answers();
    let late = answers.iter().filter(|(_, status)| *status == 504);
    assert_eq!(late.count(), 2);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_rate_limit_of_nginx_delays_records_and_drops_none() {
    let server = backend();
    let config = Config {
        http: "limit_req_zone $binary_remote_addr zone=all:1m rate=20r/s;",
        server: "limit_req zone=all; limit_req_status 429;",
        ..Config::default()
    };
    let Some((nginx, host)) = Nginx::before(&config, &server) else {
        return;
    };
    let client = build(client_of(host));
    send_each(&client, 0..20);
    assert_once(&server.events(), 0..20);
    assert_settled(&client, 20, &[]);
    assert!(nginx.answers().iter().any(|(_, status)| *status == 429));
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_final_status_of_nginx_drops_for_the_right_reason() {
    for (status, reason) in [
        ("401", DropReason::Unauthorized),
        ("403", DropReason::Unauthorized),
        ("301 https://127.0.0.1:1/", DropReason::RequestRejected),
        ("404", DropReason::RequestRejected),
        ("405", DropReason::RequestRejected),
    ] {
        let server = backend();
        let config = format!("return {status};");
        let config = Config {
            server: &config,
            ..Config::default()
        };
        let Some((nginx, host)) = Nginx::before(&config, &server) else {
            return;
        };
        let client = build(client_of(host).flush_batch_size(100));
        track(&client, 0..100, 9 * KILOBYTE);
        // An error only if they were not dropped before it was called.
        let _ = client.flush(LONG);
        assert_settled(&client, 0, &[(reason, 100)]);
        wait_until("the log", || nginx.answers().len() == 1);
        assert_eq!(server.requests().len(), 0);
    }
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_restart_of_nginx_under_load_loses_nothing() {
    let server = backend();
    let Some((nginx, host)) = Nginx::before(&Config::default(), &server) else {
        return;
    };
    let client = build(client_of(host).flush_batch_size(5));
    let Nginx {
        folder,
        port,
        program,
        ..
    } = nginx;
    let mut program = Some(program);
    let mut ends = 0;
    track_under(&client, 0..2000, || {
        // A batch is on its way some milliseconds after the last record.
        thread::sleep(Duration::from_millis(ends % 5));
        let graceful = ends % 2 == 0;
        ends += 1;
        let running = program.take().expect("it runs");
        running.end(if graceful { "-QUIT" } else { "-TERM" });
        wait_until("the port", || !is_listening(port));
        let mut command = Command::new(installed("nginx").expect("it was there"));
        command.arg("-p").arg(&folder.0);
        command.arg("-c").arg(folder.path("nginx.conf"));
        command.arg("-e").arg(folder.path("error.log"));
        program = Some(Program::start(&mut command, &folder, port));
    });
    client.flush(LONG).expect("delivered");
    // At least once: a fast end drops a request that the backend may have.
    let doubled = assert_doubled_by_ends(&server, 0..2000, ends / 2);
    tell(&format!(
        "restarts of nginx: {ends}, with {doubled} doubled batches"
    ));
    assert_settled(&client, 2000, &[]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_name_with_an_address_that_refuses_costs_nothing() {
    let server = backend();
    let Some((nginx, host)) = Nginx::before(&Config::default(), &server) else {
        return;
    };
    // Often [::1] first, where nginx does not listen.
    let host = host.replace("127.0.0.1", "localhost");
    assert!(host.contains(&nginx.port.to_string()), "{host}");
    let client = build(client_of(host).flush_batch_size(5));
    track(&client, 0..100, 200);
    client.flush(LONG).expect("delivered");
    assert_once(&server.events(), 0..100);
    assert_settled(&client, 100, &[]);
    assert_no_failure(&client);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn the_status_counts_whatever_nginx_does_to_the_body() {
    let server = backend();
    let config = Config {
        // The answer of the backend takes two seconds.
        location: "limit_rate 10;",
        ..Config::default()
    };
    let Some((_nginx, host)) = Nginx::before(&config, &server) else {
        return;
    };
    let client = build(client_of(host).flush_batch_size(100));
    track(&client, 0..10, 100);
    client.flush(LONG).expect("delivered");
    assert_once(&server.events(), 0..10);

    // The backend ends in the middle of its answer, and so does nginx.
    let part = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{";
    server.script([Reply::raw(part).close_after()]);
    track(&client, 10..20, 100);
    client.flush(LONG).expect("delivered");
    assert_eq!(server.requests().len(), 2);
    assert_settled(&client, 20, &[]);
    assert_no_failure(&client);
}
