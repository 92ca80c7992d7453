//! Statuses of nginx: a backend that is away or late, a limit of the rate, and final ones.

use std::time::Duration;

use trubrics::{
    DropReason,
    testing::{Reply, Server},
};

use super::{Config, Nginx};
use crate::{
    program::{free_port, wait_until},
    support::{
        KILOBYTE, LONG, assert_at_least_once, assert_no_failure, assert_once, assert_settled,
        backend, build, client_of, port_and_path, send_each, track,
    },
};

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
