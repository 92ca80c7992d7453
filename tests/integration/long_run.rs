//! A client with a spool for a long time: eight threads track, the server restarts again and again, and the client's
//! process is killed now and then and started again.
//!
//! A killed process has promised the records that are whole lines in the folder after its death, and those that the
//! server has. Everything that it had tracked a while before its death must be among them: records are on disk
//! milliseconds after `track`. Each promised record must arrive.
//!
//! Delivery is at least once. The rule of the page `delivery`: a batch is delivered twice only if the server accepted
//! it and the client could not know or write that down, because its process was killed or because the answer was lost.
//! One request is in flight at a time, so each kill and each restart of the server may double one batch, the last one
//! of its connection.
//!
//! Short by default, with short intervals. An hour has a restart each minute and a kill each five minutes:
//!
//! ```sh
//! TRUBRICS_LONG_RUN_SECONDS=3600 cargo test --release --test integration long_run:: -- --nocapture
//! ```

mod client;
mod ledger;
mod server;

use std::{
    env, fmt, thread,
    time::{Duration, Instant},
};

use self::{
    client::{Counts, Orders, Process},
    server::Server,
};
use crate::{
    chance::Chance,
    child::tell,
    support::{Folder, files_in},
};

const PRODUCERS: usize = 8;

/// What the last process may take to deliver everything.
const AMPLE: Duration = Duration::from_secs(120);

const MIB: f64 = 1024.0 * 1024.0;

/// The most bytes by which the memory of the client may differ between two parts of a run.
const SLACK: u64 = 4 * 1024 * 1024;

#[derive(Clone, Copy)]
struct Plan {
    total: Duration,
    restart_every: Duration,
    kill_every: Duration,
    /// The server is away for up to this long.
    longest_outage: Duration,
    /// A record that was tracked this long before a kill is on disk.
    grace: Duration,
    sample_every: Duration,
}

impl Plan {
    fn of(seconds: u64) -> Self {
        let total = Duration::from_secs(seconds);
        let restart_every = (total / 12).min(Duration::from_secs(60));
        let kill_every = (total / 4).min(Duration::from_secs(300));
        Self {
            total,
            restart_every,
            kill_every,
            longest_outage: restart_every / 20,
            grace: (kill_every / 2).min(Duration::from_secs(5)),
            sample_every: (total / 1000).max(Duration::from_millis(50)),
        }
    }
}

/// The other end of the test here.
#[test]
fn the_client_of_a_long_run() {
    if let Some(orders) = Orders::received() {
        orders.carry_out();
    }
}

#[test]
fn a_long_run_loses_nothing_and_its_memory_is_flat() {
    let seconds = env::var("TRUBRICS_LONG_RUN_SECONDS").ok();
    let seconds = seconds.map_or(8, |seconds| seconds.parse().expect("a number"));
    let mut run = Run::new(Plan::of(seconds));
    run.go_through();
    let last = run.end();
    tell(&run.to_string());
    tell(&format!("the last process: {last}"));
    run.check();
}

/// One figure of the process: its life, when in the run, and bytes of memory.
struct Sample {
    life: u32,
    at: Duration,
    resident: u64,
}

struct Run {
    plan: Plan,
    start: Instant,
    chance: Chance,
    folder: Folder,
    server: Server,
    process: Process,
    lives: u32,
    kills: u64,
    restarts: u64,
    samples: Vec<Sample>,
    largest_spool: u64,
    /// The most records that one kill took from memory.
    most_taken: u64,
    /// How many records all kills took.
    taken: u64,
    tracked: u64,
}

impl Run {
    fn new(plan: Plan) -> Self {
        let (folder, server) = (Folder::new(), Server::start());
        let process = Process::start(&Orders::new(0, server.url(), &folder.0));
        Self {
            plan,
            start: Instant::now(),
            chance: Chance::new(Chance::fresh_seed(), 0),
            folder,
            server,
            process,
            lives: 1,
            kills: 0,
            restarts: 0,
            samples: Vec::new(),
            largest_spool: 0,
            most_taken: 0,
            taken: 0,
            tracked: 0,
        }
    }

    fn go_through(&mut self) {
        let plan = self.plan;
        let end = self.start + plan.total;
        let mut next_stop = self.start + plan.restart_every;
        let mut next_start = None;
        let mut next_kill = self.start + plan.kill_every;
        let mut next_sample = self.start;
        while Instant::now() < end {
            let now = Instant::now();
            if next_start.is_some_and(|start| start <= now) {
                self.server.listen();
                next_start = None;
            }
            if next_start.is_none() && next_stop <= now {
                self.server.stop();
                self.restarts += 1;
                next_start = Some(now + self.some(plan.longest_outage));
                next_stop += plan.restart_every;
            }
            if next_kill <= now {
                self.kill();
                // Some kills happen while the server is away.
                next_kill =
                    self.start + plan.kill_every * (self.lives) + self.some(plan.restart_every);
            }
            if next_sample <= now {
                self.sample();
                next_sample += plan.sample_every;
            }
            let due = [next_stop, next_kill, next_sample, end];
            let due = due.into_iter().chain(next_start).min();
            wait_until(due.expect("one of them"));
        }
        if next_start.is_some() {
            self.server.listen();
        }
    }

    /// Some time up to the longest.
    fn some(&mut self, longest: Duration) -> Duration {
        Duration::from_micros(self.chance.below(longest.as_micros() as u64))
    }

