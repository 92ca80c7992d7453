pub(super) mod bench;

use std::{convert::Infallible, env, fs, process, sync::mpsc, thread, time::Duration};

use crossbeam_channel::bounded;
use serde_json::Value;

use crate::{
    Event, LlmEvent, Response, Trubrics, TrubricsBuilder, catch_panic::injection, control::Control,
    transport_fn,
};

const LONG: Duration = Duration::from_secs(20);

/// More than the panic points that a run of these tests passes.
const MANY: usize = 500;

/// Runs a client whose worker panics at its panic point of this number. Returns whether it got that far.
fn run_with_panic(builder: TrubricsBuilder, point: usize) -> bool {
    let (dropped, drops) = mpsc::channel();
    let builder = builder.on_drop(move |drop| {
        let names = drop.records().map(name).collect::<Vec<_>>();
        assert_eq!(names.len(), drop.count(), "each dropped record is shown");
        let _ = dropped.send(names);
    });
    let (parts, worker) = builder.prepare().expect("valid settings").expect("enabled");
    let (alive, running) = bounded::<Infallible>(0);
    let (reached, was_reached) = mpsc::channel();
    let thread = thread::spawn(move || {
        injection::panic_at(point);
        worker.run(alive);
        let _ = reached.send(!injection::is_left());
    });
    let client = Trubrics::running(parts, thread, running);
    for index in 0..3 {
        client.track(Event::new("user", format!("event {index}")));
        client.track(LlmEvent::new("user", format!("prompt {index}"), ""));
    }
    let _ = client.flush(Duration::from_millis(20));
    client.track(Event::new("user", "late"));
    let _ = client.close(Duration::from_millis(100));
    let was_reached = was_reached.recv_timeout(LONG).expect("the worker ends");

    let stats = client.stats();
    assert_eq!(stats.pending, 0, "at point {point}: {stats:?}");
    assert_eq!(
        stats.tracked + stats.recovered,
        stats.delivered + stats.dropped + stats.left_in_spool,
        "at point {point}: {stats:?}"
    );
    let shown: u64 = drops.try_iter().map(|names| names.len() as u64).sum();
    assert_eq!(shown, stats.dropped, "at point {point}: {stats:?}");
    was_reached
}

/// Runs a client whose worker panics at its panic point of this number, and whose consent is withdrawn. Returns whether
/// it got that far.
fn withdraw_with_panic(builder: TrubricsBuilder, point: usize) -> bool {
    let (parts, worker) = builder.prepare().expect("valid settings").expect("enabled");
    let (alive, running) = bounded::<Infallible>(0);
    let (reached, was_reached) = mpsc::channel();
    let thread = thread::spawn(move || {
        injection::panic_at(point);
        worker.run(alive);
        let _ = reached.send(!injection::is_left());
    });
    let client = Trubrics::running(parts, thread, running);
    for index in 0..5 {
        client.track(Event::new("user", format!("event {index}")));
    }
    let _ = client.flush(Duration::from_millis(20));
    client.track(Event::new("user", "late"));
    client.withdraw().expect("the disk works");
    client.track(Event::new("user", "later"));
    let _ = client.close(Duration::from_millis(100));
    let was_reached = was_reached.recv_timeout(LONG).expect("the worker ends");
    let stats = client.stats();
    assert_eq!(stats.pending, 0, "at point {point}: {stats:?}");
    assert_eq!(
        stats.tracked + stats.recovered,
        stats.delivered + stats.dropped + stats.left_in_spool,
        "at point {point}: {stats:?}"
    );
    was_reached
}

