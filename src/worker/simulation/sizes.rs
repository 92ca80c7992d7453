//! What the worker learns of the size of the bodies that a server takes.

use std::time::Duration;

use super::{Answer, Query, Rule, SECOND, Setup, Simulation};
use crate::{DropReason, defaults, record::Endpoint};

/// With a body of a hundred records, which is as many as a request may have, each record has this many bytes or more.
const PADDING: usize = 1_000;

/// A client with one request at a time, in memory or with a spool.
fn start(has_spool: bool, rule: Rule) -> Simulation {
    let setup = Setup {
        seed: 0,
        has_spool,
        requests: 1,
        max_age: 10_000 * SECOND,
    };
    Simulation::new(setup, rule)
}

/// Tracks events at once, and lets them be delivered. Returns how many records the requests since then had, and whether
/// they were accepted.
fn deliver(simulation: &mut Simulation, count: usize, time: Duration) -> Vec<(usize, bool)> {
    let first = simulation.server.len();
    for _ in 0..count {
        simulation.track(Endpoint::Events, PADDING);
    }
    simulation.run_for(time);
    let calls = simulation.server.calls_from(first);
    let sizes = calls
        .iter()
        .map(|call| (call.records.len(), call.answer.accepts()));
    sizes.collect()
}

fn refused(calls: &[(usize, bool)]) -> usize {
    calls.iter().filter(|(_, is_accepted)| !is_accepted).count()
}

#[test]
fn a_server_that_takes_small_bodies_refuses_few_large_ones() {
    for has_spool in [false, true] {
        let rule: Rule = Box::new(|query: &mut Query<'_>| {
            Answer::Status(if query.bytes > 20_000 { 413 } else { 200 })
        });
        let mut simulation = start(has_spool, rule);
        let calls = deliver(&mut simulation, 1_000, 300 * SECOND);
        assert_eq!(simulation.server.accepted().len(), 1_000);
        println!("{} of {} bodies are refused", refused(&calls), calls.len());
        assert!(refused(&calls) <= 10, "{calls:?}");
    }
}

#[test]
fn a_record_that_is_too_large_alone_makes_no_other_request_smaller() {
    let rule: Rule = Box::new(|query: &mut Query<'_>| {
        Answer::Status(if query.bytes > 200_000 { 413 } else { 200 })
    });
    let mut simulation = start(false, rule);
    simulation.track(Endpoint::Events, 201_000);
    simulation.run_for(60 * SECOND);
    assert_eq!(simulation.drops()[0].reason, DropReason::TooLarge);
    let calls = deliver(&mut simulation, 1_000, 60 * SECOND);
    assert_eq!(calls, [(100, true); 10]);
}

#[test]
fn bodies_shrink_while_the_network_is_slow_and_grow_afterwards() {
    for has_spool in [false, true] {
        let rule: Rule = Box::new(|query: &mut Query<'_>| {
            match query.bytes > 40_000 && query.at < 3_000 * SECOND {
                true => Answer::Silence,
                false => Answer::Status(200),
            }
        });
        let mut simulation = start(has_spool, rule);
        let calls = deliver(&mut simulation, 1_000, 3_000 * SECOND);
        assert_eq!(simulation.server.accepted().len(), 1_000);
        println!("{} of {} bodies are too slow", refused(&calls), calls.len());
        assert!(refused(&calls) <= 20, "{calls:?}");
        let calls = deliver(&mut simulation, 2_000, 300 * SECOND);
        assert_eq!(refused(&calls), 0);
        assert!(calls.contains(&(100, true)), "{calls:?}");
    }
}

#[test]
fn bodies_are_as_large_after_an_outage_as_before() {
    let rule: Rule = Box::new(|query: &mut Query<'_>| match query.at < 60 * SECOND {
        true => Answer::Refused,
        false => Answer::Status(200),
    });
    let mut simulation = start(false, rule);
    let mut calls = deliver(&mut simulation, 1_000, 300 * SECOND);
    calls.retain(|(_, is_accepted)| *is_accepted);
    assert_eq!(calls, [(100, true); 10]);
}

#[test]
fn a_full_body_is_sent_at_once_whatever_was_sent_before() {
    let mut simulation = start(false, Box::new(|_: &mut Query<'_>| Answer::Status(200)));
    for round in 0..3 {
        let before = simulation.server.len();
        let in_one_body = defaults::MAX_BATCH_BYTES / 10;
        for _ in 0..11 {
            simulation.track(Endpoint::Events, in_one_body);
        }
        simulation.run_for(SECOND);
        assert!(simulation.server.len() > before, "in round {round}");
        simulation.run_for(60 * SECOND);
    }
}
