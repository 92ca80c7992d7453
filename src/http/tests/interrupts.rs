//! An interrupted request ends at once, wherever it is.

use std::{
    net::TcpStream,
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::Ordering,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Instant,
};

use super::{
    super::{HttpTransport, dns_cache::DnsCache},
    AMPLE, cause, post, post_within,
    server::{Peer, Server, answer},
    settings, transport,
};
use crate::transport::{Response, Transport, TransportError};

/// Sends, interrupts when the other side says that it is there, and returns what came of it.
#[track_caller]
fn interrupted(
    transport: &HttpTransport,
    url: &str,
    body: &[u8],
    there: &Receiver<()>,
) -> Result<Response, TransportError> {
    let outcome = thread::scope(|scope| {
        let sender = scope.spawn(|| post_within(transport, url, body, AMPLE));
        there.recv_timeout(AMPLE).expect("a sign");
        let started = Instant::now();
        transport.interrupt();
        transport.interrupt();
        let outcome = sender.join().expect("no panic");
        assert!(started.elapsed() < AMPLE / 4, "{:?}", started.elapsed());
        outcome
    });
    let started = Instant::now();
    let words = cause(post(transport, url));
    assert_eq!(words, "interrupted before the answer was there");
    assert!(started.elapsed() < AMPLE / 4);
    outcome
}

/// A server that gives a sign when it is where the test wants it.
fn server<F>(behaviour: F) -> (Server, Receiver<()>)
where
    F: Fn(&mut Peer<TcpStream>, &Sender<()>) + Send + Sync + 'static,
{
    let (sign, there) = mpsc::channel();
    let sign = Mutex::new(sign);
    let server = Server::start(move |mut peer, _| {
        let sign = sign.lock().unwrap().clone();
        behaviour(&mut peer, &sign);
        peer.stay_silent();
    });
    (server, there)
}

#[test]
fn a_wait_for_the_answer_ends() {
    let (server, there) = server(|peer, sign| {
        peer.request();
        sign.send(()).unwrap();
    });
    let transport = transport(&server.url());
    let words = cause(interrupted(&transport, &server.url(), b"[]", &there));
    assert_eq!(words, "interrupted before the answer was there");
}

#[test]
fn a_request_that_meets_a_shut_down_agent_was_interrupted() {
    let made: Arc<OnceLock<Weak<HttpTransport>>> = Arc::default();
    let interrupted = Arc::clone(&made);
    // The lookup ends before the interruption reaches it, and the agent is shut down before the connection is made.
    let dns = DnsCache::asking(AMPLE, move |_, port| {
        let transport = interrupted.get().and_then(Weak::upgrade).expect("it");
        transport.is_interrupted.store(true, Ordering::SeqCst);
        transport.current().agent.clone().shutdown();
        Ok(vec![([127, 0, 0, 1], port).into()])
    });
    let server = Server::answering(answer(200, ""));
    let url = format!("http://some.test:{}", server.port());
    let transport = Arc::new(HttpTransport::with_dns(&settings(&url), dns).expect("settings"));
    made.set(Arc::downgrade(&transport)).expect("once");
    let words = cause(post(&transport, &url));
    assert_eq!(words, "interrupted before the answer was there");
}

#[test]
fn a_wait_within_the_status_line_ends() {
    let (server, there) = server(|peer, sign| {
        peer.request();
        peer.write(b"HTTP/1.1 200 OK");
        sign.send(()).unwrap();
    });
    let transport = transport(&server.url());
    cause(interrupted(&transport, &server.url(), b"[]", &there));
}

#[test]
fn a_wait_for_the_body_ends() {
    let (server, there) = server(|peer, sign| {
        peer.request();
        peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
        sign.send(()).unwrap();
    });
    let transport = transport(&server.url());
    // Whether the head was read before the interruption is up to chance; if so, its status stands.
    if let Ok(response) = interrupted(&transport, &server.url(), b"[]", &there) {
        assert_eq!(response.status(), 200);
    }
}

#[test]
fn a_body_that_nobody_reads_ends() {
    let (sign, there) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let shared = Mutex::new((sign, released));
    let server = Server::start(move |mut peer, _| {
        peer.head();
        let shared = shared.lock().unwrap();
        shared.0.send(()).unwrap();
        // Keeps the connection, unread, until the test is over.
        let _ = shared.1.recv_timeout(AMPLE);
    });
    let transport = transport(&server.url());
    let large = vec![b'x'; 32 * 1024 * 1024];
    cause(interrupted(&transport, &server.url(), &large, &there));
    drop(release);
}

#[test]
fn a_request_on_a_reused_connection_is_not_sent_again() {
    let (server, there) = server(|peer, sign| {
        peer.request();
        peer.write(answer(200, "").as_bytes());
        peer.request();
        sign.send(()).unwrap();
    });
    let transport = transport(&server.url());
    post(&transport, &server.url()).expect("an answer");
    cause(interrupted(&transport, &server.url(), b"[]", &there));
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_wait_for_a_name_ends() {
    let (sign, there) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let shared = Mutex::new((sign, released));
    let dns = DnsCache::asking(AMPLE, move |_, _| {
        let shared = shared.lock().unwrap();
        shared.0.send(()).unwrap();
        let _ = shared.1.recv_timeout(AMPLE);
        Ok(Vec::new())
    });
    let url = "http://slow.localhost";
    let transport = HttpTransport::with_dns(&settings(url), dns).expect("usable settings");
    let words = cause(interrupted(&transport, url, b"[]", &there));
    assert_eq!(words, "interrupted before the answer was there");
    drop(release);
}

#[test]
fn an_idle_transport_is_interrupted_too() {
    let server = Server::answering(answer(200, ""));
    let transport = transport(&server.url());
    post(&transport, &server.url()).expect("an answer");
    transport.interrupt();
    let words = cause(post(&transport, &server.url()));
    assert_eq!(words, "interrupted before the answer was there");
    assert_eq!(server.connections(), 1);
}

#[test]
fn a_cancelled_request_ends_and_the_next_one_is_answered() {
    let (sign, there) = mpsc::channel();
    let sign = Mutex::new(sign);
    let server = Server::start(move |mut peer, connection| {
        peer.request();
        if connection > 1 {
            peer.write(answer(200, "").as_bytes());
        }
        sign.lock().unwrap().send(()).unwrap();
        peer.stay_silent();
    });
    let transport = transport(&server.url());
    thread::scope(|scope| {
        let sender = scope.spawn(|| post_within(&transport, &server.url(), b"[]", AMPLE));
        there.recv_timeout(AMPLE).expect("a sign");
        let started = Instant::now();
        transport.cancel();
        let words = cause(sender.join().expect("no panic"));
        assert_eq!(words, "interrupted before the answer was there");
        assert!(started.elapsed() < AMPLE / 4, "{:?}", started.elapsed());
    });
    let response = post(&transport, &server.url()).expect("an answer");
    assert_eq!(response.status(), 200);
}
