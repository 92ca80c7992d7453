use proptest::prelude::*;

use super::*;

const INTERVAL: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);

fn schedule() -> Schedule {
    let limits = WakeLimits {
        records: 20,
        bytes: 1_000,
        records_while_polling: 100,
    };
    Schedule::new(INTERVAL, SECOND, limits)
}

fn waiting(records: u64) -> View {
    View {
        waiting: records,
        ..NOTHING
    }
}

const IN_HAND: View = View {
    batched: true,
    ..NOTHING
};

const NOTHING: View = View {
    waiting: 0,
    waiting_bytes: 0,
    blocked: false,
    batched: false,
    resting_until: None,
    in_flight: false,
    has_slot: true,
    give_up_at: None,
    spool: None,
};

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
fn after_a_failure_nothing_is_sent_until_the_back_off_is_over() {
    let (mut schedule, start) = (schedule(), Instant::now());
    schedule.failed(start, Some(SECOND), None, Some(start + 300 * SECOND));
    assert_eq!(
        schedule.next(start, IN_HAND),
        Step::Wait(Some(start + SECOND))
    );
    assert_eq!(schedule.next(start + SECOND, IN_HAND), Step::Attempt);
}

#[test]
fn retry_after_is_a_minimum_up_to_five_minutes() {
    let (mut schedule, start) = (schedule(), Instant::now());
    let give_up_at = start + 300 * SECOND;
    schedule.failed(start, Some(SECOND), Some(5 * SECOND), Some(give_up_at));
    assert_eq!(
        schedule.next(start, IN_HAND),
        Step::Wait(Some(start + 5 * SECOND))
    );
    schedule.failed(start, Some(7 * SECOND), Some(5 * SECOND), Some(give_up_at));
    assert_eq!(
        schedule.next(start, IN_HAND),
        Step::Wait(Some(start + 7 * SECOND))
    );
    schedule.failed(start, Some(SECOND), Some(Duration::MAX), Some(give_up_at));
    assert_eq!(
        schedule.next(start, IN_HAND),
        Step::Wait(Some(start + MAX_RETRY_AFTER))
    );
}

#[test]
fn what_has_had_its_time_is_given_up_and_not_sent_against_the_servers_word() {
    let (mut schedule, start) = (schedule(), Instant::now());
    let give_up_at = Some(start + SECOND);
    let batched = View {
        give_up_at,
        ..IN_HAND
    };
    schedule.failed(start, Some(SECOND / 4), Some(60 * SECOND), give_up_at);
    assert_eq!(schedule.next(start, batched), Step::Wait(give_up_at));
    assert_eq!(schedule.next(start + SECOND, batched), Step::GiveUp);
    assert_eq!(
        schedule.next(start + SECOND, IN_HAND),
        Step::Wait(Some(start + 60 * SECOND)),
        "what came later has more time"
    );
}

#[test]
fn a_flush_cuts_our_own_back_off_short_but_not_what_the_server_asked_for() {
    let (mut schedule, start) = (schedule(), Instant::now());
    schedule.failed(start, Some(9 * SECOND), None, Some(start + 300 * SECOND));
    schedule.skip_backoff_once();
    assert_eq!(schedule.next(start, IN_HAND), Step::Attempt);

    schedule.succeeded();
    schedule.failed(
        start,
        Some(9 * SECOND),
        Some(2 * SECOND),
        Some(start + 300 * SECOND),
    );
    schedule.skip_backoff_once();
    assert_eq!(
        schedule.next(start, IN_HAND),
        Step::Wait(Some(start + 2 * SECOND))
    );
}

#[test]
fn many_flushes_make_one_attempt_for_each_delay_that_runs_its_course() {
    let (mut schedule, start) = (schedule(), Instant::now());
    let give_up_at = start + 300 * SECOND;
    let mut attempts = 0;
    schedule.failed(start, Some(8 * SECOND), None, Some(give_up_at));
    for millisecond in 0..40_000 {
        let now = start + Duration::from_millis(millisecond);
        schedule.skip_backoff_once();
        if schedule.next(now, IN_HAND) == Step::Attempt {
            attempts += 1;
            schedule.failed(now, Some(8 * SECOND), None, Some(give_up_at));
        }
    }
    assert!(
        (5..=10).contains(&attempts),
        "{attempts} attempts in 40 s with delays of 8 s"
    );
}

