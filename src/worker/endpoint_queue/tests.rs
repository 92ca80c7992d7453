use super::*;
use std::{num::NonZeroU32, time::Duration};

use crate::{batch::blame::Blame, record::Endpoint};

const SECOND: Duration = Duration::from_secs(1);

const LIMITS: BatchLimits = BatchLimits {
    records: 2,
    bytes: 1_000,
};

#[test]
fn records_on_disk_share_no_batch_with_records_in_memory() {
    let mut queue = EndpointQueue::new(Accounting::for_tests());
    for entry in [1, 2, 0, 0, 0, 1] {
        queue.push(Encoded {
            json: b"{}".as_slice().into(),
            endpoint: Endpoint::Events,
            spool_entry: NonZeroU32::new(entry),
        });
    }
    let limits = BatchLimits {
        records: 100,
        bytes: 1_000,
    };
    let batches = std::iter::from_fn(|| queue.take(Next::New, limits, Instant::now()));
    let sizes: Vec<_> = batches
        .map(|batch| (batch.records(), batch.is_on_disk()))
        .collect();
    assert_eq!(sizes, [(2, true), (3, false), (1, true)]);
}

/// A queue with this many records in memory.
fn queue_of(records: usize) -> EndpointQueue {
    let accounting = Accounting::for_tests();
    let mut queue = EndpointQueue::new(accounting.clone());
    for _ in 0..records {
        let record = Encoded {
            json: b"{}".as_slice().into(),
            endpoint: Endpoint::Events,
            spool_entry: None,
        };
        assert!(accounting.budget().reserve(record.cost()).is_ok());
        queue.push(record);
    }
    queue
}

fn take(queue: &mut EndpointQueue, next: Next) -> Batch {
    let batch = queue.take(next, LIMITS, Instant::now());
    batch.expect("there are records")
}

fn fail(batch: &mut Batch) {
    let (now, records) = (Instant::now(), batch.records());
    let failures = &mut batch.failures;
    Blame::default().failed(Endpoint::Events, failures, records, true, now);
}

fn no_end(_: &Batch) -> Option<Instant> {
    None
}

#[test]
fn the_oldest_record_that_is_not_settled_says_the_age() {
    let (mut queue, start) = (queue_of(3), Instant::now());
    assert_eq!(queue.oldest(), None);
    queue.note_arrival(start);
    assert_eq!(queue.oldest(), Some(start));
    let mut batch = take(&mut queue, Next::New);
    assert_eq!((queue.received(), queue.settled()), (3, 0));
    drop(batch.take_all());
    queue.put_back(batch);
    assert_eq!(queue.settled(), 2);
    drop(queue.take_all());
    assert_eq!((queue.settled(), queue.oldest()), (3, None));
}

#[test]
fn a_queue_fails_when_all_that_is_in_hand_failed_twice() {
    let mut queue = queue_of(4);
    let (mut one, mut other) = (take(&mut queue, Next::New), take(&mut queue, Next::New));
    assert!(!queue.has_work() && !queue.has_waiting());
    assert!(queue.is_failing(), "there is nothing to attempt");
    for _ in 0..2 {
        fail(&mut one);
    }
    queue.put_back(one);
    assert!(queue.is_failing() && queue.has_work());
    fail(&mut other);
    queue.put_back(other);
    assert!(!queue.is_failing(), "the other one failed once");
    let mut other = queue.take_retrying(1).expect("the other one");
    fail(&mut other);
    queue.put_back(other);
    assert!(queue.is_failing());
    queue.push(Encoded {
        json: b"{}".as_slice().into(),
        endpoint: Endpoint::Events,
        spool_entry: NonZeroU32::new(1),
    });
    assert!(!queue.is_failing() && queue.has_waiting());
}

#[test]
fn a_queue_has_room_for_one_batch() {
    assert!(queue_of(1).has_room(LIMITS));
    assert!(!queue_of(2).has_room(LIMITS));
}

#[test]
fn a_batch_rests_until_its_own_time_unless_new_records_wait() {
    let (mut queue, now) = (queue_of(2), Instant::now());
    assert_eq!(queue_of(1).resting_until(now), None);
    let mut batch = take(&mut queue, Next::New);
    batch.failures.set_retry_at(Some(now + SECOND));
    queue.put_back(batch);
    assert_eq!(queue.resting_until(now), Some(now + SECOND));
    assert_eq!(queue.resting_until(now + SECOND), None);
    assert!(queue.next(now, false, no_end).is_none());
    assert!(queue.next(now + SECOND, false, no_end).is_some());
    queue.end_rests();
    assert_eq!(queue.resting_until(now), None);
}

#[test]
fn a_batch_whose_last_chance_has_come_goes_first() {
    let (mut queue, now) = (queue_of(4), Instant::now());
    let batches = [(); 2].map(|()| take(&mut queue, Next::New));
    for mut batch in batches {
        batch.failures.set_retry_at(Some(now + SECOND));
        queue.put_back(batch);
    }
    let last_of = |start| move |batch: &Batch| (batch.start == start).then_some(now);
    let next = queue.next(now, false, last_of(2));
    assert!(matches!(next, Some(Next::Retrying(1))));
    let earlier = now - Duration::from_nanos(1);
    assert!(queue.next(earlier, false, last_of(2)).is_none());
}

#[test]
fn new_records_pass_a_batch_that_failed_twice_while_requests_fail() {
    let (mut queue, now) = (queue_of(3), Instant::now());
    let mut batch = take(&mut queue, Next::New);
    fail(&mut batch);
    queue.put_back(batch);
    let is_new = |queue: &EndpointQueue, is_failing| {
        let next = queue.next(now, is_failing, no_end);
        matches!(next, Some(Next::New))
    };
    assert!(!is_new(&queue, true));
    let mut batch = take(&mut queue, Next::Retrying(0));
    fail(&mut batch);
    queue.put_back(batch);
    assert!(is_new(&queue, true) && !is_new(&queue, false));
    drop(take(&mut queue, Next::New));
    assert!(!is_new(&queue, true), "there is no other one");
}

#[test]
fn batches_are_put_back_in_their_order() {
    let mut queue = queue_of(6);
    let [first, second, third] = [(); 3].map(|()| take(&mut queue, Next::New));
    for batch in [second, third, first] {
        queue.put_back(batch);
    }
    let starts: Vec<_> = queue.retrying().map(|batch| batch.start).collect();
    assert_eq!(starts, [0, 2, 4]);
}

#[test]
fn a_half_counts_until_it_is_put_back_with_no_record_left() {
    let mut queue = queue_of(2);
    let mut first = take(&mut queue, Next::New);
    let second = first.split_off().expect("two records");
    queue.add_half(second);
    drop(first.take_all());
    queue.put_back(first);
    assert_eq!(queue.settled(), 1);
    let mut second = take(&mut queue, Next::Retrying(0));
    drop(second.take_all());
    queue.put_back(second);
    assert_eq!(queue.settled(), 2);
}
