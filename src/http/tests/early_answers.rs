//! What a server says before it has the whole request is read, whatever it does with the rest of it.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use super::{
    super::HttpTransport,
    AMPLE, KEY, cause, post, post_within,
    proxies::{small_proxy, tunnel},
    server::{Peer, Server, answer},
    settings, transport,
};
use crate::transport::{Response, Transport, TransportError};

/// More than the server's kernel takes, and less than a batch may have.
const BODY: usize = 100_000;

/// More than any kernel takes.
const LARGE: usize = 8 * 1024 * 1024;

const STATUSES: [u16; 5] = [413, 401, 422, 429, 200];

/// What a server does with the connection once it has answered.
#[derive(Debug, Clone, Copy)]
enum Then {
    /// It closes without reading the body, so that its system resets the connection.
    Close,
    /// It says that it sends no more, and reads nothing.
    HalfClose,
    /// Nothing more.
    KeepOpen,
}

const ALL: [Then; 3] = [Then::Close, Then::HalfClose, Then::KeepOpen];

fn early_answer(status: u16) -> String {
    format!(
        "HTTP/1.1 {status} Early\r\nConnection: close\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nsaid"
    )
}

/// Answers once the head is there.
fn answer_early(mut peer: Peer<TcpStream>, status: u16, then: Then) {
    peer.head();
    peer.write(early_answer(status).as_bytes());
    end(peer.into_stream(), then);
}

fn end(stream: TcpStream, then: Then) {
    match then {
        Then::Close => drop(stream),
        Then::HalfClose => {
            let _ = stream.shutdown(Shutdown::Write);
            std::mem::forget(stream);
        }
        Then::KeepOpen => std::mem::forget(stream),
    }
}

/// Sends bodies of several sizes, and finds the answer each time, over a connection of its own.
#[track_caller]
fn assert_heard(transport: &HttpTransport, url: &str, status: u16, context: &str) {
    for size in [BODY, LARGE] {
        let started = Instant::now();
        let response = post_within(transport, url, &vec![b'x'; size], AMPLE);
        let response = response.unwrap_or_else(|error| {
            panic!(
                "{context}, {size} bytes: {:?}",
                std::error::Error::source(&error)
            )
        });
        assert_eq!(response.status(), status, "{context}, {size} bytes");
        assert_eq!(response.header("retry-after"), Some("7"), "{context}");
        assert_eq!(response.body(), b"said", "{context}");
        assert!(
            started.elapsed() < AMPLE / 4,
            "{context}: {:?}",
            started.elapsed()
        );
    }
}

#[test]
fn an_answer_before_the_end_of_the_body_is_read() {
    for then in ALL {
        for status in STATUSES {
            let server =
                Server::with_small_buffers(move |peer, _| answer_early(peer, status, then));
            let url = server.url();
            assert_heard(
                &transport(&url),
                &url,
                status,
                &format!("{then:?} {status}"),
            );
            assert_eq!(server.connections(), 2);
        }
    }
}

#[test]
fn an_answer_before_the_end_of_the_body_is_read_through_a_proxy() {
    for then in ALL {
        let server = Server::with_small_buffers(move |peer, _| answer_early(peer, 413, then));
        let proxy = small_proxy(server.port());
        let by_address = format!("http://127.0.0.1:{}", proxy.port());
        let url = "http://api.test/api";
        let mut settings = settings(url);
        settings.proxy = Some(&by_address);
        let transport = HttpTransport::new(&settings).expect("usable settings");
        assert_heard(&transport, url, 413, &format!("{then:?}"));
    }
}

