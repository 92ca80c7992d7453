//! `before_send` and `on_drop`.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::json;
use trubrics::{
    Content, DropReason, Event, LlmEvent, Record, Trubrics,
    testing::{API_KEY, Recorder},
};

use crate::support::{Gate, LONG, assert_balanced, build, client_of, server};

#[test]
fn before_send_can_change_a_record_or_refuse_it() {
    let server = server();
    let client = build(client_of(&server).before_send(|record| match record {
        Record::Event(event) => Some(event.property("seen", true).into()),
        _ => None,
    }));
    client.track(Event::new("u", "e"));
    client.track(LlmEvent::new("u", "p", "g"));
    client
        .try_track(LlmEvent::new("u", "p", "g"))
        .expect("refused by the program itself");
    client.flush(LONG).expect("the rest is delivered");
    assert_eq!(server.events()[0]["properties"]["seen"], true);
    assert!(server.llm_events().is_empty());
    let stats = client.stats();
    assert_eq!((stats.tracked, stats.delivered), (3, 1));
    assert_eq!(stats.dropped_for(DropReason::Hook), 2);
}

#[test]
fn before_send_runs_on_the_thread_that_tracks() {
    let server = server();
    let caller = std::thread::current().id();
    let client = build(
        client_of(&server)
            .before_send(move |record| (std::thread::current().id() == caller).then_some(record)),
    );
    client.track(Event::new("u", "e"));
    client.flush(LONG).expect("delivered");
}

#[test]
fn a_panic_in_before_send_costs_its_record_and_nothing_else() {
    let server = server();
    let client = build(client_of(&server).before_send(|record| match record {
        Record::LlmEvent(_) => panic!("on purpose"),
        record => Some(record),
    }));
    client.track(Event::new("u", "e"));
    client.track(LlmEvent::new("u", "p", "g"));
    client.track(Event::new("u", "e"));
    client.flush(LONG).expect("the rest is delivered");
    assert_eq!(server.accepted(), 2);
    assert_eq!(client.stats().dropped_for(DropReason::Hook), 1);
}

#[test]
fn on_drop_is_told_of_every_drop_with_its_records() {
    let server = server();
    server.set_refusal(|record| record["event"] == "bad");
    let told = Arc::new(Mutex::new(Vec::new()));
    let client = build(client_of(&server).queue_capacity(2).on_drop({
        let told = told.clone();
        move |dropped| {
            let records: Vec<_> = dropped.records().map(str::to_owned).collect();
            told.lock()
                .expect("no panic")
                .push((dropped.reason(), dropped.count(), records));
        }
    }));
    client.track(Event::new("u", ""));
    client.track(Event::new("u", "bad"));
    client.track(Event::new("u", "good"));
    client.track(Event::new("u", "too many"));
    let error = client.flush(LONG).expect_err("the server refused one");
    assert_eq!(error.dropped(), 1);
    let told = std::mem::take(&mut *told.lock().expect("no panic"));
    let kinds: Vec<_> = told
        .iter()
        .map(|(reason, count, records)| (*reason, *count, records.len()))
        .collect();
    assert_eq!(
        kinds,
        [
            (DropReason::Invalid, 1, 1),
            (DropReason::QueueFull, 1, 1),
            (DropReason::Rejected, 1, 1)
        ]
    );
    assert!(told[1].2[0].contains("too many") && told[2].2[0].contains("bad"));
    assert_balanced(client.stats());
}

#[test]
fn a_panic_in_on_drop_is_swallowed() {
    let server = server();
    server.set_refusal(|record| record["event"] == "bad");
    let calls = Arc::new(AtomicUsize::new(0));
    let client = build(client_of(&server).on_drop({
        let calls = calls.clone();
        move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
            panic!("on purpose")
        }
    }));
    client.track(Event::new("u", "bad"));
    client.flush(LONG).expect_err("one was refused");
    client.track(Event::new("u", ""));
    client.track(Event::new("u", "good"));
    client.flush(LONG).expect("the valid one is delivered");
    assert_eq!((calls.load(Ordering::SeqCst), server.accepted()), (2, 1));
    assert_balanced(client.stats());
}

#[test]
fn flush_and_close_in_a_hook_return_an_error_instead_of_a_deadlock() {
    let server = server();
    server.set_refusal(|record| record["event"] == "bad");
    let slot: Arc<Mutex<Option<Trubrics>>> = Arc::default();
    let errors = Arc::new(AtomicUsize::new(0));
    let call = {
        let (slot, errors) = (slot.clone(), errors.clone());
        move || {
            let client = slot.lock().expect("no panic").clone().expect("a client");
            let flush = client.flush(LONG).expect_err("called from a hook");
            let close = client.close(LONG).expect_err("called from a hook");
            assert!(flush.is_in_hook() && close.is_in_hook());
            assert_eq!(
                flush.to_string(),
                "flush and close cannot be called from a hook or a transport"
            );
            errors.fetch_add(1, Ordering::SeqCst);
        }
    };
    let client = build(
        client_of(&server)
            .on_drop({
                let call = call.clone();
                move |_| call()
            })
            .before_send(move |record| {
                call();
                Some(record)
            }),
    );
    *slot.lock().expect("no panic") = Some(client.clone());
    client.track(Event::new("u", "bad"));
    client.flush(LONG).expect_err("one was refused");
    assert_eq!(errors.load(Ordering::SeqCst), 2);
    slot.lock().expect("no panic").take();
}

