use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use super::*;
use crate::record::Endpoint;

/// Longer than anything here takes; a test that reaches it has failed.
const LONG: Duration = Duration::from_secs(30);

/// What sizes are counted in here: more than what each record costs beside its JSON.
const UNIT: usize = 100;

fn record(units: usize) -> Encoded {
    Encoded {
        json: vec![b'x'; units * UNIT - RECORD_OVERHEAD].into(),
        endpoint: Endpoint::Events,
        spool_entry: None,
    }
}

fn queue(records: usize, units: usize) -> (Arc<Queue>, Receiver<Encoded>) {
    let bytes = units.saturating_mul(UNIT);
    let accounting = Arc::new(Accounting::new(
        std::num::NonZeroU32::MIN,
        Budget::new(records, bytes),
        None,
    ));
    let limits = WakeLimits {
        records: 3,
        bytes: 500 * UNIT,
        records_while_polling: 5,
    };
    let (queue, receiver) = Queue::new(limits, bytes, accounting);
    (Arc::new(queue), receiver)
}

fn is_woken(pushed: Result<Wake, Rejected>) -> bool {
    pushed.unwrap_or_else(|_| panic!("there is room")) == Wake::Needed
}

#[test]
fn the_worker_is_woken_for_the_first_record_and_for_a_full_batch_and_not_for_others() {
    let (queue, _receiver) = queue(10, 5_000);
    let woken: Vec<_> = (0..5).map(|_| is_woken(queue.push(record(10)))).collect();
    assert_eq!(woken, [true, false, true, false, false]);
    assert_eq!(queue.set_taken(5, 0, false), 0);
    assert!(
        is_woken(queue.push(record(10))),
        "the next one is a first one again"
    );
}

#[test]
fn a_worker_that_looks_by_itself_is_woken_for_a_whole_request_alone() {
    let (queue, _receiver) = queue(10, 5_000);
    queue.set_taken(0, 0, true);
    let woken: Vec<_> = (0..6).map(|_| is_woken(queue.push(record(10)))).collect();
    assert_eq!(woken, [false, false, false, false, true, false]);
    assert_eq!(queue.set_taken(6, 0, true), 0);
    assert!(!is_woken(queue.push(record(10))));
    assert_eq!(
        queue.set_taken(6, 0, false),
        1,
        "it sees what nobody woke it for"
    );
    assert!(!is_woken(queue.push(record(10))));
    assert!(is_woken(queue.push(record(10))), "a full batch");
}

#[test]
fn the_worker_is_woken_when_the_bytes_of_a_batch_are_reached() {
    let (queue, _receiver) = queue(10, 5_000);
    let woken: Vec<_> = [300, 250, 10]
        .map(|size| is_woken(queue.push(record(size))))
        .into();
    assert_eq!(woken, [true, true, true], "first, bytes, records");
    assert!(!is_woken(queue.push(record(600))), "it is awake");
    // The worker has them in hand: what waits behind them counts alone.
    queue.set_taken(4, 1_160 * UNIT, false);
    let woken: Vec<_> = [400, 90, 10]
        .map(|size| is_woken(queue.push(record(size))))
        .into();
    assert_eq!(woken, [true, false, true], "first, none, bytes");
}

#[test]
fn the_worker_is_woken_once_when_a_record_fills_the_bytes_exactly() {
    let (queue, _receiver) = queue(10, 5_000);
    let woken = [1, 499, 1].map(|size| is_woken(queue.push(record(size))));
    assert_eq!(woken, [true, true, true], "first, bytes, records");
    queue.set_taken(3, 501 * UNIT, false);
    let woken = [500, 1].map(|size| is_woken(queue.push(record(size))));
    assert_eq!(woken, [true, false], "first, none");
}

#[test]
fn the_bytes_that_wait_are_those_that_the_worker_has_not_taken() {
    let (queue, _receiver) = queue(10, 5_000);
    assert!(queue.push(record(3)).is_ok() && queue.push(record(4)).is_ok());
    assert_eq!(queue.waiting_bytes(), 7 * UNIT);
    assert_eq!(queue.set_taken(1, 3 * UNIT, false), 1);
    assert_eq!(queue.waiting_bytes(), 4 * UNIT);
    assert!(!queue.has_blocked());
}

