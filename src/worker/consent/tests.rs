use super::*;
use crate::worker::tests::bench::Bench;

#[test]
fn the_worker_looks_for_a_withdrawal_each_100_ms_while_a_request_is_in_flight() {
    let mut bench = Bench::new();
    let start = clock::now();
    let batch = bench.batch(1, 0);
    assert_eq!(bench.worker.look_in_flight(start), None, "without a spool");
    bench.add_spool();
    assert_eq!(bench.worker.look_in_flight(start), None, "at rest");
    let (handle, next) = (
        bench.parts.intake.worker.clone(),
        Some(start + LOOK_INTERVAL),
    );
    let call = handle.begin_call();
    assert_eq!(bench.worker.look_in_flight(start), next, "beside a call");
    assert_eq!(bench.worker.break_off_requests(start), next);
    drop(call);
    assert_eq!(bench.worker.break_off_requests(start), None);
    let attempt = batch.attempt(Vec::new(), start + LOOK_INTERVAL, 0);
    assert!(bench.worker.dispatcher.attempt(batch, attempt).is_none());
    for (at, next) in [(0, 100), (99, 100), (100, 200), (150, 200), (450, 550)] {
        let (at, next) = (Duration::from_millis(at), Duration::from_millis(next));
        bench.time.set(at);
        let look_at = bench.worker.look_in_flight(start + at);
        assert_eq!(look_at, Some(start + next), "at {at:?}");
    }
}
