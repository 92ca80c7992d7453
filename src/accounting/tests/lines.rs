//! What is logged of drops, refusals and outages.

use std::time::Duration;

use super::*;
use crate::{
    DropReason::{
        CloseTimeout, GaveUp, Invalid, QueueFull, RateLimited, Rejected, Sampled, Unauthorized,
    },
    clock::double::VirtualTime,
    logging::double::lines,
};

const MINUTE: Duration = Duration::from_secs(60);

fn dropped(reason: DropReason, status: Option<u16>) -> Vec<String> {
    let accounting = Accounting::for_tests();
    accounting.recover(1);
    let outcome = Outcome::Dropped(reason, status.map(refusal));
    lines(|| accounting.settle(&[record(true)], &outcome))
}

#[test]
fn the_first_drop_is_logged_with_its_status() {
    let line = "WARN dropping records: the server refused it (status 422)";
    assert_eq!(dropped(Rejected, Some(422)), [line]);
    let line = "WARN dropping records: the queue was full";
    assert_eq!(dropped(QueueFull, None), [line]);
    assert_eq!(dropped(Sampled, None), [""; 0]);
}

#[test]
fn a_refused_key_is_logged_once_until_something_is_delivered() {
    let line = "ERROR the server refuses the API key (status 403): records are dropped";
    assert_eq!(dropped(Unauthorized, Some(403)), [line]);
    let accounting = Accounting::for_tests();
    let reject = || lines(|| accounting.reject(Unauthorized, None));
    let line = "ERROR the server refuses the API key: records are dropped";
    assert_eq!(reject(), [line]);
    assert_eq!(reject(), [""; 0]);
    accounting.deliver_directly(1);
    assert_eq!(reject(), [line]);
}

#[test]
fn a_refused_request_is_logged_once_until_something_is_delivered() {
    let accounting = Accounting::for_tests();
    let refuse = |status| lines(|| accounting.request_refused(&refusal(status)));
    let line = "ERROR the server refuses the API key (status 401): records wait in the spool";
    assert_eq!(refuse(401), [line]);
    assert_eq!(refuse(401), [""; 0]);
    accounting.deliver_directly(1);
    let line = "ERROR the server refuses requests (status 404): records wait in the spool";
    assert_eq!(refuse(404), [line]);
    assert_eq!(refuse(407), [""; 0]);
}

#[test]
fn a_key_that_is_refused_after_other_refusals_is_logged() {
    let accounting = Accounting::for_tests();
    let refuse = |status| lines(|| accounting.request_refused(&refusal(status)));
    assert_eq!(refuse(404).len(), 1);
    let line = "ERROR the server refuses the API key (status 401): records wait in the spool";
    assert_eq!(refuse(401), [line]);
    assert_eq!(refuse(403), [""; 0]);
    assert_eq!(refuse(404).len(), 1);
    let line = "ERROR the server refuses the API key: records are dropped";
    assert_eq!(lines(|| accounting.reject(Unauthorized, None)), [line]);
}

#[test]
fn a_drop_after_failures_is_logged_with_their_cause() {
    let accounting = Accounting::for_tests();
    accounting.attempt_failed("timeout");
    let cause = |reason, refusal: Option<&Refusal>| accounting.cause_of(reason, refusal);
    assert_eq!(cause(GaveUp, None), " (timeout)");
    assert_eq!(cause(CloseTimeout, None), " (timeout)");
    assert_eq!(cause(QueueFull, None), "");
    assert_eq!(cause(GaveUp, Some(&refusal(503))), " (status 503)");
    accounting.attempt_succeeded();
    assert_eq!(cause(GaveUp, None), "");
}

#[test]
fn an_outage_is_logged_when_it_has_lasted_and_at_its_end() {
    let (time, accounting) = (VirtualTime::start(), Accounting::for_tests());
    accounting.recover(2);
    let fail = || lines(|| accounting.attempt_failed("reset"));
    assert_eq!(fail(), [""; 0]);
    time.set(MINUTE);
    let line = "WARN nothing was delivered for 60 s (reset); records waiting: 2";
    assert_eq!(fail(), [line]);
    time.set(2 * MINUTE);
    let line = "WARN records are delivered again after 120 s; records waiting: 2";
    let succeed = || lines(|| accounting.attempt_succeeded());
    assert_eq!(succeed(), [line]);
    assert_eq!(succeed(), [""; 0]);
}

#[test]
fn the_total_of_an_episode_is_logged_once_it_has_been_quiet() {
    let (time, accounting) = (VirtualTime::start(), Accounting::for_tests());
    let reject = |reason| accounting.reject(reason, None);
    let first = lines(|| [Invalid, Invalid, Sampled].into_iter().for_each(reject));
    assert_eq!(first.len(), 1);
    let deliver = || lines(|| accounting.deliver_directly(1));
    assert_eq!(deliver(), [""; 0], "not quiet for long enough");
    time.set(MINUTE);
    assert_eq!(deliver(), ["WARN records dropped in all: 2"]);
    reject(Invalid);
    let last = lines(|| accounting.end());
    assert_eq!(last, ["WARN records dropped in all: 1"]);
}

#[test]
fn records_over_the_limit_of_their_name_are_an_episode_of_their_own() {
    let (time, accounting) = (VirtualTime::start(), Accounting::for_tests());
    let reject = |reason| lines(|| accounting.reject(reason, None));
    let line = "WARN dropping records: more events of its name came than at_most allows";
    assert_eq!(reject(RateLimited), [line]);
    assert_eq!(reject(RateLimited), [""; 0]);
    assert_eq!(reject(Invalid).len(), 1);
    time.set(MINUTE);
    let totals = [
        "WARN records dropped in all: 1",
        "WARN records dropped by at_most in all: 2",
    ];
    assert_eq!(lines(|| accounting.deliver_directly(1)), totals);
    assert_eq!(reject(RateLimited), [line]);
    let last = lines(|| accounting.end());
    assert_eq!(last, ["WARN records dropped by at_most in all: 1"]);
}

#[test]
fn one_call_logs_nothing() {
    let calls = CallOutcomes::new(Accounting::for_tests(), &[]);
    let accounting = Accounting::of_call(ClientId::MIN, Arc::new(calls));
    let logged = lines(|| {
        accounting.reject(Invalid, None);
        accounting.request_refused(&refusal(404));
        accounting.end();
    });
    assert_eq!(logged, [""; 0]);
}
