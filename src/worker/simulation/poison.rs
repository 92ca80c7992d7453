//! Servers that fail because of a record.

use std::{collections::BTreeSet, time::Duration};

use super::{
    Answer, Ledger, Query, Random, Rule, SECOND, Setup, Simulation, Traffic, clients,
    ledger::assert_order, seeds,
};
use crate::{Consent, DropReason, record::Endpoint, spool::Spool};

/// How a server fails because of a record.
#[derive(Debug, Clone)]
pub(super) enum Fault {
    Answers(Answer),
    /// The server breaks down, and is back after this time.
    EndsFor(Duration),
}

impl Fault {
    pub(super) fn rule(self, bad: BTreeSet<u32>) -> Rule {
        let mut absent_until = Duration::ZERO;
        Box::new(move |query: &mut Query<'_>| {
            let is_bad = query.records.iter().any(|record| bad.contains(record));
            match &self {
                _ if query.at < absent_until => Answer::Refused,
                _ if !is_bad => Answer::Status(200),
                Self::Answers(answer) => answer.clone(),
                Self::EndsFor(time) => {
                    absent_until = query.at + *time;
                    Answer::Reset
                }
            }
        })
    }

    /// The status that the program is shown for a record that is given up.
    fn status(&self) -> Option<u16> {
        match self {
            Self::Answers(Answer::Status(status)) => Some(*status),
            _ => None,
        }
    }
}

/// A status that says nothing about the records.
const FAILS: Fault = Fault::Answers(Answer::Status(500));

/// Which records are bad.
#[derive(Debug, Clone, Copy)]
enum Bad {
    One,
    /// Two, in different batches.
    Apart,
    /// Two, in the same batch.
    Together,
    /// Five, anywhere.
    Five,
}

impl Bad {
    fn choose(self, traffic: Traffic, seed: u64) -> BTreeSet<u32> {
        let random = &mut Random::new(seed);
        match self {
            Self::One => traffic.choose_bad(1, 1, random),
            Self::Apart => traffic.choose_bad(2, 200, random),
            Self::Together => traffic.choose_bad(2, 1, random),
            Self::Five => traffic.choose_bad(5, 1, random),
        }
    }
}

/// How many requests a server needs that accepts everything.
fn accepted_by_all(setup: Setup, traffic: Traffic) -> usize {
    let mut simulation = Simulation::new(setup, Box::new(|_| Answer::Status(200)));
    traffic.track(&mut simulation, |_, _| {});
    assert!(simulation.run_while(60 * SECOND, |simulation| simulation.stats().pending > 0));
    simulation.server.len()
}

/// Runs one client against a server with this fault. Checks that all other records are delivered, in order, and how the
/// bad ones end.
fn run(setup: Setup, traffic: Traffic, bad: Bad, fault: &Fault, needed: usize) -> Ledger {
    let bad = bad.choose(traffic, setup.seed);
    let context = format!("{setup:?} {traffic:?} {fault:?} {bad:?}");
    let mut simulation = Simulation::new(setup, fault.clone().rule(bad.clone()));
    traffic.track(&mut simulation, |_, _| {});
    let tracked_at = simulation.now();
    let good = u64::from(traffic.len()) - bad.len() as u64;
    let is_open = |simulation: &Simulation| simulation.stats().delivered < good;
    let is_done = simulation.run_while(280 * SECOND, is_open);
    assert!(is_done, "{context}: {:?}", simulation.stats());
    let late = simulation.now() - tracked_at;
    let calls = simulation.server.calls();
    let has_good = |records: &[u32]| records.iter().any(|record| !bad.contains(record));
    let (accepted, failed): (Vec<_>, Vec<_>) = calls.iter().partition(|call| call.answer.accepts());
    let ledger = Ledger {
        failed: failed.iter().filter(|call| has_good(&call.records)).count(),
        split: accepted.len().saturating_sub(needed),
        late,
    };
    assert_ends_alone(&mut simulation, &bad, fault, &context);
    if setup.requests == 1 {
        assert_order(&simulation.server.calls(), |_| true, &context);
    }
    ledger
}

/// Checks that each bad record waits until it is too old, and is then dropped alone, with the status of the server.
pub(super) fn assert_ends_alone(
    simulation: &mut Simulation,
    bad: &BTreeSet<u32>,
    fault: &Fault,
    context: &str,
) {
    let setup = simulation.setup();
    let (limit, reason) = match setup.has_spool {
        true => (setup.max_age, DropReason::Expired),
        false => (330 * SECOND, DropReason::GaveUp),
    };
    let is_open = |simulation: &Simulation| simulation.drops().len() < bad.len();
    let is_done = simulation.run_while(limit + 300 * SECOND, is_open);
    assert!(is_done, "{context}: {:?}", simulation.stats());
    assert_eq!(simulation.stats().pending, 0, "{context}");
    let mut dropped = BTreeSet::new();
    for drop in simulation.drops() {
        let is_alone = drop.records.len() == 1;
        let end = (drop.reason, drop.status, is_alone);
        assert_eq!(end, (reason, fault.status(), true), "{context}: {drop:?}");
        dropped.extend(drop.records);
    }
    assert_eq!(&dropped, bad, "{context}");
}

