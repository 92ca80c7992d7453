//! The consent is withdrawn at any moment: no record of before is sent after it, and none stays on disk.

use std::{
    collections::BTreeSet,
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{Answer, Query, Random, Rule, SECOND, Setup, Simulation, Traffic, clients, seeds};
use crate::{Consent, DropReason, record::Endpoint, spool::Fault};

/// What the server does until the consent is granted again.
const WEATHER: [Answer; 6] = [
    Answer::Status(200),
    Answer::Status(503),
    Answer::After(429, 30),
    Answer::Silence,
    Answer::Unheard,
    Answer::Bad(vec![]),
];

/// A server that answers like this until it is set to accept everything.
fn server(answer: Answer) -> (Rule, Arc<AtomicBool>) {
    let accepts = Arc::new(AtomicBool::new(false));
    let is_well = accepts.clone();
    let rule = move |query: &mut Query<'_>| match (is_well.load(Relaxed), &answer) {
        (true, _) => Answer::Status(200),
        // The first record of each request is bad.
        (false, Answer::Bad(_)) if query.records.len() > 1 => Answer::Bad(vec![0]),
        (false, answer) => answer.clone(),
    };
    (Box::new(rule), accepts)
}

/// Checks that each record is settled, and that none is on disk.
#[track_caller]
fn assert_empty(simulation: &Simulation, context: &str) {
    let stats = simulation.stats();
    assert_eq!(stats.pending, 0, "{context}: {stats:?}");
    let ended = stats.delivered + stats.dropped + stats.left_in_spool;
    assert_eq!(
        stats.tracked + stats.recovered,
        ended,
        "{context}: {stats:?}"
    );
    assert_eq!(simulation.disk.segments(), 0, "{context}");
}

/// As [`assert_empty`], and checks that each dropped record was shown.
#[track_caller]
fn assert_forgotten(simulation: &Simulation, context: &str) {
    assert_empty(simulation, context);
    let (stats, drops) = (simulation.stats(), simulation.drops());
    for (reason, count) in stats.drops() {
        let of_reason = drops.iter().filter(|drop| drop.reason == reason);
        let shown: usize = of_reason.map(|drop| drop.records.len()).sum();
        assert_eq!(shown as u64, count, "{context}: {stats:?}");
    }
}

fn run(setup: Setup, traffic: Traffic, answer: &Answer, random: &mut Random) {
    let after = random.below(30) as u32;
    let moment = SECOND * random.below(1_000) as u32 / 1_000;
    let context = format!("{setup:?} {traffic:?} {answer:?}, {moment:?} after round {after}");
    let (rule, accepts) = server(answer.clone());
    let mut simulation = Simulation::new(setup, rule);
    let mut withdrawn_at = None;
    traffic.track(&mut simulation, |simulation, round| {
        if round == after || traffic.ends_with(round) && withdrawn_at.is_none() {
            simulation.run_for(moment);
            let answer = simulation.withdraw();
            let calls = simulation.server.len();
            simulation.run_for(Duration::ZERO);
            let answer = answer.try_recv().expect("an answer at once");
            answer.expect("the disk works");
            withdrawn_at.get_or_insert((calls, simulation.tracked()));
            assert_forgotten(simulation, &context);
        }
    });
    simulation.run_for(60 * SECOND);
    let (calls, old) = withdrawn_at.expect("a withdrawal");
    assert_eq!(
        simulation.server.len(),
        calls,
        "{context}: a request without consent"
    );

    accepts.store(true, Relaxed);
    let answer = simulation.grant();
    simulation.run_for(Duration::ZERO);
    answer
        .try_recv()
        .expect("an answer")
        .expect("the disk works");
    let tracked =
        [Endpoint::Events, Endpoint::LlmEvents].map(|endpoint| simulation.track(endpoint, 5));
    let is_open = |simulation: &Simulation| simulation.stats().pending > 0;
    assert!(simulation.run_while(400 * SECOND, is_open), "{context}");
    let later = simulation.server.calls().split_off(calls);
    let sent: BTreeSet<_> = later.into_iter().flat_map(|call| call.records).collect();
    assert_eq!(
        sent,
        BTreeSet::from(tracked),
        "{context}: {old} were tracked before"
    );
}

