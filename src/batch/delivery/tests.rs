use proptest::prelude::*;

use super::*;
use crate::{
    accounting::tests::unsettled,
    record::{Encoded, Endpoint},
};

const GIVE_UP_AFTER: Duration = Duration::from_secs(300);

fn records(count: usize) -> Unsettled {
    let record = |id: usize| Encoded {
        json: id.to_string().into_bytes().into(),
        endpoint: Endpoint::Events,
        spool_entry: None,
    };
    unsettled((0..count).map(record))
}

fn ids(records: &Unsettled) -> Vec<usize> {
    let id = |record: &Encoded| {
        std::str::from_utf8(&record.json)
            .expect("UTF-8")
            .parse()
            .expect("an id")
    };
    records.iter().map(id).collect()
}

fn refusal(status: u16) -> Refusal {
    Refusal {
        status,
        detail: None,
    }
}

/// What became of a batch that a made-up server judged until it was done.
#[derive(Debug, Default)]
struct Fate {
    requests: usize,
    delivered: Vec<usize>,
    dropped: Vec<usize>,
}

fn deliver(count: usize, server: impl Fn(&[usize]) -> Verdict) -> Fate {
    let now = Instant::now();
    let mut delivery = Delivery::new(records(count));
    let mut fate = Fate::default();
    while let Some(front) = delivery.front() {
        fate.requests += 1;
        assert!(fate.requests <= 2 * count, "it does not end");
        let verdict = server(&ids(front));
        for effect in delivery.apply(verdict, now, GIVE_UP_AFTER) {
            match effect {
                Effect::Delivered(records) => fate.delivered.extend(ids(&records)),
                Effect::Dropped { records, .. } => fate.dropped.extend(ids(&records)),
                Effect::RetryLater { .. } => panic!("nothing was put off"),
            }
        }
    }
    fate
}

/// Refuses an array that holds one of the bad ones, and says which or not.
fn refuses(bad: &[usize], names: bool) -> impl Fn(&[usize]) -> Verdict {
    move |ids| {
        let found: Vec<_> = (0..ids.len())
            .filter(|index| bad.contains(&ids[*index]))
            .collect();
        if found.is_empty() {
            return Verdict::Delivered;
        }
        Verdict::Invalid {
            bad: if names { found } else { Vec::new() },
            refusal: refusal(422),
        }
    }
}

#[test]
fn one_bad_record_of_a_hundred_costs_itself_and_two_requests_when_it_is_named() {
    for bad in 0..100 {
        let fate = deliver(100, refuses(&[bad], true));
        assert_eq!(
            (fate.requests, fate.delivered.len(), fate.dropped),
            (2, 99, vec![bad])
        );
    }
}

#[test]
fn one_bad_record_of_a_hundred_costs_itself_and_at_most_sixteen_requests_when_it_is_not_named() {
    for bad in 0..100 {
        let fate = deliver(100, refuses(&[bad], false));
        assert_eq!((fate.delivered.len(), &fate.dropped), (99, &vec![bad]));
        assert!(fate.requests <= 16, "{} requests", fate.requests);
    }
}

#[test]
fn a_hundred_bad_records_of_a_hundred_stay_within_the_budget() {
    let all: Vec<_> = (0..100).collect();
    let fate = deliver(100, refuses(&all, false));
    assert_eq!(fate.dropped.len(), 100);
    assert!(
        fate.requests <= 1 + 2 * MAX_FRUITLESS_SPLITS as usize,
        "{} requests",
        fate.requests
    );
    assert_eq!(deliver(100, refuses(&all, true)).requests, 1);
}

#[test]
fn twelve_bad_records_that_lie_far_apart_are_all_found_and_no_good_one_is_dropped() {
    let bad: Vec<_> = (0..12).map(|index| index * 8 + 5).collect();
    let fate = deliver(100, refuses(&bad, false));
    assert_eq!(fate.dropped, bad);
}

