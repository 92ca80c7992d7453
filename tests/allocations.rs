//! How often a call allocates, counted by an allocator: in a program of its own, for the allocator is everybody's.

use std::{sync::mpsc, time::Duration};

use allocation_counter::measure;
use trubrics::{Event, LlmEvent, Record, Response, Trubrics, TrubricsBuilder, transport_fn};

const CALLS: u64 = 1000;

/// The channel allocates a block for every 31 records.
const BLOCKS: u64 = CALLS / 31 + 1;

/// A client whose worker does not get in the way: it waits in its first request until `answer` is gone.
fn quiet(settings: impl FnOnce(TrubricsBuilder) -> TrubricsBuilder) -> (Trubrics, impl Sized) {
    let (entered, stuck) = mpsc::sync_channel(1);
    let (answer, answered) = mpsc::channel::<()>();
    let answered = std::sync::Mutex::new(answered);
    let builder = Trubrics::builder("key")
        .flush_batch_size(1)
        .shutdown_timeout(Duration::ZERO)
        .transport(transport_fn(move |_| {
            let _ = entered.try_send(());
            let _ = answered.lock().map(|answered| answered.recv());
            Ok(Response::new(200))
        }));
    let client = settings(builder).build().expect("good settings");
    client.track(event(0));
    stuck
        .recv_timeout(Duration::from_secs(30))
        .expect("a request");
    // The buffers that a thread keeps are there from here on, and the worker asks for no more.
    client.track(event(0));
    client.track(event(0));
    (client, answer)
}

fn event(count: u64) -> Event {
    Event::new("user", "Report exported")
        .property("title", "a chart of the quarter, as a spreadsheet")
        .property("count", count)
        .property("is_first", true)
}

/// Allocations of this many calls on this thread, without the channel's own.
#[track_caller]
fn assert_allocations(per_call: u64, call: impl Fn(u64)) {
    let counted = measure(|| (0..CALLS).for_each(&call)).count_total;
    let expected = per_call * CALLS;
    assert!(
        (expected..=expected + BLOCKS).contains(&counted),
        "{counted} allocations in {CALLS} calls, not {per_call} each"
    );
}

/// The two are the texts that the caller gives: here they are copied into a `String` each.
#[test]
fn a_call_allocates_once_beyond_the_texts_it_is_given() {
    let (client, _answer) = quiet(|builder| builder);
    assert_allocations(1 + 2, |count| client.track(event(count)));
}

#[test]
fn an_llm_event_allocates_once_beyond_the_texts_it_is_given() {
    let (client, _answer) = quiet(|builder| builder);
    assert_allocations(1 + 3, |_| {
        client.track(LlmEvent::new("user", "What?", "That.").latency(Duration::from_secs(1)));
    });
}

#[test]
fn defaults_and_a_hook_allocate_no_more() {
    let (client, _answer) = quiet(|builder| {
        builder
            .default_property("version", "1.2.3")
            .before_send(|record: Record| Some(record))
    });
    assert_allocations(1 + 2, |count| client.track(event(count)));
}

#[test]
fn defaults_beside_a_struct_of_other_keys_allocate_no_more() {
    #[derive(serde::Serialize)]
    struct Report {
        count: u64,
        is_first: bool,
    }
    let (client, _answer) = quiet(|builder| builder.default_property("version", "1.2.3"));
    assert_allocations(1 + 2, |count| {
        let is_first = count == 0;
        client.track(Event::new("user", "Report exported").properties(Report { count, is_first }));
    });
}

#[test]
fn a_disabled_client_allocates_nothing_of_its_own() {
    let client = Trubrics::disabled();
    client.track(event(0));
    assert_allocations(2, |count| client.track(event(count)));
}

/// What is turned away is boxed, with its record, for those who want it back.
#[test]
fn a_full_queue_costs_no_more_than_an_open_one() {
    let (client, _answer) = quiet(|builder| builder.queue_capacity(3));
    assert_allocations(1 + 2, |count| client.track(event(count)));
}

#[test]
fn a_long_text_without_media_costs_no_copy() {
    let allocated = |send_media| {
        let (client, _answer) = quiet(|builder| builder.send_media(send_media));
        let text = "A sentence (with a \"quote\").\n".repeat(3_000);
        let event = LlmEvent::new("user", &*text, &*text).property("$text", [&text]);
        let counted = measure(|| client.track(event));
        (counted.count_total, counted.bytes_total)
    };
    assert_eq!(allocated(false), allocated(true));
}
