use std::{process::Command, thread, time::Duration};

use trubrics::{
    DropReason,
    testing::{Reply, Server},
};

use crate::{
    program::{Folder, Program, free_port, installed},
    support::{
        KILOBYTE, LONG, assert_no_failure, assert_once, assert_settled, backend, build, client_of,
        event, port_and_path, track, track_under,
    },
};

struct Haproxy {
    port: u16,
    program: Program,
    _folder: Folder,
}

impl Haproxy {
    /// `defaults` and `frontend` are lines of its configuration.
    fn start(defaults: &str, frontend: &str, backend: u16) -> Option<Self> {
        let haproxy = installed("haproxy")?;
        let (folder, port) = (Folder::new(), free_port());
        let text = format!(
            "global\n maxconn 100\n hard-stop-after 5s\n\
             defaults\n mode http\n timeout connect 1s\n timeout client 10s\n timeout server 10s\n{defaults}\n\
             frontend all\n bind 127.0.0.1:{port}\n{frontend}\n default_backend one\n\
             backend one\n server one 127.0.0.1:{backend}\n"
        );
        let file = folder.write("haproxy.cfg", &text);
        let mut command = Command::new(haproxy);
        // A master in the foreground, which replaces its worker on a reload.
        command.args(["-W", "-db", "-f"]).arg(file);
        Some(Self {
            port,
            program: Program::start(&mut command, &folder, port),
            _folder: folder,
        })
    }

    fn before(defaults: &str, frontend: &str, server: &Server) -> Option<(Self, String)> {
        let (backend, path) = port_and_path(server);
        let haproxy = Self::start(defaults, frontend, backend)?;
        let host = format!("http://127.0.0.1:{}{path}", haproxy.port);
        Some((haproxy, host))
    }
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_413_of_haproxy_before_the_body_costs_nothing() {
    let server = backend();
    let rule = " http-request deny deny_status 413 if { req.hdr(content-length) -m int gt 200000 }";
    let Some((_haproxy, host)) = Haproxy::before("", rule, &server) else {
        return;
    };
    let client = build(client_of(host).flush_batch_size(100));
    track(&client, 0..200, 9 * KILOBYTE);
    client.track(event(1000, 250 * KILOBYTE));
    let _ = client.flush(LONG);
    assert_once(&server.events(), 0..200);
    assert_settled(&client, 200, &[(DropReason::TooLarge, 1)]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_401_of_haproxy_before_the_body_is_about_the_key() {
    let server = backend();
    let rule =
        " http-request deny deny_status 401 unless { req.hdr(x-api-key) -m str another-key }";
    let Some((_haproxy, host)) = Haproxy::before("", rule, &server) else {
        return;
    };
    let client = build(client_of(host).flush_batch_size(100));
    track(&client, 0..100, 9 * KILOBYTE);
    // An error only if they were not dropped before it was called.
    let _ = client.flush(LONG);
    assert_settled(&client, 0, &[(DropReason::Unauthorized, 100)]);
    assert_eq!(server.requests().len(), 0);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_redirect_of_haproxy_is_not_followed() {
    let server = backend();
    let rule = " http-request redirect scheme https code 301";
    let Some((_haproxy, host)) = Haproxy::before("", rule, &server) else {
        return;
    };
    let client = build(client_of(host));
    track(&client, 0..10, 100);
    client.flush(LONG).expect_err("a 301");
    assert_settled(&client, 0, &[(DropReason::RequestRejected, 10)]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn records_wait_until_the_backend_of_haproxy_is_there() {
    let port = free_port();
    let Some(haproxy) = Haproxy::start("", "", port) else {
        return;
    };
    let path = port_and_path(&backend()).1;
    let client = build(client_of(format!(
        "http://127.0.0.1:{}{path}",
        haproxy.port
    )));
    track(&client, 0..50, 100);
    let error = client.flush(Duration::from_millis(500)).expect_err("a 503");
    assert_eq!(error.pending(), 50);
    let server = Server::start_on_port(port, "test-key").expect("the port");
    client.flush(LONG).expect("delivered");
    assert_once(&server.events(), 0..50);
    assert_settled(&client, 50, &[]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_504_and_a_502_of_haproxy_are_tried_again() {
    let server = backend();
    let Some((_haproxy, host)) = Haproxy::before(" timeout server 200ms", "", &server) else {
        return;
    };
    let client = build(client_of(host));
    // No answer in time, no answer at all, and one that is not HTTP.
    server.script([
        Reply::hang(),
        Reply::close(),
        Reply::raw("SSH-2.0-").close_after(),
    ]);
    track(&client, 0..10, 100);
    client.flush(LONG).expect("delivered");
    assert_once(&server.events(), 0..10);
    assert_settled(&client, 10, &[]);
    assert_eq!(server.requests().len(), 4);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn connections_that_haproxy_ends_when_idle_cost_nothing() {
    let server = backend();
    let defaults = " timeout http-keep-alive 50ms\n timeout http-request 1s";
    let Some((_haproxy, host)) = Haproxy::before(defaults, "", &server) else {
        return;
    };
    let client = build(client_of(host));
    // Around the moment at which it closes, in steps of its clock.
    for id in 0..100 {
        client.track(event(id, 100));
        client.flush(LONG).expect("delivered");
        thread::sleep(Duration::from_micros(48_000 + id % 25 * 200));
    }
    assert_once(&server.events(), 0..100);
    assert_settled(&client, 100, &[]);
    assert_eq!(server.requests().len(), 100);
    assert_no_failure(&client);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn an_haproxy_that_closes_each_connection_costs_nothing() {
    for option in ["httpclose", "http-server-close", "http-keep-alive"] {
        let server = backend();
        let defaults = format!(" option {option}");
        let Some((_haproxy, host)) = Haproxy::before(&defaults, "", &server) else {
            return;
        };
        let client = build(client_of(host).flush_batch_size(5));
        track(&client, 0..500, 100);
        client.flush(LONG).expect("delivered");
        assert_once(&server.events(), 0..500);
        assert_settled(&client, 500, &[]);
        assert_no_failure(&client);
    }
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn reloads_of_haproxy_under_load_lose_and_double_nothing() {
    for requests in [1, 4] {
        let server = backend();
        let Some((haproxy, host)) = Haproxy::before("", "", &server) else {
            return;
        };
        let settings = client_of(host).flush_batch_size(5);
        let client = build(settings.max_concurrent_requests(requests));
        track_under(&client, 0..1500, || haproxy.program.signal("-USR2"));
        client.flush(LONG).expect("delivered");
        assert_once(&server.events(), 0..1500);
        assert_settled(&client, 1500, &[]);
    }
}
