//! One connection of a client, and the one to the server that belongs to it.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Fault, Outcome, Shared, reset};

/// How long a body may take that is not read. On loopback it is there at once, unless the client waits for the server
/// to read it.
const BODY_TIME: Duration = Duration::from_millis(20);

const POISON: &[u8] = b"\"poison\":true";

/// The request that is being answered.
#[derive(Default)]
struct Current {
    /// How many requests there were on this connection, with this one.
    number: usize,
    attempt: Option<usize>,
    /// An answer has begun, if only with an interim one.
    has_begun: bool,
    /// The first bytes of the server's answer.
    answer: Vec<u8>,
}

/// Serves a connection that was made after this many long freezes.
pub(super) fn serve(shared: &Shared, client: TcpStream, thaws: u64) {
    let Ok(server) = TcpStream::connect(shared.server) else {
        return;
    };
    for stream in [&client, &server] {
        let _ = stream.set_nodelay(true);
    }
    let (current, is_closed_by_server) = (Mutex::default(), AtomicBool::new(false));
    let ends = Ends {
        shared,
        client: &client,
        server: &server,
        current: &current,
        thaws,
    };
    let is_reset = thread::scope(|scope| {
        scope.spawn(|| {
            let is_from_server = pass_answers(shared, &server, &client, &current);
            is_closed_by_server.store(is_from_server, SeqCst);
            let _ = client.shutdown(Shutdown::Both);
        });
        let is_reset = loop {
            match ends.serve_one() {
                Next::Request => {}
                Next::Reset => break true,
                Next::End => break false,
            }
        };
        let is_ended_here = is_reset || is_closed_by_server.load(SeqCst);
        let _ = server.shutdown(Shutdown::Both);
        if is_ended_here {
            note_stale(shared, &current);
        }
        is_reset
    });
    if is_reset {
        reset(client);
    }
}

enum Next {
    Request,
    Reset,
    End,
}

/// The two ends of one connection.
struct Ends<'c> {
    shared: &'c Shared,
    client: &'c TcpStream,
    server: &'c TcpStream,
    current: &'c Mutex<Current>,
    thaws: u64,
}

impl Ends<'_> {
    fn serve_one(&self) -> Next {
        self.shared.wait_for_thaw();
        let Some(head) = head(self.client) else {
            return Next::End;
        };
        let is_too_late = self.shared.wait_for_thaw() != self.thaws;
        let length = body_length(&head);
        match self.shared.next_fault() {
            _ if is_too_late => self.leave_unread(length, ""),
            Fault::Reset => self.leave_unread(length, ""),
            Fault::Early(status) => {
                let answer = format!("HTTP/1.1 {status} Early\r\nconnection: close\r\n\r\n");
                self.leave_unread(length, &answer)
            }
            Fault::Interim(answers) => self.pass(&head, length, answers),
            Fault::Pass => self.pass(&head, length, ""),
        }
    }

    /// Answers, or does not, while the body is unread: the end of the connection is a reset.
    fn leave_unread(&self, length: usize, answer: &str) -> Next {
        self.say(answer);
        let (body, is_whole) = unread_body(self.client, length);
        self.begin(body, is_whole, answer);
        let mut state = self.shared.lock();
        match answer.is_empty() {
            true => state.counts.reset += 1,
            false => state.counts.early += 1,
        }
        Next::Reset
    }

    fn pass(&self, head: &[u8], length: usize, interim: &str) -> Next {
        let mut body = vec![0; length];
        let mut client = self.client;
        if client.read_exact(&mut body).is_err() {
            self.begin(Vec::new(), false, "");
            return Next::End;
        }
        let has_poison = body.windows(POISON.len()).any(|part| part == POISON);
        if has_poison && self.shared.takes_poison() {
            let answer = "HTTP/1.1 500 Poisoned\r\ncontent-length: 0\r\n\r\n";
            self.begin(body, true, answer);
            self.say(answer);
            return Next::Request;
        }
        self.begin(body.clone(), true, interim);
        if !interim.is_empty() {
            self.shared.lock().counts.interim += 1;
            self.say(interim);
        }
        let mut server = self.server;
        match server
            .write_all(head)
            .and_then(|()| server.write_all(&body))
        {
            Ok(()) => Next::Request,
            Err(_) => Next::End,
        }
    }

    /// A client that has gone does not listen.
    fn say(&self, answer: &str) {
        let mut client = self.client;
        let _ = client.write_all(answer.as_bytes());
    }

    /// Notes a request before it is answered.
    fn begin(&self, body: Vec<u8>, is_whole: bool, answer: &str) {
        let attempt = Some(self.shared.note(body, is_whole));
        let mut current = self.current.lock().expect("no panic");
        *current = Current {
            number: current.number + 1,
            attempt,
            has_begun: !answer.is_empty(),
            answer: Vec::new(),
        };
    }
}

