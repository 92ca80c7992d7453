use super::*;
use crate::{
    reply::Refusal,
    worker::tests::bench::{Bench, withdraw_and_grant},
};

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
    for (others, factor) in [(0, 1), (63, 1), (64, 2), (127, 2), (639, 10)] {
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

#[test]
fn no_record_gets_into_the_epoch_after_its_withdrawal_when_it_is_moved() {
    let mut bench = Bench::with_spool();
    let mut halves = bench.suspects_in_files(16);
    let last = halves.pop().expect("a batch");
    for half in halves {
        bench.worker.queue(Endpoint::Events).add_half(half);
    }
    withdraw_and_grant(bench.spool());
    let spooler = bench.worker.spooler.as_mut().expect("a spool");
    spooler.look().expect("the disk works");
    let refusal = Refusal {
        status: 401,
        detail: None,
    };
    bench
        .worker
        .apply(last, 100, Verdict::Unauthorized { refusal });
    assert_eq!(bench.found_after_a_kill(), 0);
}

#[test]
fn suspect_records_from_16_files_are_moved_together() {
    for (files, left) in [(15, 15), (16, 1)] {
        let mut bench = Bench::with_spool();
        let mut suspects = bench.suspects_in_files(files);
        let last = suspects.pop().expect("a batch");
        for batch in suspects {
            bench.worker.queue(Endpoint::Events).add_half(batch);
        }
        let verdict = Verdict::Later {
            after: None,
            refusal: None,
            body: BodySent::Whole,
        };
        bench.worker.apply(last, 100, verdict);
        assert_eq!(bench.disk.segments(), left);
        assert_eq!(bench.found_after_a_kill(), 2 * files);
    }
}
