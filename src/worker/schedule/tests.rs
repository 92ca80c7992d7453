use super::*;

mod back_off;
mod closing;
mod due;
mod spooled;
mod stored;

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

/// A client that has a spool, and nothing to do.
const SPOOLING: View = View {
    spool: Some(SpoolView {
        held: 0,
        held_bytes: 0,
        is_due: false,
        has_orphans: false,
        is_loaded: false,
        stores_only: false,
        is_all_on_disk: false,
        next_scan: None,
        full_until: None,
        read_again_at: None,
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