#[test]
fn no_mix_of_good_and_bad_records_goes_beyond_the_budget() {
    for step in 1..50 {
        let bad: Vec<_> = (0..100).filter(|id| id % step == 0).collect();
        let fate = deliver(100, refuses(&bad, false));
        assert_eq!(fate.delivered.len() + fate.dropped.len(), 100);
        assert!(fate.requests <= 199, "{} requests", fate.requests);
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
    let fate = deliver(10, server);
    assert_eq!((fate.requests, fate.dropped), (2, vec![7]));
}

#[test]
fn every_good_record_between_bad_ones_is_delivered() {
    let bad: Vec<_> = (0..100).step_by(2).collect();
    let fate = deliver(100, refuses(&bad, false));
    assert_eq!((fate.delivered.len(), fate.dropped), (50, bad));
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
    let fate = deliver(10, server);
    assert_eq!(fate.dropped, [0, 9]);
}

#[test]
fn what_is_too_large_together_is_halved_until_it_fits() {
    let server = |ids: &[usize]| match ids.len() {
        0..=3 => Verdict::Delivered,
        _ => Verdict::TooLarge {
            refusal: refusal(413),
        },
    };
    let fate = deliver(100, server);
    assert_eq!(
        (fate.delivered, fate.dropped.len()),
        ((0..100).collect(), 0)
    );
}

#[test]
fn a_record_that_is_too_large_alone_is_dropped_as_such() {
    let mut delivery = Delivery::new(records(1));
    let verdict = Verdict::TooLarge {
        refusal: refusal(413),
    };
    let effects = delivery.apply(verdict, Instant::now(), GIVE_UP_AFTER);
    assert!(matches!(
        &effects[..],
        [Effect::Dropped {
            reason: DropReason::TooLarge,
            ..
        }]
    ));
}

#[test]
fn a_refused_key_drops_the_whole_batch_even_half_way() {
    let mut delivery = Delivery::new(records(4));
    let invalid = Verdict::Invalid {
        bad: Vec::new(),
        refusal: refusal(422),
    };
    assert!(
        delivery
            .apply(invalid, Instant::now(), GIVE_UP_AFTER)
            .is_empty()
    );
    let unauthorized = Verdict::Unauthorized {
        refusal: refusal(401),
    };
    let effects = delivery.apply(unauthorized, Instant::now(), GIVE_UP_AFTER);
    assert!(
        matches!(&effects[..], [Effect::Dropped { reason: DropReason::Unauthorized, records, .. }] if records.len() == 4)
    );
    assert!(delivery.front().is_none());
}

#[test]
fn a_batch_is_attempted_once_more_at_its_last_chance_and_then_given_up() {
    let start = Instant::now();
    let mut delivery = Delivery::new(records(2));
    let mut attempt = |at: u64| {
        delivery.apply(
            Verdict::NO_ANSWER,
            start + Duration::from_secs(at),
            GIVE_UP_AFTER,
        )
    };
    for at in [0, 100, 299] {
        let effects = attempt(at);
        assert!(
            matches!(&effects[..], [Effect::RetryLater { retry_after: None, give_up_at }]
                if *give_up_at == Some(start + GIVE_UP_AFTER))
        );
    }
    let effects = attempt(300);
    assert!(
        matches!(&effects[..], [Effect::Dropped { reason: DropReason::GaveUp, records, .. }, Effect::RetryLater { give_up_at: None, .. }]
        if records.len() == 2)
    );
}

#[test]
fn without_patience_one_attempt_is_all_and_the_next_batch_still_waits() {
    let mut delivery = Delivery::new(records(1));
    let effects = delivery.apply(Verdict::NO_ANSWER, Instant::now(), Duration::ZERO);
    assert!(matches!(
        &effects[..],
        [
            Effect::Dropped {
                reason: DropReason::GaveUp,
                ..
            },
            Effect::RetryLater {
                give_up_at: None,
                ..
            }
        ]
    ));
}

#[test]
fn an_answer_gives_a_batch_all_its_patience_again() {
    let start = Instant::now();
    let minute = Duration::from_secs(60);
    let mut delivery = Delivery::new(records(4));
    delivery.apply(Verdict::NO_ANSWER, start, GIVE_UP_AFTER);
    let invalid = Verdict::Invalid {
        bad: Vec::new(),
        refusal: refusal(422),
    };
    delivery.apply(invalid, start + minute, GIVE_UP_AFTER);
    let effects = delivery.apply(Verdict::NO_ANSWER, start + 6 * minute, GIVE_UP_AFTER);
    assert!(matches!(&effects[..], [Effect::RetryLater { .. }]));
}

#[test]
fn a_hundred_records_that_are_each_too_large_stay_within_the_budget() {
    let fate = deliver(100, |_| Verdict::TooLarge {
        refusal: refusal(413),
    });
    assert_eq!(fate.dropped.len(), 100);
    assert!(
        fate.requests <= 1 + 2 * MAX_FRUITLESS_SPLITS as usize,
        "{} requests",
        fate.requests
    );
}

#[test]
fn a_large_body_that_is_not_sent_in_time_is_halved() {
    let mut delivery = Delivery::new(records(5));
    assert!(!delivery.halve_if_cut_off(SMALL_BODY, BodySent::TimedOut));
    assert!(!delivery.halve_if_cut_off(100_000, BodySent::Unknown));
    assert!(delivery.halve_if_cut_off(100_000, BodySent::TimedOut));
    assert_eq!(delivery.front().map(ids), Some(vec![0, 1, 2]));
}

#[test]
fn the_second_half_of_the_next_records_can_go_its_own_way() {
    let start = Instant::now();
    let mut delivery = Delivery::new(records(5));
    delivery.apply(Verdict::NO_ANSWER, start, GIVE_UP_AFTER);
    let half = delivery.take_half().expect("several records");
    assert_eq!(delivery.front().map(ids), Some(vec![0, 1, 2]));
    assert_eq!(half.front().map(ids), Some(vec![3, 4]));
    let give_up_at = Some(start + GIVE_UP_AFTER);
    assert_eq!(half.give_up_at(GIVE_UP_AFTER), give_up_at);
    assert!(Delivery::new(records(1)).take_half().is_none());
}

#[test]
fn parts_behind_a_record_that_is_alone_can_go_their_own_way() {
    let mut delivery = Delivery::new(records(5));
    for _ in 0..3 {
        let verdict = Verdict::TooLarge {
            refusal: refusal(413),
        };
        delivery.apply(verdict, Instant::now(), GIVE_UP_AFTER);
    }
    assert_eq!(delivery.front().map(ids), Some(vec![0]));
    let rest = delivery.take_half().expect("other parts");
    assert_eq!(delivery.front().map(ids), Some(vec![0]));
    assert_eq!(rest.front().map(ids), Some(vec![1]));
    assert!(delivery.take_half().is_none());
}

#[test]
fn two_lost_connections_in_a_row_halve_a_large_body() {
    let mut delivery = Delivery::new(records(5));
    for (body, halves) in [
        (BodySent::Lost, false),
        (BodySent::Whole, false),
        (BodySent::Lost, false),
        (BodySent::Lost, true),
        (BodySent::Lost, false),
    ] {
        assert_eq!(delivery.halve_if_cut_off(100_000, body), halves);
    }
    let mut single = Delivery::new(records(1));
    assert!(!single.halve_if_cut_off(100_000, BodySent::TimedOut));
    assert_eq!(single.front().map(ids), Some(vec![0]));
}

#[test]
fn the_same_part_is_tried_again_after_a_wait() {
    let mut delivery = Delivery::new(records(3));
    let later = Verdict::Later {
        after: Some(Duration::from_secs(5)),
        refusal: Some(refusal(429)),
        body: BodySent::Whole,
    };
    let effects = delivery.apply(later, Instant::now(), GIVE_UP_AFTER);
    assert!(
        matches!(&effects[..], [Effect::RetryLater { retry_after: Some(delay), .. }] if *delay == Duration::from_secs(5))
    );
    assert_eq!(delivery.front().map(ids), Some(vec![0, 1, 2]));
}

proptest! {
    #[test]
    fn none_is_lost_doubled_or_reordered_and_only_bad_ones_are_dropped(
        count in 1_usize..=100,
        bad in prop::collection::btree_set(0_usize..100, 0..10),
        names: bool,
    ) {
        let bad: Vec<_> = bad.into_iter().filter(|id| *id < count).collect();
        let fate = deliver(count, refuses(&bad, names));
        let good: Vec<_> = (0..count).filter(|id| !bad.contains(id)).collect();
        prop_assert_eq!(fate.delivered, good);
        prop_assert_eq!(fate.dropped, bad);
    }

    #[test]
    fn whatever_a_server_answers_each_record_ends_exactly_once_and_in_the_budget(
        count in 1_usize..=100,
        answers in prop::collection::vec((0_u8..6, prop::collection::btree_set(0_usize..100, 0..4)), 1..200),
    ) {
        let start = Instant::now();
        let mut delivery = Delivery::new(records(count));
        let mut seen = Vec::new();
        let mut answers = answers.into_iter().cycle();
        let mut requests = 0;
        while delivery.front().is_some() {
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
            for effect in delivery.apply(verdict, now, GIVE_UP_AFTER) {
                if let Effect::Delivered(records) | Effect::Dropped { records, .. } = effect {
                    prop_assert!(!records.is_empty());
                    seen.extend(ids(&records));
                }
            }
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..count).collect::<Vec<_>>());
    }
}
