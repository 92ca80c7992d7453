use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    ops::Deref,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{API_KEY, Service, connection, endpoint::PREFIX};

/// Limits how long a drop takes on a machine without a working loopback interface.
const WAKE_TIMEOUT: Duration = Duration::from_secs(1);

/// The pause after a failed accept, so that the thread does not spin while no file descriptor is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// An ingestion server on `127.0.0.1`. Its queries and settings are those of [`Service`].
///
/// Dropping it closes its connections and ends its threads at once, even while a reply hangs or is delayed.
pub struct Server {
    url: String,
    address: SocketAddr,
    service: Arc<Service>,
    listening: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server on a free port that accepts only [`API_KEY`].
    ///
    /// # Errors
    ///
    /// When no loopback port can be bound or the thread cannot be started.
    pub fn start() -> io::Result<Self> {
        Self::start_with_api_key(API_KEY)
    }

    /// Starts a server on a free port that accepts only this key.
    ///
    /// # Errors
    ///
    /// When no loopback port can be bound or the thread cannot be started.
    pub fn start_with_api_key(key: impl Into<String>) -> io::Result<Self> {
        Self::start_on_port(0, key)
    }

    /// Starts a server on this port that accepts only this key. Port 0 is a free port.
    ///
    /// A fixed port suits a program whose users type its address; a test needs a free one.
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

    /// Returns the host to give to the client, with its builder or in `TRUBRICS_HOST`.
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
        // An accept cannot be cancelled. A connection to the own address makes it return.
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

/// Serves each connection on a thread of its own, and joins these threads before it returns.
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