/// Runs with all kinds of clients.
fn run_seeds(traffic: Traffic, bad: Bad, fault: &Fault) -> Vec<Ledger> {
    let mut ledgers = Vec::new();
    for (kind, client) in clients(0).enumerate() {
        let needed = accepted_by_all(client, traffic);
        let setups = seeds().filter_map(|seed| clients(seed).nth(kind));
        ledgers.extend(setups.map(|setup| run(setup, traffic, bad, fault, needed)));
    }
    ledgers
}

/// Runs with all kinds of clients and traffic, and returns the highest figures.
fn run_all(name: &str, bad: Bad, fault: &Fault) -> Ledger {
    let traffic: &[_] = match bad {
        Bad::One => &Traffic::ALL,
        Bad::Apart => &[Traffic::Events, Traffic::Both, Traffic::Burst],
        Bad::Together => &[Traffic::OneBatch],
        Bad::Five => &[
            Traffic::Events,
            Traffic::Both,
            Traffic::OneBatch,
            Traffic::Burst,
        ],
    };
    let ledgers = traffic
        .iter()
        .flat_map(|traffic| run_seeds(*traffic, bad, fault));
    let worst = ledgers.fold(Ledger::default(), Ledger::max);
    println!("{name}: {worst:?}");
    worst
}

#[test]
fn a_record_that_the_server_cannot_take_ends_alone() {
    let worst = run_all("500 for one record", Bad::One, &FAILS);
    assert!(worst.failed <= 15 && worst.split <= 6, "{worst:?}");
}

/// The figures of the page `delivery`.
#[test]
fn one_bad_record_costs_few_requests_beside_the_others() {
    for (traffic, bound) in [(Traffic::OneBatch, 15), (Traffic::Burst, 21)] {
        let ledgers = run_seeds(traffic, Bad::One, &FAILS);
        let most = ledgers
            .iter()
            .map(|ledger| ledger.failed + ledger.split)
            .max();
        println!("500 for one record, {traffic:?}: {most:?} requests beside the others");
        assert!(most <= Some(bound), "{traffic:?}: {most:?}");
    }
}

#[test]
fn two_bad_records_in_different_batches_end_alone() {
    let worst = run_all("500 for two records", Bad::Apart, &FAILS);
    assert!(worst.failed <= 32 && worst.split <= 16, "{worst:?}");
}

#[test]
fn two_bad_records_of_the_only_batch_end_alone() {
    let worst = run_all("500 for two of 20 records", Bad::Together, &FAILS);
    assert!(worst.failed <= 32 && worst.split <= 16, "{worst:?}");
}

#[test]
fn five_bad_records_anywhere_end_alone() {
    let worst = run_all("500 for five records", Bad::Five, &FAILS);
    assert!(worst.failed <= 80 && worst.split <= 40, "{worst:?}");
}

#[test]
fn a_record_that_ends_the_connection_ends_alone() {
    for answer in [Answer::Closed, Answer::Reset] {
        let name = format!("{answer:?} for one record");
        let worst = run_all(&name, Bad::One, &Fault::Answers(answer));
        assert!(worst.failed <= 16 && worst.split <= 8, "{worst:?}");
    }
}

#[test]
fn a_record_that_breaks_the_server_down_ends_alone() {
    let fault = Fault::EndsFor(2 * SECOND);
    let worst = run_all("a break-down for one record", Bad::One, &fault);
    assert!(worst.failed <= 60, "{worst:?}");
}

#[test]
fn a_record_that_takes_too_long_ends_alone() {
    let fault = Fault::Answers(Answer::Silence);
    let worst = run_all("silence for one record", Bad::One, &fault);
    assert!(worst.failed <= 16, "{worst:?}");
}

#[test]
fn a_bad_record_that_is_alone_does_not_hold_up_those_of_other_runs() {
    for setup in clients(1).filter(|setup| setup.has_spool) {
        let rule = |query: &mut Query<'_>| match query.records.contains(&0) {
            true => Answer::Status(500),
            false => Answer::Status(200),
        };
        let mut simulation = Simulation::new(setup, Box::new(rule));
        simulation.track(Endpoint::Events, 5);
        simulation.run_for(120 * SECOND);
        simulation.store_elsewhere(900);
        // A client at work looks for it about once a minute, and between two attempts.
        simulation.run_for(150 * SECOND);
        assert_eq!(simulation.server.accepted(), [900], "{setup:?}");
    }
}

