//! A batch that was refused: which of its records are dropped, and how many requests that takes.

use proptest::prelude::*;

use super::*;

#[test]
fn one_bad_record_of_a_hundred_costs_itself_and_two_requests_when_it_is_named() {
    for bad in 0..100 {
        let judged = deliver(100, refuses(&[bad], true));
        assert_eq!(
            (judged.requests, judged.delivered.len(), judged.dropped),
            (2, 99, vec![bad])
        );
    }
}

#[test]
fn one_bad_record_of_a_hundred_costs_itself_and_at_most_sixteen_requests_when_it_is_not_named() {
    for bad in 0..100 {
        let judged = deliver(100, refuses(&[bad], false));
        assert_eq!((judged.delivered.len(), &judged.dropped), (99, &vec![bad]));
        assert!(judged.requests <= 16, "{} requests", judged.requests);
    }
}

#[test]
fn a_hundred_bad_records_of_a_hundred_stay_within_the_budget() {
    let all: Vec<_> = (0..100).collect();
    let judged = deliver(100, refuses(&all, false));
    assert_eq!(judged.dropped.len(), 100);
    assert!(
        judged.requests <= 1 + 2 * MAX_FRUITLESS_SPLITS as usize,
        "{} requests",
        judged.requests
    );
    assert_eq!(deliver(100, refuses(&all, true)).requests, 1);
}

#[test]
fn twelve_bad_records_that_lie_far_apart_are_all_found_and_no_good_one_is_dropped() {
    let bad: Vec<_> = (0..12).map(|index| index * 8 + 5).collect();
    let judged = deliver(100, refuses(&bad, false));
    assert_eq!(judged.dropped, bad);
}

#[test]
fn no_mix_of_good_and_bad_records_goes_beyond_the_budget() {
    for step in 1..50 {
        let bad: Vec<_> = (0..100).filter(|id| id % step == 0).collect();
        let judged = deliver(100, refuses(&bad, false));
        assert_eq!(judged.delivered.len() + judged.dropped.len(), 100);
        assert!(judged.requests <= 199, "{} requests", judged.requests);
    }
}

#[test]
fn a_server_that_names_records_that_do_not_exist_is_not_believed() {
    let server = |ids: &[usize]| match ids {
        [7] => Verdict::Invalid {
            bad: vec![99],
            refusal: refusal(422),
        },
        ids if ids.contains(&7) => Verdict::Invalid {
            bad: vec![ids.len()],
            refusal: refusal(422),
        },
        _ => Verdict::Delivered,
    };
    assert_eq!(deliver(10, server).dropped, [7]);
}

#[test]
fn right_indexes_are_used_beside_wrong_ones() {
    let server = |ids: &[usize]| match ids.iter().position(|id| *id == 7) {
        Some(index) => Verdict::Invalid {
            bad: vec![index, ids.len()],
            refusal: refusal(422),
        },
        None => Verdict::Delivered,
    };
    let judged = deliver(10, server);
    assert_eq!((judged.requests, judged.dropped), (2, vec![7]));
}

#[test]
fn every_good_record_between_bad_ones_is_delivered() {
    let bad: Vec<_> = (0..100).step_by(2).collect();
    let judged = deliver(100, refuses(&bad, false));
    assert_eq!((judged.delivered.len(), judged.dropped), (50, bad));
}

#[test]
fn a_server_that_names_the_wrong_records_is_believed_once() {
    let server = |ids: &[usize]| match ids.contains(&9) {
        true => Verdict::Invalid {
            bad: vec![0],
            refusal: refusal(422),
        },
        false => Verdict::Delivered,
    };
    let judged = deliver(10, server);
    assert_eq!(judged.dropped, [0, 9]);
}

#[test]
fn halves_of_a_part_that_named_wrong_records_are_not_believed_again() {
    let server = |ids: &[usize]| match ids.contains(&1) {
        true => Verdict::Invalid {
            bad: vec![ids.len() - 1],
            refusal: refusal(422),
        },
        false => Verdict::Delivered,
    };
    let judged = deliver(10, server);
    assert_eq!(judged.dropped, [9, 1]);
}

