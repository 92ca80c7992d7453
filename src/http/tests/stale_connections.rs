//! A request over a connection that the server has closed meanwhile is sent again, once. No other request is.

use std::{
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use super::{
    AMPLE, cause, post, post_within,
    server::{Server, answer},
    transport,
};

#[test]
fn a_server_that_closes_after_each_answer_costs_no_request() {
    let server = Server::start(|mut peer, _| {
        peer.request();
        peer.write(answer(200, "fine").as_bytes());
    });
    let transport = transport(&server.url());
    for _ in 0..200 {
        let response = post(&transport, &server.url()).expect("an answer");
        assert_eq!(response.status(), 200);
    }
}

#[test]
fn a_request_lost_with_a_reused_connection_is_sent_again() {
    let server = Server::start(|mut peer, number| {
        peer.request();
        peer.write(answer(200, "").as_bytes());
        let second = peer.request();
        if number > 1 {
            let second = second.expect("another request");
            assert!(second.head.contains(super::KEY));
            peer.write(answer(202, "").as_bytes());
        }
    });
    let transport = transport(&server.url());
    post(&transport, &server.url()).expect("an answer");
    let response = post(&transport, &server.url()).expect("an answer");
    assert_eq!(response.status(), 200);
    let response = post(&transport, &server.url()).expect("an answer");
    assert_eq!(response.status(), 202);
    assert_eq!(server.connections(), 2);
}

#[test]
fn a_request_is_sent_again_only_once() {
    let server = Server::start(|mut peer, number| {
        peer.request();
        if number == 1 {
            peer.write(answer(200, "").as_bytes());
            peer.request();
        }
    });
    let transport = transport(&server.url());
    post(&transport, &server.url()).expect("an answer");
    let words = cause(post(&transport, &server.url()));
    assert!(
        words.contains("closed") || words.contains("reset"),
        "{words}"
    );
    assert_eq!(server.connections(), 2);
}

#[test]
fn the_second_try_goes_over_a_fresh_connection() {
    let (sign, there) = mpsc::channel();
    let (other_is_idle, go) = mpsc::channel();
    let script = Mutex::new((sign, go));
    let server = Server::start(move |mut peer, number| {
        peer.request();
        peer.write(answer(200, "").as_bytes());
        peer.request();
        if number == 1 {
            let script = script.lock().unwrap();
            script.0.send(()).unwrap();
            script.1.recv_timeout(AMPLE).unwrap();
        }
    });
    let transport = transport(&server.url());
    post(&transport, &server.url()).expect("an answer");
    thread::scope(|scope| {
        let first = scope.spawn(|| post(&transport, &server.url()));
        there.recv_timeout(AMPLE).unwrap();
        // Takes a connection of its own, which waits for reuse after that, and would die at it.
        post(&transport, &server.url()).expect("an answer");
        other_is_idle.send(()).unwrap();
        let outcome = first.join().unwrap();
        assert_eq!(outcome.expect("an answer").status(), 200);
    });
    assert_eq!(server.connections(), 3);
}

#[test]
fn a_fresh_connection_that_dies_is_a_failure() {
    let server = Server::start(|mut peer, _| {
        peer.request();
    });
    let transport = transport(&server.url());
    let words = cause(post(&transport, &server.url()));
    assert_eq!(
        words,
        "the connection was closed before the answer was complete"
    );
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_request_whose_answer_has_begun_is_not_sent_again() {
    let server = Server::start(|mut peer, _| {
        peer.request();
        peer.write(answer(200, "").as_bytes());
        peer.request();
        peer.write(b"HTTP/1.1 2");
    });
    let transport = transport(&server.url());
    post(&transport, &server.url()).expect("an answer");
    cause(post(&transport, &server.url()));
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_time_out_on_a_reused_connection_is_a_failure() {
    let server = Server::start(|mut peer, _| {
        peer.request();
        peer.write(answer(200, "").as_bytes());
        peer.stay_silent();
    });
    let transport = transport(&server.url());
    post(&transport, &server.url()).expect("an answer");
    let time = Duration::from_millis(200);
    let words = cause(post_within(&transport, &server.url(), b"[]", time));
    assert!(words.starts_with("timed out "), "{words}");
    assert_eq!(server.connections(), 1);
}
