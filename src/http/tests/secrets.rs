//! The key reaches the server, and appears nowhere else.

use std::sync::{
    Mutex,
    mpsc::{self, Receiver},
};

use super::{
    KEY, child, post, post_within,
    server::{Received, Server, answer},
    transport,
};

/// A server that hands the test what it receives.
fn recording(answer: String) -> (Server, Receiver<Received>) {
    let (sender, received) = mpsc::channel();
    let sender = Mutex::new(sender);
    let server = Server::start(move |mut peer, _| {
        while let Some(request) = peer.request() {
            sender.lock().unwrap().send(request).unwrap();
            peer.write(answer.as_bytes());
        }
    });
    (server, received)
}

#[test]
fn the_request_on_the_wire_is_ours_alone() {
    let (server, received) = recording(answer(200, ""));
    let transport = transport(&server.url());
    let body = format!("[\"x-api-key: {}\r\n\"]", "*".repeat(KEY.len()));
    for _ in 0..2 {
        let time = super::AMPLE;
        post_within(&transport, &server.url(), body.as_bytes(), time).expect("an answer");
        let request = received.recv().unwrap();
        let mut lines: Vec<_> = request.head.trim_end().split("\r\n").collect();
        assert_eq!(
            lines.remove(0),
            "POST /api/ingestion/publish_events HTTP/1.1"
        );
        lines.sort_unstable();
        let agent = concat!("user-agent: trubrics-rust/", env!("CARGO_PKG_VERSION"));
        assert_eq!(
            lines,
            [
                &format!("content-length: {}", body.len()),
                "content-type: application/json",
                &format!("host: 127.0.0.1:{}", server.port()),
                agent,
                &format!("x-api-key: {KEY}"),
            ]
        );
        assert_eq!(request.body, body.as_bytes());
    }
}

#[test]
fn a_redirect_comes_back_and_is_not_followed() {
    let (other, elsewhere) = recording(answer(200, ""));
    for status in [301, 302, 303, 307, 308] {
        let server = Server::answering(format!(
            "HTTP/1.1 {status} Moved\r\nLocation: {}\r\nContent-Length: 4\r\n\r\nmove",
            other.url()
        ));
        let transport = transport(&server.url());
        for _ in 0..2 {
            let response = post(&transport, &server.url()).expect("an answer");
            assert_eq!(response.status(), status);
        }
        assert_eq!(server.connections(), 1);
    }
    assert_eq!(other.connections(), 0);
    assert!(elsewhere.try_recv().is_err());
}

#[test]
fn a_key_that_would_break_the_head_is_not_sent() {
    use crate::transport::{Request, Transport};

    let (server, _) = recording(answer(200, ""));
    let transport = transport(&server.url());
    let request = Request::new("http://127.0.0.1:1/", b"[]").with_api_key("a\r\nb: c");
    assert!(transport.send(&request).is_err());
    assert_eq!(server.connections(), 0);
}

#[test]
fn no_log_shows_the_key_or_the_events_however_talkative() {
    let name = "no_log_shows_the_key_or_the_events_however_talkative";
    if !child::is_this(module_path!(), name, &[]) {
        return;
    }
    let log = child::start_logging();
    let (server, received) = recording(answer(200, ""));
    let transport = transport(&server.url());
    let body = "Z".repeat(100);
    post_within(&transport, &server.url(), body.as_bytes(), super::AMPLE).expect("an answer");
    let request = received.recv().unwrap();
    assert!(request.head.contains(KEY));
    assert_eq!(request.body, body.as_bytes());

    let lines = log.lines();
    let trace = "ureq_proto::util";
    assert!(lines.iter().any(|line| line.contains(trace)), "{lines:?}");
    for line in lines.iter() {
        // As text and in hexadecimal.
        for secret in ["QQQQ", "5151", "ZZZZ", "5a5a"] {
            assert!(
                !line.to_lowercase().contains(&secret.to_lowercase()),
                "{line}"
            );
        }
    }
}
