//! The requests of a storm, and which records each of them held.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use super::network::{Attempt, Outcome};

pub(super) struct Attempts {
    all: Vec<Attempt>,
    /// The markers in each of them.
    markers: Vec<Vec<u64>>,
    /// Which of them held a record.
    of: HashMap<u64, Vec<usize>>,
}

impl Attempts {
    pub(super) fn new(all: Vec<Attempt>) -> Self {
        let markers: Vec<_> = all
            .iter()
            .map(|attempt| markers_in(&attempt.body))
            .collect();
        let mut of: HashMap<u64, Vec<usize>> = HashMap::new();
        for (index, markers) in markers.iter().enumerate() {
            for marker in markers {
                of.entry(*marker).or_default().push(index);
            }
        }
        Self { all, markers, of }
    }

    /// How many requests of the batch of a record failed before `passing` was accepted. Batches share no record, so
    /// the batch is all records that were in one request with it. A request that could not be read may have been one
    /// of them, unless it came before the record was handed over.
    pub(super) fn failures_before(&self, passing: u64, marker: u64, handed_over: Instant) -> usize {
        let has_succeeded = |index: &&usize| self.all[**index].outcome == Outcome::Succeeded;
        let end = self.of(passing).iter().find(has_succeeded);
        let end = end.copied().unwrap_or(self.all.len());
        let requests = self.of(marker).iter();
        let batch: BTreeSet<u64> = requests
            .flat_map(|index| &self.markers[*index])
            .copied()
            .collect();
        let of_batch = batch.iter().flat_map(|marker| self.of(*marker)).copied();
        let unread = (0..end).filter(|index| {
            let attempt = &self.all[*index];
            !attempt.is_whole && attempt.at >= handed_over
        });
        let requests: BTreeSet<usize> = of_batch.chain(unread).collect();
        let has_failed = |index: &&usize| self.all[**index].outcome == Outcome::Failed;
        requests.range(..end).filter(has_failed).count()
    }

    /// The outcomes of the requests with a record.
    pub(super) fn outcomes(&self, marker: u64) -> Vec<Outcome> {
        let requests = self.of(marker).iter();
        requests.map(|index| self.all[*index].outcome).collect()
    }

    fn of(&self, marker: u64) -> &[usize] {
        self.of.get(&marker).map_or(&[], Vec::as_slice)
    }
}

/// The markers in a body, which may be cut short.
fn markers_in(body: &[u8]) -> Vec<u64> {
    let body = String::from_utf8_lossy(body);
    let ids = body.split(r#""user_id":""#).skip(1);
    let ids = ids.filter_map(|rest| rest.split_once('"'));
    ids.map(|(id, _)| id.parse().expect("a marker")).collect()
}
