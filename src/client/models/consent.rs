//! Models of the consent: a withdrawal and a grant beside callers and requests.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::*;
use crate::{Consent, WhileUndecided};

/// A client whose transport fails the model if a request is under way when no consent covers it.
struct Watched {
    client: Trubrics,
    is_forbidden: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
}

impl Watched {
    fn new(set: impl FnOnce(TrubricsBuilder) -> TrubricsBuilder) -> Self {
        let is_forbidden = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let (forbidden, counted) = (is_forbidden.clone(), sent.clone());
        let is_sent = crate::sync::Mutex::new(());
        let transport = transport_fn(move |request| {
            let was_forbidden = forbidden.load(SeqCst);
            // Other threads go on in the middle of a request.
            drop(is_sent.lock());
            if was_forbidden || forbidden.load(SeqCst) {
                // A panic would be caught.
                counted.fetch_add(1_000, Relaxed);
            }
            counted.fetch_add(records_in(request.body()) as u64, Relaxed);
            Ok(Response::new(200))
        });
        let builder = Trubrics::builder("key").transport(transport);
        let client = set(builder.flush_batch_size(1)).build();
        Self {
            client: client.expect("valid settings"),
            is_forbidden,
            sent,
        }
    }

    fn withdraw(&self) {
        self.client.withdraw().expect("the worker answers");
        self.is_forbidden.store(true, SeqCst);
    }

    fn grant(&self) {
        self.is_forbidden.store(false, SeqCst);
        self.client.grant().expect("the worker answers");
    }

    fn sent(&self) -> u64 {
        let sent = self.sent.load(Relaxed);
        assert!(sent < 1_000, "a request without consent");
        sent
    }
}

#[test]
fn a_record_tracked_beside_a_withdrawal_is_delivered_before_it_or_dropped() {
    check("a caller beside a withdrawal", Some(2), || {
        let watched = Watched::new(|builder| builder);
        let client = &watched.client;
        let other = in_thread(client, |client| client.track(event()));
        watched.withdraw();
        let delivered = watched.sent();
        other.join().expect("no panic");
        let _ = client.close(LATER);
        let stats = client.stats();
        assert_settled(&stats, 1, DropReason::Withdrawn);
        assert_eq!((stats.delivered, watched.sent()), (delivered, delivered));
    });
}

#[test]
fn records_are_taken_again_after_a_grant() {
    check("a withdrawal and a grant beside a caller", Some(1), || {
        let watched = Watched::new(|builder| builder);
        let client = &watched.client;
        let other = in_thread(client, |client| client.track(event()));
        watched.withdraw();
        watched.grant();
        assert_eq!(client.consent(), Consent::Granted);
        client.track(event());
        client.flush(LATER).ok();
        other.join().expect("no panic");
        let _ = client.close(LATER);
        let stats = client.stats();
        assert_settled(&stats, 2, DropReason::Withdrawn);
        assert!(stats.delivered >= 1, "the one after the grant: {stats:?}");
        assert_eq!(stats.delivered, watched.sent());
    });
}

#[test]
fn a_withdrawal_beside_a_grant_leaves_no_doubt() {
    check("a withdrawal beside a grant", Some(2), || {
        let watched = Watched::new(|builder| builder.consent(Consent::Undecided));
        let client = &watched.client;
        let other = in_thread(client, |client| client.grant().expect("the worker answers"));
        client.withdraw().expect("the worker answers");
        other.join().expect("no panic");
        let consent = client.consent();
        let taken = client.try_track(event()).is_ok();
        assert_eq!(taken, consent == Consent::Granted, "{consent:?}");
        let _ = client.close(LATER);
        assert_settled(&client.stats(), u64::from(taken), DropReason::Withdrawn);
    });
}

#[test]
fn records_that_wait_for_the_consent_are_sent_after_the_grant() {
    check("a caller beside the first grant", Some(2), || {
        let set = |builder: TrubricsBuilder| {
            builder
                .consent(Consent::Undecided)
                .while_undecided(WhileUndecided::Wait)
        };
        let watched = Watched::new(set);
        let client = &watched.client;
        let other = in_thread(client, |client| client.track(event()));
        client.grant().expect("the worker answers");
        other.join().expect("no panic");
        client.flush(LATER).expect("all is delivered");
        assert_eq!(watched.sent(), 1);
        client.close(LATER).expect("all is delivered");
    });
}

#[test]
fn a_withdrawal_ends_the_wait_for_room() {
    check("a caller that waits beside a withdrawal", Some(2), || {
        let set = |builder: TrubricsBuilder| builder.overflow(Overflow::Block).queue_capacity(1);
        let watched = Watched::new(set);
        let client = &watched.client;
        client.track(event());
        let other = in_thread(client, |client| client.track(event()));
        watched.withdraw();
        other.join().expect("no panic");
        let _ = client.close(LATER);
        assert_settled(&client.stats(), 2, DropReason::Withdrawn);
        watched.sent();
    });
}

#[test]
fn a_withdrawal_beside_a_close_returns() {
    check("a withdrawal beside a close", Some(2), || {
        let watched = Watched::new(|builder| builder);
        let client = &watched.client;
        client.track(event());
        let other = in_thread(client, |client| client.close(LATER).unwrap_or_default());
        watched.withdraw();
        other.join().expect("no panic");
        let stats = client.stats();
        assert_settled(&stats, 1, DropReason::Withdrawn);
        assert_eq!(stats.delivered, watched.sent());
    });
}

#[test]
fn a_request_of_a_caller_ends_before_a_withdrawal_returns() {
    check("a direct request beside a withdrawal", Some(2), || {
        let watched = Watched::new(|builder| builder);
        let other = in_thread(&watched.client, |client| {
            let _ = client.track_sync(event());
        });
        watched.withdraw();
        other.join().expect("no panic");
        watched.sent();
    });
}
