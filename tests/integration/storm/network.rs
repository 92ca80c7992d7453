//! The network between the client and the server of a storm.
//!
//! It passes requests on, and has faults of its own. It notes every request that it sees, also those that the server
//! never sees. No fault is ambiguous here either: a request that is passed on gets its answer, unless the server gives
//! none.

mod connection;

use std::{
    collections::VecDeque,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use socket2::SockRef;
use trubrics::testing::Server;

/// What the network does to one request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    Pass,
    /// Sends these interim answers before the real one.
    Interim(&'static str),
    /// Answers with this status when the head is there. The body is not read, so the close resets the connection.
    Early(u16),
    /// Resets the connection when the request is there, without reading its body.
    Reset,
}

/// One request as the network saw it.
#[derive(Debug, Clone)]
pub(super) struct Attempt {
    pub(super) at: Instant,
    pub(super) body: Vec<u8>,
    /// Otherwise the request may have held any record.
    pub(super) is_whole: bool,
    pub(super) outcome: Outcome,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Outcome {
    Succeeded,
    Failed,
    /// Lost without an answer, on a connection that carried a request before. The transport itself sends it again.
    Stale,
}

/// How often each fault occurred.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    early: u64,
    interim: u64,
    poisoned: u64,
    reset: u64,
    frozen: u64,
}

pub(super) struct Network {
    shared: Arc<Shared>,
    address: SocketAddr,
    host: String,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    server: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    script: VecDeque<Fault>,
    is_poisonous: bool,
    is_resetting: bool,
    is_frozen: bool,
    /// How often all connections were left, as after a long freeze. Those from before are not served any more.
    thaws: u64,
    is_over: bool,
    attempts: Vec<Attempt>,
    counts: Counts,
}

impl Network {
    pub(super) fn before(server: &Server) -> Self {
        let rest = server.url().strip_prefix("http://").expect("a URL");
        let (address, path) = rest.split_once('/').expect("a path");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let own = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            server: address.parse().expect("an address"),
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let accepting = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.accept(&listener))
        };
        Self {
            shared,
            address: own,
            host: format!("http://{own}/{path}"),
            accepting: Some(accepting),
        }
    }

    /// The host to give to the client.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// What happens to the next requests, one for each.
    pub(super) fn script(&self, faults: impl Iterator<Item = Fault>) {
        self.shared.lock().script.extend(faults);
    }

    /// Sets whether every request with a poison record gets a 500.
    pub(super) fn set_poisonous(&self, on: bool) {
        self.shared.lock().is_poisonous = on;
    }

    /// Sets whether every connection is reset before a request is read.
    pub(super) fn set_resetting(&self, on: bool) {
        self.shared.lock().is_resetting = on;
    }

    /// Accepts no connection and reads no request for this time, and then serves them all.
    pub(super) fn freeze(&self, time: Duration) {
        self.set_frozen(true);
        thread::park_timeout(time);
        self.set_frozen(false);
    }

    /// Does the same until the clients no longer wait, and then resets all connections.
    pub(super) fn freeze_beyond(&self, request_timeout: Duration) {
        self.set_frozen(true);
        let start = Instant::now();
        self.shared.note(Vec::new(), false);
        while start.elapsed() < request_timeout * 5 / 4 {
            thread::park_timeout(request_timeout / 4);
        }
        let mut state = self.shared.lock();
        state.thaws += 1;
        state.is_frozen = false;
        drop(state);
        // In this time a client can make two attempts, which are not seen.
        self.shared.note(Vec::new(), false);
        self.shared.changed.notify_all();
    }

    /// Serves no more request on the connections that there are.
    pub(super) fn leave_connections(&self) {
        self.shared.lock().thaws += 1;
    }

    /// Ends all faults.
    pub(super) fn calm(&self) {
        let mut state = self.shared.lock();
        state.script.clear();
        state.is_poisonous = false;
        state.is_resetting = false;
    }

    pub(super) fn attempts(&self) -> Vec<Attempt> {
        self.shared.lock().attempts.clone()
    }

    /// The requests, and how many of them met which fault.
    pub(super) fn figures(&self) -> String {
        let state = self.shared.lock();
        let Counts {
            early,
            interim,
            poisoned,
            reset,
            frozen,
        } = state.counts;
        format!(
            "{} requests ({early} answered early, {interim} after interim answers, {poisoned} with poison, {reset} reset), \
             {frozen} times frozen",
            state.attempts.len()
        )
    }

    fn set_frozen(&self, on: bool) {
        let mut state = self.shared.lock();
        state.is_frozen = on;
        state.counts.frozen += u64::from(on);
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_over = true;
        state.is_frozen = false;
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        let accepting = self.accepting.take();
        accepting.into_iter().for_each(|thread| drop(thread.join()));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// Waits while the network is frozen; returns the number of long freezes so far.
    fn wait_for_thaw(&self) -> u64 {
        let state = self.lock();
        let waited = self.changed.wait_while(state, |state| state.is_frozen);
        waited.expect("no panic").thaws
    }

    fn next_fault(&self) -> Fault {
        let mut state = self.lock();
        match state.is_resetting {
            true => Fault::Reset,
            false => state.script.pop_front().unwrap_or(Fault::Pass),
        }
    }

    /// Whether a request with a poison record gets a 500.
    fn takes_poison(&self) -> bool {
        let mut state = self.lock();
        state.counts.poisoned += u64::from(state.is_poisonous);
        state.is_poisonous
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        let mut thaws = 0;
        loop {
            let accepted = listener.accept();
            let thaws_now = self.wait_for_thaw();
            let Ok((client, _)) = accepted else { continue };
            if thaws_now > thaws {
                thaws = thaws_now;
                reset(client);
                reset_waiting(listener);
                continue;
            }
            let (is_over, is_resetting) = {
                let state = self.lock();
                (state.is_over, state.is_resetting)
            };
            if is_over {
                return;
            }
            if is_resetting {
                self.note(Vec::new(), false);
                self.lock().counts.reset += 1;
                reset(client);
                continue;
            }
            let shared = Arc::clone(self);
            thread::spawn(move || connection::serve(&shared, client, thaws));
        }
    }

    /// Notes a request, which has failed so far; returns its number.
    fn note(&self, body: Vec<u8>, is_whole: bool) -> usize {
        let mut state = self.lock();
        state.attempts.push(Attempt {
            at: Instant::now(),
            body,
            is_whole,
            outcome: Outcome::Failed,
        });
        state.attempts.len() - 1
    }

    fn set_outcome(&self, attempt: usize, outcome: Outcome) {
        self.lock().attempts[attempt].outcome = outcome;
    }
}

/// Closes the connection so that the client sees a reset.
fn reset(client: TcpStream) {
    let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
    drop(client);
}

/// Resets the connections that were not accepted yet.
fn reset_waiting(listener: &TcpListener) {
    listener.set_nonblocking(true).expect("a listener");
    while let Ok((client, _)) = listener.accept() {
        reset(client);
    }
    listener.set_nonblocking(false).expect("a listener");
}