#[test]
fn a_caller_that_comes_later_waits_although_its_record_fits() {
    let (queue, receiver) = queue(100, 1_000);
    assert!(queue.push(record(500)).is_ok());
    let (waiting, is_waiting) = mpsc::channel();
    thread::scope(|scope| {
        for size in [600, 1] {
            let (queue, waiting) = (&queue, waiting.clone());
            scope.spawn(move || {
                let wake = || waiting.send(()).expect("the test listens");
                assert!(queue.push_or_wait(record(size), || false, wake).is_ok());
            });
            is_waiting.recv_timeout(LONG).expect("the caller waits");
        }
        queue.budget().release(1, 500 * UNIT);
    });
    assert_eq!(receiver.len(), 3);
}

#[test]
fn the_bounds_hold_exactly_and_a_record_that_does_not_fit_leaves_no_trace() {
    let (queue, _receiver) = queue(2, 200);
    assert!(queue.push(record(90)).is_ok());
    assert!(matches!(queue.push(record(111)), Err(Rejected::Full(_))));
    assert!(queue.push(record(110)).is_ok());
    assert!(
        matches!(queue.push(record(1)), Err(Rejected::Full(_))),
        "it is full in bytes"
    );
    queue.budget().release(1, 110 * UNIT);
    assert!(queue.push(record(1)).is_ok());
    assert!(
        matches!(queue.push(record(1)), Err(Rejected::Full(_))),
        "two records are all"
    );
    assert_eq!(
        (
            queue.budget().records(),
            queue.budget().bytes(),
            queue.budget().accepted()
        ),
        (2, 91 * UNIT, 3)
    );
    queue.budget().release(2, 91 * UNIT);
    assert_eq!((queue.budget().records(), queue.budget().bytes()), (0, 0));
}

#[test]
fn bounds_that_cannot_be_counted_are_none() {
    let (queue, _receiver) = queue(usize::MAX, usize::MAX);
    assert!(queue.push(record(1_000)).is_ok());
    assert_eq!(
        (queue.budget().records(), queue.budget().bytes()),
        (1, 1_000 * UNIT)
    );
}

#[test]
fn a_closed_queue_says_that_it_is_closed_even_when_it_is_full() {
    let (queue, _receiver) = queue(1, 100);
    assert!(queue.push(record(1)).is_ok());
    queue.close();
    queue.close();
    assert!(matches!(queue.push(record(1)), Err(Rejected::Closed(_))));
    assert!(matches!(
        queue.push_or_wait(record(1), || false, || ()),
        Err(Rejected::Closed(_))
    ));
    assert_eq!(
        (queue.budget().accepted(), queue.budget().records()),
        (1, 1)
    );
}

#[test]
fn a_caller_that_waits_is_let_go_when_the_queue_is_closed_and_stays_full() {
    let (queue, _receiver) = queue(1, 100);
    assert!(queue.push(record(1)).is_ok());
    let (waiting, is_waiting) = mpsc::channel();
    let caller = thread::spawn({
        let queue = queue.clone();
        move || {
            queue
                .push_or_wait(
                    record(1),
                    || false,
                    || waiting.send(()).expect("the test listens"),
                )
                .is_err()
        }
    });
    is_waiting.recv_timeout(LONG).expect("the caller waits");
    assert!(queue.has_blocked());
    queue.close();
    assert!(caller.join().expect("no panic"));
}

#[test]
fn those_who_wait_are_served_in_their_turn_and_small_ones_do_not_pass_a_large_one() {
    let (queue, receiver) = queue(100, 1_000);
    for _ in 0..10 {
        assert!(queue.push(record(100)).is_ok());
    }
    let (waiting, is_waiting) = mpsc::channel();
    let callers: Vec<_> = [900, 1, 2, 3]
        .into_iter()
        .map(|size| {
            let (queue, waiting) = (queue.clone(), waiting.clone());
            let caller = thread::spawn(move || {
                let pushed = queue.push_or_wait(
                    record(size),
                    || false,
                    || waiting.send(()).expect("the test listens"),
                );
                assert!(pushed.is_ok());
            });
            is_waiting.recv_timeout(LONG).expect("the caller waits");
            caller
        })
        .collect();
    for _ in 0..8 {
        queue.budget().release(1, 100 * UNIT);
    }
    assert_eq!(
        queue.budget().records(),
        2,
        "there is room for the small ones, but it is not their turn"
    );
    for _ in 0..2 {
        queue.budget().release(1, 100 * UNIT);
    }
    for caller in callers {
        caller.join().expect("no panic");
    }
    let mut units: Vec<_> = receiver
        .try_iter()
        .skip(10)
        .map(|record| record.cost() / UNIT)
        .collect();
    units.sort_unstable();
    assert_eq!(units, [1, 2, 3, 900]);
}

