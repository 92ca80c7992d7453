//! The schedule of records on disk.

use super::*;

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
        is_loaded: false,
        stores_only: false,
        is_all_on_disk: true,
        next_scan: Some(now),
        full_until: None,
        read_again_at: None,
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
fn nothing_is_loaded_while_too_many_loaded_records_are_unsettled() {
    let now = Instant::now();
    let spool = |is_loaded| SpoolView {
        held: 500,
        is_due: true,
        has_orphans: true,
        is_loaded,
        ..SpoolView::default()
    };
    // What is in hand rests.
    let until = Some(now + SECOND);
    let view = |is_loaded| View {
        batched: true,
        resting_until: until,
        ..with_spool(spool(is_loaded))
    };
    let load = Step::Load { is_due: true };
    assert_eq!(schedule().next(now, view(false)), load);
    assert_eq!(schedule().next(now, view(true)), Step::Wait(until));
}

#[test]
fn nothing_is_loaded_or_looked_for_while_something_is_in_hand_or_in_flight() {
    let now = Instant::now();
    let everything = SpoolView {
        held: 500,
        held_bytes: 5_000,
        is_due: true,
        has_orphans: true,
        is_loaded: false,
        stores_only: false,
        is_all_on_disk: true,
        next_scan: Some(now),
        full_until: None,
        read_again_at: None,
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
            is_loaded: false,
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
            read_again_at: None,
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

#[test]
fn records_that_could_not_be_read_are_read_again_when_it_is_time() {
    let now = Instant::now();
    let again_at = |at| SpoolView {
        read_again_at: Some(at),
        ..SpoolView::default()
    };
    let step = schedule().next(now, with_spool(again_at(now)));
    assert_eq!(step, OURS);
    let later = now + SECOND;
    let step = schedule().next(now, with_spool(again_at(later)));
    assert_eq!(step, Step::Wait(Some(later)));
}