    fn sample(&mut self) {
        self.process.hear();
        if let Some(resident) = self.process.resident_bytes() {
            self.samples.push(Sample {
                life: self.lives - 1,
                at: self.start.elapsed(),
                resident,
            });
        }
        let files = files_in(&self.folder.0).into_iter();
        let bytes = files.filter_map(|file| Some(file.metadata().ok()?.len()));
        self.largest_spool = self.largest_spool.max(bytes.sum());
    }

    /// Kills the process, takes down what it promised, and starts the next one.
    fn kill(&mut self) {
        let (before, last) = self.process.kill(self.plan.grace);
        self.kills += 1;
        let life = self.lives - 1;
        let promised = self.server.ledger().promise(life, &self.folder.0);
        for producer in 0..PRODUCERS {
            assert!(
                before[producer] <= promised[producer],
                "life {life}, producer {producer}: {} records were tracked {:?} before the kill, and {} are on disk",
                before[producer],
                self.plan.grace,
                promised[producer],
            );
        }
        let taken = |producer: usize| last[producer].saturating_sub(promised[producer]);
        let taken = (0..PRODUCERS).map(taken).sum();
        self.taken += taken;
        self.most_taken = self.most_taken.max(taken);
        let tracked = |producer: usize| last[producer].max(promised[producer]);
        let tracked: u64 = (0..PRODUCERS).map(tracked).sum();
        self.tracked += tracked;
        tell(&format!(
            "after {:.0?}, process {life} is killed: {tracked} records tracked, {taken} taken from memory, {} requests \
             accepted so far",
            self.start.elapsed(),
            self.server.ledger().requests(),
        ));
        let orders = Orders::new(self.lives, self.server.url(), &self.folder.0);
        self.process = Process::start(&orders);
        self.lives += 1;
    }

    /// Ends the last process in good order, and says what it says of itself.
    fn end(&mut self) -> String {
        let (tracked, last) = self.process.end(AMPLE);
        self.tracked += tracked.iter().sum::<u64>();
        self.server.ledger().promise_all(self.lives - 1, tracked);
        self.server.stop();
        last
    }

    /// The least and the most memory of the samples of a part.
    fn resident(&self, is_of_part: impl Fn(&Sample) -> bool) -> Option<(u64, u64)> {
        let part = self.samples.iter().filter(|sample| is_of_part(sample));
        let sizes: Vec<_> = part.map(|sample| sample.resident).collect();
        Some((*sizes.iter().min()?, *sizes.iter().max()?))
    }

    fn thirds(&self, of: impl Fn(&Sample) -> bool) -> Option<[(u64, u64); 2]> {
        let times = self.samples.iter().filter(|sample| of(sample));
        let times: Vec<_> = times.map(|sample| sample.at).collect();
        let (from, to) = (*times.first()?, *times.last()?);
        let third = (to - from) / 3;
        let first = self.resident(|sample| of(sample) && sample.at <= from + third)?;
        let last = self.resident(|sample| of(sample) && sample.at >= to - third)?;
        Some([first, last])
    }

    /// The most that the memory of one process grew by from its first third to its last one.
    fn growth_in_a_life(&self) -> i64 {
        let of_life = |life| self.thirds(|sample| sample.life == life);
        let thirds = (0..self.lives).filter_map(of_life);
        let growth = thirds.map(|[(_, first), (_, last)]| last as i64 - first as i64);
        growth.max().unwrap_or_default()
    }

    #[track_caller]
    fn check(&self) {
        let ledger = self.server.ledger();
        assert_eq!(ledger.missing(), 0, "promised, but not delivered");
        let others = ledger.doubled_without_cause();
        assert!(others.is_empty(), "nothing can have doubled {others:?}");
        let (doubled, bound) = (ledger.doubled_batches(), self.kills + self.restarts);
        assert!(
            doubled <= bound,
            "{doubled} batches came twice, not {bound}"
        );
        let left = self.folder.files().into_iter();
        let left: Vec<_> = left.filter(|name| name.ends_with(".trubrics")).collect();
        assert!(left.is_empty(), "{left:?}");
        let [(_, first), (_, last)] = self.thirds(|_| true).expect("samples");
        assert!(
            last <= first + SLACK,
            "{first} bytes at first, {last} at last"
        );
        let growth = self.growth_in_a_life();
        assert!(growth <= SLACK as i64, "a process grew by {growth} bytes");
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ledger = self.server.ledger();
        let mib = |bytes: u64| bytes as f64 / MIB;
        let [first, last] = self.thirds(|_| true).unwrap_or_default();
        write!(
            f,
            "{PRODUCERS} producers for {:.0?}: {} records tracked, {} promised, {} requests accepted, {} restarts of \
             the server, {} kills; {} lost, {} records doubled in {} batches (at most {}), {} taken from memory by \
             the kills (at most {} by one); memory {:.1} to {:.1} MiB in the first third, {:.1} to {:.1} MiB in the \
             last, at most {:.2} MiB more in the last third of a process than in its first; spool at most {:.2} MiB",
            self.plan.total,
            self.tracked,
            ledger.promised(),
            ledger.requests(),
            self.restarts,
            self.kills,
            ledger.missing(),
            ledger.doubled_records(),
            ledger.doubled_batches(),
            self.kills + self.restarts,
            self.taken,
            self.most_taken,
            mib(first.0),
            mib(first.1),
            mib(last.0),
            mib(last.1),
            self.growth_in_a_life() as f64 / MIB,
            mib(self.largest_spool),
        )
    }
}

fn wait_until(instant: Instant) {
    while Instant::now() < instant {
        thread::park_timeout(instant.saturating_duration_since(Instant::now()));
    }
}
