mod statuses;

use std::{process::Command, thread, time::Duration};

use trubrics::{DropReason, testing::Server};

use crate::{
    program::{Folder, Program, free_port, installed, is_listening, wait_until},
    support::{
        KILOBYTE, LONG, assert_doubled_by_ends, assert_no_failure, assert_once, assert_settled,
        backend, build, client_of, event, port_and_path, send_each, tell, track, track_under,
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
