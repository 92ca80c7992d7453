//! The schedule of records in memory: when they are due, and which step comes first.

use proptest::prelude::*;

use super::*;

#[test]
fn nothing_to_do_means_no_wake_up_at_all() {
    assert_eq!(schedule().next(Instant::now(), NOTHING), Step::Wait(None));
}

#[test]
fn a_few_records_wait_for_the_interval_counted_from_the_first() {
    let (mut schedule, start) = (schedule(), Instant::now());
    let due = start + INTERVAL;
    assert_eq!(schedule.next(start, waiting(1)), Step::Wait(Some(due)));
    assert_eq!(
        schedule.next(start + SECOND, waiting(2)),
        Step::Wait(Some(due))
    );
    assert_eq!(schedule.next(due, waiting(2)), Step::Take);
}

#[test]
fn records_that_came_during_a_request_wait_no_longer_than_the_interval_after_it_began() {
    let (mut schedule, start) = (schedule(), Instant::now());
    schedule.next(start, waiting(20));
    schedule.note_drained(start);
    let after_request = start + 4 * SECOND;
    assert_eq!(
        schedule.next(after_request, waiting(3)),
        Step::Wait(Some(start + INTERVAL))
    );
}

#[test]
fn records_that_come_after_all_were_taken_wait_from_then_on() {
    let (mut schedule, start) = (schedule(), Instant::now());
    schedule.next(start, waiting(1));
    let due = start + INTERVAL;
    assert_eq!(schedule.next(due, waiting(1)), Step::Take);
    schedule.note_drained(due);
    let step = schedule.next(due, waiting(1));
    assert_eq!(step, Step::Wait(Some(due + INTERVAL)));
}

#[test]
fn beside_a_batch_that_rests_more_are_taken_only_if_a_request_is_free() {
    let now = Instant::now();
    let resting_until = Some(now + SECOND);
    let resting = View {
        batched: true,
        resting_until,
        ..waiting(20)
    };
    assert_eq!(schedule().next(now, resting), Step::Take);
    let full = View {
        has_slot: false,
        ..resting
    };
    assert_eq!(schedule().next(now, full), Step::Wait(resting_until));
}

#[test]
fn after_a_full_batch_the_worker_looks_by_itself_for_a_while() {
    let (mut schedule, start) = (schedule(), Instant::now());
    schedule.note_arrivals(19, false, start);
    assert!(!schedule.is_polling(start), "too few");
    schedule.note_arrivals(20, false, start);
    let end = start + POLL_PERIOD;
    assert!(schedule.is_polling(start) && !schedule.is_polling(end));
    assert_eq!(schedule.next(start, NOTHING), Step::Wait(Some(end)));
    assert_eq!(schedule.next(start, waiting(19)), Step::Wait(Some(end)));
    assert_eq!(schedule.next(start, waiting(20)), Step::Take);
    assert_eq!(schedule.next(end, NOTHING), Step::Wait(None));
}

#[test]
fn with_a_spool_any_record_makes_the_worker_look_by_itself() {
    let (mut schedule, start) = (schedule(), Instant::now());
    schedule.note_arrivals(0, true, start);
    assert!(!schedule.is_polling(start));
    schedule.note_arrivals(1, true, start);
    assert!(schedule.is_polling(start));
    assert!(!schedule.is_polling(start + POLL_PERIOD_WITH_SPOOL));
}

#[test]
fn a_rest_in_between_starts_the_interval_anew() {
    let (mut schedule, start) = (schedule(), Instant::now());
    schedule.note_drained(start);
    schedule.next(start, NOTHING);
    let later = start + 60 * SECOND;
    assert_eq!(
        schedule.next(later, waiting(1)),
        Step::Wait(Some(later + INTERVAL))
    );
}

#[test]
fn enough_records_or_bytes_or_a_blocked_caller_are_due_at_once() {
    let now = Instant::now();
    let bytes = View {
        waiting_bytes: 1_000,
        ..waiting(1)
    };
    let blocked = View {
        blocked: true,
        ..waiting(1)
    };
    for view in [waiting(20), waiting(500), bytes, blocked] {
        assert_eq!(schedule().next(now, view), Step::Take);
    }
}

#[test]
fn more_requests_are_made_while_there_are_places_for_them() {
    let (mut schedule, now) = (schedule(), Instant::now());
    let flying = View {
        in_flight: true,
        ..IN_HAND
    };
    assert_eq!(schedule.next(now, flying), Step::Attempt);
    let full = View {
        has_slot: false,
        ..flying
    };
    assert_eq!(schedule.next(now, full), Step::Wait(None));
}

proptest! {
    #[test]
    fn records_never_wait_beyond_the_interval_and_nothing_is_sent_against_the_server(
        steps in prop::collection::vec((0_u64..4_000, 0_u64..8, 0_u8..6), 1..200),
    ) {
        let mut schedule = schedule();
        let mut now = Instant::now();
        let mut shut_until = now;
        let mut first_waiting = None;
        let mut view = NOTHING;
        for (elapsed, arriving, event) in steps {
            now += Duration::from_millis(elapsed);
            view.waiting += arriving;
            if arriving > 0 {
                first_waiting = first_waiting.or(Some(now));
            }
            if event == 0 {
                schedule.skip_backoff_once();
            }
            match schedule.next(now, view) {
                Step::Take => {
                    prop_assert!(view.waiting > 0);
                    schedule.note_drained(now);
                    first_waiting = None;
                    view = View { batched: true, ..NOTHING };
                }
                Step::Attempt => {
                    prop_assert!(view.batched && now >= shut_until);
                    if event == 1 {
                        let asked = Duration::from_millis(elapsed);
                        let give_up_at = view.give_up_at.unwrap_or(now + 3 * SECOND);
                        view.give_up_at = Some(give_up_at);
                        if now >= give_up_at {
                            view = View { waiting: view.waiting, ..NOTHING };
                        }
                        schedule.failed(now, Some(SECOND), Some(asked), view.give_up_at);
                        shut_until = now + asked;
                    } else {
                        schedule.succeeded();
                        view.batched = event == 2;
                        view.give_up_at = None;
                    }
                }
                Step::GiveUp => {
                    prop_assert!(now < shut_until);
                    prop_assert!(view.give_up_at.is_some_and(|last| last <= now));
                    view = View { waiting: view.waiting, ..NOTHING };
                }
                Step::Wait(Some(until)) => {
                    prop_assert!(until > now);
                    if let (false, Some(first)) = (view.batched, first_waiting) {
                        prop_assert!(until <= first + INTERVAL);
                    }
                }
                Step::Wait(None) => prop_assert!(!view.batched && view.waiting == 0),
                Step::Abandon | Step::End => prop_assert!(false, "nobody closed"),
                Step::Load { .. } | Step::ScanSpool => prop_assert!(false, "there is no spool"),
            }
        }
    }
}
