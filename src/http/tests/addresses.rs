//! Addresses that do not answer keep no connection from one that does.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

use super::{
    super::{HttpTransport, dns_cache::DnsCache},
    AMPLE, cause, post,
    server::{Server, answer},
    settings,
};
use crate::{defaults, transport::Transport};

/// A port of which no connection ever comes about, on every address of this machine.
struct BlackHole {
    port: u16,
    _listener: TcpListener,
    /// They fill the queue of connections that wait to be accepted.
    _waiting: Vec<TcpStream>,
}

impl BlackHole {
    fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any = SocketAddr::from(([0, 0, 0, 0], 0));
        socket.bind(&any.into()).expect("a free port");
        socket.listen(1).expect("a listener");
        let listener = TcpListener::from(socket);
        let port = listener.local_addr().expect("an address").port();
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let patience = Duration::from_millis(200);
        let connect = || TcpStream::connect_timeout(&address, patience).ok();
        Self {
            port,
            _listener: listener,
            _waiting: std::iter::from_fn(connect).take(100).collect(),
        }
    }

    fn address(&self, last: u8) -> SocketAddr {
        ([127, 0, 0, last], self.port).into()
    }
}

/// A transport for a name with these addresses, with the default time to connect.
fn transport(url: &str, addresses: Vec<SocketAddr>) -> (HttpTransport, DnsCache) {
    let dns = DnsCache::asking(AMPLE, move |_, _| Ok(addresses.clone()));
    let mut settings = settings(url);
    settings.connect_timeout = defaults::CONNECT_TIMEOUT;
    let transport = HttpTransport::with_dns(&settings, dns.clone()).expect("usable settings");
    (transport, dns)
}

fn order(dns: &DnsCache) -> Vec<SocketAddr> {
    dns.find("several.test", 80, Instant::now(), AMPLE)
        .expect("addresses")
}

/// A server that closes each connection after one answer.
fn closing() -> (Server, SocketAddr) {
    let server = Server::start(|mut peer, _| {
        peer.request();
        peer.write(answer(200, "").as_bytes());
    });
    let address = ([127, 0, 0, 1], server.port()).into();
    (server, address)
}

const URL: &str = "http://several.test";

#[test]
#[cfg(target_os = "linux")]
fn a_dead_first_address_costs_little_and_only_once() {
    let (_server, good) = closing();
    let hole = BlackHole::new();
    let (transport, dns) = transport(URL, vec![hole.address(2), good, hole.address(3)]);
    let started = Instant::now();
    assert_eq!(post(&transport, URL).expect("an answer").status(), 200);
    // A share of the whole time would be half of it or more.
    let took = started.elapsed();
    assert!(took < defaults::CONNECT_TIMEOUT / 2, "{took:?}");
    assert_eq!(order(&dns), [good, hole.address(2), hole.address(3)]);

    let started = Instant::now();
    for _ in 0..20 {
        assert_eq!(post(&transport, URL).expect("an answer").status(), 200);
    }
    let took = started.elapsed();
    assert!(took < Duration::from_millis(20 * 250), "{took:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn eight_dead_addresses_leave_time_for_the_ninth() {
    let (_server, good) = closing();
    let hole = BlackHole::new();
    let mut addresses: Vec<_> = (2..10).map(|last| hole.address(last)).collect();
    addresses.push(good);
    let (transport, _) = transport(URL, addresses);
    let started = Instant::now();
    assert_eq!(post(&transport, URL).expect("an answer").status(), 200);
    let took = started.elapsed();
    assert!(took < defaults::CONNECT_TIMEOUT * 2 / 3, "{took:?}");
}

#[test]
fn an_address_that_refuses_is_passed_over_at_once() {
    let (_server, good) = closing();
    // No socket listens on the other addresses of this port.
    let elsewhere = |last| SocketAddr::from(([127, 0, 0, last], good.port()));
    let addresses = (2..18).map(elsewhere).take(15).chain([good]).collect();
    let (transport, dns) = transport(URL, addresses);
    assert_eq!(post(&transport, URL).expect("an answer").status(), 200);
    assert_eq!(order(&dns)[0], good);
}

#[test]
#[cfg(target_os = "linux")]
fn addresses_that_are_all_dead_cost_no_more_than_the_time() {
    let hole = BlackHole::new();
    let addresses = (2..6).map(|last| hole.address(last)).collect();
    let (transport, _) = transport(URL, addresses);
    let started = Instant::now();
    assert_eq!(cause(post(&transport, URL)), "timed out while connecting");
    let took = started.elapsed();
    assert!(took >= defaults::CONNECT_TIMEOUT / 2, "{took:?}");
    assert!(took < defaults::CONNECT_TIMEOUT * 2, "{took:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn attempts_to_connect_end_with_an_interruption() {
    let hole = BlackHole::new();
    let (sign, there) = mpsc::channel();
    let addresses: Vec<_> = (2..10).map(|last| hole.address(last)).collect();
    let dns = DnsCache::asking(AMPLE, move |_, _| {
        let _ = sign.send(());
        Ok(addresses.clone())
    });
    let transport = HttpTransport::with_dns(&settings(URL), dns).expect("usable settings");
    thread::scope(|scope| {
        let sender = scope.spawn(|| post(&transport, URL));
        there.recv_timeout(AMPLE).expect("a lookup");
        let started = Instant::now();
        transport.interrupt();
        let words = cause(sender.join().expect("no panic"));
        assert_eq!(words, "interrupted before the answer was there");
        assert!(started.elapsed() < AMPLE / 4);
    });
}

#[test]
fn an_address_that_worked_stays_first_when_the_name_is_looked_up_again() {
    let addresses: Vec<_> = (1..5)
        .map(|last| SocketAddr::from(([192, 0, 2, last], 80)))
        .collect();
    let looked_up = addresses.clone();
    let dns = DnsCache::asking(AMPLE, move |_, _| Ok(looked_up.clone()));
    assert_eq!(order(&dns), addresses);
    dns.prefer(addresses[2]);
    let expected = [2, 0, 1, 3].map(|index: usize| addresses[index]);
    assert_eq!(order(&dns), expected);
    dns.invalidate();
    assert_eq!(order(&dns), expected);
    dns.prefer(addresses[3]);
    assert_eq!(order(&dns)[0], addresses[3]);
}
