use std::{
    fmt, io,
    sync::{Barrier, atomic::AtomicUsize, atomic::Ordering::SeqCst},
    thread,
};

use super::*;
use crate::{clock::double::VirtualTime, logging::double::lines, transport_fn};

const SECOND: Duration = Duration::from_secs(1);

fn exchange(consent: Consent, transport: impl Transport) -> Exchange {
    Exchange::new(
        ClientId::MIN,
        Accounting::for_tests(),
        Arc::new(ConsentCell::new(consent)),
        Arc::new(transport),
        "key".into(),
        "https://example.org",
    )
}

fn attempt() -> Attempt {
    Attempt {
        endpoint: Endpoint::Events,
        records: 1,
        body: b"[]".to_vec(),
        deadline: clock::now() + 60 * SECOND,
        withdrawals: 0,
    }
}

/// Counts how often its requests are broken off.
#[derive(Default)]
struct Counting {
    cancelled: Arc<AtomicUsize>,
    interrupted: Arc<AtomicUsize>,
}

impl Transport for Counting {
    fn send(&self, _: &Request<'_>) -> Result<Response, TransportError> {
        Ok(Response::new(200))
    }

    fn cancel(&self) {
        self.cancelled.fetch_add(1, SeqCst);
    }

    fn interrupt(&self) {
        self.interrupted.fetch_add(1, SeqCst);
    }
}

#[test]
fn requests_are_broken_off_by_the_transport() {
    let transport = Counting::default();
    let (cancelled, interrupted) = (transport.cancelled.clone(), transport.interrupted.clone());
    let exchange = exchange(Consent::Granted, transport);
    exchange.cancel();
    assert_eq!((cancelled.load(SeqCst), interrupted.load(SeqCst)), (1, 0));
    exchange.interrupt();
    assert_eq!((cancelled.load(SeqCst), interrupted.load(SeqCst)), (1, 1));
}

#[test]
fn a_request_under_way_is_waited_for_until_it_ends_or_the_consent_is_granted() {
    for (consent, expected) in [(Consent::Withdrawn, false), (Consent::Granted, true)] {
        let (begun, may_end) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let ends = (begun.clone(), may_end.clone());
        let transport = transport_fn(move |_: &Request<'_>| {
            ends.0.wait();
            ends.1.wait();
            Ok(Response::new(200))
        });
        let exchange = exchange(Consent::Granted, transport);
        assert!(exchange.cancel_all(clock::now()), "none is under way");
        thread::scope(|scope| {
            scope.spawn(|| exchange.attempt_once(&attempt()));
            begun.wait();
            if consent == Consent::Withdrawn {
                exchange.consent().withdraw();
            }
            assert_eq!(exchange.cancel_all(clock::now()), expected);
            may_end.wait();
            assert!(exchange.cancel_all(clock::now() + 60 * SECOND));
        });
        assert!(exchange.cancel_all(clock::now()), "it has ended");
    }
}

#[test]
fn the_last_failure_is_known_until_a_success() {
    let answers = AtomicUsize::new(0);
    let exchange = exchange(
        Consent::Granted,
        transport_fn(move |_: &Request<'_>| match answers.fetch_add(1, SeqCst) {
            0 => Err(TransportError::new("refused")),
            _ => Ok(Response::new(200)),
        }),
    );
    assert!(exchange.last_failure().is_none());
    exchange.attempt(&attempt());
    assert!(exchange.last_failure().is_some());
    assert!(exchange.last().failure.is_some() && exchange.last().success.is_none());
    exchange.attempt(&attempt());
    assert!(exchange.last_failure().is_none());
    assert!(exchange.last().failure.is_some() && exchange.last().success.is_some());
}

#[test]
fn an_outage_is_logged_with_what_is_known_of_it() {
    for (status, cause) in [(None, "refused"), (Some(503), "status 503")] {
        let time = VirtualTime::start();
        let exchange = exchange(
            Consent::Granted,
            transport_fn(move |_: &Request<'_>| match status {
                None => Err(TransportError::new("refused")),
                Some(status) => Ok(Response::new(status)),
            }),
        );
        let logged = lines(|| {
            for seconds in [0, 10] {
                time.set(seconds * SECOND);
                exchange.attempt(&attempt());
            }
        });
        let outages = logged.iter().filter(|line| line.starts_with("WARN"));
        let outages: Vec<_> = outages.collect();
        assert!(
            outages.len() == 1 && outages[0].contains(cause),
            "{logged:?}"
        );
    }
}

#[derive(Debug)]
struct PanicsInDrop;

impl fmt::Display for PanicsInDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an error")
    }
}

impl std::error::Error for PanicsInDrop {}

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("in the drop of an error");
        }
    }
}

#[test]
fn an_error_that_panics_in_its_drop_does_no_harm() {
    let exchange = exchange(
        Consent::Granted,
        transport_fn(|_: &Request<'_>| Err(TransportError::new(PanicsInDrop))),
    );
    exchange.attempt(&attempt());
    exchange.attempt(&attempt());
    drop(exchange);
}

#[test]
fn how_much_of_a_body_arrived_is_told_by_the_error_and_the_deadline() {
    use ErrorKind::{ConnectionReset, TimedOut, UnexpectedEof};

    let (early, late) = (clock::now(), clock::now() + 3_600 * SECOND);
    let sending = |kind: ErrorKind| TransportError::while_sending(io::Error::from(kind));
    let waiting = |kind: ErrorKind| TransportError::new(io::Error::from(kind));
    for (error, deadline, expected) in [
        (sending(TimedOut), late, BodySent::TimedOut),
        (sending(ConnectionReset), late, BodySent::Lost),
        (sending(ConnectionReset), early, BodySent::TimedOut),
        (waiting(UnexpectedEof), late, BodySent::Whole),
        (waiting(ConnectionReset), late, BodySent::Unknown),
        (waiting(TimedOut), early, BodySent::Unknown),
        (TransportError::new("no reason"), late, BodySent::Unknown),
    ] {
        assert_eq!(body_sent(&error, deadline), expected, "{error:?}");
    }
}

#[test]
fn the_calls_of_callers_are_awaited_until_the_deadline() {
    let exchange = exchange(Consent::Granted, Counting::default());
    let soon = || clock::now() + Duration::from_millis(10);
    assert!(exchange.await_calls(clock::now()), "there is none");
    let call = exchange.begin_call();
    assert!(!exchange.await_calls(soon()), "it goes on");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| exchange.await_calls(clock::now() + 60 * SECOND));
        drop(call);
        assert!(waiter.join().expect("no panic"));
    });
}
