//! A disk that fails for a while.

use std::{io, time::Duration};

use super::{Answer, Query, Rule, SECOND, Setup, Simulation};
use crate::{DropReason, record::Endpoint, spool::Fault};

const FAILS: Fault = Fault {
    first: 0,
    lasts: true,
    error: io::ErrorKind::Other,
    percent: 0,
};

/// A client with a spool, and a server that is away until then.
fn start(away_until: Duration) -> Simulation {
    let setup = Setup {
        seed: 0,
        has_spool: true,
        requests: 1,
        max_age: 600 * SECOND,
    };
    let rule: Rule = Box::new(move |query: &mut Query<'_>| match query.at < away_until {
        true => Answer::Status(503),
        false => Answer::Status(200),
    });
    Simulation::new(setup, rule)
}

#[test]
fn a_client_at_rest_looks_again_after_the_disk_failed() {
    for error in [io::ErrorKind::Other, io::ErrorKind::PermissionDenied] {
        let mut simulation = start(10 * SECOND);
        simulation.track(Endpoint::Events, 10);
        simulation.run_for(SECOND);
        simulation.kill_and_restart();
        simulation.disk.set_fault(Some(Fault { error, ..FAILS }));
        simulation.run_for(50 * SECOND);
        simulation.disk.set_fault(None);
        simulation.run_for(60 * SECOND);
        assert_eq!(simulation.server.accepted(), [0], "{error:?}");
    }
}

#[test]
fn own_records_wait_while_the_disk_cannot_be_read() {
    let mut simulation = start(Duration::ZERO);
    simulation.track(Endpoint::Events, 10);
    let _flushed = simulation.flush(SECOND);
    simulation.run_for(Duration::from_millis(5));
    // While the request is in flight they are stored, in more than one file, and not loaded.
    for _ in 0..50 {
        simulation.track(Endpoint::Events, 100_000);
    }
    simulation.run_for(Duration::from_millis(5));
    assert!(simulation.disk.names().len() > 1);
    simulation.disk.set_fault(Some(FAILS));
    simulation.run_for(10 * SECOND);
    assert_eq!(simulation.drops(), []);
    simulation.disk.set_fault(None);
    simulation.run_for(20 * SECOND);
    let stats = simulation.stats();
    assert_eq!((stats.delivered, stats.dropped, stats.pending), (51, 0, 0));
}

#[test]
fn records_that_a_full_disk_does_not_take_are_given_up_like_those_without_a_spool() {
    let setup = Setup {
        seed: 0,
        has_spool: true,
        requests: 1,
        max_age: 10_000 * SECOND,
    };
    let mut simulation = Simulation::new(setup, Box::new(|_: &mut Query<'_>| Answer::Status(503)));
    simulation.disk.set_full(true);
    simulation.track(Endpoint::Events, 10);
    simulation.run_for(1_000 * SECOND);
    let drops = simulation.drops();
    let reasons: Vec<_> = drops.iter().map(|drop| drop.reason).collect();
    assert_eq!(reasons, [DropReason::GaveUp]);
}