#[test]
fn nothing_is_sent_or_kept_after_a_withdrawal_at_any_moment() {
    let mut withdrawals = 0;
    for seed in seeds() {
        let mut random = Random::new(seed);
        for traffic in Traffic::ALL {
            for answer in &WEATHER {
                for setup in clients(seed) {
                    run(setup, traffic, answer, &mut random);
                    withdrawals += 1;
                }
            }
        }
    }
    println!("withdrawals: {withdrawals}");
}

#[test]
fn an_answer_that_comes_after_the_withdrawal_settles_no_later_record() {
    for setup in clients(1).filter(|setup| setup.has_spool || setup.requests > 1) {
        let (rule, accepts) = server(Answer::Silence);
        let mut simulation = Simulation::new(setup, rule);
        for _ in 0..20 {
            simulation.track(Endpoint::Events, 5);
        }
        simulation.run_for(SECOND);
        assert_eq!(simulation.in_flight(), 1, "{setup:?}");
        simulation.withdraw();
        simulation.run_for(Duration::ZERO);
        assert_forgotten(&simulation, "in flight");
        accepts.store(true, Relaxed);
        simulation.grant();
        simulation.run_for(Duration::ZERO);
        for _ in 0..20 {
            simulation.track(Endpoint::Events, 5);
        }
        simulation.run_for(30 * SECOND);
        let stats = simulation.stats();
        let ends = (stats.delivered, stats.dropped_for(DropReason::Withdrawn));
        assert_eq!(ends, (20, 20), "{setup:?}: {stats:?}");
        let sent = simulation.server.accepted();
        assert_eq!(sent, (20..40).collect::<Vec<_>>(), "{setup:?}");
    }
}

#[test]
fn an_answer_to_a_forgotten_request_is_not_taken_for_that_to_a_later_one() {
    for seed in 0..20 {
        for setup in clients(seed).filter(|setup| setup.has_spool || setup.requests > 1) {
            // The answer to the first request arrives when others may be in flight, which fail.
            let mut is_first = true;
            let rule = move |_: &mut Query<'_>| match std::mem::take(&mut is_first) {
                true => Answer::Status(200),
                false => Answer::Status(503),
            };
            let mut simulation = Simulation::new(setup, Box::new(rule));
            let track = |simulation: &mut Simulation| {
                for _ in 0..20 {
                    simulation.track(Endpoint::Events, 5);
                }
            };
            track(&mut simulation);
            while simulation.in_flight() == 0 {
                simulation.run_for(Duration::from_millis(1));
            }
            simulation.withdraw();
            simulation.grant();
            simulation.run_for(Duration::ZERO);
            track(&mut simulation);
            simulation.run_for(SECOND);
            let stats = simulation.stats();
            let ends = (stats.delivered, stats.pending, stats.dropped);
            assert_eq!(ends, (0, 20, 20), "{setup:?}: {stats:?}");
        }
    }
}

#[test]
fn a_flush_does_not_wait_for_withdrawn_records() {
    for setup in clients(1) {
        let (rule, _) = server(Answer::Status(503));
        let mut simulation = Simulation::new(setup, rule);
        simulation.track(Endpoint::Events, 5);
        let flushed = simulation.flush(60 * SECOND);
        simulation.run_for(SECOND);
        assert!(flushed.is_empty(), "{setup:?}");
        simulation.withdraw();
        simulation.run_for(Duration::ZERO);
        assert_eq!(flushed.try_recv(), Ok(()), "{setup:?}");
        let flushed = simulation.flush(60 * SECOND);
        simulation.run_for(Duration::ZERO);
        assert_eq!(flushed.try_recv(), Ok(()), "{setup:?}");
    }
}

