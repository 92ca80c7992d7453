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
    // The first batch is attempted twice, and then the second one, which waits at the end of the first one's time.
    let mut simulation = start(false, Answer::After(503, 130));
    simulation.track(Endpoint::Events, 10);
    simulation.run_for(100 * SECOND);
    simulation.track(Endpoint::Events, 10);
    simulation.run_for(230 * SECOND);
    assert_eq!(simulation.server.calls().len(), 3);
    assert_eq!(simulation.stats().dropped, 1);
    simulation.run_for(300 * SECOND);
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
    assert_ne!(simulation.server.cancelled(), 0, "it is broken off");
}

#[test]
fn a_grant_holds_for_the_next_run() {
    let mut simulation = start(true, Answer::Status(503));
    for answer in [simulation.withdraw(), simulation.grant()] {
        simulation.run_for(SECOND);
        assert!(answer.try_recv().is_ok_and(|result| result.is_ok()));
    }
    simulation.kill_and_restart();
    assert_eq!(simulation.consent(), Consent::Granted);
}

#[test]
fn a_grant_fails_if_it_cannot_read_what_other_processes_noted() {
    let mut simulation = start(true, Answer::Status(503));
    simulation.track(Endpoint::Events, 10);
    let _withdrawn = simulation.withdraw();
    simulation.run_for(SECOND);
    simulation.disk.set_fault(Some(Fault {
        first: 0,
        lasts: false,
        error: io::ErrorKind::Other,
        percent: 0,
    }));
    let answer = simulation.grant();
    simulation.run_for(SECOND);
    assert!(answer.try_recv().is_ok_and(|result| result.is_err()));
    assert_eq!(simulation.consent(), Consent::Withdrawn);
}

#[test]
fn a_grant_after_that_of_another_process_keeps_what_was_stored_since() {
    let mut simulation = start(true, Answer::Status(200));
    let _withdrawn = simulation.withdraw();
    simulation.run_for(SECOND);
    simulation.grant_elsewhere();
    simulation.store_elsewhere(7);
    let answer = simulation.grant();
    simulation.run_for(SECOND);
    assert!(answer.try_recv().is_ok_and(|result| result.is_ok()));
    simulation.run_for(600 * SECOND);
    assert_eq!(simulation.server.accepted(), [7]);
}

#[test]
fn a_batch_that_failed_goes_before_later_records_once_the_server_accepts_some() {
    let setup = Setup {
        seed: 0,
        has_spool: false,
        requests: 1,
        max_age: 10_000 * SECOND,
    };
    let rule: Rule = Box::new(|query: &mut Query<'_>| {
        Answer::Status(if query.at < 20 * SECOND { 503 } else { 200 })
    });
    let mut simulation = Simulation::new(setup, rule);
    simulation.track(Endpoint::Events, 10);
    let _flushed = simulation.flush(60 * SECOND);
    simulation.run_for(15 * SECOND);
    for _ in 0..1_000 {
        simulation.track(Endpoint::Events, 10);
    }
    simulation.run_for(300 * SECOND);
    let accepted = simulation.server.accepted();
    let place = accepted.iter().position(|number| *number == 0);
    assert!(place.is_some_and(|place| place <= 200), "{place:?}");
}

#[test]
fn a_grant_of_another_process_ends_a_withdrawal_of_this_one() {
    let mut simulation = start(true, Answer::Status(200));
    let _withdrawn = simulation.withdraw();
    simulation.run_for(SECOND);
    assert_eq!(simulation.consent(), Consent::Withdrawn);
    simulation.grant_elsewhere();
    simulation.run_for(120 * SECOND);
    assert_eq!(simulation.consent(), Consent::Granted);
}

#[test]
fn each_record_waits_for_the_interval_and_no_longer_in_steady_traffic() {
    for has_spool in [false, true] {
        let mut simulation = start(has_spool, Answer::Status(200));
        simulation.track(Endpoint::Events, 10);
        simulation.run_for(60 * SECOND);
        assert_eq!(simulation.server.accepted(), [0]);
        for number in 1..8 {
            simulation.track(Endpoint::Events, 10);
            simulation.run_for(4 * SECOND);
            let accepted = simulation.server.accepted();
            if number == 1 {
                assert_eq!(accepted, [0], "it waits for others");
            }
            let late = accepted.len() as u32 + 3;
            assert!(number < late, "{number}: {accepted:?}");
        }
    }
}

#[test]
fn a_short_run_delivers_what_other_runs_left() {
    let mut simulation = start(true, Answer::Status(200));
    simulation.store_elsewhere(7);
    simulation.close(10 * SECOND);
    assert_eq!(simulation.server.accepted(), [7]);
}
