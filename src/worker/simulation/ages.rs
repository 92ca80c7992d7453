//! The age of the oldest record that a client shows, beside its true age, in every second of a run.

use std::{collections::BTreeSet, time::Duration};

use super::{Answer, Query, Random, Rule, SECOND, Setup, Simulation, clients, seeds};
use crate::record::Endpoint;

/// The file of a record in the spool is older than the record by the time in which records are gathered, at most.
const OF_FILES: Duration = Duration::from_secs(250);

/// When the server answers again.
const OUTAGE: Duration = Duration::from_secs(240);

fn fails_for_a_while() -> Rule {
    Box::new(|query: &mut Query<'_>| match query.at < OUTAGE {
        true => Answer::Status(503),
        false => Answer::Status(200),
    })
}

/// The age of the oldest record that the server has not accepted, and how many it has accepted.
fn truth(simulation: &Simulation, tracked: &[Duration]) -> (Duration, u64) {
    let accepted: BTreeSet<_> = simulation.server.accepted().into_iter().collect();
    let oldest = (0..)
        .zip(tracked)
        .find(|(number, _)| !accepted.contains(number));
    let age = oldest.map(|(_, at)| simulation.now() - *at);
    (age.unwrap_or_default(), accepted.len() as u64)
}

fn run(setup: Setup) {
    let mut simulation = Simulation::new(setup, fails_for_a_while());
    let mut random = Random::new(setup.seed);
    let mut tracked = Vec::new();
    for _ in 0..400 {
        if simulation.stats().pending > 0 || random.below(3) == 0 {
            for _ in 0..random.below(4) {
                let endpoint = Endpoint::ALL[random.below(2) as usize];
                tracked.push(simulation.now());
                simulation.track(endpoint, 10);
            }
        }
        simulation.run_for(SECOND);
        let (age, accepted) = truth(&simulation, &tracked);
        let (shown, stats) = (simulation.oldest_pending(), simulation.stats());
        let context = format!(
            "{setup:?} at {:?}: {shown:?}, not {age:?}",
            simulation.now()
        );
        assert_eq!(shown.is_some(), stats.pending > 0, "{context}");
        let shown = shown.unwrap_or_default();
        assert!(shown + Duration::from_millis(1) >= age, "{context}");
        // The client does not know yet that the records in flight are accepted.
        if stats.delivered == accepted {
            let slack = match setup.has_spool {
                true => OF_FILES,
                false => Duration::from_millis(100).max(OUTAGE / 16),
            };
            assert!(shown <= age + slack, "{context}");
        }
    }
}

#[test]
fn the_age_of_the_oldest_record_is_shown_as_it_is() {
    for setup in seeds().flat_map(clients) {
        run(setup);
    }
}
