//! A batch that failed: its retries and its halves.

use super::*;

#[test]
fn a_batch_is_attempted_once_more_at_its_last_chance_and_then_given_up() {
    let start = Instant::now();
    let mut batch = batch_of(2);
    let mut attempt = |at: u64| {
        let now = start + Duration::from_secs(at);
        let settled = batch.apply(Verdict::NO_ANSWER, now, GIVE_UP_AFTER);
        (dropped(settled), batch.give_up_at(GIVE_UP_AFTER))
    };
    for at in [0, 100, 299] {
        assert_eq!(attempt(at), (None, Some(start + GIVE_UP_AFTER)));
    }
    assert_eq!(attempt(300), (Some((DropReason::GaveUp, 2)), None));
}

#[test]
fn without_time_for_retries_one_attempt_is_all() {
    let mut batch = batch_of(1);
    let settled = batch.apply(Verdict::NO_ANSWER, Instant::now(), Duration::ZERO);
    assert_eq!(dropped(settled), Some((DropReason::GaveUp, 1)));
    assert_eq!(batch.give_up_at(Duration::ZERO), None);
}

#[test]
fn an_answer_gives_a_batch_all_its_time_again() {
    let start = Instant::now();
    let minute = Duration::from_secs(60);
    let mut batch = batch_of(4);
    batch.apply(Verdict::NO_ANSWER, start, GIVE_UP_AFTER);
    let invalid = Verdict::Invalid {
        bad: Vec::new(),
        refusal: refusal(422),
    };
    batch.apply(invalid, start + minute, GIVE_UP_AFTER);
    let settled = batch.apply(Verdict::NO_ANSWER, start + 6 * minute, GIVE_UP_AFTER);
    assert_eq!(dropped(settled), None);
}

#[test]
fn records_on_disk_that_are_too_old_take_no_others_with_them() {
    let stored = (0..4).map(|id| Encoded {
        spool_entry: std::num::NonZeroU32::new(1),
        ..record(id)
    });
    let now = Instant::now();
    let mut batch = Batch::new(Endpoint::Events, 0, unsettled(stored), now);
    let too_large = Verdict::TooLarge {
        refusal: refusal(413),
    };
    batch.apply(too_large, now, Duration::MAX);
    // The first two are too old.
    let settled = batch.apply(Verdict::NO_ANSWER, now, Duration::ZERO);
    assert_eq!(dropped(settled), Some((DropReason::GaveUp, 2)));
    assert_eq!(batch.front().map(ids), Some(vec![2, 3]));
    let settled = batch.give_up();
    assert_eq!(dropped(settled), Some((DropReason::GaveUp, 2)));
    assert!(batch.front().is_none());
}

#[test]
fn a_large_body_that_is_not_sent_in_time_is_halved() {
    let mut batch = batch_of(5);
    assert!(!batch.halve_if_cut_off(SMALL_BODY, BodySent::TimedOut));
    assert!(!batch.halve_if_cut_off(100_000, BodySent::Unknown));
    assert!(batch.halve_if_cut_off(100_000, BodySent::TimedOut));
    assert_eq!(batch.front().map(ids), Some(vec![0, 1, 2]));
}

#[test]
fn two_records_that_are_not_sent_in_time_are_halved() {
    let mut batch = batch_of(2);
    assert!(batch.halve_if_cut_off(SMALL_BODY + 1, BodySent::TimedOut));
    assert_eq!(batch.front().map(ids), Some(vec![0]));
}

#[test]
fn the_second_half_of_the_next_records_can_go_its_own_way() {
    let start = Instant::now();
    let mut batch = batch_of(5);
    batch.apply(Verdict::NO_ANSWER, start, GIVE_UP_AFTER);
    let half = batch.split_off().expect("several records");
    assert_eq!(batch.front().map(ids), Some(vec![0, 1, 2]));
    assert_eq!(half.front().map(ids), Some(vec![3, 4]));
    let give_up_at = Some(start + GIVE_UP_AFTER);
    assert_eq!(half.give_up_at(GIVE_UP_AFTER), give_up_at);
    assert!(batch_of(1).split_off().is_none());
    batch.take_all();
    assert!(batch.split_off().is_none());
}

#[test]
fn parts_behind_a_record_that_is_alone_can_go_their_own_way() {
    let mut batch = batch_of(5);
    for _ in 0..3 {
        let verdict = Verdict::TooLarge {
            refusal: refusal(413),
        };
        batch.apply(verdict, Instant::now(), GIVE_UP_AFTER);
    }
    assert_eq!(batch.front().map(ids), Some(vec![0]));
    let rest = batch.split_off().expect("other parts");
    assert_eq!(batch.front().map(ids), Some(vec![0]));
    assert_eq!(rest.front().map(ids), Some(vec![1]));
    assert!(batch.split_off().is_none());
}

#[test]
fn two_lost_connections_in_a_row_halve_a_large_body() {
    let mut batch = batch_of(5);
    for (body, halves) in [
        (BodySent::Lost, false),
        (BodySent::Whole, false),
        (BodySent::Lost, false),
        (BodySent::Lost, true),
        (BodySent::Lost, false),
    ] {
        assert_eq!(batch.halve_if_cut_off(100_000, body), halves);
    }
    let mut single = batch_of(1);
    assert!(!single.halve_if_cut_off(100_000, BodySent::TimedOut));
    assert_eq!(single.front().map(ids), Some(vec![0]));
}

#[test]
fn the_same_part_is_tried_again_after_a_wait() {
    let mut batch = batch_of(3);
    let later = Verdict::Later {
        after: Some(Duration::from_secs(5)),
        refusal: Some(refusal(429)),
        body: BodySent::Whole,
    };
    let settled = batch.apply(later, Instant::now(), GIVE_UP_AFTER);
    assert_eq!(dropped(settled), None);
    assert_eq!(batch.front().map(ids), Some(vec![0, 1, 2]));
}

#[test]
fn the_records_of_a_batch_are_suspects_once_it_is_split_no_further() {
    let suspects = |batch: &mut Batch| batch.suspects().count();
    let mut batch = batch_of(1);
    assert_eq!(suspects(&mut batch), 0, "it was not blamed");

    let mut batch = batch_of(4);
    let mut half = batch.split_off().expect("four records");
    assert_eq!(suspects(&mut half), 0, "it has two records");
    let mut last = half.split_off().expect("two records");
    assert_eq!((suspects(&mut half), suspects(&mut last)), (1, 1));

    let mut batch = batch_of(100);
    let halves: Vec<_> = std::iter::from_fn(|| batch.split_off()).collect();
    assert_eq!((batch.records(), halves.len()), (1, 7));
    let mut whole = batch_of(1 << 17);
    let halves: Vec<_> = std::iter::from_fn(|| whole.split_off()).collect();
    assert_eq!((whole.records(), halves.len()), (2, 16));
    assert_eq!(suspects(&mut whole), 2, "the splits are used up");
}