/// The connection ends. If its last request got no answer, and was not the first one, the client sends it again.
fn note_stale(shared: &Shared, current: &Mutex<Current>) {
    let current = current.lock().expect("no panic");
    if let (Some(attempt), true) = (current.attempt, current.number > 1 && !current.has_begun) {
        shared.set_outcome(attempt, Outcome::Stale);
    }
}

/// Reads the next head, and nothing of what follows it.
fn head(client: &TcpStream) -> Option<Vec<u8>> {
    let mut seen = vec![0; 64 * 1024];
    loop {
        let count = client.peek(&mut seen).ok().filter(|count| *count > 0)?;
        let end = seen[..count]
            .windows(4)
            .position(|part| part == b"\r\n\r\n");
        if let Some(end) = end {
            let mut head = vec![0; end + 4];
            (&mut &*client).read_exact(&mut head).ok()?;
            return Some(head);
        }
        thread::yield_now();
    }
}

fn body_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut lines = head.lines();
    let length = lines.find_map(|line| line.strip_prefix("content-length: "));
    length.expect("a length").parse().expect("a number")
}

/// The body as far as it arrives, and whether that is all of it. It stays unread.
fn unread_body(client: &TcpStream, length: usize) -> (Vec<u8>, bool) {
    let start = Instant::now();
    let mut body = vec![0; length];
    let _ = client.set_nonblocking(true);
    let mut count = 0;
    while count < length && start.elapsed() < BODY_TIME {
        count = client.peek(&mut body).unwrap_or(count).max(count);
        thread::yield_now();
    }
    let _ = client.set_nonblocking(false);
    body.truncate(count);
    (body, count == length)
}

/// Passes on what the server says, up to its end; returns whether the server ended it. Notes the first status line of
/// each answer that is a success.
fn pass_answers(
    shared: &Shared,
    mut server: &TcpStream,
    mut client: &TcpStream,
    current: &Mutex<Current>,
) -> bool {
    let mut bytes = [0; 4096];
    loop {
        let count = match server.read(&mut bytes) {
            Ok(0) => return true,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return true,
        };
        {
            let mut current = current.lock().expect("no panic");
            current.has_begun = true;
            if current.answer.len() < SUCCESS.len() + 3 {
                current.answer.extend(&bytes[..count]);
            }
            if let (Some(attempt), true) = (current.attempt, is_success(&current.answer)) {
                shared.set_outcome(attempt, Outcome::Succeeded);
            }
        }
        if client.write_all(&bytes[..count]).is_err() {
            return false;
        }
    }
}

const SUCCESS: &[u8] = b"HTTP/1.1 2";

fn is_success(answer: &[u8]) -> bool {
    let is_digit = |index: usize| answer.get(index).is_some_and(u8::is_ascii_digit);
    answer.starts_with(SUCCESS) && is_digit(SUCCESS.len()) && is_digit(SUCCESS.len() + 1)
}
