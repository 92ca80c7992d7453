//! Helpers of the modules: clients for a server, a folder, a deadline that is only an upper bound, a transport made of
//! a closure, and a built example.

use std::{
    env,
    io::BufRead,
    path::{Path, PathBuf},
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

/// The default settings for a client of this server.
pub(crate) fn default_client_of(server: &Server) -> TrubricsBuilder {
    Trubrics::builder(server.api_key()).host(server.url())
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

/// Every record of the client is delivered or dropped.
#[track_caller]
pub(crate) fn assert_settled(client: &Trubrics) {
    let stats = client.stats();
    assert_eq!(stats.pending, 0, "{stats:?}");
    assert_balanced(stats);
}

/// A folder of its own for each test, removed at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = env::temp_dir().join(format!("trubrics-{}", trubrics::anonymous_id()));
        Self(path)
    }

    /// The files in it and in the folders of its projects, by their paths from here.
    pub(crate) fn files(&self) -> Vec<String> {
        let files = files_in(&self.0).into_iter();
        files
            .filter_map(|file| Some(file.strip_prefix(&self.0).ok()?.to_str()?.to_owned()))
            .collect()
    }

    pub(crate) fn text(&self) -> String {
        // A file may get another name, or vanish, meanwhile.
        let read = |name: &String| std::fs::read_to_string(self.0.join(name)).unwrap_or_default();
        self.files().iter().map(read).collect()
    }

    /// How many records the segments hold. Those that are settled count until their segment is removed.
    pub(crate) fn records(&self) -> usize {
        let files = self.files().into_iter();
        let segments = files.filter(|file| file.ends_with(".trubrics"));
        let read = |name| std::fs::read_to_string(self.0.join(name)).unwrap_or_default();
        let is_record = |line: &&str| line.starts_with("e ") || line.starts_with("l ");
        segments
            .map(|name| read(name).lines().filter(is_record).count())
            .sum()
    }
}

/// The files in a folder and in those below it. Any of them may vanish meanwhile.
pub(crate) fn files_in(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        let entries = folder.read_dir().into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        let (below, found): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
        folders.extend(below);
        files.extend(found);
    }
    files
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
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

/// The body of the next request, which the client sends with its length.
pub(crate) fn read_request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}
