use proptest::prelude::*;

use super::*;
use crate::accounting::tests::unsettled;

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

fn batch_of(count: usize) -> Batch {
    Batch::new(Endpoint::Events, 0, records(count), Instant::now())
}

fn refusal(status: u16) -> Refusal {
    Refusal {
        status,
        detail: None,
    }
}

/// The outcome of a batch that a made-up server judged until it was done.
#[derive(Debug, Default)]
struct Judged {
    requests: usize,
    delivered: Vec<usize>,
    dropped: Vec<usize>,
}

fn deliver(count: usize, server: impl Fn(&[usize]) -> Verdict) -> Judged {
    let now = Instant::now();
    let mut batch = batch_of(count);
    let mut judged = Judged::default();
    while let Some(front) = batch.front() {
        judged.requests += 1;
        assert!(judged.requests <= 2 * count, "it does not end");
        let verdict = server(&ids(front));
        match batch.apply(verdict, now, GIVE_UP_AFTER) {
            Some((records, Outcome::Delivered)) => judged.delivered.extend(ids(&records)),
            Some((records, Outcome::Dropped(..))) => judged.dropped.extend(ids(&records)),
            None => {}
        }
    }
    judged
}

/// Why these records are dropped, and how many there are.
fn dropped(settled: Settled) -> Option<(DropReason, usize)> {
    match settled? {
        (records, Outcome::Dropped(reason, _)) => Some((reason, records.len())),
        (_, Outcome::Delivered) => panic!("they are delivered"),
    }
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

#[test]
fn a_large_body_that_is_not_sent_in_time_is_halved() {
    let mut batch = batch_of(5);
    assert!(!batch.halve_if_cut_off(SMALL_BODY, BodySent::TimedOut));
    assert!(!batch.halve_if_cut_off(100_000, BodySent::Unknown));
    assert!(batch.halve_if_cut_off(100_000, BodySent::TimedOut));
    assert_eq!(batch.front().map(ids), Some(vec![0, 1, 2]));
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
