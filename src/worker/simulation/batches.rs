//! How batches are set aside, split and given up, request by request.

use std::{collections::BTreeSet, time::Duration};

use super::{Answer, Call, Query, Rule, SECOND, Setup, Simulation, Traffic, clients};
use crate::{DropReason, record::Endpoint};

/// A server that fails while these records are in a request.
fn fails_for(bad: &[u32]) -> Rule {
    let bad = bad.to_vec();
    Box::new(move |query: &mut Query<'_>| {
        match query.records.iter().any(|record| bad.contains(record)) {
            true => Answer::Status(500),
            false => Answer::Status(200),
        }
    })
}

fn in_memory() -> Setup {
    clients(0).next().expect("a client")
}

fn with_spool() -> Setup {
    clients(0).nth(1).expect("a client")
}

/// Tracks this many events at once.
fn start(setup: Setup, records: u32, rule: Rule) -> Simulation {
    let mut simulation = Simulation::new(setup, rule);
    for _ in 0..records {
        simulation.track(Endpoint::Events, 10);
    }
    simulation
}

/// The first and the last record of each request.
fn spans(calls: &[Call]) -> Vec<(u32, u32)> {
    let span = |call: &Call| Some((*call.records.first()?, *call.records.last()?));
    calls.iter().filter_map(span).collect()
}

/// The time between the requests for this record alone.
fn pauses(simulation: &Simulation, record: u32) -> Vec<Duration> {
    let calls = simulation.server.calls();
    let alone = calls.iter().filter(|call| call.records == [record]);
    let times: Vec<_> = alone.map(|call| call.at).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[test]
fn the_only_batch_is_halved_after_its_third_failure() {
    let mut simulation = start(in_memory(), 20, fails_for(&[13]));
    simulation.run_for(30 * SECOND);
    let spans = spans(&simulation.server.calls());
    let expected = [(0, 19), (0, 19), (0, 19), (0, 9), (10, 19), (10, 14)];
    assert_eq!(spans[..6], expected, "{spans:?}");
    assert_eq!(simulation.stats().delivered, 19);
}

#[test]
fn a_batch_is_halved_at_once_when_another_one_was_accepted() {
    let mut simulation = start(in_memory(), 200, fails_for(&[13]));
    simulation.run_for(30 * SECOND);
    let spans = spans(&simulation.server.calls());
    let expected = [(0, 99), (0, 99), (100, 199), (0, 99), (0, 49), (50, 99)];
    assert_eq!(spans[..6], expected, "{spans:?}");
}

#[test]
fn two_bad_batches_are_halved_after_a_third_one_was_accepted() {
    let mut simulation = start(in_memory(), 300, fails_for(&[13, 130]));
    simulation.run_for(60 * SECOND);
    let spans = spans(&simulation.server.calls());
    let accepted = spans.iter().position(|span| *span == (200, 299));
    let halved = spans.iter().position(|span| *span == (0, 49));
    assert!(accepted < halved, "{spans:?}");
    assert_eq!(simulation.stats().delivered, 298);
}

#[test]
fn a_bad_record_that_is_alone_waits_longer_each_time() {
    for setup in [in_memory(), with_spool()] {
        let mut simulation = start(setup, 200, fails_for(&[13]));
        simulation.run_for(280 * SECOND);
        let pauses = pauses(&simulation, 13);
        // Each pause is between half of its bound and the whole of it, and the request takes up to 80 ms.
        for (index, pause) in pauses.iter().enumerate() {
            let bound = (SECOND * 2_u32.pow(index.min(10) as u32) / 4).min(30 * SECOND);
            let allowed = bound / 2..bound + Duration::from_millis(80);
            assert!(allowed.contains(pause), "{index}: {pauses:?}");
        }
        assert!(pauses.len() > 10, "{pauses:?}");
    }
}

#[test]
fn the_last_attempt_of_a_bad_record_is_when_it_is_given_up() {
    let mut simulation = start(in_memory(), 200, fails_for(&[13]));
    simulation.run_for(320 * SECOND);
    let calls = simulation.server.calls();
    let first = calls.first().map(|call| call.at).unwrap_or_default();
    let last = calls.last().expect("a request");
    assert_eq!(last.records, [13]);
    let late = last.at - first - 300 * SECOND;
    assert!(late < Duration::from_millis(100), "{late:?}");
    let drops = simulation.drops();
    assert_eq!(drops.len(), 1, "{drops:?}");
    let drop = &drops[0];
    assert_eq!((drop.reason, drop.status), (DropReason::GaveUp, Some(500)));
}

#[test]
fn a_few_records_pass_bad_ones_that_are_all_there_is() {
    let bad = [1, 3];
    for (setup, bad) in clients(0).flat_map(|setup| bad.map(|bad| (setup, bad))) {
        let mut simulation = start(setup, bad, fails_for(&[0, 1, 2][..bad as usize]));
        simulation.run_for(200 * SECOND);
        for _ in 0..5 {
            simulation.track(Endpoint::Events, 10);
        }
        simulation.run_for(40 * SECOND);
        assert_eq!(simulation.stats().delivered, 5, "{setup:?}, {bad} bad");
    }
}

#[test]
fn a_bad_record_in_the_spool_expires_alone_with_its_status() {
    let mut simulation = start(with_spool(), 200, fails_for(&[13]));
    simulation.run_for(590 * SECOND);
    assert_eq!(simulation.drops(), []);
    simulation.run_for(60 * SECOND);
    let drops = simulation.drops();
    assert_eq!(drops.len(), 1, "{drops:?}");
    let drop = &drops[0];
    let end = (drop.reason, drop.status, drop.records.as_slice());
    assert_eq!(end, (DropReason::Expired, Some(500), [13].as_slice()));
}

#[test]
fn after_an_outage_each_batch_costs_two_requests_and_sixteen_more() {
    const OUTAGE: u64 = 6 * 60 * 60;
    for mut setup in clients(0).filter(|setup| setup.has_spool) {
        setup.max_age = 24 * 60 * 60 * SECOND;
        for records in [20, 500, 5_000] {
            let rule = |query: &mut Query<'_>| match query.at.as_secs() < OUTAGE {
                true => Answer::Status(503),
                false => Answer::Status(200),
            };
            let mut simulation = start(setup, records, Box::new(rule));
            simulation.run_until(SECOND * OUTAGE as u32);
            let before = simulation.server.len();
            simulation.run_for(120 * SECOND);
            let after = simulation.server.len() - before;
            println!("{records} records, {setup:?}: {before} requests, then {after}");
            let batches = records.div_ceil(100) as usize;
            assert!(after <= 2 * batches + 16, "{records}: {after}");
            assert_eq!(simulation.stats().delivered, u64::from(records));
            let accepted: BTreeSet<_> = simulation.server.accepted().into_iter().collect();
            assert_eq!(accepted.len(), records as usize);
        }
    }
}

