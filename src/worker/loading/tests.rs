use super::*;
use crate::{
    batch::Batch,
    worker::{
        schedule::{Step, View},
        tests::bench::Bench,
    },
};

fn has_only_suspects(batches: impl FnOnce(&mut Bench) -> Vec<Batch>) -> bool {
    let mut bench = Bench::new();
    for batch in batches(&mut bench) {
        bench.worker.queue(Endpoint::Events).put_back(batch);
    }
    bench.worker.has_only_suspects()
}

#[test]
fn records_that_wait_for_their_first_attempt_are_no_suspects() {
    let mut bench = Bench::new();
    assert!(bench.worker.has_only_suspects());
    bench.track(1);
    bench.worker.take(clock::now());
    assert!(!bench.worker.has_only_suspects());
}

#[test]
fn a_batch_is_suspect_if_it_was_split_or_is_one_record_that_failed_three_times() {
    assert!(has_only_suspects(|bench| vec![bench.half(0)]));
    assert!(has_only_suspects(|bench| vec![bench.batch(1, 3)]));
    assert!(!has_only_suspects(|bench| vec![bench.batch(1, 2)]));
    assert!(!has_only_suspects(|bench| vec![bench.batch(2, 3)]));
    assert!(!has_only_suspects(|bench| vec![
        bench.half(0),
        bench.batch(2, 3)
    ]));
}

#[test]
fn gathered_records_are_loadable_during_a_flush_and_when_they_fill_a_request() {
    let mut bench = Bench::with_spool();
    assert_eq!(bench.worker.loadable(), None);
    bench.worker.flush_requested = true;
    assert_eq!(bench.worker.loadable(), None);
    bench.track(1);
    bench.worker.take(clock::now());
    assert_eq!(bench.worker.loadable(), Some(true));
    bench.worker.flush_requested = false;
    assert_eq!(bench.worker.loadable(), None);
    let enough = bench.worker.parts.wake_limits.records;
    bench.track(enough - 2);
    bench.worker.take(clock::now());
    assert_eq!(bench.worker.loadable(), None);
    bench.track(1);
    bench.worker.take(clock::now());
    assert_eq!(bench.worker.loadable(), Some(true));
}

#[test]
fn records_of_another_run_are_loadable_without_those_that_are_gathered() {
    let mut bench = Bench::with_spool();
    bench.inherit();
    assert_eq!(bench.worker.loadable(), Some(false));
    bench.worker.flush_requested = true;
    assert_eq!(bench.worker.loadable(), Some(false));
    bench.track(1);
    bench.worker.take(clock::now());
    assert_eq!(bench.worker.loadable(), Some(true));
    assert_eq!(Bench::new().worker.loadable(), None);
}

#[test]
fn a_flush_stays_requested_until_the_gathered_records_are_loaded() {
    let mut bench = Bench::with_spool();
    bench.track(1);
    bench.worker.take(clock::now());
    bench.worker.load_from_spool(true, clock::now());
    // The next load is that of other runs' records.
    bench.inherit();
    bench.track(1);
    bench.worker.take(clock::now());
    bench.worker.flush_requested = true;
    bench.worker.load_from_spool(true, clock::now());
    assert!(bench.worker.holds_any() && bench.worker.flush_requested);
    bench.worker.load_from_spool(true, clock::now());
    assert!(!bench.worker.holds_any() && !bench.worker.flush_requested);
}

#[test]
fn a_flush_stays_requested_when_other_records_alone_are_loaded() {
    let mut bench = Bench::with_spool();
    bench.inherit();
    bench.worker.flush_requested = true;
    bench.worker.load_from_spool(false, clock::now());
    assert!(bench.worker.queues.iter().any(EndpointQueue::has_work));
    assert!(bench.worker.flush_requested);
}

#[test]
fn records_in_the_channel_wait_since_the_worker_took_the_ones_before() {
    let mut bench = Bench::new();
    let interval = bench.worker.settings.flush_interval;
    let next = |bench: &mut Bench| {
        bench.track(1);
        let now = clock::now();
        let view = bench.worker.publish_and_view(now);
        bench.worker.schedule.next(
            now,
            View {
                batched: false,
                ..view
            },
        )
    };
    let start = clock::now();
    assert_eq!(next(&mut bench), Step::Wait(Some(start + interval)));
    let half = interval / 2;
    bench.time.set(half);
    bench.worker.take(clock::now());
    assert_eq!(next(&mut bench), Step::Wait(Some(start + half + interval)));
}

#[test]
fn a_flush_stays_requested_while_gathered_records_have_no_room() {
    let mut bench = Bench::with_spool();
    let track = |bench: &mut Bench, bytes: usize| {
        let event = crate::LlmEvent::new("user", "x".repeat(bytes), "");
        bench.parts.intake.track(event.into());
        bench.worker.take(clock::now());
    };
    for _ in 0..9 {
        track(&mut bench, 1 << 20);
    }
    for _ in 0..9 {
        bench.worker.load_from_spool(true, clock::now());
    }
    track(&mut bench, 1);
    bench.track(1);
    bench.worker.take(clock::now());
    bench.worker.flush_requested = true;
    bench.worker.load_from_spool(true, clock::now());
    assert!(bench.worker.flush_requested);
}