#[test]
fn an_answer_before_a_reset_is_read_through_a_socks_proxy() {
    let server = Server::with_small_buffers(|peer, _| answer_early(peer, 413, Then::Close));
    let port = server.port();
    let proxy = Server::with_small_buffers(move |peer, _| {
        let mut stream = peer.into_stream();
        stream.read_exact(&mut [0; 3]).unwrap();
        stream.write_all(&[5, 0]).unwrap();
        stream.read_exact(&mut [0; 15]).unwrap();
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        // The proxy passes the reset on.
        let reset = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        reset.expect("a reset in place of an orderly end");
        tunnel(Peer::new(stream), port);
    });
    let by_address = format!("socks5h://127.0.0.1:{}", proxy.port());
    let url = "http://api.test/api";
    let mut settings = settings(url);
    settings.proxy = Some(&by_address);
    let transport = HttpTransport::new(&settings).expect("usable settings");
    assert_heard(&transport, url, 413, "SOCKS");
}

#[cfg(any(
    feature = "rustls",
    feature = "rustls-no-provider",
    feature = "native-tls"
))]
mod over_tls {
    use std::sync::Arc;

    use rustls::ServerConfig;

    use super::{
        super::certificates::{Authority, encrypted, trusting},
        *,
    };

    fn serve(peer: Peer<TcpStream>, config: &Arc<ServerConfig>, status: u16, then: Then) {
        let mut peer = encrypted(peer, config);
        peer.head();
        peer.write(early_answer(status).as_bytes());
        end(peer.into_stream().sock, then);
    }

    #[test]
    fn an_answer_before_the_end_of_the_body_is_read_over_tls() {
        let authority = Authority::new();
        for then in ALL {
            for status in STATUSES {
                let config = authority.server_config();
                let server = Server::with_small_buffers(move |peer, _| {
                    serve(peer, &config, status, then);
                });
                let url = format!("https://localhost:{}", server.port());
                let transport = trusting(&url, Some(&authority.pem())).unwrap();
                assert_heard(&transport, &url, status, &format!("{then:?} {status}"));
            }
        }
    }

    #[test]
    fn an_answer_before_the_end_of_the_body_is_read_over_tls_through_a_proxy() {
        let authority = Authority::new();
        for then in ALL {
            let config = authority.server_config();
            let server = Server::with_small_buffers(move |peer, _| serve(peer, &config, 413, then));
            let proxy = small_proxy(server.port());
            // Its name is in the certificate, and none of the loopback's.
            let by_address = format!("http://127.0.0.1:{}", proxy.port());
            let pem = authority.pem();
            let url = "https://api.test/api";
            let _ = trusting(url, Some(&pem));
            let mut settings = settings(url);
            settings.proxy = Some(&by_address);
            settings.root_certificates = Some(pem.as_bytes());
            let transport = HttpTransport::new(&settings).expect("usable settings");
            assert_heard(&transport, url, 413, &format!("{then:?}"));
        }
    }

    #[test]
    fn a_body_that_is_read_late_arrives_whole_over_tls() {
        let authority = Authority::new();
        let config = authority.server_config();
        let server = Server::with_small_buffers(move |peer, _| {
            let mut peer = encrypted(peer, &config);
            peer.head();
            // The tickets of the handshake lie unread on the other side meanwhile.
            std::thread::park_timeout(Duration::from_millis(500));
            let mut body = vec![0; LARGE];
            peer.read_exact(&mut body);
            let is_whole = body.iter().all(|&byte| byte == b'x');
            peer.write(answer(if is_whole { 200 } else { 400 }, "").as_bytes());
        });
        let url = format!("https://localhost:{}", server.port());
        let transport = trusting(&url, Some(&authority.pem())).unwrap();
        let response = post_within(&transport, &url, &vec![b'x'; LARGE], AMPLE);
        assert_eq!(response.expect("an answer").status(), 200);
    }
}

#[test]
fn a_body_that_is_read_late_arrives_whole() {
    let server = Server::with_small_buffers(|mut peer, _| {
        peer.head();
        // An interim answer while the client is blocked.
        peer.write(b"HTTP/1.1 102 Wait\r\nX: y\r\n\r\n");
        std::thread::park_timeout(Duration::from_millis(300));
        let mut body = vec![0; LARGE];
        peer.read_exact(&mut body);
        let is_whole = body.iter().all(|&byte| byte == b'x');
        peer.write(answer(if is_whole { 200 } else { 400 }, "").as_bytes());
    });
    let url = server.url();
    let response = post_within(&transport(&url), &url, &vec![b'x'; LARGE], AMPLE);
    assert_eq!(response.expect("an answer").status(), 200);
}