#[test]
fn an_event_that_fails_does_not_delay_llm_events() {
    for setup in clients(0) {
        let bad = [7];
        let mut simulation = Simulation::new(setup, fails_for(&bad));
        let mut late = 0;
        Traffic::OneEvent.track(&mut simulation, |simulation, _| {
            late = late.max(simulation.stats().pending);
        });
        assert!(late <= 1, "{setup:?}: {late} records waited half a second");
    }
}

#[test]
fn an_endpoint_that_fails_for_hours_never_stops_the_other_one() {
    const MINUTE: Duration = Duration::from_secs(60);
    for (failing, padding) in [
        (Endpoint::Events, 10),
        (Endpoint::LlmEvents, 10),
        (Endpoint::Events, 100_000),
        (Endpoint::LlmEvents, 100_000),
    ] {
        let mut setup = with_spool();
        setup.max_age = 1_000 * MINUTE;
        let rule = |query: &mut Query<'_>| {
            // Its records have even numbers.
            let is_failing = query.records.iter().any(|record| record % 2 == 0);
            match is_failing && query.at < 240 * MINUTE {
                true => Answer::Status(503),
                false => Answer::Status(200),
            }
        };
        let mut simulation = Simulation::new(setup, Box::new(rule));
        for minute in 1..=200 {
            simulation.track(failing, padding);
            simulation.track(failing.other(), padding);
            simulation.run_for(MINUTE);
            let delivered = simulation.stats().delivered;
            assert_eq!(delivered, minute, "{failing:?} fails, {padding}");
        }
        simulation.run_until(250 * MINUTE);
        assert_eq!(simulation.stats().delivered, 400, "{failing:?}, {padding}");
    }
}

#[test]
fn an_endpoint_that_failed_for_long_has_its_turn_beside_a_bad_batch_of_the_other_one() {
    const OUTAGE: Duration = Duration::from_secs(60 * 60);
    for has_llm_outage in [false, true] {
        let mut setup = with_spool();
        setup.max_age = 10 * OUTAGE;
        let (first, other) = match has_llm_outage {
            true => (Endpoint::LlmEvents, Endpoint::Events),
            false => (Endpoint::Events, Endpoint::LlmEvents),
        };
        let rule = |query: &mut Query<'_>| match query.at < OUTAGE || query.records.contains(&1) {
            true => Answer::Status(503),
            false => Answer::Status(200),
        };
        let mut simulation = Simulation::new(setup, Box::new(rule));
        simulation.track(first, 10);
        simulation.run_until(OUTAGE - SECOND);
        simulation.track(other, 10);
        simulation.run_for(120 * SECOND);
        assert_eq!(simulation.stats().delivered, 1, "{first:?}");
    }
}

#[test]
fn a_record_is_delivered_beside_many_of_the_other_endpoint() {
    for rare in Endpoint::ALL {
        let rule = |_: &mut Query<'_>| Answer::Slow(200, SECOND / 10);
        let mut simulation = Simulation::new(with_spool(), Box::new(rule));
        let mut record = None;
        for tenth in 0..400 {
            for _ in 0..150 {
                simulation.track(rare.other(), 10);
            }
            if tenth == 200 {
                record = Some(simulation.track(rare, 10));
            }
            simulation.run_for(SECOND / 10);
        }
        let accepted = simulation.server.accepted();
        assert!(
            record.is_some_and(|record| accepted.contains(&record)),
            "{rare:?}"
        );
    }
}
