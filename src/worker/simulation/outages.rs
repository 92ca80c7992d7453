//! Outages in which the records are not at fault.

use std::{ops::Range, time::Duration};

use super::{
    Answer, Call, Query, Random, Rule, SECOND, Setup, Simulation, Traffic, clients,
    ledger::assert_order, seeds,
};
use crate::{batch::backoff::Backoff, defaults, record::Endpoint};

/// How long an outage is simulated.
const OUTAGE: Duration = Duration::from_secs(20 * 60);

fn always(answer: Answer) -> Rule {
    Box::new(move |_: &mut Query<'_>| answer.clone())
}

/// The requests of a client that knows nothing of blame: it tries its oldest batch after each delay, for both endpoints
/// together, and once more when it gives the batch up.
fn requests_without_blame(simulation: &Simulation, until: Duration) -> usize {
    let setup = simulation.setup();
    let calls = simulation.server.calls();
    let give_up_after = match setup.has_spool {
        true => Duration::MAX,
        false => defaults::GIVE_UP_AFTER,
    };
    let mut backoff = Backoff::new(defaults::INITIAL_BACKOFF, defaults::MAX_BACKOFF, setup.seed);
    let mut random = Random::new(setup.seed);
    let (mut requests, mut now, mut first_failure) = (0, calls[0].at, None);
    while now < until {
        requests += 1;
        now += match calls[0].answer {
            Answer::Silence => defaults::REQUEST_TIMEOUT,
            _ => Duration::from_millis(20 + random.below(60)),
        };
        let began = *first_failure.get_or_insert(now);
        let delay = backoff.next_delay();
        match give_up_after
            .checked_sub(now - began)
            .filter(|left| !left.is_zero())
        {
            Some(left) => now += delay.min(left),
            None => {
                first_failure = None;
                now += delay;
            }
        }
    }
    requests
}

/// Tracks a thousand records of both endpoints while the outage goes on. Returns the requests, those without blame, and
/// how many batches were given up.
fn run(setup: Setup, answer: &Answer) -> (usize, usize, usize) {
    let mut simulation = Simulation::new(setup, always(answer.clone()));
    for round in 0..50 {
        for index in 0..20 {
            let endpoint = match (round + index) % 3 == 0 {
                true => Endpoint::LlmEvents,
                false => Endpoint::Events,
            };
            simulation.track(endpoint, 10);
        }
        simulation.run_for(SECOND);
    }
    simulation.run_until(OUTAGE);
    let calls = simulation.server.calls();
    let calls = calls.iter().filter(|call| call.at < OUTAGE).count();
    let given_up = simulation.drops().len();
    (calls, requests_without_blame(&simulation, OUTAGE), given_up)
}

#[test]
fn a_plain_outage_costs_no_more_requests_than_without_blame() {
    for answer in [
        Answer::Status(503),
        Answer::Closed,
        Answer::Silence,
        Answer::Refused,
    ] {
        let (mut with, mut without) = (0, 0);
        for mut setup in seeds().flat_map(clients) {
            setup.max_age = defaults::SPOOL_MAX_AGE;
            let (ours, plain, given_up) = run(setup, &answer);
            // Of several requests in flight, the first ones of each endpoint fail together. The last attempt of each
            // batch that is given up cuts a delay short.
            let allowed = plain + 2 * (setup.requests - 1) + given_up;
            let context = format!("{setup:?} {answer:?}");
            assert!(
                ours <= allowed,
                "{context}: {ours}, {plain}, {given_up} given up"
            );
            with += ours;
            without += plain;
        }
        println!("{answer:?}: {with} requests, {without} without blame");
    }
}

/// Runs until all records are delivered, and checks that none is dropped or sent twice.
fn deliver(setup: Setup, traffic: Traffic, rule: Rule) -> Simulation {
    let context = format!("{setup:?} {traffic:?}");
    let mut simulation = Simulation::new(setup, rule);
    traffic.track(&mut simulation, |_, _| {});
    let is_open = |simulation: &Simulation| simulation.stats().pending > 0;
    let is_done = simulation.run_while(290 * SECOND, is_open);
    assert!(is_done, "{context}: {:?}", simulation.stats());
    assert_eq!(simulation.drops(), [], "{context}");
    let accepted = simulation.server.accepted().len();
    assert_eq!(accepted, traffic.len() as usize, "{context}");
    if setup.requests == 1 {
        assert_order(&simulation.server.calls(), |_| true, &context);
    }
    simulation
}

fn fails_half_of_the_time() -> Rule {
    Box::new(|query: &mut Query<'_>| match query.random.percent(50) {
        true => Answer::Status(503),
        false => Answer::Status(200),
    })
}

#[test]
fn a_server_that_fails_half_of_the_time_gets_everything() {
    for traffic in Traffic::ALL {
        let mut worst = (0, 0);
        for setup in seeds().flat_map(clients) {
            let simulation = deliver(setup, traffic, fails_half_of_the_time());
            let all = deliver(setup, traffic, always(Answer::Status(200)));
            worst = worst.max((simulation.server.len(), all.server.len()));
        }
        let (requests, needed) = worst;
        println!("half of the time, {traffic:?}: {requests} requests, {needed} needed");
        assert!(requests <= 2 * needed + 120, "{traffic:?}: {worst:?}");
    }
}

#[test]
fn a_server_that_dies_slowly_and_recovers_gets_everything() {
    for traffic in [Traffic::Events, Traffic::Both, Traffic::OneEvent] {
        let mut worst = (0, 0);
        for setup in seeds().flat_map(clients) {
            let dies = |query: &mut Query<'_>| match query.at.as_secs() {
                200.. => Answer::Status(200),
                60.. => Answer::Silence,
                seconds if query.random.percent(seconds * 100 / 15) => Answer::Silence,
                _ => Answer::Status(200),
            };
            let calls = deliver(setup, traffic, Box::new(dies)).server.calls();
            let between = |seconds: Range<u64>| {
                let within = |call: &&Call| seconds.contains(&call.at.as_secs());
                calls.iter().filter(within).count()
            };
            worst = worst.max((between(60..200), between(200..1_000)));
        }
        let (dead, after) = worst;
        println!("slow death, {traffic:?}: {dead} requests while it is dead, {after} after that");
        assert!(dead <= 12 && after <= 16, "{traffic:?}: {worst:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for setup in clients(7) {
        let run = || {
            let simulation = deliver(setup, Traffic::Both, fails_half_of_the_time());
            simulation.server.calls()
        };
        assert_eq!(run(), run(), "{setup:?}");
    }
}
