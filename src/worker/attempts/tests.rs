use super::*;
use crate::worker::tests::bench::Bench;

/// Whether a batch with this many others would be split without evidence.
fn lacks_evidence(batches: impl FnOnce(&mut Bench) -> (Batch, Vec<Batch>)) -> bool {
    let mut bench = Bench::new();
    let (batch, others) = batches(&mut bench);
    for other in others {
        bench.worker.queue(Endpoint::Events).put_back(other);
    }
    bench.worker.lacks_evidence(&batch)
}

#[test]
fn a_batch_is_split_without_evidence_after_three_failures_and_its_halves_after_two() {
    assert!(!lacks_evidence(|bench| (bench.batch(2, 2), vec![])));
    assert!(lacks_evidence(|bench| (bench.batch(2, 3), vec![])));
    assert!(!lacks_evidence(|bench| (bench.half(1), vec![])));
    assert!(lacks_evidence(|bench| (bench.half(2), vec![])));
}

#[test]
fn no_batch_is_split_without_evidence_while_another_may_give_some() {
    for (other, is_split) in [(2, false), (3, true)] {
        let split = lacks_evidence(|bench| (bench.batch(2, 3), vec![bench.batch(2, other)]));
        assert_eq!(split, is_split, "after {other} failures of the other");
    }
    for (other, is_split) in [(0, false), (1, true)] {
        let split = lacks_evidence(|bench| (bench.half(2), vec![bench.half(other)]));
        assert_eq!(split, is_split, "after {other} failures of the other half");
    }
    let mut bench = Bench::new();
    let batch = bench.batch(2, 3);
    bench.track(1);
    bench.worker.take(clock::now());
    assert!(!bench.worker.lacks_evidence(&batch), "an event waits");
}

#[test]
fn no_half_is_split_without_evidence_while_16_batches_wait() {
    for (others, is_split) in [(MAX_HALVES - 1, true), (MAX_HALVES, false)] {
        let halves = |bench: &mut Bench| (0..others).map(|_| bench.half(1)).collect();
        let split = lacks_evidence(|bench| (bench.half(2), halves(bench)));
        assert_eq!(split, is_split, "beside {others} batches");
    }
}

#[test]
fn many_suspect_batches_are_tried_no_more_often_than_64() {
    const LONGEST: Duration = Duration::from_secs(30);
    for (others, factor) in [(0, 1), (63, 1), (127, 2), (639, 10)] {
        let mut bench = Bench::new();
        for _ in 0..others {
            let other = bench.half(1);
            bench.worker.queue(Endpoint::Events).put_back(other);
        }
        let (mut batch, now) = (bench.half(10), clock::now());
        assert!(
            bench
                .worker
                .set_aside(&mut batch, Scope::Host, false, now)
                .is_none()
        );
        let delay = batch.failures.retry_at().expect("it waits") - now;
        let allowed = LONGEST * factor / 2..=LONGEST * factor;
        assert!(allowed.contains(&delay), "{others}: {delay:?}");
    }
}
