//! The schedule of a client that closes.

use super::*;

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
        read_again_at: None,
        ..SpoolView::default()
    };
    let looked = SpoolView {
        next_scan: Some(start + 5 * SECOND),
        full_until: None,
        read_again_at: None,
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
