//! A request is over at its deadline, whatever the server does.

use std::{
    net::{TcpListener, TcpStream},
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use super::{
    super::HttpTransport,
    AMPLE, cause, post_within,
    server::{Peer, Server},
    settings, transport,
};

const SHORT: Duration = Duration::from_millis(300);

/// Sends to a server that behaves like this, once with a short deadline and once with a short time-out.
#[track_caller]
fn time_out_of<F>(body: &[u8], behaviour: F) -> [String; 2]
where
    F: Fn(Peer<TcpStream>) + Send + Sync + 'static,
{
    let server = Server::start(move |peer, _| behaviour(peer));
    let url = server.url();
    let patient = transport(&url);
    let mut hasty = settings(&url);
    hasty.request_timeout = SHORT;
    let hasty = HttpTransport::new(&hasty).expect("usable settings");
    [(&patient, SHORT), (&hasty, AMPLE)].map(|(transport, time)| {
        let started = Instant::now();
        let words = cause(post_within(transport, &url, body, time));
        assert!(started.elapsed() < AMPLE / 2, "{:?}", started.elapsed());
        assert!(started.elapsed() >= SHORT / 2, "{:?}", started.elapsed());
        words
    })
}

#[test]
fn a_server_that_never_answers_costs_no_more_than_the_time() {
    for words in time_out_of(b"[]", |mut peer| peer.stay_silent()) {
        assert!(words.starts_with("timed out "), "{words}");
    }
}

#[test]
fn a_status_line_that_drips_costs_no_more_than_the_time() {
    let drip = move |mut peer: Peer<TcpStream>| {
        peer.request();
        peer.drip("HTTP/1.1 102 Wait\r\n\r\n".repeat(100).as_bytes());
    };
    for words in time_out_of(b"[]", drip) {
        assert!(words.starts_with("timed out "), "{words}");
    }
}

#[test]
fn a_head_that_drips_does_not_hide_the_status() {
    let server = Server::start(|mut peer, _| {
        peer.request();
        peer.write(b"HTTP/1.1 200 OK\r\n");
        peer.drip("X: yyyyyyyyyyyyyyyyy\r\n".repeat(100).as_bytes());
    });
    let transport = transport(&server.url());
    // With little time, and with enough of it.
    for time in [SHORT, AMPLE] {
        let started = Instant::now();
        let response = post_within(&transport, &server.url(), b"[]", time);
        assert_eq!(response.expect("an answer").status(), 200);
        assert!(started.elapsed() < AMPLE / 2);
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_server_that_never_reads_costs_no_more_than_the_time() {
    let large = vec![b'x'; 32 * 1024 * 1024];
    let (over, until_over) = mpsc::channel::<()>();
    let until_over = Mutex::new(until_over);
    // The head alone; then the connection is kept, unread, until the test is over.
    let wait = move |mut peer: Peer<TcpStream>| {
        peer.head();
        let _ = until_over.lock().unwrap().recv_timeout(AMPLE);
    };
    for words in time_out_of(&large, wait) {
        assert!(words.starts_with("timed out "), "{words}");
    }
    drop(over);
}

#[test]
fn a_body_that_drips_does_not_hide_the_status() {
    let server = Server::start(|mut peer, _| {
        peer.request();
        peer.write(b"HTTP/1.1 422 No\r\nContent-Length: 100000\r\n\r\nsome");
        peer.drip(&[b'x'; 10_000]);
    });
    let started = Instant::now();
    let transport = transport(&server.url());
    let response = post_within(&transport, &server.url(), b"[]", SHORT);
    let response = response.expect("an answer");
    assert_eq!(response.status(), 422);
    assert!(response.body().starts_with(b"some"));
    assert!(started.elapsed() < AMPLE / 2);
}

#[test]
fn a_body_that_drips_is_not_waited_for_as_long_as_the_request_may_take() {
    let server = Server::start(|mut peer, _| {
        peer.request();
        peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
        peer.stay_silent();
    });
    let started = Instant::now();
    let transport = transport(&server.url());
    let response = post_within(&transport, &server.url(), b"[]", AMPLE);
    assert_eq!(response.expect("an answer").status(), 200);
    assert!(started.elapsed() < AMPLE / 2);
}

#[test]
fn a_deadline_that_has_passed_opens_no_connection() {
    let server = Server::answering("");
    let transport = transport(&server.url());
    let words = cause(post_within(
        &transport,
        &server.url(),
        b"[]",
        Duration::ZERO,
    ));
    assert!(words.starts_with("timed out "), "{words}");
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_refused_connection_says_so_at_once() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let words = cause(post_within(&transport(&url), &url, b"[]", AMPLE));
    assert_eq!(words, "connection refused");
}

#[test]
fn an_answer_that_is_not_http_is_a_failure() {
    let server = Server::answering("SSH-2.0-OpenSSH\r\n\r\n");
    let words = cause(post_within(
        &transport(&server.url()),
        &server.url(),
        b"[]",
        AMPLE,
    ));
    assert_eq!(words, "the answer was not HTTP");
}
