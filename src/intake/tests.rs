use std::{
    sync::{Mutex, mpsc},
    thread,
    time::Duration,
};

use crate::sync::channel::{Receiver, unbounded};

use super::*;
use crate::{
    accounting::{Budget, Outcome},
    content::Content,
    control::Control,
    queue::WakeLimits,
    record::{Event, LlmEvent},
};

const LONG: Duration = Duration::from_secs(30);

/// What `on_drop` was shown: the reason, and the records.
type Shown = Arc<Mutex<Vec<(DropReason, Vec<String>)>>>;

struct Bench {
    intake: Intake,
    queued: Receiver<Encoded>,
    control: Receiver<Control>,
    shown: Shown,
}

/// An intake whose queue has room for this many records of up to 1,000 bytes, with or without an `on_drop`.
fn bench(records: usize, is_shown: bool) -> Bench {
    let shown = Shown::default();
    let sees = shown.clone();
    let on_drop: hooks::OnDrop = Arc::new(move |dropped| {
        let records = dropped.records().map(str::to_owned).collect();
        let seen = (dropped.reason(), records);
        sees.lock().expect("no panic").push(seen);
    });
    let client = ClientId::MIN;
    let budget = Budget::new(records, records * 1_000);
    let accounting = Arc::new(Accounting::new(client, budget, is_shown.then_some(on_drop)));
    let limits = WakeLimits {
        records: 100,
        bytes: 1_000_000,
        records_while_polling: 100,
    };
    let (queue, queued) = Queue::new(limits, 1_000, accounting.clone());
    let (to_worker, control) = unbounded();
    let intake = Intake {
        client,
        accounting,
        queue: Arc::new(queue),
        worker: Arc::new(WorkerHandle::new(to_worker)),
        lifecycle: Arc::new(Lifecycle::new()),
        consent: Arc::new(ConsentCell::new(Consent::Granted)),
        overflow: Overflow::DropNewest,
        defaults: Properties::default(),
        before_send: None,
        content: None,
        guard: None,
    };
    Bench {
        intake,
        queued,
        control,
        shown,
    }
}

fn event() -> Record {
    Event::new("user", "Sign up").into()
}

/// Renames each record, so that one that was hooked twice is known.
fn renames() -> Option<BeforeSend> {
    Some(Arc::new(|record| match record {
        Record::Event(event) => {
            let name = format!("{} hooked", event.get_name());
            Some(Event::new("user", name).into())
        }
        other => Some(other),
    }))
}

impl Bench {
    fn dropped_for(&self, reason: DropReason) -> u64 {
        self.intake.accounting.stats().dropped_for(reason)
    }

    fn kind_of(&self, record: Record) -> Option<TrackErrorKind> {
        let NotTaken { kind, .. } = *self.intake.offer(record, WhenFull::GiveBack).err()?;
        Some(kind)
    }

    fn next(&self) -> String {
        let record = self.queued.try_recv().expect("a record");
        String::from_utf8_lossy(&record.json).into_owned()
    }

    fn shown(&self) -> Vec<(DropReason, Vec<String>)> {
        std::mem::take(&mut *self.shown.lock().expect("no panic"))
    }
}

#[test]
fn a_full_queue_drops_the_newest_record_or_gives_it_back() {
    let mut bench = bench(1, false);
    bench.intake.before_send = renames();
    bench.intake.track(event());
    bench.intake.track(event());
    assert_eq!(bench.dropped_for(DropReason::QueueFull), 1);
    let error = bench.intake.try_track(event()).expect_err("it is full");
    assert!(error.is_full());
    let Record::Event(back) = error.into_record() else {
        panic!("not the event")
    };
    assert_eq!(back.get_name(), "Sign up", "no hook saw it");
    assert!(bench.next().contains("Sign up hooked"));
}

#[test]
fn a_record_that_is_shown_passes_the_hook_although_the_queue_is_full() {
    let mut bench = bench(1, true);
    bench.intake.before_send = renames();
    bench.intake.track(event());
    bench.intake.track(event());
    let shown = bench.shown();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].0, DropReason::QueueFull);
    assert!(shown[0].1[0].contains("Sign up hooked"));
    assert!(matches!(bench.kind_of(event()), Some(TrackErrorKind::Full)));
    assert_eq!(bench.shown(), [], "it was given back");
}

