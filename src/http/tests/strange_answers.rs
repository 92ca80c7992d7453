//! Every response gives a status or a failure, and never a panic.

use super::{
    post_within,
    server::{Server, answer},
    transport,
};

/// The status of a response after which the server closes.
fn status_of(bytes: &[u8]) -> Option<u16> {
    let bytes = bytes.to_vec();
    let server = Server::start(move |mut peer, _| {
        peer.request();
        peer.write(&bytes);
    });
    let time = std::time::Duration::from_secs(5);
    let response = post_within(&transport(&server.url()), &server.url(), b"[]", time);
    response.ok().map(|response| response.status())
}

#[test]
fn an_answer_gives_a_status_or_a_failure() {
    for (bytes, expected) in [
        ("", None),
        ("\r\n\r\n", None),
        ("HTTP/1.1", None),
        ("HTTP/1.1 200 OK", None),
        ("HTTP/1.1 200 OK\r\n", Some(200)),
        ("HTTP/1.1 200 OK\r\nConte", Some(200)),
        ("HTTP/1.1 200 OK\r\n\r\n", Some(200)),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", Some(200)),
        ("HTTP/1.0 200 OK\r\n\r\n", Some(200)),
        ("HTTP/1.1 204 None\r\n\r\n", Some(204)),
        (
            "HTTP/1.1 204 None\r\nContent-Length: 5\r\n\r\nhello",
            Some(204),
        ),
        ("HTTP/1.1 205 Reset\r\n\r\n", Some(205)),
        ("HTTP/1.1 304 Same\r\n\r\n", Some(304)),
        ("HTTP/1.1 302 Moved\r\n\r\n", Some(302)),
        ("HTTP/1.1 302 Moved\r\nLocation: ://\r\n\r\n", Some(302)),
        ("HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n", Some(999)),
        ("HTTP/1.1 99 What\r\n\r\n", None),
        ("HTTP/1.1 1000 What\r\n\r\n", None),
        ("HTTP/2 200\r\n\r\n", None),
        ("HTTP/1.1 100 Continue\r\n\r\n", None),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Some(200),
        ),
        (
            "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Some(200),
        ),
        (
            "HTTP/1.1 100 Continue\r\nDate: now\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Some(200),
        ),
        (
            "HTTP/1.1 102 Wait\r\nContent-Length: 9\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 No\r\n\r\n",
            Some(413),
        ),
        ("HTTP/1.1 200 OK\r\nX: y\r\n folded\r\n\r\n", Some(200)),
        ("HTTP/1.1 401 No\r\nno colon\r\n\r\n", Some(401)),
        ("HTTP/1.1 401 No\r\na b: c\r\n\r\n", Some(401)),
        ("HTTP/1.1 200 OK\r\n\0\u{ff}: c\r\n\r\n", Some(200)),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Some(200)),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Some(200)),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
            Some(200),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nx",
            Some(200),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            Some(200),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx",
            Some(200),
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense",
            Some(200),
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nhmm!",
            Some(200),
        ),
    ] {
        assert_eq!(status_of(bytes.as_bytes()), expected, "{bytes:?}");
    }
}

#[test]
fn a_protocol_we_did_not_ask_for_does_not_panic() {
    // Some stacks take 101 for a head, others for the end of HTTP: either will do.
    status_of(b"HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\nbytes");
}

#[test]
fn a_head_of_any_size_gives_its_status() {
    let end = "Content-Length: 0\r\n\r\n";
    for head in [
        "X: y\r\n".repeat(129),
        "X: y\r\n".repeat(2_000),
        format!("X: {}\r\n", "y".repeat(33_000)),
        format!("Set-Cookie: {}\r\n", "y".repeat(3_000)).repeat(20),
    ] {
        let server = Server::answering(format!("HTTP/1.1 200 OK\r\n{head}{end}"));
        let transport = transport(&server.url());
        for _ in 0..3 {
            let response = super::post(&transport, &server.url());
            assert_eq!(response.expect("an answer").status(), 200);
        }
        assert_eq!(server.connections(), 1);
    }
}

#[test]
fn an_endless_head_gives_its_status() {
    let many = "HTTP/1.1 422 No\r\n".to_owned() + &"X: y\r\n".repeat(100_000);
    assert_eq!(status_of(many.as_bytes()), Some(422));
    let long = "HTTP/1.1 422 No\r\nX: ".to_owned() + &"y".repeat(1_000_000);
    assert_eq!(status_of(long.as_bytes()), Some(422));
    let folded =
        "HTTP/1.1 200 OK\r\nDate: a".to_owned() + &format!("\r\n {}", "y".repeat(1_000)).repeat(10);
    assert_eq!(status_of(folded.as_bytes()), Some(200));
}

#[test]
fn an_interim_answer_does_not_cost_the_connection() {
    let interim = "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n".to_owned();
    let server = Server::answering(interim + &answer(200, "fine"));
    let transport = transport(&server.url());
    for _ in 0..3 {
        let response = super::post(&transport, &server.url()).expect("an answer");
        assert_eq!((response.status(), response.body()), (200, &b"fine"[..]));
    }
    assert_eq!(server.connections(), 1);
}

#[test]
fn an_answer_before_the_request_is_read_is_taken() {
    let refusal = answer(413, "too large");
    let server = Server::start(move |mut peer, _| {
        peer.head();
        peer.write(refusal.as_bytes());
        peer.stay_silent();
    });
    let large = vec![b'x'; 4 * 1024 * 1024];
    let transport = transport(&server.url());
    let response = post_within(&transport, &server.url(), &large, super::AMPLE);
    assert_eq!(response.expect("an answer").status(), 413);
}
