//! Withdrawals beside records that callers send on their own threads.

use std::sync::mpsc::Sender;

use trubrics::{DeliveryError, TrubricsBuilder, grant_in, withdraw_in};

use super::*;

fn events() -> Vec<Event> {
    (0..150).map(|_| event("before")).collect()
}

fn all_lack_consent(outcomes: &[Result<(), DeliveryError>]) -> bool {
    let lacks = |outcome: &Result<(), DeliveryError>| {
        outcome
            .as_ref()
            .is_err_and(|error| error.lacks_consent() && !error.is_transient())
    };
    outcomes.len() == 150 && outcomes.iter().all(lacks)
}

#[test]
fn a_delivery_without_consent_is_refused_at_once() {
    let server = server();
    for consent in [Consent::Undecided, Consent::Withdrawn] {
        let client = build(
            client_of(&server)
                .consent(consent)
                .before_send(|_| unreachable!("no code sees the record")),
        );
        assert!(all_lack_consent(&client.deliver(events(), NEVER)));
        let error = client.track_sync(event("before")).expect_err("refused");
        assert!(error.lacks_consent());
        assert_eq!(client.stats(), trubrics::Stats::default());
    }
    assert!(server.requests().is_empty());
}

/// Begins a delivery with a client, withdraws after the first request, and grants again at once.
fn deliver_and_withdraw(
    server: &Server,
    builder: TrubricsBuilder,
    withdraw: impl FnOnce(&Trubrics),
    grant: impl FnOnce(&Trubrics),
) {
    let client = build(builder);
    let (ended, end): (Sender<_>, _) = mpsc::channel();
    let caller = client.clone();
    let caller = thread::spawn(move || ended.send(caller.deliver(events(), NEVER)));
    server.wait_for_requests(1, LONG).expect("a request");
    withdraw(&client);
    grant(&client);
    let outcomes = end.recv_timeout(LONG / 2).expect("the call ends");
    assert!(all_lack_consent(&outcomes));
    caller.join().expect("no panic").expect("received");
    server.set_latency(Duration::ZERO);
    server.set_unavailable(false);
    let granted = client.deliver([event("granted")], LONG);
    assert!(granted[0].is_ok(), "{granted:?}");
    assert_eq!(server.events_named("granted").len(), 1);
    assert_eq!(server.requests().len(), 2, "nothing was sent again");
}

#[test]
fn a_withdrawal_breaks_off_the_request_of_a_delivery() {
    let server = server();
    server.set_latency(NEVER);
    let builder = client_of(&server).request_timeout(NEVER);
    let withdraw = |client: &Trubrics| client.withdraw().expect("no request is under way");
    let grant = |client: &Trubrics| client.grant().expect("no disk");
    deliver_and_withdraw(&server, builder, withdraw, grant);
}

#[test]
fn a_withdrawal_ends_a_delivery_in_its_back_off() {
    let server = server();
    server.set_unavailable(true);
    let builder = client_of(&server).initial_backoff(LONG).max_backoff(LONG);
    let withdraw = |client: &Trubrics| client.withdraw().expect("no disk");
    let grant = |client: &Trubrics| client.grant().expect("no disk");
    deliver_and_withdraw(&server, builder, withdraw, grant);
}

/// Settings with a spool in which the folder of the project is there, as a client makes it that stores a record.
fn with_spool(server: &Server, folder: &Folder) -> TrubricsBuilder {
    let builder = client_of(server).spool(&folder.0);
    let first = build(builder.clone());
    first.track(event("stored"));
    let _ = first.close(Duration::ZERO);
    assert_eq!(server.requests().len(), 0, "closed before an attempt");
    builder
}

#[test]
fn a_withdrawal_by_another_process_ends_a_delivery() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    let builder = with_spool(&server, &folder);
    let builder = builder.initial_backoff(LONG).max_backoff(LONG);
    let withdraw = |_: &Trubrics| withdraw_in(&folder.0).expect("the disk works");
    let grant = |_: &Trubrics| grant_in(&folder.0).expect("the disk works");
    deliver_and_withdraw(&server, builder, withdraw, grant);
}

#[test]
fn a_withdrawal_by_another_process_breaks_off_the_request_of_a_delivery() {
    let (server, folder) = (server(), Folder::new());
    server.set_latency(NEVER);
    let builder = with_spool(&server, &folder).request_timeout(NEVER);
    let withdraw = |_: &Trubrics| withdraw_in(&folder.0).expect("the disk works");
    let grant = |_: &Trubrics| grant_in(&folder.0).expect("the disk works");
    deliver_and_withdraw(&server, builder, withdraw, grant);
}

#[test]
fn a_withdrawal_by_another_process_breaks_off_the_request_of_a_caller() {
    let (server, folder) = (server(), Folder::new());
    server.set_latency(NEVER);
    let client = build(with_spool(&server, &folder).request_timeout(NEVER));
    let (ended, end) = mpsc::channel();
    let caller = client.clone();
    let caller = thread::spawn(move || ended.send(caller.track_sync(event("before"))));
    server.wait_for_requests(1, LONG).expect("a request");
    withdraw_in(&folder.0).expect("the disk works");
    let error = end.recv_timeout(LONG / 2).expect("the call ends");
    assert!(error.expect_err("broken off").lacks_consent());
    caller.join().expect("no panic").expect("received");
}
