//! One process of a storm: as its parent sees it, and what it does.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use trubrics::{Event, Trubrics, testing::API_KEY};

use crate::{
    child,
    support::{LONG, NEVER, files_in},
};

/// What a process is to do, which travels in an environment variable.
pub(super) struct Orders {
    pub(super) folder: PathBuf,
    pub(super) host: String,
    pub(super) name: u64,
    pub(super) records: u64,
    pub(super) life: Life,
}

/// The ways to live until the kill.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Life {
    /// Promises all, then delivers them.
    Delivers,
    /// Delivers most of them bit by bit, promises the rest, then delivers that.
    DeliversByBits,
    /// Promises all, and delivers only what others left.
    Recovers,
    /// Closes without time, which promises all, and does nothing more.
    Closes,
    /// Delivers all, and ends by itself.
    Works,
}

const LIVES: [Life; 5] = [
    Life::Delivers,
    Life::DeliversByBits,
    Life::Recovers,
    Life::Closes,
    Life::Works,
];

const ORDERS: &str = "TRUBRICS_KILLS_ORDERS";

/// Before what a process says to its parent, to tell it from what the test harness says.
const SIGN: &str = "storm: ";

impl Life {
    /// Those of processes that are killed, by turns.
    pub(super) fn of(name: u64) -> Self {
        LIVES[(name % 4) as usize]
    }
}

impl Orders {
    pub(super) fn received() -> Option<Self> {
        let text = env::var(ORDERS).ok()?;
        let mut parts = text.splitn(5, ' ');
        let mut next = || parts.next().expect("five parts");
        Some(Self {
            name: next().parse().expect("a name"),
            records: next().parse().expect("a number"),
            life: LIVES[next().parse::<usize>().expect("a life")],
            host: next().to_owned(),
            folder: next().into(),
        })
    }

    fn to_text(&self) -> String {
        let life = LIVES.iter().position(|life| *life == self.life);
        let folder = self.folder.to_str().expect("Unicode");
        format!(
            "{} {} {} {} {folder}",
            self.name,
            self.records,
            life.expect("one of them"),
            self.host
        )
    }

    /// Lives that life.
    pub(super) fn carry_out(&self) {
        let client = Trubrics::builder(API_KEY)
            .host(&self.host)
            .spool(&self.folder)
            .flush_interval(NEVER)
            // What is being gathered is not due before a flush asks for it.
            .flush_batch_size(if self.life == Life::Works { 20 } else { 100 })
            .build()
            .expect("good settings");
        say(0);
        let by_bits = if self.life == Life::DeliversByBits {
            self.records / 5 * 4
        } else {
            0
        };
        for index in 0..by_bits {
            self.track(&client, index);
            if index % 10 == 9 {
                client.flush(LONG).expect("delivered");
                say(index + 1);
            }
        }
        (by_bits..self.records).for_each(|index| self.track(&client, index));
        match self.life {
            Life::Closes => {
                client.close(Duration::ZERO).expect("all is on disk");
                say(self.records);
            }
            Life::Works => {
                client.close(LONG * 4).expect("delivered");
                assert_eq!(client.stats().left_in_spool, 0);
                say(self.records);
                return;
            }
            Life::Recovers => self.say_what_is_on_disk(by_bits),
            Life::Delivers | Life::DeliversByBits => {
                self.say_what_is_on_disk(by_bits);
                client.flush(LONG).expect("delivered");
            }
        }
        // What comes is the kill, or the end of the parent.
        let _ = io::stdin().read_line(&mut String::new());
    }

    fn track(&self, client: &Trubrics, index: u64) {
        let user = format!("process {}", self.name);
        client.track(Event::new(user, "tracked").property("index", index));
    }

