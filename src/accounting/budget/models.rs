//! Models of callers that wait for room.

use super::*;
use crate::sync::{
    channel::{Receiver, Sender, unbounded},
    model::check,
};

/// A budget that this many bytes fill.
fn full_budget(bytes: usize) -> Arc<Budget> {
    let budget = Budget::new(10, bytes);
    assert!(budget.reserve(bytes).is_ok());
    Arc::new(budget)
}

/// A thread that reserves room, and says when it waits.
struct Caller {
    thread: thread::JoinHandle<Result<Reservation, NoBudget>>,
    waits: Receiver<()>,
}

impl Caller {
    fn of(budget: &Arc<Budget>, bytes: usize) -> Self {
        let (waiting, waits): (Sender<()>, _) = unbounded();
        let budget = budget.clone();
        let wake = move || waiting.send(()).expect("the model listens");
        Self {
            thread: thread::spawn(move || budget.reserve_or_wait(bytes, || false, wake)),
            waits,
        }
    }

    /// Returns when the caller waits for room.
    fn await_wait(&self) {
        self.waits.recv().expect("the caller waits");
    }

    fn join(self) -> Result<Reservation, NoBudget> {
        self.thread.join().expect("no panic")
    }
}

fn ticket(reserved: Result<Reservation, NoBudget>) -> u64 {
    reserved.expect("there is room").ticket
}

#[test]
fn a_caller_that_begins_to_wait_gets_the_room_released_meanwhile() {
    check("a release beside the begin of a wait", None, || {
        let budget = full_budget(1);
        let caller = Caller::of(&budget, 1);
        budget.release(1, 1);
        assert_eq!(ticket(caller.join()), 1);
        assert_eq!((budget.records(), budget.bytes()), (1, 1));
        assert!(!budget.has_blocked());
    });
}

#[test]
fn two_callers_that_wait_both_get_room() {
    check("two releases beside two callers", Some(3), || {
        let budget = full_budget(2);
        let callers = [Caller::of(&budget, 1), Caller::of(&budget, 1)];
        budget.release(0, 1);
        budget.release(1, 1);
        let mut tickets = callers.map(|caller| ticket(caller.join()));
        tickets.sort_unstable();
        assert_eq!(tickets, [1, 2]);
        assert_eq!((budget.records(), budget.bytes()), (2, 2));
        assert!(!budget.has_blocked());
    });
}

#[test]
fn a_small_record_does_not_pass_a_large_one_that_waits() {
    check("a small record behind a large one", Some(3), || {
        let budget = full_budget(2);
        let large = Caller::of(&budget, 2);
        large.await_wait();
        let small = Caller::of(&budget, 1);
        budget.release(0, 1);
        budget.release(1, 1);
        assert_eq!(ticket(large.join()), 1);
        budget.release(1, 2);
        assert_eq!(ticket(small.join()), 2);
    });
}

#[test]
fn callers_get_room_in_the_order_in_which_they_came() {
    check("two callers, one after the other", Some(3), || {
        let budget = full_budget(2);
        let first = Caller::of(&budget, 1);
        first.await_wait();
        let second = Caller::of(&budget, 1);
        budget.release(1, 2);
        let tickets = [first, second].map(|caller| ticket(caller.join()));
        assert_eq!(tickets, [1, 2]);
    });
}

#[test]
fn a_close_refuses_each_caller_that_waits_or_comes() {
    check("a close beside two callers", Some(3), || {
        let budget = full_budget(1);
        let callers = [Caller::of(&budget, 1), Caller::of(&budget, 1)];
        budget.close();
        budget.release(1, 1);
        for caller in callers {
            assert_eq!(caller.join(), Err(NoBudget::Closed));
        }
        assert_eq!((budget.records(), budget.bytes()), (0, 0));
        assert!(!budget.has_blocked());
    });
}

#[test]
fn a_close_beside_a_release_leaves_no_caller_waiting() {
    check("a close beside a release and a caller", Some(3), || {
        let budget = full_budget(1);
        let caller = Caller::of(&budget, 1);
        let closing = budget.clone();
        let close = thread::spawn(move || closing.close());
        budget.release(1, 1);
        close.join().expect("no panic");
        let records = match caller.join() {
            Ok(reservation) => reservation.ticket,
            Err(refusal) => {
                assert_eq!(refusal, NoBudget::Closed);
                0
            }
        };
        assert_eq!(budget.records(), records, "an accepted record is counted");
        assert!(!budget.has_blocked());
    });
}

#[test]
fn a_pause_refuses_each_caller_that_waits() {
    check("a pause and its end beside a caller", None, || {
        let budget = full_budget(1);
        let caller = Caller::of(&budget, 1);
        budget.pause();
        budget.resume();
        // Without a release, a caller that came after the pause still waits.
        budget.release(1, 1);
        match caller.join() {
            Ok(reservation) => assert_eq!(reservation.ticket, 1),
            Err(refusal) => assert_eq!(refusal, NoBudget::Paused),
        }
        assert!(!budget.has_blocked());
    });
}

#[test]
fn a_record_that_is_taken_back_makes_room_for_a_caller_that_waits() {
    check("a reservation taken back beside a caller", None, || {
        let budget = full_budget(1);
        let caller = Caller::of(&budget, 1);
        budget.undo(1);
        assert_eq!(ticket(caller.join()), 0);
        assert_eq!((budget.records(), budget.bytes()), (1, 1));
    });
}

#[test]
fn callers_never_reserve_more_than_there_is() {
    check("three callers and room for two", Some(3), || {
        let budget = Arc::new(Budget::new(2, 10));
        let others = [(); 2].map(|()| {
            let budget = budget.clone();
            thread::spawn(move || budget.reserve(1).is_ok())
        });
        let own = budget.reserve(1).is_ok();
        let accepted = others.map(|other| other.join().expect("no panic"));
        let accepted = accepted.into_iter().filter(|is_ok| *is_ok).count() + usize::from(own);
        assert_eq!(accepted, 2);
        assert_eq!((budget.records(), budget.bytes()), (2, 2));
    });
}