#[test]
fn records_of_earlier_runs_are_forgotten_too() {
    for setup in clients(1).filter(|setup| setup.has_spool) {
        let (rule, accepts) = server(Answer::Status(503));
        let mut simulation = Simulation::new(setup, rule);
        Traffic::Burst.track(&mut simulation, |_, _| {});
        simulation.kill_and_restart();
        simulation.withdraw();
        simulation.run_for(Duration::ZERO);
        assert_forgotten(&simulation, "earlier runs");
        let stats = simulation.stats();
        assert_eq!((stats.recovered, stats.dropped), (1_000, 1_000));
        accepts.store(true, Relaxed);
        simulation.kill_and_restart();
        assert_eq!(simulation.consent(), Consent::Withdrawn, "noted on disk");
        simulation.run_for(60 * SECOND);
        assert!(simulation.server.accepted().is_empty(), "{setup:?}");
    }
}

#[test]
fn a_client_that_is_closed_after_a_withdrawal_leaves_nothing() {
    for setup in clients(1) {
        let (rule, _) = server(Answer::Status(503));
        let mut simulation = Simulation::new(setup, rule);
        Traffic::OneBatch.track(&mut simulation, |_, _| {});
        simulation.withdraw();
        simulation.close(SECOND);
        assert_forgotten(&simulation, "closed");
        assert_eq!(simulation.stats().dropped_for(DropReason::Withdrawn), 20);
    }
}

#[test]
fn a_withdrawal_of_another_process_is_noticed_before_the_next_request() {
    for seed in seeds() {
        let mut random = Random::new(seed);
        for traffic in Traffic::ALL {
            for answer in &WEATHER {
                for setup in clients(seed).filter(|setup| setup.has_spool) {
                    for is_granted in [false, true] {
                        run_elsewhere(setup, traffic, answer, is_granted, &mut random);
                    }
                }
            }
        }
    }
}

#[test]
fn what_others_store_after_a_grant_is_not_forgotten() {
    for setup in clients(1).filter(|setup| setup.has_spool) {
        for is_noticed in [false, true] {
            let mut simulation = Simulation::new(setup, server(Answer::Status(200)).0);
            simulation.run_for(60 * SECOND);
            simulation.withdraw_elsewhere();
            if is_noticed {
                simulation.track(Endpoint::Events, 5);
                simulation.run_for(SECOND);
                assert_eq!(simulation.consent(), Consent::Withdrawn, "{setup:?}");
            }
            simulation.grant_elsewhere();
            simulation.store_elsewhere(900);
            simulation.track(Endpoint::Events, 5);
            simulation.run_for(60 * SECOND);
            assert_eq!(simulation.consent(), Consent::Granted, "{setup:?}");
            simulation.kill_and_restart();
            simulation.run_for(60 * SECOND);
            assert_eq!(simulation.server.accepted(), [900], "{setup:?}");
        }
    }
}

#[test]
fn a_withdrawal_that_is_not_noted_is_not_undone_by_an_earlier_grant() {
    for setup in clients(1).filter(|setup| setup.has_spool) {
        for (waits, has_read) in [(SECOND, false), (120 * SECOND, false), (120 * SECOND, true)] {
            let mut simulation = Simulation::new(setup, server(Answer::Status(200)).0);
            simulation.withdraw_elsewhere();
            if has_read {
                // The process reads the note of the withdrawal, and not yet that of the grant.
                simulation.run_for(SECOND);
                assert_eq!(simulation.consent(), Consent::Withdrawn, "{setup:?}");
            }
            simulation.grant_elsewhere();
            simulation.store_elsewhere(900);
            // The process cannot read that note.
            simulation.disk.set_fault(Some(Fault {
                first: 0,
                lasts: true,
                error: ErrorKind::Other,
                percent: 0,
            }));
            if !has_read {
                simulation.kill_and_restart();
            }
            let answer = simulation.withdraw();
            simulation.run_for(Duration::ZERO);
            let answer = answer.try_recv().expect("an answer");
            answer.expect_err("the withdrawal is not noted");
            simulation.disk.set_fault(None);
            simulation.run_for(waits);
            assert_eq!(simulation.consent(), Consent::Withdrawn, "{setup:?}");
            let answer = simulation.grant();
            simulation.run_for(60 * SECOND);
            let answer = answer.try_recv().expect("an answer");
            answer.expect("the disk works");
            assert_eq!(simulation.consent(), Consent::Granted, "{setup:?}");
            assert!(simulation.server.accepted().is_empty(), "{setup:?}");
        }
    }
}

