//! Helpers of the modules: a client for a server, a deadline that is only an upper bound, a transport made of a
//! closure, and a built example.

use std::{
    env,
    process::Command,
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use trubrics::{
    Response, Stats, Transport, TransportError, Trubrics, TrubricsBuilder, testing::Server,
    transport_fn,
};

/// Longer than anything here takes; a test that reaches it has failed.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A longer interval than any test lasts: what is sent, is sent for another reason.
pub(crate) const NEVER: Duration = Duration::from_secs(3600);

pub(crate) fn server() -> Server {
    Server::start().expect("a free port on loopback")
}

/// Settings for a client of this server that retries quickly and sends nothing because of the time.
pub(crate) fn client_of(server: &Server) -> TrubricsBuilder {
    Trubrics::builder(server.api_key())
        .host(server.url())
        .flush_interval(NEVER)
        .initial_backoff(Duration::from_millis(1))
        .max_backoff(Duration::from_millis(5))
}

#[track_caller]
pub(crate) fn build(builder: TrubricsBuilder) -> Trubrics {
    builder.build().expect("good settings")
}

#[track_caller]
pub(crate) fn assert_balanced(stats: Stats) {
    assert_eq!(
        stats.tracked,
        stats.delivered + stats.dropped + stats.pending,
        "{stats:?}"
    );
}

/// A transport that tells of each request and waits for its answer.
pub(crate) struct Gate {
    /// The body of each request, when it is made.
    pub(crate) requests: Receiver<String>,
    /// The status to answer with.
    pub(crate) answers: mpsc::Sender<u16>,
}

impl Gate {
    pub(crate) fn new() -> (Self, impl Transport) {
        let (tell, requests) = mpsc::channel();
        let (answers, wait) = mpsc::channel();
        let wait = std::sync::Mutex::new(wait);
        let transport = transport_fn(move |request| {
            let body = String::from_utf8_lossy(request.body()).into_owned();
            tell.send(body).map_err(TransportError::new)?;
            let wait = wait
                .lock()
                .map_err(|error| error.to_string())
                .map_err(TransportError::new)?;
            wait.recv_timeout(LONG)
                .map(Response::new)
                .map_err(TransportError::new)
        });
        (Self { requests, answers }, transport)
    }

    #[track_caller]
    pub(crate) fn next_request(&self) -> String {
        self.requests.recv_timeout(LONG).expect("a request")
    }

    #[track_caller]
    pub(crate) fn answer(&self, status: u16) {
        self.answers.send(status).expect("a transport that waits");
    }
}

/// An example, as the program that `cargo test` has built.
#[track_caller]
pub(crate) fn example(name: &str) -> Command {
    let test = env::current_exe().unwrap();
    let built = test.ancestors().nth(2).unwrap().join("examples");
    let program = built.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "`cargo test` builds {}; so does `cargo build --example {name}`",
        program.display()
    );
    Command::new(program)
}
