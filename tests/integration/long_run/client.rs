//! The process with the client: as its parent sees it, and what it does.

use std::{
    collections::VecDeque,
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use trubrics::{Event, LlmEvent, Trubrics, testing::API_KEY};

use super::{AMPLE, PRODUCERS, wait_until};
use crate::{child, support::LONG};

/// How many records each producer has.
pub(super) type Counts = [u64; PRODUCERS];

/// The time from one record of a producer to its next.
const PACE: Duration = Duration::from_millis(20);

/// The time from one report of the process to the next.
const REPORT_EVERY: Duration = Duration::from_millis(50);

const ORDERS: &str = "TRUBRICS_LONG_RUN_ORDERS";

/// Before what a process says to its parent, to tell it from what the test harness says.
const SIGN: &str = "long run: ";

/// What a process is to do, which travels in an environment variable.
pub(super) struct Orders {
    life: u32,
    host: String,
    folder: PathBuf,
}

impl Orders {
    pub(super) fn new(life: u32, host: String, folder: &Path) -> Self {
        let folder = folder.to_owned();
        Self { life, host, folder }
    }

    pub(super) fn received() -> Option<Self> {
        let text = env::var(ORDERS).ok()?;
        let mut parts = text.splitn(3, ' ');
        let mut next = || parts.next().expect("three parts");
        Some(Self {
            life: next().parse().expect("a number"),
            host: next().to_owned(),
            folder: next().into(),
        })
    }

    fn to_text(&self) -> String {
        let folder = self.folder.to_str().expect("Unicode");
        format!("{} {} {folder}", self.life, self.host)
    }

    /// Tracks and reports until its standard input ends, then delivers everything.
    pub(super) fn carry_out(&self) {
        let client = Trubrics::builder(API_KEY)
            .host(&self.host)
            .spool(&self.folder)
            .build()
            .expect("good settings");
        let (is_over, tracked) = (AtomicBool::new(false), Default::default());
        let tracked: &[AtomicU64; PRODUCERS] = &tracked;
        let (end, ended) = mpsc::channel::<()>();
        thread::spawn(move || {
            let _ = io::stdin().read_line(&mut String::new());
            drop(end);
        });
        thread::scope(|scope| {
            for (producer, tracked) in tracked.iter().enumerate() {
                let (client, is_over) = (&client, &is_over);
                scope.spawn(move || self.produce(client, producer, tracked, is_over));
            }
            while ended.recv_timeout(REPORT_EVERY) == Err(RecvTimeoutError::Timeout) {
                report(&client, tracked);
            }
            is_over.store(true, Relaxed);
        });
        report(&client, tracked);
        client.close(AMPLE).expect("everything is delivered");
        assert_eq!(client.stats().pending, 0, "{:?}", client.stats());
        say(&format!("end {:?}", client.stats()));
    }

    fn produce(
        &self,
        client: &Trubrics,
        producer: usize,
        tracked: &AtomicU64,
        is_over: &AtomicBool,
    ) {
        let user = format!("{} {producer}", self.life);
        let mut next = Instant::now();
        for index in 0.. {
            if is_over.load(Relaxed) {
                return;
            }
            if index % 5 == 4 {
                let event = LlmEvent::new(&user, "How long?", "For an hour.");
                client.track(event.property("index", index));
            } else {
                client.track(Event::new(&user, "Row imported").property("index", index));
            }
            tracked.store(index + 1, Relaxed);
            next += PACE;
            wait_until(next);
        }
    }
}

fn report(client: &Trubrics, tracked: &[AtomicU64; PRODUCERS]) {
    let stats = client.stats();
    assert_eq!(stats.dropped, 0, "{stats:?}");
    let counts = tracked.iter().map(|count| count.load(Relaxed).to_string());
    say(&counts.collect::<Vec<_>>().join(" "));
}

fn say(words: &str) {
    // Not with println: the harness might hold it back, and a pipe has to see it now.
    let mut out = io::stdout().lock();
    let said = writeln!(out, "\n{SIGN}{words}").and_then(|()| out.flush());
    said.expect("a parent that listens");
}

/// Such a process, as its parent sees it.
pub(super) struct Process {
    child: Child,
    said: Receiver<(Instant, String)>,
    /// What it had tracked, and when it said so. The older reports are forgotten.
    reports: VecDeque<(Instant, Counts)>,
    last_words: Option<String>,
}

impl Process {
    /// Starts it, and waits for its first report.
    #[track_caller]
    pub(super) fn start(orders: &Orders) -> Self {
        let module = module_path!().rsplit_once("::").expect("a parent").0;
        let mut child = child::command(module, "the_client_of_a_long_run")
            .env(ORDERS, orders.to_text())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (tell, said) = mpsc::channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some(words) = line.strip_prefix(SIGN) {
                    let _ = tell.send((Instant::now(), words.to_owned()));
                }
            }
        });
        let mut process = Self {
            child,
            said,
            reports: VecDeque::new(),
            last_words: None,
        };
        let first = process.said.recv_timeout(LONG).expect("a report");
        process.note(first);
        process
    }

    fn note(&mut self, (at, words): (Instant, String)) {
        if let Some(words) = words.strip_prefix("end ") {
            self.last_words = Some(words.to_owned());
            return;
        }
        let counts = words.split(' ').map_while(|count| count.parse().ok());
        // A line that the kill cut short is not a report.
        if let Ok(counts) = Counts::try_from(counts.collect::<Vec<u64>>()) {
            self.reports.push_back((at, counts));
        }
    }

    /// Takes in what it has said, and forgets what it said long ago.
    #[track_caller]
    pub(super) fn hear(&mut self) {
        let said: Vec<_> = self.said.try_iter().collect();
        said.into_iter().for_each(|words| self.note(words));
        while self.reports.len() > 1 && self.reports[0].0.elapsed() > LONG {
            self.reports.pop_front();
        }
        let ended = self.child.try_wait().expect("a child");
        assert!(ended.is_none(), "it ended by itself: {ended:?}");
    }

    pub(super) fn resident_bytes(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kib = line.trim().strip_suffix(" kB")?;
        Some(kib.parse::<u64>().ok()? * 1024)
    }

    /// Kills it. Returns what it had tracked this time before, and what it last said it had.
    #[track_caller]
    pub(super) fn kill(&mut self, grace: Duration) -> (Counts, Counts) {
        self.hear();
        let killed = Instant::now();
        self.child.kill().expect("it may be killed");
        self.child.wait().expect("an end");
        // Until the pipe ends.
        while let Ok(words) = self.said.recv_timeout(LONG) {
            self.note(words);
        }
        let is_old = |(at, _): &&(Instant, Counts)| *at + grace <= killed;
        let before = self.reports.iter().rev().find(is_old);
        let last = self.reports.back().expect("a first report");
        (before.map_or([0; PRODUCERS], |(_, counts)| *counts), last.1)
    }

    /// Lets it deliver everything and end. Returns what it tracked, and its last words.
    #[track_caller]
    pub(super) fn end(&mut self, limit: Duration) -> (Counts, String) {
        self.hear();
        drop(self.child.stdin.take());
        while let Ok(words) = self.said.recv_timeout(limit + LONG) {
            self.note(words);
        }
        let status = self.child.wait().expect("an end");
        assert!(status.success(), "{status}");
        let words = self.last_words.take().expect("its last words");
        (self.reports.back().expect("a first report").1, words)
    }
}