#[test]
fn a_caller_that_may_wait_waits_until_a_record_is_settled() {
    let mut bench = bench(1, false);
    bench.intake.overflow = Overflow::Block;
    bench.intake.track(event());
    bench.control.try_recv().expect("the first wakes");
    bench.intake.worker.take_flush_requests();
    thread::scope(|scope| {
        let (ended, end) = mpsc::channel();
        let intake = &bench.intake;
        scope.spawn(move || {
            intake.track(event());
            let _ = ended.send(());
        });
        // It wakes the worker before it waits.
        assert!(bench.control.recv_timeout(LONG).is_ok());
        assert!(end.try_recv().is_err());
        let record = bench.queued.try_recv().expect("the first");
        intake.accounting.settle(&[record], &Outcome::Delivered);
        assert!(end.recv_timeout(LONG).is_ok());
    });
    bench.next();
    assert_eq!(bench.intake.accounting.stats().dropped, 0);
}

#[test]
fn no_caller_waits_inside_a_hook_or_before_the_consent() {
    let mut bench = bench(1, false);
    bench.intake.overflow = Overflow::Block;
    bench.intake.track(event());
    hooks::transport(bench.intake.client, || bench.intake.track(event()));
    assert_eq!(bench.dropped_for(DropReason::QueueFull), 1);
    bench.intake.consent = Arc::new(ConsentCell::new(Consent::Undecided));
    bench.intake.track(event());
    assert_eq!(bench.dropped_for(DropReason::QueueFull), 2);
}

#[test]
fn without_consent_no_hook_sees_a_record() {
    let mut bench = bench(2, true);
    bench.intake.before_send = Some(Arc::new(|_| panic!("it saw it")));
    bench.intake.queue.pause();
    bench.intake.track(event());
    assert_eq!(bench.shown(), [(DropReason::Withdrawn, vec![])]);
    bench.intake.consent = Arc::new(ConsentCell::new(Consent::Undecided));
    bench.intake.track(event());
    assert_eq!(bench.shown(), [(DropReason::Undecided, vec![])]);
    let kind = bench.kind_of(event());
    assert!(matches!(kind, Some(TrackErrorKind::NoConsent)));
    let prepared = bench.intake.prepare(event());
    assert!(matches!(prepared, Err(DeliveryErrorKind::NoConsent)));
}

#[test]
fn without_consent_no_hook_sees_a_record_after_the_close_either() {
    for (consent, reason) in [
        (Consent::Withdrawn, DropReason::Withdrawn),
        (Consent::Undecided, DropReason::Undecided),
    ] {
        let mut bench = bench(2, true);
        bench.intake.before_send = Some(Arc::new(|_| panic!("it saw it")));
        bench.intake.consent = Arc::new(ConsentCell::new(consent));
        bench.intake.queue.close();
        bench.intake.track(event());
        assert_eq!(bench.shown(), [(reason, vec![])]);
        let kind = bench.kind_of(event());
        assert!(matches!(kind, Some(TrackErrorKind::NoConsent)));
    }
}

#[test]
fn a_client_that_is_withdrawn_and_closed_during_a_hook_shows_no_record() {
    let mut bench = bench(2, true);
    let (queue, consent) = (bench.intake.queue.clone(), bench.intake.consent.clone());
    bench.intake.before_send = Some(Arc::new(move |record| {
        consent.withdraw();
        queue.close();
        Some(record)
    }));
    bench.intake.track(event());
    assert_eq!(bench.shown(), [(DropReason::Withdrawn, vec![])]);
}

#[test]
fn a_closed_client_takes_no_record_and_shows_it() {
    for is_shown in [false, true] {
        let mut bench = bench(2, is_shown);
        bench.intake.before_send = renames();
        bench.intake.queue.close();
        bench.intake.track(event());
        assert_eq!(bench.dropped_for(DropReason::Closed), 1);
        let shown = bench.shown();
        let is_hooked = |(_, records): &(_, Vec<String>)| records[0].contains("hooked");
        assert_eq!(shown.len(), usize::from(is_shown));
        assert!(shown.iter().all(is_hooked));
        let error = bench.intake.try_track(event()).expect_err("closed");
        let Record::Event(back) = error.into_record() else {
            panic!("not the event")
        };
        assert_eq!(back.get_name(), "Sign up");
        let prepared = bench.intake.prepare(event());
        assert!(matches!(prepared, Err(DeliveryErrorKind::Closed)));
    }
}

#[test]
fn a_record_passes_the_hook_of_a_client_once() {
    let mut bench = bench(2, false);
    bench.intake.before_send = renames();
    let mut record = event();
    let prepare = |record| {
        let encoded = bench.intake.prepare(record);
        let encoded = encoded.unwrap_or_else(|_| panic!("it is valid"));
        String::from_utf8_lossy(&encoded.json).contains("hooked")
    };
    assert!(prepare(record.clone()));
    bench.intake.track(record.clone());
    assert!(bench.next().contains("hooked"));
    record.set_hooked_by(bench.intake.client);
    assert!(!prepare(record.clone()));
    bench.intake.track(record);
    assert!(!bench.next().contains("hooked"));
}

