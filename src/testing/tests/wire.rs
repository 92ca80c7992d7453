use std::net::Shutdown;

use serde_json::json;

use super::{Client, Server, chunked, event, post};

#[test]
fn a_connection_is_kept_until_the_client_asks_for_its_end() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(&server);
    let good = post("publish_events", &json!([event("a")]).to_string());
    client.send(&good);
    assert_eq!(client.answer().header("connection"), None);
    client.send(good.replace("host:", "connection: close\r\nhost:"));
    assert_eq!(client.answer().header("connection"), Some("close"));
    assert_eq!(client.rest(), b"");
    let mut old = Client::connect(&server);
    old.send(good.replace("HTTP/1.1", "HTTP/1.0"));
    assert_eq!(old.answer().header("connection"), Some("close"));
    assert_eq!(old.rest(), b"");
    let requests = server.requests();
    assert_eq!(requests[0].connection(), requests[1].connection());
}

#[test]
fn a_chunked_body_is_put_together() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(&server);
    let body = json!([event("a")]).to_string();
    let (one, two) = body.split_at(11);
    let chunks = format!(
        "b;x=y\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\nx-trailer: 1\r\n\r\n",
        two.len()
    );
    client.send(chunked(&chunks));
    assert_eq!(client.answer().status, 200);
    assert_eq!(server.requests()[0].body(), body.as_bytes());
    assert_eq!(
        client.post("publish_events", &json!([event("b")])).status,
        200
    );
}

#[test]
fn a_client_that_expects_100_continue_gets_it() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(&server);
    let body = json!([event("a")]).to_string();
    let request = post("publish_events", &body).replace("host:", "expect: 100-continue\r\nhost:");
    let (head, body) = request.split_at(request.len() - body.len());
    client.send(head);
    assert_eq!(client.answer().status, 100);
    client.send(body);
    assert_eq!(client.answer().status, 200);
}

#[test]
fn requests_sent_in_one_go_are_answered_one_by_one() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(&server);
    let good = post("publish_events", &json!([event("a")]).to_string());
    client.send(format!("{good}\r\n{good}{}", post("publish_events", "[]")));
    let statuses = [(); 3].map(|()| client.answer().status);
    assert_eq!(statuses, [200, 200, 422]);
}

#[test]
fn garbage_gets_a_400_and_the_end_of_the_connection() {
    let server = Server::start().unwrap();
    let good = post("publish_events", &json!([event("a")]).to_string());
    let length = "content-length: ";
    for garbage in [
        "\0\u{1}\u{2}\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        format!("{good}\u{16}\u{3}\u{1}\n\n{good}"),
        post("publish_events", "").replace("content-length: 0", "content-length: -1"),
        post("publish_events", "").replace("content-length: 0", "content-length: +1"),
        good.replace(length, "content-length: 1\r\ncontent-length: "),
        good.replace(length, "transfer-encoding: chunked\r\ncontent-length: "),
        good.replace(length, "transfer-encoding: gzip\r\nx: "),
        good.replace("host:", "host"),
        chunked("nonsense\r\n"),
        chunked("3\r\nabcd\r\n"),
    ] {
        let mut client = Client::connect(&server);
        client.send(&garbage);
        let mut answer = client.answer();
        if answer.status == 200 {
            answer = client.answer();
        }
        assert_eq!(answer.status, 400, "{garbage:?}");
        assert_eq!(answer.header("connection"), Some("close"));
        assert_eq!(client.rest(), b"");
    }
    let mut client = Client::connect(&server);
    client.send(vec![b'x'; 100_000]);
    assert_eq!(client.answer().status, 431);

    let mut client = Client::connect(&server);
    client.send("POST /api/inge");
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.answer().status, 400);
    assert_eq!(
        Client::connect(&server)
            .post("publish_events", &json!([event("a")]))
            .status,
        200
    );
}

#[test]
fn a_body_that_breaks_off_leaves_no_request() {
    let server = Server::start().unwrap();
    let mut client = Client::connect(&server);
    let good = post("publish_events", &json!([event("a")]).to_string());
    client.send(&good[..good.len() - 1]);
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"");
    assert_eq!(server.requests().len(), 0);
}
