use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
};

use super::*;
use crate::record::Event;

const ONE: ClientId = ClientId::MIN;
const OTHER: ClientId = ClientId::MAX;

fn record() -> Record {
    Event::new("user", "Sign up").into()
}

/// Whether a `before_send` of this client sees a record.
fn is_seen(client: ClientId) -> bool {
    let hook: BeforeSend = Arc::new(Some);
    before_send(client, &hook, record()).is_some()
}

/// Whether an `on_drop` of this client is called.
fn is_shown(client: ClientId) -> bool {
    let called = Arc::new(AtomicBool::new(false));
    let calls = called.clone();
    let hook: OnDrop = Arc::new(move |_: &Dropped<'_>| calls.store(true, SeqCst));
    let dropped = Dropped {
        reason: DropReason::Invalid,
        refusal: None,
        count: 1,
        records: &[],
    };
    on_drop(client, &hook, &dropped);
    called.load(SeqCst)
}

#[test]
fn a_hook_does_not_run_inside_of_itself() {
    assert!(is_seen(ONE) && is_shown(ONE));
    let nested: BeforeSend = Arc::new(|record| {
        let inside = (is_seen(ONE), is_shown(ONE), is_inside(ONE));
        let elsewhere = (is_seen(OTHER), is_shown(OTHER), is_inside(OTHER));
        let is_right = inside == (false, false, true) && elsewhere == (true, true, false);
        (is_right && redact(ONE, || ()).is_some()).then_some(record)
    });
    assert!(before_send(ONE, &nested, record()).is_some());
    let redacted = redact(ONE, || (redact(ONE, || 1), redact(OTHER, || 2)));
    assert_eq!(redacted, Some((None, Some(2))));
    assert!(!is_inside(ONE));
}

#[test]
fn a_transport_may_drop_records_and_a_worker_thread_is_one() {
    assert_eq!(transport(ONE, || is_shown(ONE)), Some(true));
    let inside = thread::spawn(|| {
        mark_worker_thread(ONE);
        (is_inside(ONE), is_inside(OTHER), is_shown(ONE))
    });
    assert_eq!(inside.join().ok(), Some((true, false, true)));
}

#[test]
fn a_hook_that_panics_refuses_the_record_and_ends() {
    let panics: BeforeSend = Arc::new(|_| panic!("a bug"));
    assert!(before_send(ONE, &panics, record()).is_none());
    assert!(!is_inside(ONE));
}

#[test]
fn where_too_many_hooks_run_every_client_counts_as_running() {
    fn nested(depth: usize) -> bool {
        match depth {
            0 => is_inside(OTHER),
            _ => transport(ONE, || nested(depth - 1)).expect("no panic"),
        }
    }
    assert!(!nested(MAX_DEPTH) && nested(MAX_DEPTH + 1));
}

#[test]
fn a_drop_shows_the_words_of_the_server() {
    let refusal = Refusal {
        status: 422,
        detail: Some("bad".into()),
    };
    let dropped = Dropped {
        reason: DropReason::Rejected,
        refusal: Some(&refusal),
        count: 1,
        records: &[],
    };
    assert_eq!(
        (dropped.status(), dropped.detail()),
        (Some(422), Some("bad"))
    );
}
