//! Many processes, killed one after the other and some at a time, and the books of what came of them.

use std::{
    collections::{BTreeSet, HashMap},
    env, fmt,
    ops::Range,
    os::unix::process::ExitStatusExt,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use trubrics::testing::Server;

use super::process::{Life, Orders, Process};
use crate::{
    chance::Chance,
    support::{Folder, LONG, build, client_of, server},
};

/// What each process of a storm tracks.
pub(super) const RECORDS: u64 = 50;

/// Processes that live at the same time.
const AT_ONCE: usize = 4;

pub(super) fn seed() -> u64 {
    number("TRUBRICS_KILLS_SEED").unwrap_or(1)
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}

/// Some time up to the longest, in steps of a microsecond.
pub(super) fn moment(chance: &mut Chance, longest: Duration) -> Duration {
    Duration::from_micros(chance.below(longest.as_micros() as u64))
}

/// The processes of a storm are of two projects, which share a folder. All kinds of life occur in both.
fn project_of(name: u64) -> usize {
    (name / 4 % 2) as usize
}

/// Every third process of a storm is stopped for a while, in the middle of its life.
fn is_frozen(name: u64) -> bool {
    name % 3 == 2
}

/// Long enough for other processes to work meanwhile.
const FREEZE: Duration = Duration::from_millis(100);

pub(super) struct Storm {
    pub(super) processes: u64,
    pub(super) latency: Duration,
    /// The kill waits until everything is promised.
    pub(super) is_patient: bool,
    pub(super) seed: u64,
}

impl Storm {
    pub(super) fn run(&self) -> Outcome {
        let (servers, folder, start) = ([server(), server()], Folder::new(), Instant::now());
        for server in &servers {
            server.set_latency(self.latency);
        }
        let (next, kills) = (AtomicU64::new(0), AtomicU64::new(0));
        let ledger = Mutex::new(Ledger::default());
        let longest = number("TRUBRICS_KILLS_WITHIN").map(Duration::from_millis);
        // From before the first request until after the last one.
        let longest = longest.unwrap_or(Duration::from_millis(8) + self.latency * 3);
        let live_and_die = || {
            loop {
                let name = next.fetch_add(1, Ordering::Relaxed);
                if name >= self.processes {
                    return;
                }
                let mut process = Process::start(&Orders {
                    folder: folder.0.clone(),
                    host: servers[project_of(name)].url().to_owned(),
                    name,
                    records: RECORDS,
                    life: Life::of(name),
                });
                let moment = moment(&mut Chance::new(self.seed, name), longest);
                let mut promised = RECORDS;
                match self.is_patient {
                    true => process.wait_for_promise(),
                    false => process.wait_for_start(),
                }
                if is_frozen(name) {
                    process.freeze(FREEZE);
                }
                let (stored, status) = process.kill_after(moment);
                if !self.is_patient {
                    promised = stored;
                }
                kills.fetch_add(u64::from(status.signal() == Some(9)), Ordering::Relaxed);
                let mut ledger = ledger.lock().expect("no panic");
                ledger.promise(name, promised, RECORDS);
            }
        };
        thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(live_and_die);
            }
        });
        let by_the_killed = servers.iter().map(|server| server.accepted()).sum();
        let mut ledger = ledger.into_inner().expect("no panic");
        for (project, server) in servers.iter().enumerate() {
            deliver_the_rest(server, &folder);
            ledger.read(project, server);
        }
        assert_nothing_is_left(&folder);
        Outcome {
            ledger,
            processes: self.processes,
            kills: kills.into_inner(),
            latency: self.latency,
            seed: self.seed,
            by_the_killed,
            took: start.elapsed(),
        }
    }
}

/// One more client, which lives as long as it needs.
#[track_caller]
pub(super) fn deliver_the_rest(server: &Server, folder: &Folder) {
    let client = build(client_of(server).spool(&folder.0));
    client.close(LONG).expect("the rest");
}

#[track_caller]
pub(super) fn assert_nothing_is_left(folder: &Folder) {
    let left = folder.files();
    let segments = left.iter().filter(|name| name.ends_with(".trubrics"));
    assert_eq!(segments.count(), 0, "{left:?}");
}

pub(super) struct Outcome {
    pub(super) ledger: Ledger,
    processes: u64,
    kills: u64,
    latency: Duration,
    seed: u64,
    by_the_killed: usize,
    took: Duration,
}

