//! The schedule after a failure, until a success.

use super::*;

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
fn half_of_the_time_is_waited_if_that_is_enough() {
    let within = |left| delay_within(left * SECOND, 9 * SECOND, 2 * SECOND);
    assert_eq!(
        [1, 2, 3, 4, 6].map(within),
        [9, 2, 3, 2, 3].map(|left| left * SECOND)
    );
    assert_eq!(delay_within(Duration::ZERO, SECOND, Duration::ZERO), SECOND);
}
