//! Names are looked up seldom, by one thread, and delay a request no longer than the time to connect.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    super::{
        HttpTransport,
        dns_cache::{DnsCache, Unresolved},
    },
    AMPLE, cause, child, post,
    server::{Server, answer},
    settings, transport,
};

const MINUTE: Duration = Duration::from_secs(60);

type Answer = io::Result<Vec<SocketAddr>>;

/// A name server that answers when and as the test says. It gives up when the test has ended.
fn scripted() -> (DnsCache, Sender<Answer>, Arc<AtomicUsize>) {
    let (answers, script): (Sender<Answer>, Receiver<Answer>) = mpsc::channel();
    let script = Mutex::new(script);
    let lookups = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lookups);
    let dns = DnsCache::asking(AMPLE, move |_, _| {
        counted.fetch_add(1, Ordering::SeqCst);
        let answer = script.lock().unwrap().recv_timeout(AMPLE);
        answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    });
    (dns, answers, lookups)
}

fn address(last: u8) -> Vec<SocketAddr> {
    vec![([192, 0, 2, last], 80).into()]
}

fn not_found() -> Answer {
    Err(io::Error::new(io::ErrorKind::NotFound, "no such name"))
}

#[test]
fn an_address_is_its_own_without_a_lookup() {
    let (dns, _answers, lookups) = scripted();
    for (host, address) in [
        ("192.0.2.1", "192.0.2.1:8080"),
        ("[2001:db8::1]", "[2001:db8::1]:8080"),
    ] {
        let found = dns.find(host, 8080, Instant::now(), AMPLE).unwrap();
        assert_eq!(found, [address.parse().unwrap()]);
    }
    assert_eq!(lookups.load(Ordering::SeqCst), 0);
}

#[test]
fn a_name_is_looked_up_again_only_when_its_address_is_old() {
    let (dns, answers, lookups) = scripted();
    let now = Instant::now();
    answers.send(Ok(address(1))).unwrap();
    for second in [0, 1, 59] {
        let later = now + Duration::from_secs(second);
        assert_eq!(dns.find("a.test", 80, later, AMPLE).unwrap(), address(1));
    }
    assert_eq!(lookups.load(Ordering::SeqCst), 1);

    answers.send(Ok(address(2))).unwrap();
    let found = dns.find("A.test", 80, now + MINUTE, AMPLE);
    assert_eq!(found.unwrap(), address(2));
    assert_eq!(lookups.load(Ordering::SeqCst), 2);
}

#[test]
fn a_doubtful_address_is_looked_up_again() {
    let (dns, answers, lookups) = scripted();
    let now = Instant::now();
    answers.send(Ok(address(1))).unwrap();
    dns.find("a.test", 80, now, AMPLE).unwrap();
    dns.invalidate();
    answers.send(Ok(address(2))).unwrap();
    let found = dns.find("a.test", 80, now, AMPLE);
    assert_eq!(found.unwrap(), address(2));
    assert_eq!(lookups.load(Ordering::SeqCst), 2);
}

#[test]
fn an_old_address_serves_when_the_lookup_fails_or_is_slow() {
    let (dns, answers, lookups) = scripted();
    let now = Instant::now();
    answers.send(Ok(address(1))).unwrap();
    dns.find("a.test", 80, now, AMPLE).unwrap();

    answers.send(not_found()).unwrap();
    let found = dns.find("a.test", 80, now + MINUTE, AMPLE);
    assert_eq!(found.unwrap(), address(1));
    assert_eq!(lookups.load(Ordering::SeqCst), 2);

    // From here on the name server is silent.
    let started = Instant::now();
    for _ in 0..3 {
        let found = dns.find("a.test", 80, now + MINUTE, AMPLE);
        assert_eq!(found.unwrap(), address(1));
    }
    assert!(started.elapsed() < AMPLE / 2);
    assert_eq!(lookups.load(Ordering::SeqCst), 3);
}

