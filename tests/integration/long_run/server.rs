//! A server that restarts on its port, between the acceptance of a request and its answer, too.

use std::{
    io::{BufReader, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread::{self, JoinHandle},
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::ledger::Ledger;
use crate::support::read_request;

/// From the acceptance of a request to its answer.
const LATENCY: Duration = Duration::from_millis(5);

pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: Option<Running>,
}

#[derive(Default)]
struct Shared {
    ledger: Mutex<Ledger>,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    made: u64,
    is_stopped: bool,
    open: Vec<(TcpStream, JoinHandle<()>)>,
}

struct Running {
    listening: JoinHandle<()>,
    /// Dropped when the server stops.
    alive: Sender<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no panic on a thread of the server")
}

impl Server {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut server = Self {
            address,
            shared: Arc::default(),
            running: None,
        };
        server.accept_on(listener);
        server
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        lock(&self.shared.ledger)
    }

    /// Takes the port again.
    pub(super) fn listen(&mut self) {
        let listener = TcpListener::bind(self.address).expect("the same port");
        self.accept_on(listener);
    }

    fn accept_on(&mut self, listener: TcpListener) {
        lock(&self.shared.connections).is_stopped = false;
        let shared = Arc::clone(&self.shared);
        let (alive, stopped) = bounded(0);
        let listening = thread::spawn(move || accept(&listener, &shared, &stopped));
        self.running = Some(Running { listening, alive });
    }

    /// Ends all connections and leaves the port.
    pub(super) fn stop(&mut self) {
        let running = self.running.take().expect("it runs");
        drop(running.alive);
        let mut connections = lock(&self.shared.connections);
        connections.is_stopped = true;
        let open = std::mem::take(&mut connections.open);
        drop(connections);
        for (stream, serving) in open {
            let _ = stream.shutdown(Shutdown::Both);
            serving.join().expect("no panic");
        }
        // Ends the accept, if no client does.
        let _ = TcpStream::connect(self.address);
        running.listening.join().expect("no panic");
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, stopped: &Receiver<()>) {
    for stream in listener.incoming() {
        let Ok(stream) = stream else { continue };
        let mut connections = lock(&shared.connections);
        if connections.is_stopped {
            return;
        }
        connections
            .open
            .retain(|(_, serving)| !serving.is_finished());
        connections.made += 1;
        let number = connections.made;
        let ours = stream.try_clone().expect("a descriptor");
        let (shared, stopped) = (Arc::clone(shared), stopped.clone());
        let serving = thread::spawn(move || serve(number, &ours, &shared, &stopped));
        connections.open.push((stream, serving));
    }
}

/// Answers requests until the client goes away or the server stops.
fn serve(number: u64, stream: &TcpStream, shared: &Shared, stopped: &Receiver<()>) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    while let Some(body) = read_request(&mut reader) {
        lock(&shared.ledger).accept(number, &body);
        if stopped.recv_timeout(LATENCY) == Err(RecvTimeoutError::Disconnected) {
            break;
        }
        let mut writer = stream;
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        if writer.write_all(answer).is_err() {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}