#[test]
fn closing_takes_what_waits_sends_it_and_ends() {
    let (mut schedule, start) = (schedule(), Instant::now());
    schedule.failed(start, Some(SECOND), None, Some(start + 300 * SECOND));
    schedule.close(start + 2 * SECOND);
    assert_eq!(schedule.next(start, waiting(1)), Step::Take);
    assert_eq!(
        schedule.next(start, IN_HAND),
        Step::Attempt,
        "one attempt is made at once"
    );
    assert_eq!(schedule.next(start, NOTHING), Step::End);
}

#[test]
fn closing_gives_up_early_when_no_attempt_is_left_in_time() {
    let (mut schedule, start) = (schedule(), Instant::now());
    let (deadline, give_up_at) = (start + 2 * SECOND, start + 300 * SECOND);
    schedule.close(deadline);
    schedule.failed(start, Some(SECOND), None, Some(give_up_at));
    assert_eq!(
        schedule.next(start, IN_HAND),
        Step::Wait(Some(start + SECOND))
    );
    schedule.failed(start, Some(SECOND), Some(3_600 * SECOND), Some(give_up_at));
    assert_eq!(schedule.next(start, IN_HAND), Step::Abandon);
}

#[test]
fn closing_ends_at_its_deadline_and_the_latest_of_several_holds() {
    let (mut schedule, start) = (schedule(), Instant::now());
    schedule.close(start + 2 * SECOND);
    schedule.close(start + SECOND);
    assert_eq!(schedule.next(start + SECOND, IN_HAND), Step::Attempt);
    assert_eq!(schedule.next(start + 2 * SECOND, IN_HAND), Step::Abandon);
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

#[test]
fn closing_waits_for_what_is_in_flight_until_its_deadline() {
    let (mut schedule, start) = (schedule(), Instant::now());
    let deadline = start + SECOND;
    schedule.close(deadline);
    schedule.failed(start, Some(9 * SECOND), None, Some(start + 300 * SECOND));
    let flying = View {
        in_flight: true,
        ..NOTHING
    };
    assert_eq!(schedule.next(start, flying), Step::Wait(Some(deadline)));
    let more = View {
        batched: true,
        ..flying
    };
    let last_attempt = Some(deadline - LAST_ATTEMPT);
    assert_eq!(schedule.next(start, more), Step::Wait(last_attempt));
    assert_eq!(schedule.next(deadline, flying), Step::Abandon);
}

#[test]
fn what_one_answer_asks_for_is_not_lifted_by_another() {
    let (mut schedule, start) = (schedule(), Instant::now());
    let give_up_at = Some(start + 300 * SECOND);
    schedule.failed(start, Some(SECOND), Some(60 * SECOND), give_up_at);
    schedule.failed(start, Some(SECOND), None, give_up_at);
    schedule.succeeded();
    assert_eq!(
        schedule.next(start + 2 * SECOND, IN_HAND),
        Step::Wait(Some(start + 60 * SECOND))
    );
}

#[test]
fn of_several_failures_in_flight_together_only_the_first_is_news() {
    let (mut schedule, start) = (schedule(), Instant::now());
    assert!(schedule.starts_backoff(start));
    schedule.failed(start + SECOND, Some(SECOND), None, None);
    assert!(!schedule.starts_backoff(start), "it was in flight already");
    assert!(schedule.starts_backoff(start + 2 * SECOND));
}

#[test]
fn records_are_taken_while_those_in_hand_wait_for_their_own_delay() {
    let (mut schedule, start) = (schedule(), Instant::now());
    let resting = |waiting| View {
        waiting,
        resting_until: Some(start + SECOND),
        ..IN_HAND
    };
    let wait = Step::Wait(Some(start + SECOND));
    assert_eq!(schedule.next(start, resting(0)), wait);
    assert_eq!(schedule.next(start, resting(19)), wait);
    assert_eq!(schedule.next(start, resting(20)), Step::Take);
    schedule.failed(start, Some(2 * SECOND), None, None);
    let shut = Step::Wait(Some(start + 2 * SECOND));
    assert_eq!(schedule.next(start, resting(20)), shut);
}

#[test]
fn more_is_loaded_while_records_in_hand_wait_for_their_own_delay() {
    let (mut schedule, start) = (schedule(), Instant::now());
    let resting = |held| View {
        batched: true,
        resting_until: Some(start + SECOND),
        ..holding(held)
    };
    let wait = Step::Wait(Some(start + SECOND));
    assert_eq!(schedule.next(start, resting(19)), wait);
    assert_eq!(schedule.next(start, resting(20)), OURS);
    schedule.failed(start, Some(2 * SECOND), None, None);
    let shut = Step::Wait(Some(start + 2 * SECOND));
    assert_eq!(schedule.next(start, resting(20)), shut);
}

/// A client that has a spool, and nothing to do.
const SPOOLING: View = View {
    spool: Some(SpoolView {
        held: 0,
        held_bytes: 0,
        is_due: false,
        has_orphans: false,
        is_all_on_disk: false,
        next_scan: None,
        full_until: None,
    }),
    ..NOTHING
};

fn holding(held: u64) -> View {
    with_spool(SpoolView {
        held,
        held_bytes: 10,
        ..SpoolView::default()
    })
}

fn with_spool(spool: SpoolView) -> View {
    View {
        spool: Some(spool),
        ..NOTHING
    }
}

const OURS: Step = Step::Load { is_due: true };
const OTHERS: Step = Step::Load { is_due: false };

#[test]
fn an_empty_spool_means_no_wake_up_at_all() {
    assert_eq!(schedule().next(Instant::now(), SPOOLING), Step::Wait(None));
}

#[test]
fn records_go_to_the_disk_before_anything_else_is_done() {
    let now = Instant::now();
    let everything = SpoolView {
        held: 500,
        held_bytes: 5_000,
        is_due: true,
        has_orphans: true,
        is_all_on_disk: true,
        next_scan: Some(now),
        full_until: None,
    };
    for (batched, in_flight) in [(false, false), (true, false), (false, true), (true, true)] {
        let view = View {
            waiting: 1,
            batched,
            in_flight,
            ..with_spool(everything)
        };
        assert_eq!(schedule().next(now, view), Step::Take);
    }
    let mut schedule = schedule();
    schedule.failed(now, Some(SECOND), Some(60 * SECOND), None);
    let view = View {
        waiting: 1,
        batched: true,
        ..SPOOLING
    };
    assert_eq!(schedule.next(now, view), Step::Take, "in a back-off too");
    schedule.close(now);
    let end = schedule.next(now, view);
    assert_eq!(end, Step::Abandon, "which stores the rest too");
}

#[test]
fn records_on_disk_wait_for_the_interval_counted_from_the_first() {
    let (mut schedule, start) = (schedule(), Instant::now());
    let due = start + INTERVAL;
    schedule.note_drained(start);
    assert_eq!(schedule.next(start, holding(1)), Step::Wait(Some(due)));
    assert_eq!(
        schedule.next(start + 9 * SECOND, holding(2)),
        Step::Wait(Some(due)),
        "those that follow do not put it off"
    );
    assert_eq!(schedule.next(due, holding(2)), OURS);
}

#[test]
fn enough_on_disk_or_bytes_or_a_flush_are_due_at_once() {
    let now = Instant::now();
    let bytes = with_spool(SpoolView {
        held: 1,
        held_bytes: 1_000,
        ..SpoolView::default()
    });
    let wanted = with_spool(SpoolView {
        held: 1,
        is_due: true,
        ..SpoolView::default()
    });
    let sealed = with_spool(SpoolView {
        is_due: true,
        ..SpoolView::default()
    });
    for view in [holding(20), holding(500), bytes, wanted, sealed] {
        assert_eq!(schedule().next(now, view), OURS);
    }
    let few = with_spool(SpoolView {
        held: 19,
        held_bytes: 999,
        ..SpoolView::default()
    });
    assert_eq!(schedule().next(now, few), Step::Wait(Some(now + INTERVAL)));
}

#[test]
fn nothing_is_loaded_or_looked_for_while_something_is_in_hand_or_in_flight() {
    let now = Instant::now();
    let everything = SpoolView {
        held: 500,
        held_bytes: 5_000,
        is_due: true,
        has_orphans: true,
        is_all_on_disk: true,
        next_scan: Some(now),
        full_until: None,
    };
    let batched = View {
        batched: true,
        ..with_spool(everything)
    };
    assert_eq!(schedule().next(now, batched), Step::Attempt);
    let in_flight = View {
        in_flight: true,
        ..with_spool(everything)
    };
    assert_eq!(schedule().next(now, in_flight), Step::Wait(None));
    let mut shut = schedule();
    shut.failed(now, Some(SECOND), None, None);
    assert_eq!(
        shut.next(now, batched),
        Step::Wait(Some(now + SECOND)),
        "what is in hand stays there for the back-off"
    );
}

#[test]
fn what_others_left_is_loaded_when_there_is_nothing_else_to_do() {
    let (mut schedule, now) = (schedule(), Instant::now());
    let found = |held| {
        with_spool(SpoolView {
            held,
            has_orphans: true,
            ..SpoolView::default()
        })
    };
    assert_eq!(schedule.next(now, found(0)), OTHERS);
    assert_eq!(schedule.next(now, found(1)), OTHERS, "ours are gathered");
    assert_eq!(schedule.next(now, found(20)), OURS);
}

#[test]
fn it_looks_around_when_it_is_time_and_not_before() {
    let (mut schedule, now) = (schedule(), Instant::now());
    let looking = |at, held, has_orphans| {
        with_spool(SpoolView {
            held,
            has_orphans,
            next_scan: Some(at),
            full_until: None,
            ..SpoolView::default()
        })
    };
    let later = now + SECOND;
    assert_eq!(
        schedule.next(now, looking(later, 0, false)),
        Step::Wait(Some(later))
    );
    assert_eq!(
        schedule.next(now, looking(later, 1, false)),
        Step::Wait(Some(later)),
        "before the records are due"
    );
    assert_eq!(
        schedule.next(later, looking(later, 0, false)),
        Step::ScanSpool
    );
    assert_eq!(
        schedule.next(later, looking(later, 0, true)),
        OTHERS,
        "what was found comes first"
    );
}

#[test]
fn closing_delivers_closed_segments_before_it_ends() {
    let (mut schedule, now) = (schedule(), Instant::now());
    schedule.close(now + SECOND);
    let sealed = with_spool(SpoolView {
        is_due: true,
        ..SpoolView::default()
    });
    assert_eq!(schedule.next(now, sealed), OURS);
}

#[test]
fn closing_without_time_leaves_on_disk_what_is_there() {
    let (mut schedule, now) = (schedule(), Instant::now());
    schedule.close(now);
    assert_eq!(schedule.next(now, holding(5)), Step::Abandon);
    let batched = View {
        batched: true,
        ..SPOOLING
    };
    assert_eq!(schedule.next(now, batched), Step::Abandon);
    assert_eq!(schedule.next(now, SPOOLING), Step::End);
}

#[test]
fn closing_leaves_on_disk_what_the_server_does_not_want_in_time() {
    let (mut schedule, now) = (schedule(), Instant::now());
    schedule.close(now + SECOND);
    schedule.failed(now, Some(SECOND), Some(60 * SECOND), None);
    assert_eq!(schedule.next(now, holding(5)), Step::Abandon);
}

#[test]
fn closing_delivers_what_is_on_disk_and_looks_for_more_until_the_deadline() {
    let (mut schedule, start) = (schedule(), Instant::now());
    schedule.close(start + SECOND);
    let found = SpoolView {
        has_orphans: true,
        ..SpoolView::default()
    };
    let full = SpoolView {
        is_due: true,
        ..found
    };
    let unknown = SpoolView {
        next_scan: Some(start),
        full_until: None,
        ..SpoolView::default()
    };
    let looked = SpoolView {
        next_scan: Some(start + 5 * SECOND),
        full_until: None,
        ..SpoolView::default()
    };
    let on_disk = |spool| View {
        spool: Some(spool),
        ..NOTHING
    };
    let load = |is_due| Step::Load { is_due };
    assert_eq!(schedule.next(start, on_disk(full)), load(true));
    assert_eq!(schedule.next(start, on_disk(found)), load(false));
    assert_eq!(schedule.next(start, on_disk(unknown)), Step::ScanSpool);
    assert_eq!(schedule.next(start, on_disk(looked)), Step::End);
    let late = start + SECOND;
    assert_eq!(schedule.next(late, on_disk(full)), Step::Abandon);
    assert_eq!(schedule.next(late, on_disk(found)), Step::End);
    assert_eq!(schedule.next(late, on_disk(unknown)), Step::End);
}

/// When attempts are made, in milliseconds, if all fail at once and the ordinary delay is this.
fn attempts(mut schedule: Schedule, start: Instant, delay: Duration) -> Vec<u128> {
    let (mut now, mut attempts) = (start, Vec::new());
    loop {
        match schedule.next(now, IN_HAND) {
            Step::Attempt => {
                attempts.push(now.duration_since(start).as_millis());
                schedule.failed(now, Some(delay), None, None);
            }
            Step::Wait(Some(until)) if until < start + 20 * SECOND => now = until,
            _ => return attempts,
        }
    }
}

#[test]
fn closing_uses_its_time_up_to_a_last_attempt_before_the_deadline() {
    let now = Instant::now();
    let closing = |time: Duration| {
        let mut schedule = schedule();
        schedule.close(now + time + LAST_ATTEMPT);
        attempts(schedule, now, 60 * SECOND)
    };
    assert_eq!(closing(10 * SECOND), [0, 5_000, 7_500, 8_750, 10_000]);
    assert_eq!(closing(SECOND / 2), [0, 500], "shorter than a first delay");
    assert_eq!(closing(Duration::ZERO), [0]);
}

#[test]
fn a_flush_uses_its_time_but_retries_no_faster_than_a_first_delay() {
    let now = Instant::now();
    let flushing = |time: Duration, delay| {
        let mut schedule = schedule();
        schedule.set_flush_deadline(now, Some(now + time + LAST_ATTEMPT));
        let mut attempts = attempts(schedule, now, delay);
        attempts.retain(|at| *at <= (time + LAST_ATTEMPT).as_millis());
        attempts
    };
    assert_eq!(
        flushing(10 * SECOND, 60 * SECOND),
        [0, 5_000, 7_500, 8_750, 10_000]
    );
    assert_eq!(flushing(4 * SECOND, SECOND)[..3], [0, 1_000, 2_000]);
    assert_eq!(flushing(SECOND / 2, 60 * SECOND), [0]);
}

#[test]
fn a_flush_shortens_a_back_off_that_has_begun() {
    let (mut schedule, start) = (schedule(), Instant::now());
    schedule.failed(start, Some(60 * SECOND), None, None);
    let deadline = start + 8 * SECOND + LAST_ATTEMPT;
    for at in [start, start + SECOND] {
        schedule.set_flush_deadline(at, Some(deadline));
        assert_eq!(
            schedule.next(at, IN_HAND),
            Step::Wait(Some(start + 4 * SECOND))
        );
    }
}

#[test]
fn closing_ends_after_a_failed_attempt_if_all_records_are_on_disk() {
    let now = Instant::now();
    for is_all_on_disk in [true, false] {
        let mut schedule = schedule();
        schedule.failed(now, Some(SECOND), None, None);
        schedule.close(now + 10 * SECOND);
        let view = View {
            batched: true,
            ..with_spool(SpoolView {
                is_all_on_disk,
                ..SpoolView::default()
            })
        };
        assert_eq!(schedule.next(now, view), Step::Attempt);
        schedule.failed(now, Some(SECOND), None, None);
        let step = schedule.next(now, view);
        assert_eq!(step == Step::Abandon, is_all_on_disk, "{step:?}");
    }
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

#[test]
fn with_a_spool_every_other_step_is_not_to_take() {
    let (mut schedule, now) = (schedule(), Instant::now());
    let flood = View {
        batched: true,
        spool: Some(SpoolView::default()),
        ..waiting(1_000)
    };
    let steps: Vec<_> = (0..4).map(|_| schedule.next(now, flood)).collect();
    assert_eq!(
        steps,
        [Step::Take, Step::Attempt, Step::Take, Step::Attempt]
    );
    let busy = View {
        has_slot: false,
        ..flood
    };
    let steps: Vec<_> = (0..3).map(|_| schedule.next(now, busy)).collect();
    assert_eq!(
        steps,
        [Step::Take, Step::Take, Step::Take],
        "nothing else to do"
    );
}

#[test]
fn a_full_spool_that_keeps_its_records_is_not_offered_more_of_them() {
    let (mut schedule, now) = (schedule(), Instant::now());
    let full = View {
        in_flight: true,
        spool: Some(SpoolView {
            full_until: Some(now + SECOND),
            ..SpoolView::default()
        }),
        ..waiting(10)
    };
    assert_eq!(schedule.next(now, full), Step::Wait(Some(now + SECOND)));
    assert_eq!(schedule.next(now + SECOND, full), Step::Take);
    schedule.close(now + 9 * SECOND);
    schedule.next(now, full);
    assert_eq!(schedule.next(now, full), Step::Take, "it closes");
}
