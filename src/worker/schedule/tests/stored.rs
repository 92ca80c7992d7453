//! A client that stores records and leaves the delivery to another process.

use super::*;

fn storing(spool: SpoolView) -> View {
    with_spool(SpoolView {
        stores_only: true,
        ..spool
    })
}

/// There is everything that another client would work on.
fn everything(now: Instant) -> SpoolView {
    SpoolView {
        held: 500,
        held_bytes: 5_000,
        is_due: true,
        has_orphans: true,
        is_all_on_disk: true,
        next_scan: Some(now),
        read_again_at: Some(now),
        ..SpoolView::default()
    }
}

#[test]
fn a_client_that_only_stores_loads_and_scans_nothing() {
    let now = Instant::now();
    let view = storing(everything(now));
    assert_eq!(schedule().next(now, view), Step::Wait(None));
    let waiting = View { waiting: 1, ..view };
    assert_eq!(schedule().next(now, waiting), Step::Take);
}

#[test]
fn a_client_that_only_stores_ends_once_all_records_are_taken() {
    let now = Instant::now();
    let mut schedule = schedule();
    schedule.close(now + INTERVAL);
    let view = storing(everything(now));
    let waiting = View { waiting: 1, ..view };
    assert_eq!(schedule.next(now, waiting), Step::Take);
    assert_eq!(schedule.next(now, view), Step::Abandon);
}

#[test]
fn a_disk_that_failed_is_offered_the_records_each_interval() {
    let now = Instant::now();
    let view = storing(SpoolView {
        held: 1_000,
        is_all_on_disk: false,
        ..SpoolView::default()
    });
    let mut schedule = schedule();
    assert_eq!(schedule.next(now, view), Step::Wait(Some(now + INTERVAL)));
    let due = now + INTERVAL;
    assert_eq!(schedule.next(due, view), Step::Load { is_due: true });
    assert_eq!(schedule.next(due, view), Step::Wait(Some(due + INTERVAL)));
}

#[test]
fn a_disk_that_failed_is_offered_the_records_while_a_flush_waits() {
    let now = Instant::now();
    let view = storing(SpoolView {
        held: 1_000,
        is_all_on_disk: false,
        ..SpoolView::default()
    });
    let mut schedule = schedule();
    let deadline = now + INTERVAL / 2;
    schedule.set_flush_deadline(now, Some(deadline));
    let (mut now, mut offers) = (now, Vec::new());
    while now < deadline {
        match schedule.next(now, view) {
            Step::Load { is_due: true } => offers.push(now),
            Step::Wait(Some(until)) => now = until,
            step => panic!("{step:?}"),
        }
    }
    assert!((2..20).contains(&offers.len()), "{offers:?}");
    assert_eq!(offers.last(), Some(&(deadline - LAST_ATTEMPT)));
}
