//! What was promised, what arrived, and how often.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::Path,
};

use serde_json::Value;

use super::{Counts, PRODUCERS};
use crate::support::files_in;

/// A process and one of its producers.
type Source = (u32, usize);

#[derive(Default)]
pub(super) struct Ledger {
    /// For each record, by its index, the number of the last request that had it; 0 before it arrived.
    arrived: HashMap<Source, Vec<u32>>,
    promised: HashMap<Source, u64>,
    requests: u32,
    doubled_records: u64,
    /// The requests of which a record came again later.
    doubled: BTreeSet<u32>,
    /// The last request of each connection.
    last: HashMap<u64, u32>,
}

/// The process, the producer and the index of a record.
fn key(record: &Value) -> Option<(Source, usize)> {
    let mut user = record["user_id"].as_str()?.split(' ');
    let source = (user.next()?.parse().ok()?, user.next()?.parse().ok()?);
    Some((source, record["properties"]["index"].as_u64()? as usize))
}

impl Ledger {
    /// Takes down an accepted request.
    pub(super) fn accept(&mut self, connection: u64, body: &[u8]) {
        self.requests += 1;
        self.last.insert(connection, self.requests);
        let records: Vec<Value> = serde_json::from_slice(body).expect("an array");
        for record in &records {
            let (source, index) = key(record).expect("a record of ours");
            let arrived = self.arrived.entry(source).or_default();
            if arrived.len() <= index {
                arrived.resize(index + 1, 0);
            }
            let before = std::mem::replace(&mut arrived[index], self.requests);
            if before != 0 {
                self.doubled_records += 1;
                self.doubled.insert(before);
            }
        }
    }

    /// Takes down what a dead process has promised: the records in the folder, and those that arrived.
    ///
    /// Each producer's records are stored in their order, so the last one stands for those before it.
    pub(super) fn promise(&mut self, life: u32, folder: &Path) -> Counts {
        let arrived = |producer| self.arrived.get(&(life, producer)).map_or(0, Vec::len) as u64;
        let mut promised: Counts = std::array::from_fn(arrived);
        for file in files_in(folder) {
            let text = String::from_utf8_lossy(&fs::read(file).expect("a file")).into_owned();
            // The last line may be torn.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            for line in whole.lines() {
                let json = line.find('{').map(|start| &line[start..]);
                let record = json.and_then(|json| serde_json::from_str(json).ok());
                if let Some(((of, producer), index)) = record.and_then(|record| key(&record))
                    && of == life
                {
                    promised[producer] = promised[producer].max(index as u64 + 1);
                }
            }
        }
        self.promise_all(life, promised);
        promised
    }

    /// Takes down this many records of each producer as promised.
    pub(super) fn promise_all(&mut self, life: u32, counts: Counts) {
        let sources = (0..PRODUCERS).map(|producer| (life, producer));
        self.promised.extend(sources.zip(counts));
    }

    pub(super) fn promised(&self) -> u64 {
        self.promised.values().sum()
    }

    /// How many promised records did not arrive.
    pub(super) fn missing(&self) -> u64 {
        let of_one = |(source, promised): (&Source, &u64)| {
            let arrived = self.arrived.get(source).into_iter().flatten();
            let arrived = arrived.take(*promised as usize).filter(|last| **last != 0);
            promised - arrived.count() as u64
        };
        self.promised.iter().map(of_one).sum()
    }

    pub(super) fn requests(&self) -> u32 {
        self.requests
    }

    pub(super) fn doubled_records(&self) -> u64 {
        self.doubled_records
    }

    pub(super) fn doubled_batches(&self) -> u64 {
        self.doubled.len() as u64
    }

    /// The doubled requests that were not the last one of their connection: the client has read their answer, and
    /// writes that down before it makes the next request.
    pub(super) fn doubled_without_cause(&self) -> Vec<u32> {
        let last: BTreeSet<_> = self.last.values().copied().collect();
        self.doubled.difference(&last).copied().collect()
    }
}
