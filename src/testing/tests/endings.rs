use std::{
    net::Shutdown,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Client, LONG, Server, event, llm_event, post};
use crate::testing::Reply;

/// An upper bound of "at once" on a machine that is busy with other tests.
const PROMPT: Duration = Duration::from_secs(5);

#[track_caller]
fn drops_promptly(server: Server) {
    let begin = Instant::now();
    drop(server);
    assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
}

#[test]
fn a_drop_is_prompt_with_idle_and_half_sent_connections() {
    let server = Server::start().unwrap();
    let idle = Client::connect(&server);
    let mut used = Client::connect(&server);
    used.post("publish_events", &json!([event("a")]));
    let mut half = Client::connect(&server);
    half.send("POST /api");
    drops_promptly(server);
    assert_eq!(idle.rest(), b"");
    assert_eq!(used.rest(), b"");
}

#[test]
fn a_drop_is_prompt_while_replies_hang_drip_or_are_delayed() {
    let server = Server::start().unwrap();
    server.script([
        Reply::hang(),
        Reply::accept().delay(Duration::MAX),
        Reply::accept().drip(Duration::MAX),
        Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"),
    ]);
    let clients = [(); 4].map(|()| {
        let mut client = Client::connect(&server);
        client.send(post("publish_events", &json!([event("a")]).to_string()));
        client
    });
    let requests = server.wait_for_requests(4, LONG).unwrap();
    let unanswered = requests.iter().filter(|r| r.status().is_none());
    assert_eq!(unanswered.count(), 2);
    drops_promptly(server);
    for client in clients {
        assert!(client.rest().len() < 50);
    }
}

#[test]
fn a_drop_is_prompt_while_a_client_reads_nothing() {
    let server = Server::start().unwrap();
    server.script([Reply::status(200).body(vec![b'x'; 50_000_000])]);
    let mut client = Client::connect(&server);
    client.send(post("publish_events", "[]"));
    server.wait_for_requests(1, LONG).unwrap();
    drops_promptly(server);
}

#[test]
fn a_hanging_reply_ends_when_the_client_goes_away() {
    let server = Server::start().unwrap();
    server.script([Reply::hang()]);
    let mut client = Client::connect(&server);
    client.send(post("publish_events", "[]"));
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), b"");
}

#[test]
fn a_wait_returns_once_enough_records_were_accepted() {
    let server = Server::start().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = Client::connect(&server);
            client.post("publish_events", &json!([event("a")]));
            client.post(
                "publish_llm_events",
                &json!([llm_event("p"), llm_event("q")]),
            );
        });
        let records = server.wait_for(3, LONG).unwrap();
        let all = json!([event("a"), llm_event("p"), llm_event("q")]);
        assert_eq!(Value::from(records), all);
    });
}

#[test]
fn a_wait_that_is_over_says_how_many_there_were() {
    let server = Server::start().unwrap();
    Client::connect(&server).post("publish_events", &json!([event("a")]));
    let error = server.wait_for(3, Duration::from_millis(5)).unwrap_err();
    assert_eq!(error.arrived(), 1);
    assert_eq!(error.to_string(), "waited 5ms for 3 records, 1 arrived");
    let error = server.wait_for_requests(2, Duration::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "waited 0ns for 2 requests, 1 arrived");
}