#[test]
fn a_panic_during_a_withdrawal_leaves_no_record_pending_or_on_disk() {
    let folder = env::temp_dir().join(format!("trubrics-withdrawn-{}", process::id()));
    for has_spool in [false, true] {
        let reached = (0..MANY).take_while(|point| {
            let builder = builder(503).on_drop(|_| ());
            let reached = match has_spool {
                true => withdraw_with_panic(builder.spool(&folder), *point),
                false => withdraw_with_panic(builder, *point),
            };
            for project in folder.read_dir().into_iter().flatten() {
                let files = project.expect("a folder").path().read_dir().expect("files");
                let names: Vec<_> = files
                    .map(|file| file.expect("a file").file_name())
                    .collect();
                assert_eq!(names, ["consent"], "at point {point}");
            }
            // The next client starts with a grant.
            crate::grant_in(&folder).expect("the disk works");
            reached
        });
        let points = reached.count();
        assert!(
            (5..MANY).contains(&points),
            "{points} panic points were reached"
        );
    }
    fs::remove_dir_all(folder).expect("the folder of the spool");
}

fn name(json: &str) -> String {
    let record: Value = serde_json::from_str(json).expect("JSON");
    record["event"]
        .as_str()
        .or(record["prompt"].as_str())
        .expect("a name")
        .to_owned()
}

#[track_caller]
fn survives_a_panic_anywhere(builder: impl Fn() -> TrubricsBuilder) {
    let reached = (0..MANY).take_while(|point| run_with_panic(builder(), *point));
    let points = reached.count();
    assert!(
        (5..MANY).contains(&points),
        "{points} panic points were reached"
    );
}

fn builder(status: u16) -> TrubricsBuilder {
    Trubrics::builder("key")
        .initial_backoff(Duration::from_millis(1))
        .max_backoff(Duration::from_millis(5))
        .transport(transport_fn(move |_| Ok(Response::new(status))))
}

#[test]
fn a_panic_of_the_worker_leaves_no_record_pending() {
    survives_a_panic_anywhere(|| builder(200));
}

#[test]
fn a_panic_while_records_are_dropped_leaves_none_pending() {
    survives_a_panic_anywhere(|| builder(422));
}

#[test]
fn a_panic_in_an_outage_leaves_no_record_pending() {
    survives_a_panic_anywhere(|| builder(503));
    survives_a_panic_anywhere(|| builder(503).give_up_after(Duration::ZERO));
}

#[test]
fn a_panic_with_requests_in_flight_leaves_no_record_pending() {
    survives_a_panic_anywhere(|| builder(200).max_concurrent_requests(3).max_batch_size(1));
}

#[test]
fn a_panic_in_a_call_leaves_no_record_without_an_outcome() {
    let client = builder(200).max_batch_size(2).build().expect("valid");
    for point in 0..MANY {
        injection::panic_at(point);
        let records = (0..5).map(|index| Event::new("user", format!("event {index}")));
        let before = client.stats().delivered;
        let outcomes = client.deliver(records, LONG);
        let delivered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(outcomes.len(), 5);
        assert_eq!(client.stats().delivered - before, delivered as u64);
        if injection::is_left() {
            assert!(point > 5, "{point} panic points were reached");
            assert_eq!(delivered, 5);
            return;
        }
    }
    unreachable!("no call ends without a panic");
}

#[test]
fn a_panic_with_a_spool_leaves_no_record_pending() {
    let folder = env::temp_dir().join(format!("trubrics-panics-{}", process::id()));
    for status in [200, 503] {
        survives_a_panic_anywhere(|| builder(status).spool(&folder));
    }
    fs::remove_dir_all(folder).expect("the folder of the spool");
}

#[test]
fn a_message_ends_the_wait_and_is_handled() {
    let builder = Trubrics::builder("key").transport(transport_fn(|_| Ok(Response::new(200))));
    let (parts, mut worker) = builder.prepare().expect("valid settings").expect("enabled");
    parts.intake.consent.withdraw();
    let (done, answer) = bounded(1);
    parts.intake.queue.pause();
    parts.intake.worker.send(Control::Withdraw(done));
    worker.wait(None);
    answer.try_recv().expect("an answer").expect("no disk");
}