#[test]
fn a_hook_that_tracks_does_not_call_itself_without_end() {
    let server = server();
    let slot: Arc<Mutex<Option<Trubrics>>> = Arc::default();
    let calls = Arc::new(AtomicUsize::new(0));
    let client = build(client_of(&server).on_drop({
        let (slot, calls) = (slot.clone(), calls.clone());
        move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
            let client = slot.lock().expect("no panic").clone().expect("a client");
            client.track(Event::new("u", ""));
        }
    }));
    *slot.lock().expect("no panic") = Some(client.clone());
    client.track(Event::new("u", ""));
    let stats = client.stats();
    assert_eq!((calls.load(Ordering::SeqCst), stats.dropped), (1, 2));
    assert_balanced(stats);
    slot.lock().expect("no panic").take();
}

#[test]
fn a_record_is_hooked_once_however_often_it_is_offered() {
    let (gate, transport) = Gate::new();
    let hook = |mut record: Record| {
        let hidden = format!("h({})", record.get_user_id());
        record.set_user_id(hidden);
        Some(record)
    };
    let builder = || Trubrics::builder(API_KEY).before_send(hook);
    let client = build(
        builder()
            .transport(transport)
            .flush_batch_size(1)
            .queue_bytes(3_000),
    );
    let event = || Event::new("ada", "e").text("x".repeat(2_000));
    client.track(event());
    gate.next_request();
    let mut record = Record::from(event());
    for _ in 0..4 {
        let error = client.try_track(record).expect_err("no room");
        assert!(error.is_full());
        record = error.into_record();
    }
    assert_eq!(record.get_user_id(), "h(ada)");
    gate.answer(200);
    client.flush(LONG).expect("delivered");
    client.try_track(record.clone()).expect("there is room");
    assert!(gate.next_request().contains(r#""user_id":"h(ada)""#));
    gate.answer(200);
    client.flush(LONG).expect("delivered");

    // The hook of another client has not seen it.
    let recorder = Recorder::new();
    let other = build(builder().transport(recorder.clone()));
    other.track_sync(record).expect("delivered");
    assert_eq!(recorder.events()[0]["user_id"], "h(h(ada))");
}

#[test]
fn an_invalid_record_is_shown_as_far_as_it_can_be_written() {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let builder = || {
        let shown = shown.clone();
        Trubrics::builder(API_KEY)
            .transport(Recorder::new())
            .queue_bytes(10_000)
            .default_property("app", "1.0")
            .on_drop(move |dropped| {
                assert_eq!(dropped.reason(), DropReason::Invalid);
                let records = dropped
                    .records()
                    .map(|record| serde_json::from_str::<serde_json::Value>(record).expect("JSON"));
                shown.lock().expect("no panic").extend(records);
            })
    };
    let beyond = SystemTime::UNIX_EPOCH + Duration::from_secs(3_093_527_980_800);
    let client = build(builder());
    client.track(Event::new("", "e").timestamp(SystemTime::UNIX_EPOCH));
    client.track(
        Event::new("u", "e")
            .property("bad", f64::NAN)
            .property("good", 1),
    );
    client.track(LlmEvent::new("u", "p", "g").timestamp(beyond).latency(LONG));
    client.track(Event::new("u", "large").text("x".repeat(20_000)));
    let private = build(builder().llm_content(Content::Off));
    private.track(LlmEvent::new("", "a secret", "a secret"));

    let mut shown = std::mem::take(&mut *shown.lock().expect("no panic"));
    let large = shown.remove(3);
    assert_eq!(
        large["properties"]["$text"].as_str().map(str::len),
        Some(20_000)
    );
    assert_eq!(
        shown,
        [
            json!({
                "user_id": "", "event": "e", "timestamp": "1970-01-01T00:00:00.000Z", "properties": {"app": "1.0"}
            }),
            json!({"user_id": "u", "event": "e", "properties": {"app": "1.0", "good": 1}}),
            json!({
                "user_id": "u", "prompt": "p", "generation": "g", "latency": LONG.as_secs_f64(),
                "properties": {"app": "1.0"}
            }),
            json!({
                "user_id": "", "prompt": "", "generation": "",
                "properties": {"app": "1.0", "prompt_length": 8, "generation_length": 8}
            }),
        ]
    );
}
