//! Servers are reached through the proxy, and this machine never is.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Mutex, mpsc},
    thread,
};

use super::{
    super::{HttpTransport, dns_cache::DnsCache},
    AMPLE, cause, child, post,
    server::{Peer, Server, answer},
    settings, transport_with_dns,
};

/// An HTTP proxy with small buffers. It passes bytes on to this port, whichever host it is asked for.
pub(super) fn small_proxy(port: u16) -> Server {
    Server::with_small_buffers(move |mut peer, _| {
        peer.head();
        peer.write(b"HTTP/1.1 200 Connected\r\n\r\n");
        tunnel(peer, port);
    })
}

/// Passes bytes on between the client and this port, both ways, until either closes.
pub(super) fn tunnel(peer: Peer<TcpStream>, port: u16) {
    let client = peer.into_stream();
    let server = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let (mut from_client, mut to_server) =
        (client.try_clone().unwrap(), server.try_clone().unwrap());
    let up = thread::spawn(move || {
        let _ = io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut from_server, mut to_client) = (server, client);
    let _ = io::copy(&mut from_server, &mut to_client);
    let _ = to_client.shutdown(Shutdown::Both);
    let _ = up.join();
}

#[test]
fn a_made_up_host_is_reached_through_an_http_proxy() {
    let server = Server::answering(answer(200, "fine"));
    let port = server.port();
    let (sender, heads) = mpsc::channel();
    let sender = Mutex::new(sender);
    let proxy = Server::start(move |mut peer, _| {
        let Some(head) = peer.head() else { return };
        sender.lock().unwrap().send(head).unwrap();
        peer.write(b"HTTP/1.1 200 Connected\r\n\r\n");
        tunnel(peer, port);
    });

    // Only the name of the proxy is ours to look up.
    let dns = DnsCache::asking(AMPLE, |host, port| match host {
        "proxy.test" => Ok(vec![([127, 0, 0, 1], port).into()]),
        other => panic!("{other} was looked up"),
    });
    let url = "http://api.test/api";
    let by_name = format!("http://me:secret@proxy.test:{}", proxy.port());
    let mut settings = settings(url);
    settings.proxy = Some(&by_name);
    let transport = HttpTransport::with_dns(&settings, dns).expect("usable settings");
    for _ in 0..3 {
        assert_eq!(post(&transport, url).expect("an answer").status(), 200);
    }

    let head = heads.recv().unwrap();
    assert!(
        head.starts_with("CONNECT api.test:80 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"));
    assert!(!head.contains(super::KEY));
    assert_eq!((proxy.connections(), server.connections()), (1, 1));
}

#[test]
fn a_made_up_host_is_reached_through_a_socks_proxy() {
    let server = Server::answering(answer(200, "fine"));
    let port = server.port();
    let proxy = Server::start(move |peer, _| {
        let mut stream = peer.into_stream();
        let mut greeting = [0; 3];
        stream.read_exact(&mut greeting).unwrap();
        assert_eq!(greeting, [5, 1, 0]);
        stream.write_all(&[5, 0]).unwrap();
        let mut request = [0; 15];
        stream.read_exact(&mut request).unwrap();
        assert_eq!(&request[..5], [5, 1, 0, 3, 8]);
        assert_eq!(&request[5..13], b"api.test");
        stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
        tunnel(Peer::new(stream), port);
    });
    let url = "http://api.test/api";
    let by_address = format!("socks5h://127.0.0.1:{}", proxy.port());
    let mut settings = settings(url);
    settings.proxy = Some(&by_address);
    let transport = HttpTransport::new(&settings).expect("usable settings");
    for _ in 0..3 {
        assert_eq!(post(&transport, url).expect("an answer").status(), 200);
    }
    assert_eq!((proxy.connections(), server.connections()), (1, 1));
}

#[test]
fn a_connection_through_a_proxy_that_dies_at_once_is_not_tried_again() {
    let proxy = Server::start(|mut peer, _| {
        peer.head();
        peer.write(b"HTTP/1.1 200 Connected\r\n\r\n");
        peer.request();
    });
    let by_address = format!("http://127.0.0.1:{}", proxy.port());
    let url = "http://api.test/api";
    let mut settings = settings(url);
    settings.proxy = Some(&by_address);
    let transport = HttpTransport::new(&settings).expect("usable settings");
    cause(post(&transport, url));
    assert_eq!(proxy.connections(), 1);
}

#[test]
fn a_proxy_that_refuses_is_a_failure_in_words() {
    let proxy = Server::answering("HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n");
    let by_address = format!("http://me:hunter2@127.0.0.1:{}", proxy.port());
    let url = "http://api.test/api";
    let mut settings = settings(url);
    settings.proxy = Some(&by_address);
    let transport = HttpTransport::new(&settings).expect("usable settings");
    let words = cause(post(&transport, url));
    assert!(words.contains("proxy") && words.contains("407"), "{words}");
    assert!(!words.contains("hunter2"), "{words}");
}

#[test]
fn this_machine_is_reached_without_the_proxy_of_the_setting() {
    let server = Server::answering(answer(200, ""));
    let proxy = Server::answering(answer(502, ""));
    let by_address = format!("http://127.0.0.1:{}", proxy.port());
    for host in ["127.0.0.1", "localhost"] {
        let url = format!("http://{host}:{}", server.port());
        let mut settings = settings(&url);
        settings.proxy = Some(&by_address);
        let transport = HttpTransport::new(&settings).expect("usable settings");
        assert_eq!(post(&transport, &url).expect("an answer").status(), 200);
    }
    assert_eq!(proxy.connections(), 0);
}

#[test]
fn this_machine_is_reached_without_the_proxy_of_the_environment() {
    let dead = "http://127.0.0.1:1";
    let variables = [
        ("http_proxy", dead),
        ("HTTP_PROXY", dead),
        ("HTTPS_PROXY", dead),
        ("ALL_PROXY", dead),
    ];
    let name = "this_machine_is_reached_without_the_proxy_of_the_environment";
    if !child::is_this(module_path!(), name, &variables) {
        return;
    }
    let server = Server::answering(answer(200, ""));
    for host in ["127.0.0.1", "localhost", "sub.localhost"] {
        let url = format!("http://{host}:{}", server.port());
        let response = post(&transport_with_dns(&url), &url);
        assert_eq!(response.expect("an answer").status(), 200);
    }
    let url = format!("http://api.test:{}", server.port());
    let words = cause(post(&transport_with_dns(&url), &url));
    assert_eq!(words, "connection refused");
}

#[test]
fn the_exceptions_of_the_environment_are_reached_directly() {
    let dead = "http://127.0.0.1:1";
    let variables = [("http_proxy", dead), ("no_proxy", "other, .test")];
    let name = "the_exceptions_of_the_environment_are_reached_directly";
    if !child::is_this(module_path!(), name, &variables) {
        return;
    }
    let server = Server::answering(answer(200, ""));
    let url = format!("http://api.test:{}", server.port());
    let response = post(&transport_with_dns(&url), &url);
    assert_eq!(response.expect("an answer").status(), 200);
}
