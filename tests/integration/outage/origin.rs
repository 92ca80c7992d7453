//! A server that can go away, port and all, and come back.
//!
//! The one of `trubrics::testing` keeps its port for life. Here an outage begins between two requests, never inside
//! one: what was recorded has been answered, and what was not answered is not recorded.

use std::{
    io::{BufReader, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use serde_json::Value;

use crate::support::read_request;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outage {
    /// No program listens at the port.
    Refused,
    /// Connections are made, and never a byte comes back.
    Silent,
    /// Every request gets a 503.
    Unavailable,
}

pub(super) struct Origin {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    outage: Option<Outage>,
    bodies: Vec<Vec<u8>>,
    /// Requests that got a 503 or nothing.
    failed: usize,
    open: Vec<TcpStream>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("no panic on a thread of the server")
}

impl Origin {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let origin = Self {
            address: listener.local_addr().expect("an address"),
            state: Arc::default(),
        };
        origin.listen(listener);
        origin
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn fail(&self, outage: Outage) {
        let mut state = lock(&self.state);
        state.outage = Some(outage);
        if outage == Outage::Refused {
            // The listener is asleep in accept: this wakes it, and it sees that it has to go.
            let woken = TcpStream::connect(self.address).expect("it still listens");
            drop(woken);
            for open in state.open.drain(..) {
                let _ = open.shutdown(Shutdown::Both);
            }
            drop(state);
            while TcpStream::connect(self.address).is_ok() {}
        }
    }

    pub(super) fn recover(&self) {
        let was = lock(&self.state).outage.take();
        if was == Some(Outage::Refused) {
            self.listen(TcpListener::bind(self.address).expect("the same port"));
        }
    }

    pub(super) fn failed(&self) -> usize {
        lock(&self.state).failed
    }

    pub(super) fn user_ids(&self) -> Vec<String> {
        let state = lock(&self.state);
        let records = state.bodies.iter().flat_map(|body| {
            serde_json::from_slice::<Vec<Value>>(body).expect("an array of records")
        });
        let id = |record: Value| record["user_id"].as_str().map(str::to_owned);
        records
            .map(|record| id(record).expect("a user_id"))
            .collect()
    }

    fn listen(&self, listener: TcpListener) {
        let state = Arc::clone(&self.state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.expect("a connection");
                let mut locked = lock(&state);
                if locked.outage == Some(Outage::Refused) {
                    return;
                }
                locked.open.push(stream.try_clone().expect("a descriptor"));
                drop(locked);
                let state = Arc::clone(&state);
                thread::spawn(move || serve(&stream, &state));
            }
        });
    }
}

/// Answers requests until the client goes away.
fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    while let Some(body) = read_request(&mut reader) {
        // Held until the answer is written: an outage begins before the request or after it.
        let mut state = lock(state);
        let answer: &[u8] = match state.outage {
            Some(Outage::Silent) => b"",
            Some(Outage::Refused) => return,
            Some(Outage::Unavailable) => {
                b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"
            }
            None => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        };
        let mut writer = stream;
        if state.outage.is_some() {
            state.failed += 1;
            let _ = writer.write_all(answer);
        } else if writer.write_all(answer).is_ok() {
            state.bodies.push(body);
        }
    }
}
