use std::{
    thread,
    time::{Duration, Instant},
};

use trubrics::testing::Reply;

use super::{event, mixed, texts};
use crate::support::{LONG, build, client_of, server};

const KEY_REFUSED: &str = "the server refused the key for an earlier record: \
                           the server answered with status 401: Invalid API key";

#[test]
fn a_wrong_key_ends_the_call_after_one_request() {
    let server = server();
    let builder = trubrics::Trubrics::builder("another key").host(server.url());
    let client = build(builder);
    let outcomes = client.deliver((0..250).map(event), LONG);
    assert_eq!(server.requests().len(), 1);
    let texts = texts(&outcomes);
    assert!(
        texts[..100]
            .iter()
            .all(|text| text == "the server answered with status 401: Invalid API key")
    );
    assert!(
        texts[100..].iter().all(|text| text == KEY_REFUSED),
        "{texts:?}"
    );
    let later = outcomes[200].as_ref().expect_err("not reached");
    assert!(later.is_not_reached() && !later.is_transient());
    assert_eq!(client.stats().tracked, 0);
}

#[test]
fn records_are_tried_until_shortly_before_the_deadline() {
    let server = server();
    server.set_unavailable(true);
    let client = build(client_of(&server).max_backoff(Duration::from_secs(3600)));
    let (timeout, start) = (Duration::from_millis(400), Instant::now());
    let outcomes = client.deliver(mixed(3), timeout);
    let took = start.elapsed();
    assert!(took < LONG && took >= timeout / 2, "{took:?}");
    assert!(
        server.requests().len() > 3,
        "the back-off leaves room for them"
    );
    let expected =
        "the time was over before the record was delivered: the server answered with status 503";
    assert!(
        texts(&outcomes)
            .iter()
            .all(|text| text.starts_with(expected)),
        "{outcomes:?}"
    );
    let error = outcomes[0].as_ref().expect_err("not reached");
    assert!(error.is_not_reached() && error.is_transient());
    assert_eq!(client.stats().tracked, 0);
    // The worker's own flush does not speak of it.
    server.set_unavailable(false);
    client.track(event(0));
    client.flush(LONG).expect("delivered");
}

#[test]
fn a_record_is_given_up_after_the_time_of_the_settings() {
    let server = server();
    server.set_unavailable(true);
    let client = build(client_of(&server).give_up_after(Duration::ZERO));
    let outcomes = client.deliver((0..3).map(event), LONG);
    let expected = ["the server answered with status 503"; 3];
    assert_eq!(texts(&outcomes), expected);
    let error = outcomes[0].as_ref().expect_err("given up");
    assert!(error.is_transient() && !error.is_not_reached());
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn without_time_nothing_is_sent() {
    let server = server();
    let client = build(client_of(&server));
    let outcomes = client.deliver(mixed(3), Duration::ZERO);
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.as_ref().is_err_and(|error| error.is_not_reached()))
    );
    assert!(server.requests().is_empty());
}

#[test]
fn a_retry_after_beyond_the_deadline_ends_the_call_early() {
    let server = server();
    let client = build(client_of(&server));
    server.script([Reply::status(429).header("retry-after", "100")]);
    let start = Instant::now();
    let outcomes = client.deliver(mixed(2), Duration::from_secs(60));
    assert!(start.elapsed() < LONG, "{:?}", start.elapsed());
    assert!(outcomes.iter().all(Result::is_err));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_close_by_another_thread_ends_a_call_that_waits_or_sends() {
    // A server that does not answer, and one that asks for a later attempt.
    let never = Duration::from_secs(3600);
    for reply in [Reply::hang(), Reply::status(503)] {
        let server = server();
        let builder = client_of(&server).initial_backoff(never).max_backoff(never);
        let client = build(builder.request_timeout(never));
        server.script([reply]);
        let outcomes = thread::scope(|scope| {
            let call = scope.spawn(|| client.deliver(mixed(10), never));
            server.wait_for_requests(1, LONG).expect("a request");
            let _ = client.close(Duration::ZERO);
            call.join().expect("no panic")
        });
        assert_eq!(texts(&outcomes), ["the client is closed"; 10]);
        assert!(outcomes[0].as_ref().expect_err("closed").is_closed());
        assert_eq!(server.requests().len(), 1);
        let outcomes = client.deliver(mixed(2), LONG);
        assert_eq!(texts(&outcomes), ["the client is closed"; 2]);
    }
}

#[test]
fn a_close_with_time_breaks_off_the_requests_of_callers_when_it_is_over() {
    let never = Duration::from_secs(3600);
    let server = server();
    server.script([Reply::hang(), Reply::hang()]);
    let client = build(client_of(&server).request_timeout(never));
    thread::scope(|scope| {
        let call = scope.spawn(|| client.deliver(mixed(1), never));
        let single = scope.spawn(|| client.track_sync(mixed(1).remove(0)));
        server.wait_for_requests(2, LONG).expect("two requests");
        // The worker has nothing to do, and ends at once.
        let time = Duration::from_millis(200);
        let start = Instant::now();
        client.close(time).expect("no record is queued");
        assert!(start.elapsed() >= time / 2, "the requests have time");
        assert_eq!(
            texts(&call.join().expect("no panic")),
            ["the client is closed"]
        );
        single.join().expect("no panic").expect_err("broken off");
    });
}
