use std::time::Duration;

use super::*;
use crate::record::Endpoint::{Events, LlmEvents};

/// A failure of a batch that is not the same as before.
fn fail(
    blame: &mut Blame,
    endpoint: Endpoint,
    may_be_narrow: bool,
    began: Instant,
) -> (Scope, u32) {
    let scope = blame.failed(endpoint, &mut Failures::default(), 20, may_be_narrow, began);
    (scope, blame.failures(endpoint))
}

const SECOND: Duration = Duration::from_secs(1);

fn later(status: u16) -> Verdict {
    Verdict::Later {
        after: None,
        refusal: Some(Refusal {
            status,
            detail: None,
        }),
        body: BodySent::Whole,
    }
}

#[test]
fn an_endpoint_is_blamed_once_the_other_one_was_accepted_in_between() {
    let (mut blame, now) = (Blame::default(), Instant::now());
    blame.succeeded(LlmEvents);
    assert_eq!(fail(&mut blame, Events, true, now), (Scope::Host, 1));
    assert_eq!(fail(&mut blame, Events, true, now), (Scope::Host, 2));
    blame.succeeded(LlmEvents);
    assert_eq!(fail(&mut blame, Events, true, now), (Scope::Endpoint, 3));
    assert_eq!(fail(&mut blame, Events, true, now), (Scope::Host, 4));
}

#[test]
fn a_success_elsewhere_does_not_undo_the_growth_of_a_delay() {
    let (mut blame, now) = (Blame::default(), Instant::now());
    for failures in 1..10 {
        assert_eq!(fail(&mut blame, Events, true, now).1, failures);
        blame.succeeded(LlmEvents);
    }
    blame.succeeded(Events);
    assert_eq!(fail(&mut blame, Events, true, now), (Scope::Host, 1));
}

#[test]
fn failures_that_say_nothing_of_the_records_are_the_hosts() {
    assert!(may_be_narrow(&later(500)));
    assert!(may_be_narrow(&later(408)));
    assert!(!may_be_narrow(&later(429)));
    assert!(!may_be_narrow(&later(425)));
    assert!(!may_be_narrow(&Verdict::NO_ANSWER));
    for (body, narrow) in [
        (BodySent::Whole, true),
        (BodySent::Lost, true),
        (BodySent::TimedOut, true),
        (BodySent::Unknown, false),
    ] {
        let silent = Verdict::Later {
            after: None,
            refusal: None,
            body,
        };
        assert_eq!(may_be_narrow(&silent), narrow);
    }
    let (mut blame, now) = (Blame::default(), Instant::now());
    fail(&mut blame, Events, false, now);
    blame.succeeded(LlmEvents);
    assert_eq!(fail(&mut blame, Events, false, now).0, Scope::Host);
}

#[test]
fn requests_in_flight_when_an_endpoint_is_shut_count_once() {
    let (mut blame, start) = (Blame::default(), Instant::now());
    assert_eq!(fail(&mut blame, Events, true, start).1, 1);
    blame.shut(Events, start + SECOND, start + 2 * SECOND);
    assert_eq!(fail(&mut blame, Events, true, start).1, 1);
    assert_eq!(fail(&mut blame, Events, true, start + 2 * SECOND).1, 2);
}

#[test]
fn a_shut_endpoint_leaves_the_other_one_open() {
    let (mut blame, start) = (Blame::default(), Instant::now());
    blame.shut(Events, start, start + SECOND);
    assert_eq!(blame.shut_until(Events, start), Some(start + SECOND));
    assert_eq!(blame.shut_until(LlmEvents, start), None);
    assert_eq!(blame.shut_until(Events, start + SECOND), None);
}

#[test]
fn a_close_opens_both_endpoints() {
    let (mut blame, start) = (Blame::default(), Instant::now());
    for endpoint in [Events, LlmEvents] {
        blame.shut(endpoint, start, start + SECOND);
    }
    blame.open_all();
    for endpoint in [Events, LlmEvents] {
        assert_eq!(blame.shut_until(endpoint, start), None);
    }
}

#[test]
fn a_flush_cuts_one_delay_of_an_endpoint_short() {
    let (mut blame, start) = (Blame::default(), Instant::now());
    let shut = |blame: &mut Blame, at| blame.shut(Events, at, at + 8 * SECOND);
    shut(&mut blame, start);
    blame.skip_once(start);
    assert_eq!(blame.shut_until(Events, start), None);
    shut(&mut blame, start);
    blame.skip_once(start);
    assert!(blame.shut_until(Events, start).is_some());
    let later = start + 8 * SECOND;
    blame.skip_once(later);
    shut(&mut blame, later);
    blame.skip_once(later);
    assert_eq!(blame.shut_until(Events, later), None);
}

#[test]
fn a_batch_is_blamed_once_another_one_was_accepted_in_between() {
    let (mut blame, now) = (Blame::default(), Instant::now());
    let mut batch = Failures::default();
    let mut fail =
        |blame: &mut Blame, records| blame.failed(Events, &mut batch, records, true, now);
    blame.succeeded(Events);
    assert_eq!(fail(&mut blame, 20), Scope::Host);
    assert_eq!(fail(&mut blame, 20), Scope::Host);
    blame.succeeded(Events);
    assert_eq!(fail(&mut blame, 20), Scope::Batch);
    assert_eq!(fail(&mut blame, 20), Scope::Host, "no new evidence");
    assert_eq!(blame.failures(Events), 1);
}

#[test]
fn a_failure_that_says_nothing_of_the_records_uses_no_evidence_up() {
    let (mut blame, now) = (Blame::default(), Instant::now());
    let mut batch = Failures::default();
    let mut fail =
        |blame: &mut Blame, may_be_narrow| blame.failed(Events, &mut batch, 20, may_be_narrow, now);
    fail(&mut blame, true);
    blame.succeeded(Events);
    assert_eq!(fail(&mut blame, false), Scope::Host);
    assert_eq!(fail(&mut blame, true), Scope::Batch);
}

#[test]
fn the_evidence_against_a_batch_counts_for_its_halves() {
    let (mut blame, now) = (Blame::default(), Instant::now());
    let mut batch = Failures::default();
    blame.failed(Events, &mut batch, 20, true, now);
    let mut half = batch.of_half();
    blame.succeeded(Events);
    assert_eq!(blame.failed(Events, &mut half, 10, true, now), Scope::Batch);
}

#[test]
fn a_suspect_record_alone_needs_no_more_evidence_until_others_fail() {
    let (mut blame, now) = (Blame::default(), Instant::now());
    let mut record = Failures::default().of_half();
    assert_eq!(
        blame.failed(Events, &mut record, 1, true, now),
        Scope::Batch
    );
    fail(&mut blame, Events, true, now);
    assert_eq!(blame.failed(Events, &mut record, 1, true, now), Scope::Host);
}

#[test]
fn a_batch_that_fails_twice_lets_the_next_one_have_a_turn() {
    let (mut blame, now) = (Blame::default(), Instant::now());
    let ranks = |mut failures: Failures, blame: &mut Blame| {
        [(); 4].map(|()| {
            blame.failed(Events, &mut failures, 20, true, now);
            failures.rank(true)
        })
    };
    assert_eq!(ranks(Failures::default(), &mut blame), [0, 1, 1, 2]);
    assert_eq!(
        ranks(Failures::default().of_half(), &mut blame),
        [1, 2, 3, 4]
    );
}