#[test]
fn a_record_that_the_hook_refuses_is_dropped() {
    let mut bench = bench(2, false);
    bench.intake.before_send = Some(Arc::new(|_| None));
    bench.intake.track(event());
    assert_eq!(bench.dropped_for(DropReason::Hook), 1);
    let prepared = bench.intake.prepare(event());
    assert!(matches!(prepared, Err(DeliveryErrorKind::Hook)));
}

#[test]
fn a_record_outside_the_sample_is_encoded_only_to_be_shown() {
    for is_shown in [false, true] {
        let mut bench = bench(2, is_shown);
        bench.intake.guard = Some(Box::new(Guard::new(0.0, [])));
        for record in [event(), Event::new("user", "").into()] {
            bench.intake.track(record);
            let shown = bench.shown();
            assert_eq!(shown.len(), usize::from(is_shown));
            for (reason, records) in shown {
                assert_eq!((reason, records.len()), (DropReason::Sampled, 1));
            }
        }
        assert_eq!(bench.dropped_for(DropReason::Sampled), 2);
        // Also if there is no room for it.
        bench.intake.guard = None;
        bench.intake.track(event());
        bench.intake.track(event());
        bench.intake.guard = Some(Box::new(Guard::new(0.0, [])));
        bench.intake.track(event());
        assert!(bench.intake.try_track(event()).is_ok());
        assert_eq!(bench.dropped_for(DropReason::Sampled), 4);
        let prepared = bench.intake.prepare(event());
        assert!(matches!(prepared, Err(DeliveryErrorKind::LeftOut(_))));
    }
}

#[test]
fn an_invalid_record_is_shown_as_far_as_it_can_be() {
    let bench = bench(2, true);
    bench.intake.track(Event::new("user", "").into());
    let shown = bench.shown();
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].0, DropReason::Invalid);
    assert!(shown[0].1[0].contains("user"));
    let kind = bench.kind_of(Event::new("user", "").into());
    assert!(matches!(kind, Some(TrackErrorKind::Invalid(_))));
    assert_eq!(bench.shown(), [], "it was given back");
}

#[test]
fn the_content_rules_hold_for_records_that_are_sent_and_shown() {
    let mut bench = bench(2, true);
    let defaults = &mut bench.intake.defaults;
    let properties = crate::redaction::PropertyRedaction::default();
    let content = ContentRules::new(Content::Off, None, true, properties, defaults);
    bench.intake.content = content;
    bench
        .intake
        .track(LlmEvent::new("user", "secret", "words").into());
    let sent = bench.next();
    assert!(sent.contains("prompt_length") && !sent.contains("secret"));
    bench
        .intake
        .track(LlmEvent::new("", "secret", "words").into());
    let shown = format!("{:?}", bench.shown());
    assert!(shown.contains("prompt_length") && !shown.contains("secret"));
}

#[test]
fn a_redaction_that_panics_drops_the_record_unseen() {
    let mut bench = bench(2, true);
    let content = Content::redacted(|_| panic!("a bug"));
    let defaults = &mut bench.intake.defaults;
    let properties = crate::redaction::PropertyRedaction::default();
    bench.intake.content = ContentRules::new(content, None, true, properties, defaults);
    let record = || LlmEvent::new("user", "secret", "words").into();
    bench.intake.track(record());
    assert_eq!(bench.shown(), [(DropReason::Hook, vec![])]);
    let prepared = bench.intake.prepare(record());
    assert!(matches!(prepared, Err(DeliveryErrorKind::Hook)));
}

#[test]
fn a_record_may_cost_as_much_as_the_queue_allows() {
    let bench = bench(3, false);
    let with_name = |length| Event::new("user", "n".repeat(length)).into();
    bench.intake.track(with_name(1));
    let rest = 1_000 - RECORD_OVERHEAD - (bench.next().len() - 1);
    bench.intake.track(with_name(rest));
    assert_eq!(bench.next().len(), 1_000 - RECORD_OVERHEAD);
    let Some(TrackErrorKind::Invalid(error)) = bench.kind_of(with_name(rest + 1)) else {
        panic!("it is too large")
    };
    let text = error.to_string();
    assert!(
        text.contains("is 953 bytes of JSON: queue_bytes allows 952"),
        "{text}"
    );
}
