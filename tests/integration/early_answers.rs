//! A server in front of the API that answers a large request before it has read it, as proxies and application servers
//! do.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{self, Receiver, Sender},
    thread,
};

use socket2::{Domain, Socket, Type};
use trubrics::{DropReason, Event, Trubrics};

use crate::support::{LONG, NEVER, assert_balanced, build};

/// Answers a body of more than this many bytes at once with this status, and closes without reading it. All others are
/// read and accepted. Reports the number of records of each request that was accepted.
fn early_answers(limit: usize, status: u16) -> (String, Receiver<usize>) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // The kernel takes little of what is not read.
    socket.set_recv_buffer_size(4096).unwrap();
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any_port.into()).unwrap();
    socket.listen(16).unwrap();
    let listener = TcpListener::from(socket);
    let host = format!("http://{}", listener.local_addr().unwrap());
    let (accepted, requests) = mpsc::channel();
    thread::spawn(move || {
        for peer in listener.incoming() {
            let accepted = accepted.clone();
            thread::spawn(move || serve(peer.unwrap(), limit, status, &accepted));
        }
    });
    (host, requests)
}

fn serve(peer: TcpStream, limit: usize, status: u16, accepted: &Sender<usize>) {
    let mut reader = BufReader::new(peer);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or_default() == 0 {
                return;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let head = "Content-Length: 0\r\n";
        if length > limit {
            let answer = format!("HTTP/1.1 {status} Early\r\n{head}Connection: close\r\n\r\n");
            let _ = reader.get_mut().write_all(answer.as_bytes());
            return;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let records: Vec<serde_json::Value> = serde_json::from_slice(&body).unwrap();
        // Before the answer, so that the count is there when the client knows that the records are delivered.
        let _ = accepted.send(records.len());
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n");
        reader.get_mut().write_all(answer.as_bytes()).unwrap();
    }
}

fn client(host: String) -> Trubrics {
    let client = build(Trubrics::builder("key").host(host).flush_interval(NEVER));
    for number in 0..100 {
        client.track(Event::new("user", "Large").property(format!("{number}"), "x".repeat(1_000)));
    }
    client
}

#[test]
fn a_413_before_the_body_is_read_costs_no_record() {
    let (host, requests) = early_answers(30_000, 413);
    let client = client(host);
    client.flush(LONG).expect("all are delivered");
    let stats = client.stats();
    assert_eq!((stats.delivered, stats.dropped), (100, 0));
    assert_balanced(stats);
    assert_eq!(requests.try_iter().sum::<usize>(), 100);
}

#[test]
fn a_401_before_the_body_is_read_is_known_as_one() {
    let (host, _) = early_answers(0, 401);
    let client = client(host);
    client.flush(LONG).expect_err("all are dropped");
    let stats = client.stats();
    assert_eq!(
        stats.dropped_for(DropReason::Unauthorized),
        100,
        "{stats:?}"
    );
}