#[test]
fn a_second_half_is_split_unsent_after_its_first_half_is_accepted() {
    let judged = deliver(4, refuses(&[3], false));
    // All four, the first two, the third, the fourth.
    assert_eq!((judged.requests, judged.dropped), (4, vec![3]));
}

#[test]
fn what_is_too_large_together_is_halved_until_it_fits() {
    let server = |ids: &[usize]| match ids.len() {
        0..=3 => Verdict::Delivered,
        _ => Verdict::TooLarge {
            refusal: refusal(413),
        },
    };
    let judged = deliver(100, server);
    assert_eq!(
        (judged.delivered, judged.dropped.len()),
        ((0..100).collect(), 0)
    );
}

#[test]
fn a_record_that_is_too_large_alone_is_dropped_as_such() {
    let mut batch = batch_of(1);
    let verdict = Verdict::TooLarge {
        refusal: refusal(413),
    };
    let settled = batch.apply(verdict, Instant::now(), GIVE_UP_AFTER);
    assert_eq!(dropped(settled), Some((DropReason::TooLarge, 1)));
}

#[test]
fn a_refused_key_drops_the_whole_batch_even_half_way() {
    let mut batch = batch_of(4);
    let invalid = Verdict::Invalid {
        bad: Vec::new(),
        refusal: refusal(422),
    };
    assert!(
        batch
            .apply(invalid, Instant::now(), GIVE_UP_AFTER)
            .is_none()
    );
    let unauthorized = Verdict::Unauthorized {
        refusal: refusal(401),
    };
    let settled = batch.apply(unauthorized, Instant::now(), GIVE_UP_AFTER);
    assert_eq!(dropped(settled), Some((DropReason::Unauthorized, 4)));
    assert!(batch.front().is_none());
}

#[test]
fn a_hundred_records_that_are_each_too_large_stay_within_the_budget() {
    let judged = deliver(100, |_| Verdict::TooLarge {
        refusal: refusal(413),
    });
    assert_eq!(judged.dropped.len(), 100);
    assert!(
        judged.requests <= 1 + 2 * MAX_FRUITLESS_SPLITS as usize,
        "{} requests",
        judged.requests
    );
}

proptest! {
    #[test]
    fn none_is_lost_doubled_or_reordered_and_only_bad_ones_are_dropped(
        count in 1_usize..=100,
        bad in prop::collection::btree_set(0_usize..100, 0..10),
        names: bool,
    ) {
        let bad: Vec<_> = bad.into_iter().filter(|id| *id < count).collect();
        let judged = deliver(count, refuses(&bad, names));
        let good: Vec<_> = (0..count).filter(|id| !bad.contains(id)).collect();
        prop_assert_eq!(judged.delivered, good);
        prop_assert_eq!(judged.dropped, bad);
    }

    #[test]
    fn whatever_a_server_answers_each_record_ends_exactly_once_and_in_the_budget(
        count in 1_usize..=100,
        answers in prop::collection::vec((0_u8..6, prop::collection::btree_set(0_usize..100, 0..4)), 1..200),
    ) {
        let start = Instant::now();
        let mut batch = batch_of(count);
        let mut seen = Vec::new();
        let mut answers = answers.into_iter().cycle();
        let mut requests = 0;
        while batch.front().is_some() {
            let (kind, bad) = answers.next().expect("a cycle");
            let refusal = refusal(400);
            let verdict = match kind {
                0 => Verdict::Delivered,
                1 => Verdict::Invalid { bad: bad.into_iter().collect(), refusal },
                2 => Verdict::TooLarge { refusal },
                3 => Verdict::Rejected { refusal },
                4 => Verdict::Later { after: None, refusal: Some(refusal), body: BodySent::Whole },
                _ => Verdict::NO_ANSWER,
            };
            requests += 1;
            let now = start + Duration::from_secs(requests);
            if let Some((records, _)) = batch.apply(verdict, now, GIVE_UP_AFTER) {
                prop_assert!(!records.is_empty());
                seen.extend(ids(&records));
            }
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
    }
}