/// Another process withdraws after a round, and grants the consent at once or later.
fn run_elsewhere(
    setup: Setup,
    traffic: Traffic,
    answer: &Answer,
    is_granted: bool,
    random: &mut Random,
) {
    let after = random.below(30) as u32;
    let context = format!("{setup:?} {traffic:?} {answer:?} after round {after}, {is_granted}");
    let (rule, accepts) = server(answer.clone());
    let mut simulation = Simulation::new(setup, rule);
    let mut withdrawn_at = None;
    traffic.track(&mut simulation, |simulation, round| {
        if withdrawn_at.is_none() && (round == after || traffic.ends_with(round)) {
            simulation.withdraw_elsewhere();
            if is_granted {
                simulation.grant_elsewhere();
            }
            withdrawn_at = Some((simulation.server.len(), simulation.tracked()));
        }
    });
    accepts.store(true, Relaxed);
    simulation.run_for(400 * SECOND);
    let (calls, old) = withdrawn_at.expect("a withdrawal");
    let later = simulation.server.calls().split_off(calls);
    let is_old = |record: &u32| *record < old;
    assert!(
        !later.iter().any(|call| call.records.iter().any(is_old)),
        "{context}: {later:?}"
    );
    if !is_granted {
        assert!(later.is_empty(), "{context}: {later:?}");
        simulation.grant_elsewhere();
        // It is noticed within a minute.
        simulation.run_for(60 * SECOND);
    }
    // An idle client notices it with its next record, which may be forgotten.
    simulation.track(Endpoint::Events, 5);
    simulation.run_for(60 * SECOND);
    let last = simulation.track(Endpoint::Events, 5);
    simulation.run_for(60 * SECOND);
    assert_empty(&simulation, &context);
    let sent = simulation.server.accepted();
    assert_eq!(sent.last(), Some(&last), "{context}");
    if is_granted {
        let drops = simulation.drops().into_iter();
        let withdrawn = drops.filter(|drop| drop.reason == DropReason::Withdrawn);
        let late = withdrawn
            .flat_map(|drop| drop.records)
            .filter(|record| *record >= old);
        // Those of one round, in which the client noticed it.
        assert!(late.count() <= 20, "{context}");
    }
    simulation.kill_and_restart();
    let consent = simulation.consent();
    assert_eq!(consent, Consent::Granted, "{context}: it stays noted");
}

#[test]
fn a_client_at_rest_delivers_what_others_stored_after_a_grant_that_it_learns_of_late() {
    for setup in clients(0).filter(|setup| setup.has_spool) {
        let accepts = Box::new(|_: &mut Query<'_>| Answer::Status(200));
        let mut simulation = Simulation::new(setup, accepts);
        simulation.run_for(100 * SECOND);
        simulation.withdraw_elsewhere();
        simulation.grant_elsewhere();
        simulation.store_elsewhere(900);
        // Only now does the client look.
        simulation.track(Endpoint::Events, 5);
        simulation.run_for(20 * SECOND);
        assert_eq!(simulation.server.accepted(), [900], "{setup:?}");
    }
}