#[test]
fn a_failed_lookup_says_why_and_is_made_again() {
    let (dns, answers, lookups) = scripted();
    let now = Instant::now();
    answers.send(not_found()).unwrap();
    match dns.find("a.test", 80, now, AMPLE) {
        Err(Unresolved::Failed(error)) => assert_eq!(error.to_string(), "no such name"),
        other => panic!("{other:?}"),
    }
    answers.send(Ok(Vec::new())).unwrap();
    match dns.find("a.test", 80, now, AMPLE) {
        Err(Unresolved::Failed(error)) => {
            assert_eq!(error.to_string(), "the name has no address");
        }
        other => panic!("{other:?}"),
    }
    answers.send(Ok(address(1))).unwrap();
    assert_eq!(dns.find("a.test", 80, now, AMPLE).unwrap(), address(1));
    assert_eq!(lookups.load(Ordering::SeqCst), 3);
}

#[test]
fn a_silent_name_server_is_asked_once_and_waited_for_by_all() {
    let (dns, answers, lookups) = scripted();
    let now = Instant::now();
    for _ in 0..10 {
        let found = dns.find("a.test", 80, now, Duration::from_millis(10));
        assert!(matches!(found, Err(Unresolved::TimedOut)), "{found:?}");
    }
    assert_eq!(lookups.load(Ordering::SeqCst), 1);

    thread::scope(|scope| {
        let waiting: Vec<_> = (0..5)
            .map(|_| scope.spawn(|| dns.find("a.test", 80, now, AMPLE)))
            .collect();
        answers.send(Ok(address(1))).unwrap();
        for thread in waiting {
            assert_eq!(thread.join().unwrap().unwrap(), address(1));
        }
    });
    assert_eq!(lookups.load(Ordering::SeqCst), 1);
}

#[test]
fn the_wait_for_a_name_is_bounded_by_the_time_to_connect() {
    let dns = DnsCache::asking(Duration::from_millis(50), {
        let (_sender, never) = mpsc::channel::<()>();
        let never = Mutex::new((never, _sender));
        move |_, _| {
            let _ = never.lock().unwrap().0.recv_timeout(AMPLE);
            not_found()
        }
    });
    let started = Instant::now();
    let found = dns.find("a.test", 80, started, AMPLE);
    assert!(matches!(found, Err(Unresolved::TimedOut)), "{found:?}");
    assert!(started.elapsed() < AMPLE / 2);
}

#[test]
fn a_server_that_was_not_reached_is_looked_up_again() {
    let server = Server::answering(answer(200, ""));
    let port = server.port();
    let lookups = AtomicUsize::new(0);
    // First an address without a listener, then that of the server.
    let dns = DnsCache::asking(AMPLE, move |_, _| {
        let first = lookups.fetch_add(1, Ordering::SeqCst) == 0;
        let address = if first {
            [127, 0, 0, 3]
        } else {
            [127, 0, 0, 1]
        };
        Ok(vec![(address, port).into()])
    });
    let url = format!("http://moved.localhost:{}", server.port());
    let transport = HttpTransport::with_dns(&settings(&url), dns).unwrap();
    assert_eq!(cause(post(&transport, &url)), "connection refused");
    assert_eq!(post(&transport, &url).expect("an answer").status(), 200);
}

#[test]
#[cfg(target_os = "linux")]
fn requests_start_no_threads() {
    if !child::is_this(module_path!(), "requests_start_no_threads", &[]) {
        return;
    }
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let server = Server::answering(answer(200, "fine"));
    let url = format!("http://localhost:{}", server.port());
    let transport = transport(&url);
    post(&transport, &url).expect("an answer");
    // The one that looked up the name may still be on its way out.
    let at_first = threads();
    let mut most = 0;
    for _ in 0..200 {
        post(&transport, &url).expect("an answer");
        most = most.max(threads());
    }
    assert!(most <= at_first, "{at_first} threads became {most}");
    assert_eq!(server.connections(), 1);
}
