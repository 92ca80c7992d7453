//! What the worker does with records that it may not send for long.

use std::io;

use super::{Answer, Query, Rule, SECOND, Setup, Simulation};
use crate::{Consent, DropReason, record::Endpoint, spool::Fault};

/// A client with one request at a time, and a server that always answers so.
fn start(has_spool: bool, answer: Answer) -> Simulation {
    let setup = Setup {
        seed: 0,
        has_spool,
        requests: 1,
        max_age: 10_000 * SECOND,
    };
    let rule: Rule = Box::new(move |_: &mut Query<'_>| answer.clone());
    Simulation::new(setup, rule)
}

#[test]
fn records_are_given_up_in_time_although_the_server_asks_to_wait() {
    let mut simulation = start(false, Answer::After(503, 200));
    for endpoint in Endpoint::ALL {
        simulation.track(endpoint, 10);
    }
    simulation.flush(SECOND);
    simulation.run_for(SECOND);
    simulation.track(Endpoint::Events, 10);
    simulation.run_for(298 * SECOND);
    assert_eq!(simulation.drops(), []);
    simulation.run_for(2 * SECOND);
    let (drops, stats) = (simulation.drops(), simulation.stats());
    assert!(drops.iter().all(|drop| drop.reason == DropReason::GaveUp));
    assert!(stats.dropped >= 1, "{stats:?}");
    let dropped = stats.dropped;
    simulation.run_for(1_000 * SECOND);
    assert!(dropped < 3, "the last one has its own time: {dropped}");
    assert_eq!(simulation.stats().dropped, 3);
}

#[test]
fn a_refused_key_drops_records_in_memory_and_keeps_those_on_disk() {
    for (has_spool, dropped, kept) in [(false, 1, 0), (true, 0, 1)] {
        let mut simulation = start(has_spool, Answer::Status(401));
        simulation.track(Endpoint::Events, 10);
        simulation.run_for(60 * SECOND);
        let stats = simulation.stats();
        assert_eq!((stats.dropped, stats.pending), (dropped, kept));
        assert_eq!(simulation.server.calls().len(), 1);
        simulation.run_for(600 * SECOND);
        let calls = simulation.server.calls().len();
        assert_eq!(calls, if has_spool { 3 } else { 1 }, "one in five minutes");
    }
}

#[test]
fn a_withdrawal_that_cannot_be_noted_is_an_error_until_it_is() {
    let mut simulation = start(true, Answer::Status(503));
    simulation.track(Endpoint::Events, 10);
    simulation.run_for(SECOND);
    assert_eq!(simulation.disk.segments(), 1);
    simulation.disk.set_fault(Some(Fault {
        first: 0,
        lasts: true,
        error: io::ErrorKind::Other,
        percent: 0,
    }));
    let answer = simulation.withdraw();
    simulation.run_for(SECOND);
    assert!(answer.try_recv().is_ok_and(|result| result.is_err()));
    assert_eq!(simulation.stats().pending, 0);
    let answer = simulation.grant();
    simulation.run_for(SECOND);
    assert!(answer.try_recv().is_ok_and(|result| result.is_err()));
    assert_eq!(simulation.consent(), Consent::Withdrawn);
    simulation.disk.set_fault(None);
    let answer = simulation.grant();
    simulation.run_for(SECOND);
    assert!(answer.try_recv().is_ok_and(|result| result.is_ok()));
    assert_eq!(simulation.consent(), Consent::Granted);
    assert_eq!(simulation.disk.segments(), 0);
}

#[test]
fn a_grant_forgets_no_record_that_was_taken_with_consent() {
    let mut simulation = start(true, Answer::Status(503));
    simulation.track(Endpoint::Events, 10);
    simulation.run_for(SECOND);
    let answer = simulation.grant();
    simulation.run_for(SECOND);
    assert!(answer.try_recv().is_ok_and(|result| result.is_ok()));
    let stats = simulation.stats();
    assert_eq!((stats.pending, stats.dropped), (1, 0));
    assert_eq!(simulation.consent(), Consent::Granted);
}

#[test]
fn a_batch_is_given_up_at_its_own_time() {
    let mut simulation = start(false, Answer::Status(503));
    simulation.track(Endpoint::Events, 10);
    simulation.run_for(100 * SECOND);
    simulation.track(Endpoint::Events, 10);
    simulation.run_for(250 * SECOND);
    assert_eq!(simulation.stats().dropped, 1);
    simulation.run_for(150 * SECOND);
    assert_eq!(simulation.stats().dropped, 2);
}

#[test]
fn a_request_in_flight_does_not_keep_a_withdrawal_of_another_process_from_being_noticed() {
    let mut simulation = start(true, Answer::Slow(200, 20 * SECOND));
    simulation.track(Endpoint::Events, 10);
    let _flushed = simulation.flush(60 * SECOND);
    simulation.run_for(SECOND);
    assert_eq!(simulation.in_flight(), 1);
    simulation.withdraw_elsewhere();
    simulation.run_for(SECOND / 5);
    assert_eq!(simulation.consent(), Consent::Withdrawn);
}