#[test]
fn the_connection_of_an_early_answer_is_not_used_again() {
    let server = Server::with_small_buffers(|mut peer, _| {
        peer.head();
        // Says nothing of closing, and takes the rest of the body for the next request.
        peer.write(answer(401, "no").as_bytes());
        peer.stay_silent();
    });
    let transport = transport(&server.url());
    for connection in 1..=3 {
        let body = vec![b'x'; LARGE];
        let response = post_within(&transport, &server.url(), &body, AMPLE);
        assert_eq!(response.expect("an answer").status(), 401);
        assert_eq!(server.connections(), connection);
    }
}

/// Sends a body of this size to a server that does this, and returns the error.
#[track_caller]
fn failure_of<F>(size: usize, time: Duration, behaviour: F) -> TransportError
where
    F: Fn(Peer<TcpStream>) + Send + Sync + 'static,
{
    let server = Server::with_small_buffers(move |peer, _| behaviour(peer));
    let url = server.url();
    let outcome = post_within(&transport(&url), &url, &vec![b'x'; size], time);
    outcome.expect_err("no answer")
}

#[test]
fn a_loss_without_an_answer_says_that_the_body_was_being_sent() {
    for size in [BODY, LARGE] {
        let error = failure_of(size, AMPLE, |mut peer| {
            peer.head();
        });
        assert!(error.was_sending_body(), "{error:?}");
        let words = cause(Err(error));
        assert!(
            words.ends_with("while the request was being sent"),
            "{words}"
        );
    }
}

#[test]
fn a_time_out_without_an_answer_says_that_the_body_was_being_sent() {
    let time = Duration::from_millis(300);
    // While it is sent, and right after.
    let blocked = failure_of(LARGE, time, |mut peer| {
        peer.head();
        peer.keep_open();
    });
    let silent = failure_of(BODY, time, |mut peer| {
        peer.request();
        peer.keep_open();
    });
    for error in [blocked, silent] {
        assert!(error.was_sending_body(), "{error:?}");
        let words = cause(Err(error));
        assert!(words.starts_with("timed out "), "{words}");
    }
}

#[test]
fn a_failure_that_is_not_about_the_body_does_not_say_so() {
    let closed = failure_of(BODY, AMPLE, |mut peer| {
        peer.request();
    });
    let begun = failure_of(BODY, AMPLE, |mut peer| {
        peer.head();
        peer.write(b"HTTP/1.1 20");
    });
    let refused = transport("http://127.0.0.1:1");
    let refused = post(&refused, "http://127.0.0.1:1").expect_err("no listener");
    for error in [closed, begun, refused] {
        assert!(!error.was_sending_body(), "{error:?}");
    }
}

#[test]
fn a_blocked_body_is_interrupted() {
    let (sign, there) = std::sync::mpsc::channel();
    let sign = std::sync::Mutex::new(sign);
    let server = Server::with_small_buffers(move |mut peer, _| {
        peer.head();
        // Both sides wait: the client has input, and output that is not taken.
        peer.write(b"HTTP/1.1 102 Wait\r\n\r\n");
        sign.lock().unwrap().send(()).unwrap();
        peer.keep_open();
    });
    let transport = transport(&server.url());
    let outcome: Result<Response, _> = std::thread::scope(|scope| {
        let body = vec![b'x'; LARGE];
        let sender = scope.spawn(|| {
            let body = body;
            post_within(&transport, &server.url(), &body, AMPLE)
        });
        there.recv_timeout(AMPLE).expect("a request");
        transport.interrupt();
        sender.join().expect("no panic")
    });
    assert!(!cause(outcome).contains(KEY));
}
