//! What is counted, and which budget is released.

use std::sync::atomic::AtomicUsize;

use super::*;
use crate::DropReason::{Corrupted, Rejected, Withdrawn};

/// An accounting whose queue holds these records.
fn holding(records: &[Encoded]) -> Arc<Accounting> {
    let accounting = Accounting::for_tests();
    for record in records {
        assert!(accounting.budget().reserve(record.cost()).is_ok());
    }
    accounting
}

#[test]
fn settled_records_release_their_budget_or_their_place_on_disk() {
    let records = [record(false), record(false), record(true)];
    let accounting = holding(&records);
    accounting.move_to_disk(1, records[2].cost());
    assert_eq!((accounting.in_memory(), accounting.in_spool()), (2, 1));
    accounting.settle(&records, &Outcome::Delivered);
    assert_eq!((accounting.in_memory(), accounting.in_spool()), (0, 0));
    assert_eq!(accounting.budget().bytes(), 0);
    assert_eq!(accounting.stats().delivered, 3);
}

#[test]
fn records_that_are_lost_on_disk_are_dropped_once() {
    let accounting = Accounting::for_tests();
    accounting.recover(5);
    accounting.lose_on_disk(Corrupted, 2);
    assert_eq!(accounting.pending(), 3);
    accounting.forget_on_disk();
    assert_eq!(accounting.pending(), 0);
    let stats = accounting.stats();
    assert_eq!(stats.dropped_for(Corrupted), 2);
    assert_eq!(stats.dropped_for(Withdrawn), 3);
    assert_eq!((stats.recovered, stats.dropped), (5, 5));
}

#[test]
fn records_on_disk_are_left_in_the_spool_at_the_end() {
    let accounting = Accounting::for_tests();
    accounting.recover(5);
    accounting.leave_in_spool(2);
    accounting.end();
    let stats = accounting.stats();
    assert_eq!((stats.left_in_spool, stats.pending), (5, 0));
}

#[test]
fn records_beside_the_queue_are_tracked_too() {
    let accounting = Accounting::for_tests();
    accounting.deliver_directly(2);
    accounting.reject(DropReason::Invalid, None);
    let stats = accounting.stats();
    assert_eq!((stats.tracked, stats.delivered, stats.dropped), (3, 2, 1));
}

#[test]
fn records_outside_the_sample_do_not_count_as_dropped() {
    let accounting = Accounting::for_tests();
    accounting.reject(DropReason::Sampled, None);
    assert_eq!(accounting.dropped(), 0);
    accounting.reject(DropReason::RateLimited, None);
    assert_eq!(accounting.dropped(), 1);
    assert_eq!(accounting.stats().dropped, 2);
}

#[test]
fn a_hook_is_shown_the_records_of_each_drop() {
    let shown = Arc::new(AtomicUsize::new(0));
    let sees = shown.clone();
    let hook: OnDrop = Arc::new(move |dropped: &Dropped<'_>| {
        assert_eq!(dropped.reason(), Rejected);
        sees.fetch_add(10 * dropped.records().count() + dropped.count(), SeqCst);
    });
    let budget = Budget::new(10, 1_000);
    let accounting = Accounting::new(ClientId::MIN, budget, Some(hook));
    assert!(accounting.shows_records() && !Accounting::for_tests().shows_records());
    accounting.reject(Rejected, Some(&record(false)));
    assert_eq!(shown.load(SeqCst), 11);
    accounting.settle(&[], &Outcome::Dropped(Rejected, None));
    assert_eq!(shown.load(SeqCst), 11, "no record, no call");
}

#[test]
fn a_refused_key_is_known_until_something_is_delivered() {
    let accounting = Accounting::for_tests();
    for (status, is_key) in [(401, true), (403, true), (404, false)] {
        accounting.request_refused(&refusal(status));
        assert_eq!(accounting.is_key_refused(), is_key, "{status}");
        accounting.deliver_directly(1);
        assert!(!accounting.is_key_refused());
    }
    accounting.reject(DropReason::Unauthorized, None);
    assert!(accounting.is_key_refused());
}

#[test]
fn the_outcomes_of_a_call_are_in_the_order_of_its_records() {
    let records = [record(false), record(false), record(false)];
    let client = Accounting::for_tests();
    let call = Arc::new(CallOutcomes::new(client.clone(), &records));
    let accounting = Accounting::of_call(ClientId::MIN, call.clone());
    accounting.settle(&records[2..], &Outcome::Delivered);
    assert_eq!(client.stats().delivered, 1);
    assert!(!call.is_key_refused());
    let refused = Outcome::Dropped(DropReason::Unauthorized, None);
    accounting.settle(&records[..1], &refused);
    assert!(call.is_key_refused());
    let outcomes = [Some(refused), None, Some(Outcome::Delivered)];
    assert_eq!(call.take(), outcomes);
}
