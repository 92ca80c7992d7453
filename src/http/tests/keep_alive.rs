//! One connection for one request after the other.

use super::{
    super::limits::MAX_RESPONSE_BODY,
    post, post_within,
    server::{Server, answer},
    transport,
};

#[test]
fn requests_share_one_connection() {
    let limit = MAX_RESPONSE_BODY;
    for size in [0, 2, 5000, limit] {
        let server = Server::answering(answer(200, &"x".repeat(size)));
        let transport = transport(&server.url());
        for _ in 0..10 {
            let response = post(&transport, &server.url()).expect("an answer");
            assert_eq!(response.status(), 200);
            assert_eq!(response.body().len(), size);
        }
        assert_eq!(server.connections(), 1, "{size}");
    }
}

#[test]
fn refusals_do_not_cost_the_connection() {
    let server = Server::answering(answer(503, "later"));
    let transport = transport(&server.url());
    for _ in 0..5 {
        let response = post(&transport, &server.url()).expect("an answer");
        assert_eq!(response.status(), 503);
        assert_eq!(response.body(), b"later");
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn requests_with_less_time_share_the_connection_too() {
    let server = Server::answering(answer(200, "fine"));
    let transport = transport(&server.url());
    for seconds in [20, 10, 20, 10] {
        let time = std::time::Duration::from_secs(seconds);
        let response = post_within(&transport, &server.url(), b"[]", time);
        assert_eq!(response.expect("an answer").status(), 200);
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn an_endless_body_still_gives_the_status() {
    let size = MAX_RESPONSE_BODY;
    let server = Server::answering(answer(422, &"x".repeat(size + 1)));
    let transport = transport(&server.url());
    let response = post(&transport, &server.url()).expect("an answer");
    assert_eq!(response.status(), 422);
    assert_eq!(response.body().len(), size);
}

#[test]
fn a_body_cut_short_still_gives_the_status() {
    let server = Server::start(|mut peer, _| {
        peer.request();
        peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    });
    let transport = transport(&server.url());
    let response = post(&transport, &server.url()).expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(response.body(), b"half");
}

#[test]
fn the_headers_that_matter_come_back() {
    let server = Server::answering(
        "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\
         Content-Type: text/html\r\nX-Other: 1\r\nContent-Length: 0\r\n\r\n",
    );
    let transport = transport(&server.url());
    let response = post(&transport, &server.url()).expect("an answer");
    assert_eq!(response.status(), 429);
    assert_eq!(response.header("Retry-After"), Some("7"));
    assert_eq!(
        response.header("Date"),
        Some("Mon, 01 Jan 2024 00:00:00 GMT")
    );
    assert_eq!(response.header("Content-Type"), Some("text/html"));
    assert_eq!(response.header("X-Other"), None);
}

#[test]
fn a_header_that_is_no_text_is_left_out() {
    let mut bytes = b"HTTP/1.1 429 Slow\r\nRetry-After: ".to_vec();
    bytes.extend([0xff, 0xfe]);
    bytes.extend(b"\r\nContent-Length: 0\r\n\r\n");
    let server = Server::answering(bytes);
    let transport = transport(&server.url());
    let response = post(&transport, &server.url()).expect("an answer");
    assert_eq!(response.header("retry-after"), None);
}
