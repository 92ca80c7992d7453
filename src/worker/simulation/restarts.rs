//! A process that ends in the middle, and another one on the same spool.

use std::collections::BTreeSet;

use super::poison::Fault;
use super::{Answer, Random, SECOND, Setup, Simulation, Traffic, poison, seeds};

/// Kills the client after a round, by the seed.
fn run(seed: u64, traffic: Traffic, requests: usize) {
    let setup = Setup {
        seed,
        has_spool: true,
        requests,
        max_age: 600 * SECOND,
    };
    let mut random = Random::new(seed);
    let bad = traffic.choose_bad(1, 1, &mut random);
    let killed_after = random.below(30) as u32;
    let fault = Fault::Answers(Answer::Status(500));
    let context = format!("{setup:?} {traffic:?} {bad:?}, killed after round {killed_after}");
    let mut simulation = Simulation::new(setup, fault.clone().rule(bad.clone()));
    let delay = SECOND * random.below(1_000) as u32 / 1_000;
    let mut is_killed = false;
    let mut kill = |simulation: &mut Simulation| {
        simulation.run_for(delay);
        simulation.kill_and_restart();
        is_killed = true;
    };
    traffic.track(&mut simulation, |simulation, round| {
        if round == killed_after {
            kill(simulation);
        }
    });
    if !is_killed {
        simulation.run_for(delay);
        simulation.kill_and_restart();
    }
    let is_missing = |simulation: &Simulation| {
        let accepted: BTreeSet<_> = simulation.server.accepted().into_iter().collect();
        (0..traffic.len()).any(|number| !bad.contains(&number) && !accepted.contains(&number))
    };
    let is_done = simulation.run_while(280 * SECOND, is_missing);
    assert!(is_done, "{context}: {:?}", simulation.stats());
    let doubles = simulation.server.accepted().len() - (traffic.len() as usize - 1);
    assert!(doubles <= 100 * requests, "{context}: {doubles} doubles");
    poison::assert_ends_alone(&mut simulation, &bad, &fault, &context);
}

#[test]
fn a_restart_in_the_middle_loses_nothing() {
    for seed in seeds() {
        for traffic in Traffic::ALL {
            for requests in [1, 4] {
                run(seed, traffic, requests);
            }
        }
    }
}
