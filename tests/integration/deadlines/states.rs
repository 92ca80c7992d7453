//! The states of the network, the server and the client in which a deadline has to hold.

use std::{
    any::Any,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use trubrics::{
    Event, TransportError, Trubrics, TrubricsBuilder,
    testing::{Reply, Server},
    transport_fn,
};

use crate::support::LONG;

/// Brings a client into a state. The other side blocks no thread once it is dropped.
pub(super) type Enter = fn(TrubricsBuilder) -> (Trubrics, OtherSide);
pub(super) type OtherSide = Box<dyn Any>;

pub(super) type State = (&'static str, Enter);

pub(super) const STATES: &[State] = &[
    ("no listener", no_listener),
    #[cfg(target_os = "linux")]
    ("black hole", black_hole),
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    ("TLS handshake hangs", tls_hangs),
    ("proxy hangs", proxy_hangs),
    ("body is not read", body_is_not_read),
    ("no headers", no_headers),
    ("headers drip", headers_drip),
    ("body drips", body_drips),
    ("back-off", back_off),
    ("Retry-After: 3600", retry_after),
    ("queue is full", queue_is_full),
    ("thousands wait", thousands_wait),
    ("deaf transport", deaf_transport),
];

/// For a process that [`OWN_NAME_SERVER`] starts.
#[cfg(target_os = "linux")]
pub(super) const NO_NAME: State = ("name server is silent", name_server_is_silent);

/// Starts a program in namespaces in which each name is looked up at port 53 of its own loopback.
#[cfg(target_os = "linux")]
pub(super) const OWN_NAME_SERVER: [&str; 5] = [
    "unshare",
    "-rmn",
    "sh",
    "-c",
    r#"
    set -e
    ip link set lo up
    file=$(mktemp)
    echo 'hosts: dns' >"$file"
    mount --bind "$file" /etc/nsswitch.conf
    rm "$file"
    echo 'nameserver 127.0.0.1' >"$file"
    mount --bind "$file" /etc/resolv.conf
    rm "$file"
    exec "$0" "$@"
    "#,
];

/// More than enough to be sent at once.
const RECORDS: usize = 25;

fn no_listener(builder: TrubricsBuilder) -> (Trubrics, OtherSide) {
    let client = builder.host("http://127.0.0.1:1").build().unwrap();
    track(&client, RECORDS);
    (client, Box::new(()))
}

#[cfg(target_os = "linux")]
fn black_hole(builder: TrubricsBuilder) -> (Trubrics, OtherSide) {
    use std::{net::SocketAddr, sync::LazyLock};

    /// A socket with so many connections waiting that the kernel drops every further attempt.
    static FULL: LazyLock<(TcpListener, Vec<TcpStream>, SocketAddr)> = LazyLock::new(|| {
        let listener = listen();
        let address = listener.local_addr().unwrap();
        let patience = Duration::from_millis(200);
        let connect = || TcpStream::connect_timeout(&address, patience).ok();
        let waiting = std::iter::from_fn(connect).take(10_000).collect();
        (listener, waiting, address)
    });
    // An attempt to connect cannot be interrupted: this is how long it takes to end by itself.
    let builder = builder.connect_timeout(Duration::from_secs(1));
    let host = format!("http://{}", FULL.2);
    let client = builder.host(host).build().unwrap();
    track(&client, RECORDS);
    (client, Box::new(()))
}

#[cfg(target_os = "linux")]
fn name_server_is_silent(builder: TrubricsBuilder) -> (Trubrics, OtherSide) {
    let server = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 53)).unwrap();
    server.set_read_timeout(Some(LONG)).unwrap();
    // A lookup cannot be interrupted: this is how long the worker waits for it.
    let builder = builder.connect_timeout(Duration::from_millis(700));
    let client = builder.host("http://trubrics.invalid").build().unwrap();
    track(&client, RECORDS);
    server.recv(&mut [0; 512]).unwrap();
    (client, Box::new(server))
}

#[cfg(any(feature = "rustls", feature = "native-tls"))]
fn tls_hangs(builder: TrubricsBuilder) -> (Trubrics, OtherSide) {
    let listener = listen();
    let host = format!("https://{}", listener.local_addr().unwrap());
    let client = builder.host(host).build().unwrap();
    track(&client, RECORDS);
    let peer = first_peer(listener);
    (client, Box::new(peer))
}

