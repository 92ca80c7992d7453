//! A server that does as little as a server can: reads bodies by their length, counts records, answers in one write.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use memchr::memmem::{Finder, find};

pub(crate) struct Sink {
    address: SocketAddr,
    counted: Arc<Counted>,
}

#[derive(Default)]
struct Counted {
    records: AtomicU64,
    /// The bodies themselves, for a check of the count.
    bodies: Option<Mutex<Vec<Vec<u8>>>>,
}

impl Sink {
    /// Answers each request after `delay`.
    pub(crate) fn start(delay: Duration) -> Self {
        Self::with(delay, Counted::default())
    }

    /// Keeps the bodies.
    pub(crate) fn keeping() -> Self {
        let counted = Counted {
            bodies: Some(Mutex::default()),
            ..Counted::default()
        };
        Self::with(Duration::ZERO, counted)
    }

    fn with(delay: Duration, counted: Counted) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let counted = Arc::new(counted);
        let counting = counted.clone();
        // Connections and their threads end with the process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let counted = counting.clone();
                thread::spawn(move || serve(stream, delay, &counted));
            }
        });
        Self { address, counted }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Records that came so far.
    pub(crate) fn records(&self) -> u64 {
        self.counted.records.load(SeqCst)
    }

    pub(crate) fn bodies(&self) -> Vec<Vec<u8>> {
        let bodies = self.counted.bodies.as_ref();
        let bodies = bodies.expect("a sink that keeps them");
        bodies.lock().expect("no panic holds it").clone()
    }
}

fn serve(mut stream: TcpStream, delay: Duration, counted: &Counted) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let record = Finder::new(b"\"user_id\"");
    let mut buffer = vec![0; 256 * 1024];
    let mut filled = 0;
    loop {
        let Some(request) = whole_request(&buffer[..filled]) else {
            if filled == buffer.len() {
                buffer.resize(2 * filled, 0);
            }
            match stream.read(&mut buffer[filled..])? {
                0 => return Ok(()),
                read => filled += read,
            }
            continue;
        };
        let body = &buffer[request.clone()];
        let records = record.find_iter(body).count() as u64;
        if let Some(bodies) = &counted.bodies {
            bodies
                .lock()
                .expect("no panic holds it")
                .push(body.to_vec());
        }
        thread::sleep(delay);
        counted.records.fetch_add(records, SeqCst);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")?;
        buffer.copy_within(request.end..filled, 0);
        filled -= request.end;
    }
}

/// Where the body is, once all of it is there.
fn whole_request(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let head_end = find(bytes, b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..head_end]).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let end = head_end + length.unwrap_or_default();
    (bytes.len() >= end).then_some(head_end..end)
}

/// Somewhere that takes a connection and never says a word.
pub(crate) struct BlackHole(TcpListener);

impl BlackHole {
    pub(crate) fn open() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("a bound socket"))
    }
}