impl Outcome {
    #[track_caller]
    pub(super) fn check(&self) {
        assert_eq!(self.kills, self.processes, "all of them died by a kill");
        self.ledger.check(self.kills);
        for (project, name) in &self.ledger.projects {
            assert_eq!(
                *project,
                project_of(*name),
                "process {name} is of the other project"
            );
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ledger, names) = (&self.ledger, 0..self.processes);
        write!(
            f,
            "{} processes killed, {} of them frozen before, server at {:?}, seed {}: {} of {} promised records arrived ({} tracked, {} delivered \
             before the last process), {} twice, in {} batches; {:.1} s",
            self.kills,
            (0..self.processes).filter(|name| is_frozen(*name)).count(),
            self.latency,
            self.seed,
            ledger.promised() - ledger.missing(),
            ledger.promised(),
            self.processes * RECORDS,
            self.by_the_killed,
            ledger.doubled(names),
            ledger.doubled_batches(),
            self.took.as_secs_f64(),
        )
    }
}

/// What was promised and tracked, and what arrived.
#[derive(Default)]
pub(super) struct Ledger {
    /// For each process, how many records it promised, and how many it may have tracked.
    promises: HashMap<u64, (u64, u64)>,
    /// How often each record arrived.
    arrived: HashMap<(u64, u64), u64>,
    /// The requests that had a record both, by their numbers, and their project.
    doubled: BTreeSet<(usize, [usize; 2])>,
    /// The last request of each connection.
    last: BTreeSet<(usize, usize)>,
    /// Processes whose records arrived, by project.
    projects: BTreeSet<(usize, u64)>,
}

impl Ledger {
    pub(super) fn promise(&mut self, name: u64, promised: u64, tracked: u64) {
        self.promises.insert(name, (promised, tracked));
    }

    /// Takes down what the server of a project accepted.
    pub(super) fn read(&mut self, project: usize, server: &Server) {
        let mut first: HashMap<(u64, u64), usize> = HashMap::new();
        let mut last = HashMap::new();
        for (number, request) in server.requests().iter().enumerate() {
            if request.status() != Some(200) {
                continue;
            }
            last.insert(request.connection(), (project, number));
            let records: Vec<Value> = serde_json::from_slice(request.body()).expect("an array");
            for record in &records {
                let user = record["user_id"].as_str().expect("a user");
                let name = user.strip_prefix("process ").expect("a process");
                let index = record["properties"]["index"].as_u64().expect("an index");
                let key = (name.parse().expect("a number"), index);
                self.projects.insert((project, key.0));
                *self.arrived.entry(key).or_default() += 1;
                if let Some(before) = first.insert(key, number) {
                    self.doubled.insert((project, [before, number]));
                }
            }
        }
        self.last.extend(last.into_values());
    }

    pub(super) fn promised(&self) -> u64 {
        self.promises.values().map(|(promised, _)| promised).sum()
    }

    /// Promised, but not there.
    pub(super) fn missing(&self) -> u64 {
        let of_one = |(name, (promised, _)): (&u64, &(u64, u64))| {
            let is_missing = |index: &u64| !self.arrived.contains_key(&(*name, *index));
            (0..*promised).filter(is_missing).count() as u64
        };
        self.promises.iter().map(of_one).sum()
    }

    /// How many records of these processes arrived.
    pub(super) fn arrived(&self, names: Range<u64>) -> u64 {
        let keys = self.arrived.keys();
        keys.filter(|(name, _)| names.contains(name)).count() as u64
    }

    /// How many of them arrived more than once.
    pub(super) fn doubled(&self, names: Range<u64>) -> u64 {
        let of_these = self
            .arrived
            .iter()
            .filter(|((name, _), _)| names.contains(name));
        of_these.filter(|(_, times)| **times > 1).count() as u64
    }

    pub(super) fn doubled_batches(&self) -> u64 {
        let batches = self
            .doubled
            .iter()
            .map(|(project, [first, _])| (project, first));
        batches.collect::<BTreeSet<_>>().len() as u64
    }

    #[track_caller]
    pub(super) fn check(&self, kills: u64) {
        assert_eq!(self.missing(), 0, "promised, but not delivered");
        for (name, index) in self.arrived.keys() {
            let (_, tracked) = self.promises[name];
            assert!(*index < tracked, "process {name} never tracked {index}");
        }
        // A process has one connection, and writes down what became of a request before it makes the next one. A busy
        // server may read the last request of a killed process after the next process has sent its records again.
        for (project, requests) in &self.doubled {
            let is_last = |number: &usize| self.last.contains(&(*project, *number));
            assert!(
                requests.iter().any(is_last),
                "no kill can have doubled {requests:?} of project {project}"
            );
        }
        let doubled = self.doubled_batches();
        assert!(
            doubled <= kills,
            "{doubled} batches came twice, after {kills} kills"
        );
    }
}
