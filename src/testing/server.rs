use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    ops::Deref,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{API_KEY, Service, connection, rules::PREFIX};

/// Only bounds how long a drop may take on a machine without a working loopback interface.
const WAKE_TIMEOUT: Duration = Duration::from_secs(1);

/// A full descriptor table would otherwise make the accepting thread spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// An ingestion server on `127.0.0.1`, at a port that was free unless it was asked for.
///
/// Every setting may be changed while it runs and counts from the next request on. Dropping it
/// closes all its sockets and ends its threads at once, also under a reply that hangs or is delayed.
pub struct Server {
    url: String,
    address: SocketAddr,
    service: Arc<Service>,
    listening: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server that accepts [`API_KEY`].
    ///
    /// # Errors
    ///
    /// When no loopback port can be bound or the thread cannot be started.
    pub fn start() -> io::Result<Self> {
        Self::start_with_api_key(API_KEY)
    }

    /// Starts a server that accepts only this key.
    ///
    /// # Errors
    ///
    /// When no loopback port can be bound or the thread cannot be started.
    pub fn start_with_api_key(key: impl Into<String>) -> io::Result<Self> {
        Self::start_on_port(0, key)
    }

    /// Starts a server at this port, 0 for a free one, that accepts only this key.
    ///
    /// For a program that people point others at; a test is better off with a free port.
    ///
    /// # Errors
    ///
    /// When the port cannot be bound on loopback or the thread cannot be started.
    pub fn start_on_port(port: u16, key: impl Into<String>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let service = Arc::new(Service::new(key.into()));
        let listening = {
            let service = Arc::clone(&service);
            thread::Builder::new()
                .name("trubrics-testing".to_owned())
                .spawn(move || listen(&listener, &service))?
        };
        Ok(Self {
            url: format!("http://{address}{PREFIX}"),
            address,
            service,
            listening: Some(listening),
        })
    }

    /// The host to give to the client, by its builder or by `TRUBRICS_HOST`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Deref for Server {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.service.stop();
        // An accept cannot be cancelled; a connection to ourselves makes it return.
        let woken = TcpStream::connect_timeout(&self.address, WAKE_TIMEOUT).is_ok();
        if let Some(listening) = self.listening.take()
            && (woken || listening.is_finished())
        {
            let _ = listening.join();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("url", &self.url)
            .field("accepted", &self.accepted())
            .finish_non_exhaustive()
    }
}

/// Gives each connection a thread of its own, and joins them all before it returns.
fn listen(listener: &TcpListener, service: &Arc<Service>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    let mut number = 0;
    loop {
        let accepted = listener.accept();
        threads.retain(|thread| !thread.is_finished());
        let Ok((stream, _)) = accepted else {
            if service.pause(ACCEPT_PAUSE) {
                continue;
            }
            break;
        };
        number += 1;
        let stream = Arc::new(stream);
        if !service.register(number, &stream) {
            break;
        }
        let thread = {
            let service = Arc::clone(service);
            thread::Builder::new()
                .name(format!("trubrics-testing-{number}"))
                .spawn(move || {
                    connection::serve(&service, &stream, number);
                    service.unregister(number);
                })
        };
        match thread {
            Ok(thread) => threads.push(thread),
            // Without a thread the client sees its connection closed.
            Err(_) => service.unregister(number),
        }
    }
    for thread in threads {
        let _ = thread.join();
    }
}
