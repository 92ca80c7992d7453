//! A server on loopback that does with each connection what the test says.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use socket2::{Domain, Socket, Type};

use super::AMPLE;

pub(super) struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Server {
    /// The handler gets each connection with its number, from 1 on, on a thread of its own.
    pub(super) fn start<F>(handler: F) -> Self
    where
        F: Fn(Peer<TcpStream>, usize) + Send + Sync + 'static,
    {
        Self::accept(
            TcpListener::bind(("127.0.0.1", 0)).expect("a free port"),
            handler,
        )
    }

    /// The kernel takes little that the handler has not read: a client that sends more has to wait.
    pub(super) fn with_small_buffers<F>(handler: F) -> Self
    where
        F: Fn(Peer<TcpStream>, usize) + Send + Sync + 'static,
    {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(4096).expect("a small buffer");
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        socket.bind(&address.into()).expect("a free port");
        socket.listen(16).expect("a listener");
        Self::accept(socket.into(), handler)
    }

    fn accept<F>(listener: TcpListener, handler: F) -> Self
    where
        F: Fn(Peer<TcpStream>, usize) + Send + Sync + 'static,
    {
        let server = Self {
            address: listener.local_addr().expect("an address"),
            connections: Arc::default(),
            is_over: Arc::default(),
        };
        let connections = Arc::clone(&server.connections);
        let is_over = Arc::clone(&server.is_over);
        let handler = Arc::new(handler);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { return };
                stream.set_read_timeout(Some(AMPLE)).expect("a time-out");
                stream.set_write_timeout(Some(AMPLE)).expect("a time-out");
                stream.set_nodelay(true).expect("no delay");
                let number = connections.fetch_add(1, Ordering::SeqCst) + 1;
                let handler = Arc::clone(&handler);
                thread::spawn(move || handler(Peer::new(stream), number));
            }
        });
        server
    }

    /// Answers every request with these bytes, and keeps the connection.
    pub(super) fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |mut peer, _| {
            while peer.request().is_some() {
                peer.write(&answer);
            }
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/api/ingestion", self.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// The other side of a connection. Errors are those of a client that has gone, and mean the end.
pub(super) struct Peer<S: Read + Write> {
    stream: BufReader<S>,
}

#[derive(Debug)]
pub(super) struct Received {
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl<S: Read + Write> Peer<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream: BufReader::new(stream),
        }
    }

    pub(super) fn into_stream(self) -> S {
        self.stream.into_inner()
    }

    /// The next request to its end, or nothing when the client has closed.
    pub(super) fn request(&mut self) -> Option<Received> {
        let head = self.head()?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().expect("a length"));
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some(Received { head, body })
    }

    pub(super) fn read_exact(&mut self, bytes: &mut [u8]) -> bool {
        self.stream.read_exact(bytes).is_ok()
    }

    pub(super) fn head(&mut self) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        Some(head)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> bool {
        let stream = self.stream.get_mut();
        stream
            .write_all(bytes)
            .and_then(|()| stream.flush())
            .is_ok()
    }

    /// Writes the bytes one at a time, each after a pause, as long as the client stays.
    pub(super) fn drip(&mut self, bytes: &[u8]) {
        for byte in bytes {
            thread::park_timeout(std::time::Duration::from_millis(20));
            if !self.write(&[*byte]) {
                return;
            }
        }
    }

    /// Leaves the connection as it is, neither read nor closed, to the end of the process.
    pub(super) fn keep_open(self) {
        std::mem::forget(self);
    }

    /// Reads until the client closes, without a word.
    pub(super) fn stay_silent(&mut self) {
        let _ = std::io::copy(&mut self.stream, &mut std::io::sink());
    }
}

/// A whole answer.
pub(super) fn answer(status: u16, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} Words\r\nContent-Length: {length}\r\n\r\n{body}")
}