    /// Tells of each record that came to the disk, up to the last one.
    fn say_what_is_on_disk(&self, mut told: u64) {
        let start = Instant::now();
        while told < self.records {
            assert!(start.elapsed() < LONG, "{told} are on disk");
            let seen = self.count_on_disk();
            if seen > 0 && by_one(&mut told, seen) {
                say(told);
            }
        }
    }

    /// How many of our records there are up to the last one in the folder. They are written in their order.
    fn count_on_disk(&self) -> u64 {
        let user = format!("\"user_id\":\"process {}\"", self.name);
        let files = files_in(&self.folder);
        let texts = files
            .iter()
            .filter_map(|file| fs::read_to_string(file).ok());
        let ours = texts
            .filter_map(|text| Some(last_index(text.rfind('\n').map(|end| &text[..end])?, &user)));
        ours.max().unwrap_or_default()
    }
}

/// One more than the index in the last line of this user.
fn last_index(lines: &str, user: &str) -> u64 {
    let last = lines.lines().rev().find(|line| line.contains(user));
    let index = last.and_then(|line| line.split_once("\"index\":"));
    let index = index.and_then(|(_, rest)| rest.split(|next: char| !next.is_ascii_digit()).next());
    index.map_or(0, |index| index.parse::<u64>().expect("a number") + 1)
}

fn by_one(told: &mut u64, seen: u64) -> bool {
    let is_more = seen > *told;
    *told = seen.max(*told);
    is_more
}

fn say(stored: u64) {
    // Not with println: the harness might hold it back, and a pipe has to see it now.
    let mut out = io::stdout().lock();
    let told = writeln!(out, "\n{SIGN}{stored}").and_then(|()| out.flush());
    told.expect("a parent that listens");
}

/// Such a process, as its parent sees it.
pub(super) struct Process {
    child: Child,
    stored: Receiver<u64>,
    records: u64,
}

impl Process {
    pub(super) fn start(orders: &Orders) -> Self {
        let module = module_path!().rsplit_once("::").expect("a parent").0;
        let mut child = child::command(module, "a_process_of_a_storm")
            .env(ORDERS, orders.to_text())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (tell, stored) = mpsc::channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if let Some(number) = line.strip_prefix(SIGN) {
                    // A line that the kill cut short is none.
                    let _ = number.parse().map(|number| tell.send(number));
                }
            }
        });
        Self {
            child,
            stored,
            records: orders.records,
        }
    }

    /// Waits until everything is promised.
    #[track_caller]
    pub(super) fn wait_for_promise(&mut self) {
        while self.stored.recv_timeout(LONG * 4).expect("a promise") < self.records {}
    }

    /// Waits until the process runs and has a client.
    #[track_caller]
    pub(super) fn wait_for_start(&mut self) {
        self.stored.recv_timeout(LONG).expect("a start");
    }

    /// Stops it for this time, as a debugger or a suspended machine does.
    pub(super) fn freeze(&self, time: Duration) {
        self.signal("-STOP");
        let end = Instant::now() + time;
        while Instant::now() < end {
            thread::park_timeout(end.saturating_duration_since(Instant::now()));
        }
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &process]).status();
        assert!(sent.expect("the program kill").success(), "{signal}");
    }

    /// Kills it after this time. Returns what it said since the last question.
    pub(super) fn kill_after(mut self, moment: Duration) -> (u64, ExitStatus) {
        let (until, mut last) = (Instant::now() + moment, 0);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.stored.recv_timeout(left) {
                Ok(stored) => last = stored,
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.child.kill().expect("it may be killed");
        let status = self.child.wait().expect("an end");
        // What it wrote before its end counts, though it is read after it.
        last = self.stored.iter().last().unwrap_or(last);
        (last, status)
    }

    /// Waits for its own end.
    #[track_caller]
    pub(super) fn end(mut self, limit: Duration) -> ExitStatus {
        let end = self.stored.recv_timeout(limit);
        assert_eq!(end, Err(RecvTimeoutError::Disconnected));
        self.child.wait().expect("an end")
    }
}