/// Of each two records one is bad, and all are in files of their own. After that the server accepts all.
fn run_apart(mut setup: Setup, endpoint: Endpoint, bad: u32) {
    const MINUTE: Duration = Duration::from_secs(60);
    setup.max_age = 7 * 24 * 60 * MINUTE;
    let rule = move |query: &mut Query<'_>| {
        let is_bad = query.records.iter().any(|record| record % 2 == 1);
        match is_bad && query.at < bad * MINUTE {
            true => Answer::Status(500),
            false => Answer::Status(200),
        }
    };
    let context = format!("{setup:?}, {bad} bad records for {endpoint:?}");
    let mut simulation = Simulation::new(setup, Box::new(rule));
    let mut files = 0;
    for number in 1..=bad {
        simulation.track(endpoint, 10);
        simulation.track(endpoint, 10);
        simulation.run_for(MINUTE / 2);
        let delivered = simulation.stats().delivered;
        assert_eq!(delivered, u64::from(number), "{context}: in half a minute");
        simulation.run_for(MINUTE / 2 - SECOND);
        files = files.max(simulation.disk.segments());
        simulation.run_for(SECOND);
    }
    println!("{context}: {files} files");
    assert!(files <= 18, "{context}: {files} files");
    simulation.run_for(MINUTE);
    let mut accepted = simulation.server.accepted();
    accepted.sort_unstable();
    let all: Vec<_> = (0..simulation.tracked()).collect();
    assert_eq!(accepted, all, "{context}: each is delivered once");
    let stats = simulation.stats();
    assert_eq!((stats.pending, stats.dropped), (0, 0), "{context}");
    assert_eq!(simulation.disk.segments(), 0, "{context}");
}

#[test]
fn bad_records_in_files_of_their_own_delay_no_later_ones() {
    for setup in clients(1).filter(|setup| setup.has_spool) {
        for (endpoint, bad) in Endpoint::ALL
            .iter()
            .flat_map(|one| [(*one, 10), (*one, 40)])
        {
            run_apart(setup, endpoint, bad);
        }
        run_apart(setup, Endpoint::Events, 100);
    }
}

/// The server fails for all of the first records, then for those only. There is a restart before the others.
fn run_after(mut setup: Setup, bad: u32, restarts: bool) {
    const MINUTE: Duration = Duration::from_secs(60);
    setup.max_age = 7 * 24 * 60 * MINUTE;
    let recovers_at = (bad + 60) * MINUTE;
    let rule = move |query: &mut Query<'_>| {
        let is_bad = query.records.iter().any(|record| *record < bad);
        match is_bad && query.at < recovers_at {
            true => Answer::Status(500),
            false => Answer::Status(200),
        }
    };
    let context = format!("{setup:?}, {bad} bad records, restarts: {restarts}");
    let mut simulation = Simulation::new(setup, Box::new(rule));
    let track_for = |simulation: &mut Simulation, minutes| {
        for _ in 0..minutes {
            simulation.track(Endpoint::Events, 10);
            simulation.run_for(MINUTE);
        }
        simulation.stats().delivered
    };
    assert_eq!(track_for(&mut simulation, bad), 0, "{context}");
    if restarts {
        let _ = simulation.kill_and_restart();
    }
    // Until there is evidence against the bad records.
    let first = track_for(&mut simulation, 15);
    let delivered = track_for(&mut simulation, 25);
    let files = simulation.disk.segments();
    println!("{context}: {first}, then {delivered} of 40, {files} files");
    assert!(delivered >= first + 25, "{context}");
    assert!(files <= 18, "{context}: {files} files");
    simulation.run_until(recovers_at + MINUTE);
    let mut accepted = simulation.server.accepted();
    accepted.sort_unstable();
    let all: Vec<_> = (0..simulation.tracked()).collect();
    assert_eq!(accepted, all, "{context}: each is delivered once");
    assert_eq!(simulation.disk.segments(), 0, "{context}");
}

#[test]
fn bad_records_that_come_before_all_others_delay_no_later_ones() {
    for setup in clients(1).filter(|setup| setup.has_spool) {
        for (bad, restarts) in [(60, false), (60, true), (300, true)] {
            run_after(setup, bad, restarts);
        }
    }
}

#[test]
fn a_withdrawal_beside_the_move_of_bad_records_leaves_none() {
    let setup = clients(1).nth(1).expect("a client");
    let rule = |query: &mut Query<'_>| match query.records.iter().any(|record| record % 2 == 1) {
        true => Answer::Status(500),
        false => Answer::Status(200),
    };
    let mut simulation = Simulation::new(setup, Box::new(rule));
    for _ in 0..15 {
        simulation.track(Endpoint::Events, 10);
        simulation.track(Endpoint::Events, 10);
        simulation.run_for(25 * SECOND);
    }
    simulation.track(Endpoint::Events, 10);
    simulation.track(Endpoint::Events, 10);
    simulation.run_for(SECOND / 100);
    assert_eq!(simulation.disk.segments(), 16);
    let other = simulation.spool_elsewhere();
    simulation.disk.before_create(move || withdraw(other));
    simulation.run_for(25 * SECOND);
    assert_eq!(simulation.consent(), Consent::Withdrawn);
    assert_eq!(simulation.disk.segments(), 0);
    assert_eq!(simulation.stats().pending, 0);
}

/// Another process withdraws the consent.
fn withdraw(mut other: Spool) {
    other.note_withdrawal().expect("the disk works");
    other.forget(|_| ()).expect("the disk works");
}