fn proxy_hangs(builder: TrubricsBuilder) -> (Trubrics, OtherSide) {
    let listener = listen();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let builder = builder.host("http://trubrics.invalid").proxy(proxy);
    let client = builder.build().unwrap();
    track(&client, RECORDS);
    let peer = first_peer(listener);
    (client, Box::new(peer))
}

fn body_is_not_read(builder: TrubricsBuilder) -> (Trubrics, OtherSide) {
    // More than the kernel keeps for a connection that is not read.
    let text = "x".repeat(16 << 20);
    let listener = listen();
    let client = plain(builder, &listener);
    client.track(Event::new("user", "Large").text(text));
    let peer = first_peer(listener);
    (client, Box::new(peer))
}

fn no_headers(builder: TrubricsBuilder) -> (Trubrics, OtherSide) {
    scripted(builder, [Reply::hang()])
}

fn headers_drip(builder: TrubricsBuilder) -> (Trubrics, OtherSide) {
    dripping(builder, "HTTP/1.1 200 OK\r\nx-long: ")
}

fn body_drips(builder: TrubricsBuilder) -> (Trubrics, OtherSide) {
    dripping(builder, "HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n")
}

fn back_off(builder: TrubricsBuilder) -> (Trubrics, OtherSide) {
    let long = Duration::from_secs(60);
    let builder = builder.initial_backoff(long).max_backoff(long);
    // The one attempt that a flush or a close makes at once finds no better answer.
    scripted(builder, [Reply::status(503), Reply::status(503)])
}

fn retry_after(builder: TrubricsBuilder) -> (Trubrics, OtherSide) {
    let reply = Reply::status(429).header("retry-after", "3600");
    scripted(builder, [reply])
}

fn queue_is_full(builder: TrubricsBuilder) -> (Trubrics, OtherSide) {
    scripted(builder.queue_capacity(RECORDS / 2), [Reply::hang()])
}

fn thousands_wait(builder: TrubricsBuilder) -> (Trubrics, OtherSide) {
    let server = Server::start().unwrap();
    server.set_latency(Duration::from_millis(50));
    let client = builder.host(server.url()).build().unwrap();
    track(&client, 5_000);
    (client, Box::new(server))
}

/// A transport that knows neither its deadline nor an interruption.
fn deaf_transport(builder: TrubricsBuilder) -> (Trubrics, OtherSide) {
    let (sign, there) = bounded(1);
    let (let_go, held) = bounded::<()>(0);
    let transport = transport_fn(move |_| {
        let _ = sign.try_send(());
        let _ = held.recv();
        Err(TransportError::new("let go"))
    });
    let client = builder.transport(transport).build().unwrap();
    track(&client, RECORDS);
    there.recv_timeout(LONG).unwrap();
    (client, Box::new(let_go))
}

/// A client whose first requests get this, one of which it has made.
fn scripted<const N: usize>(
    builder: TrubricsBuilder,
    replies: [Reply; N],
) -> (Trubrics, OtherSide) {
    let server = Server::start().unwrap();
    server.script(replies);
    let client = builder.host(server.url()).build().unwrap();
    track(&client, RECORDS);
    server.wait_for_requests(1, LONG).unwrap();
    (client, Box::new(server))
}

/// A client that gets this for an answer, and then one byte after the other without end.
fn dripping(builder: TrubricsBuilder, opening: &'static str) -> (Trubrics, OtherSide) {
    let listener = listen();
    let client = plain(builder, &listener);
    track(&client, RECORDS);
    let mut peer = first_peer(listener);
    peer.write_all(opening.as_bytes()).unwrap();
    let (on, off): (Sender<()>, Receiver<()>) = bounded(0);
    thread::spawn(move || {
        let pause = Duration::from_millis(10);
        while off.recv_timeout(pause) == Err(RecvTimeoutError::Timeout)
            && peer.write_all(b"x").is_ok()
        {}
    });
    (client, Box::new(on))
}

fn track(client: &Trubrics, records: usize) {
    for number in 0..records {
        client.track(Event::new("user", "Waited").property("number", number));
    }
}

fn listen() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

fn plain(builder: TrubricsBuilder, listener: &TcpListener) -> Trubrics {
    let host = format!("http://{}", listener.local_addr().unwrap());
    builder.host(host).build().unwrap()
}

/// The first connection, once its first byte is there; all others are closed.
fn first_peer(listener: TcpListener) -> TcpStream {
    let (sender, peers) = bounded(1);
    thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.read_exact(&mut [0]).unwrap();
        let _ = sender.send(peer);
    });
    peers.recv_timeout(LONG).unwrap()
}