#[test]
fn callers_that_wait_and_callers_that_try_share_the_room_and_none_is_forgotten() {
    const EACH: usize = 20_000;
    let (queue, receiver) = queue(100, 1_000);
    let mut callers = Vec::new();
    for size in [600, 10] {
        let queue = queue.clone();
        callers.push(thread::spawn(move || {
            for _ in 0..EACH {
                assert!(queue.push_or_wait(record(size), || false, || ()).is_ok());
            }
        }));
    }
    let trier = thread::spawn({
        let queue = queue.clone();
        move || {
            while queue.refusal().is_none() {
                // Never fits beside the others for long.
                let _ = queue.push(record(900));
            }
        }
    });
    let mut found = 0;
    while found < 2 * EACH {
        let record = receiver.recv_timeout(LONG).expect("a caller goes on");
        found += usize::from(record.cost() != 900 * UNIT);
        queue.budget().release(1, record.cost());
    }
    queue.close();
    for caller in callers.into_iter().chain([trier]) {
        caller.join().expect("no panic");
    }
}

#[test]
fn counts_of_records_go_on_when_the_bits_that_hold_them_start_again() {
    let budget = Budget::new(10, 1_000);
    let near_the_end = (1_u64 << 27) - 2;
    budget.accept_for_tests(near_the_end);
    let tickets: Vec<_> = (0..4)
        .map(|_| budget.reserve(10).expect("there is room").ticket)
        .collect();
    let ahead: Vec<_> = tickets
        .iter()
        .map(|ticket| Budget::distance(ticket + 1, near_the_end))
        .collect();
    assert_eq!(ahead, [1, 2, 3, 4]);
    assert_eq!(
        Budget::distance(near_the_end, near_the_end + 3),
        0,
        "behind"
    );
    assert_eq!((budget.records(), budget.bytes()), (4, 40));
    assert_eq!(budget.accepted(), near_the_end + 4);
    assert_eq!(budget.refusal(), None);
    budget.close();
    budget.undo(10);
    budget.release(3, 30);
    assert_eq!((budget.records(), budget.bytes()), (0, 0));
    assert_eq!(budget.accepted(), near_the_end + 3);
    let refusal = budget.refusal();
    assert_eq!(
        refusal,
        Some(NoBudget::Closed),
        "neither the count nor an undo opens it"
    );
}

#[test]
fn a_ticket_is_ahead_by_up_to_half_of_what_can_be_counted() {
    const HALF: u64 = 1 << 26;
    assert_eq!(Budget::distance(HALF - 1, 0), HALF - 1);
    assert_eq!(Budget::distance(HALF, 0), 0);
}

#[test]
fn a_paused_queue_refuses_records_and_callers_that_wait() {
    let (queue, receiver) = queue(1, 100);
    assert!(queue.push(record(10)).is_ok());
    let (waits, is_waiting) = mpsc::channel();
    let caller = thread::spawn({
        let queue = queue.clone();
        move || queue.push_or_wait(record(10), || false, || waits.send(()).expect("a test"))
    });
    is_waiting.recv_timeout(LONG).expect("the caller waits");
    queue.pause();
    let refused = caller.join().expect("no panic");
    assert!(matches!(refused, Err(Rejected::Paused)));
    assert!(matches!(queue.push(record(10)), Err(Rejected::Paused)));
    queue.budget().release(1, 1_000);
    assert!(matches!(queue.push(record(10)), Err(Rejected::Paused)));
    queue.resume();
    assert!(queue.push(record(10)).is_ok());
    assert_eq!(receiver.len(), 2);
    queue.pause();
    queue.close();
    assert!(matches!(queue.push(record(1)), Err(Rejected::Closed(_))));
}
