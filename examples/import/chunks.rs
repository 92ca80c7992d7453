//! Threads that deliver chunks of lines side by side, and one position that only moves over lines that are settled.

use std::{
    collections::BTreeMap,
    str,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use indicatif::ProgressBar;
use trubrics::{DeliveryError, Record, Trubrics};

use crate::{
    Result,
    files::{Chunk, DeadLetter, Files, Input, Line, Point},
};

/// How long a chunk is tried: longer than the client tries a record that makes the server fail.
const PATIENCE: Duration = Duration::from_secs(600);

/// The lines of a chunk, or of a whole import, once they are delivered or dead letters.
#[derive(Default)]
pub(crate) struct Settled {
    pub(crate) end: Point,
    pub(crate) delivered: u64,
    pub(crate) refused: u64,
    pub(crate) invalid: u64,
    dead_letters: Vec<DeadLetter>,
}

pub(crate) struct Chunks<'i> {
    client: &'i Trubrics,
    files: &'i Files,
    progress: &'i ProgressBar,
    threads: u64,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    input: Input,
    /// How many chunks were taken, and how many of them are committed: all of the first ones.
    taken: u64,
    committed: u64,
    /// Chunks that are settled while an earlier one is not.
    early: BTreeMap<u64, Settled>,
    total: Settled,
    /// Why to stop, if there is a reason.
    obstacle: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl<'i> Chunks<'i> {
    pub(crate) fn new(
        client: &'i Trubrics,
        files: &'i Files,
        progress: &'i ProgressBar,
        threads: usize,
        input: Input,
    ) -> Self {
        let state = State {
            input,
            taken: 0,
            committed: 0,
            early: BTreeMap::new(),
            total: Settled::default(),
            obstacle: None,
        };
        Self {
            client,
            files,
            progress,
            threads: threads as u64,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Delivers all chunks.
    pub(crate) fn deliver(self) -> Result<Settled> {
        thread::scope(|scope| {
            for _ in 0..self.threads {
                scope.spawn(|| self.work());
            }
        });
        let state = self.state.into_inner();
        let state = state.unwrap_or_else(PoisonError::into_inner);
        match state.obstacle {
            Some(obstacle) => Err(obstacle),
            None => Ok(state.total),
        }
    }

    /// One thread's work: a chunk after the other.
    fn work(&self) {
        let work = || -> Result<()> {
            while let Some((number, chunk)) = self.take()? {
                let settled = settle(self.client, chunk)?;
                self.commit(number, settled)?;
            }
            Ok(())
        };
        if let Err(obstacle) = work() {
            self.lock().obstacle.get_or_insert(obstacle);
            self.changed.notify_all();
        }
    }

    /// The next chunk. No more are under way or settled early than there are threads: so a kill at any moment leaves no
    /// more than one chunk of each thread to send again.
    fn take(&self) -> Result<Option<(u64, Chunk)>> {
        let is_too_early = |state: &mut State| {
            state.obstacle.is_none() && state.taken >= state.committed + self.threads
        };
        let state = self.changed.wait_while(self.lock(), is_too_early);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.obstacle.is_some() {
            return Ok(None);
        }
        let chunk = state.input.next_chunk()?;
        let number = state.taken;
        state.taken += 1;
        Ok(chunk.map(|chunk| (number, chunk)))
    }

    /// Moves the position over all settled chunks at the front. The dead letters are written before.
    fn commit(&self, number: u64, settled: Settled) -> Result<()> {
        let mut state = self.lock();
        state.early.insert(number, settled);
        while let Some(settled) = state.next_to_commit() {
            self.files.dead_letters.write(&settled.dead_letters)?;
            self.files.resume_point.save(settled.end)?;
            self.progress.set_position(settled.end.bytes);
            state.total.add(&settled);
            state.committed += 1;
        }
        self.changed.notify_all();
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_to_commit(&mut self) -> Option<Settled> {
        self.early.remove(&self.committed)
    }
}

impl Settled {
    fn add(&mut self, next: &Self) {
        self.end = next.end;
        self.delivered += next.delivered;
        self.refused += next.refused;
        self.invalid += next.invalid;
    }

    fn bury(&mut self, line: Line, reason: String) {
        self.dead_letters.push(DeadLetter { line, reason });
    }
}

/// Delivers the lines of a chunk. Fails if something other than its lines is wrong: it would be wrong for all others.
fn settle(client: &Trubrics, chunk: Chunk) -> Result<Settled> {
    let mut settled = Settled {
        end: chunk.end,
        ..Settled::default()
    };
    let (mut lines, mut records) = (Vec::new(), Vec::new());
    for line in chunk.lines {
        match parse(&line.text) {
            Ok(record) => {
                lines.push(line);
                records.push(record);
            }
            Err(problem) => {
                settled.invalid += 1;
                settled.bury(line, problem);
            }
        }
    }
    let outcomes = client.deliver(records, PATIENCE);
    let is_some_delivered = outcomes.iter().any(|outcome| outcome.is_ok());
    for (line, outcome) in lines.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => settled.delivered += 1,
            Err(error) if is_fault_of_line(&error, is_some_delivered) => {
                settled.refused += 1;
                settled.bury(line, error.to_string());
            }
            Err(error) => return Err(error.into()),
        }
    }
    settled
        .dead_letters
        .sort_by_key(|letter| letter.line.number);
    Ok(settled)
}

/// A server that takes other lines, and fails at this one again and again, fails because of it.
fn is_fault_of_line(error: &DeliveryError, is_some_delivered: bool) -> bool {
    match error.status() {
        Some(500..600) => is_some_delivered,
        // A proxy that answers 400 with a page of its own blames no line.
        _ => error.is_record_fault(),
    }
}

fn parse(line: &[u8]) -> std::result::Result<Record, String> {
    let line = str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
    let record = Record::from_json(line).map_err(|error| error.to_string())?;
    match record.get_timestamp() {
        Some(_) => Ok(record),
        // It would get the time of the import.
        None => Err("timestamp is missing".into()),
    }
}
