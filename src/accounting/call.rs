//! What became of the records that one call of [`deliver`](crate::Trubrics::deliver) sends, each by its place.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use super::{Accounting, Outcome};
use crate::{drop_reason::DropReason, record::Encoded};

pub(crate) struct CallOutcomes {
    /// Counts the delivered records.
    client: Arc<Accounting>,
    /// The index of each record by the address of its JSON, which stays the same until the record is settled.
    indexes: HashMap<usize, usize>,
    outcomes: Mutex<Vec<Option<Outcome>>>,
    is_key_refused: AtomicBool,
}

impl CallOutcomes {
    pub(crate) fn new(client: Arc<Accounting>, records: &[Encoded]) -> Self {
        let addresses = records.iter().map(address).zip(0..);
        Self {
            client,
            indexes: addresses.collect(),
            outcomes: Mutex::new(records.iter().map(|_| None).collect()),
            is_key_refused: AtomicBool::new(false),
        }
    }

    /// Notes the outcome of records that are settled.
    pub(super) fn note(&self, records: &[Encoded], outcome: &Outcome) {
        match outcome {
            Outcome::Delivered => self.client.deliver_directly(records.len() as u64),
            Outcome::Dropped(DropReason::Unauthorized, _) => {
                self.is_key_refused.store(true, SeqCst);
            }
            Outcome::Dropped(..) => {}
        }
        let mut outcomes = self.outcomes();
        for record in records {
            let index = self.indexes.get(&address(record));
            if let Some(slot) = index.and_then(|index| outcomes.get_mut(*index)) {
                *slot = Some(outcome.clone());
            }
        }
    }

    /// Whether the server refused the API key.
    pub(crate) fn is_key_refused(&self) -> bool {
        self.is_key_refused.load(SeqCst)
    }

    /// Takes the outcome of each record, in the order of the call.
    pub(crate) fn take(&self) -> Vec<Option<Outcome>> {
        std::mem::take(&mut *self.outcomes())
    }

    fn outcomes(&self) -> MutexGuard<'_, Vec<Option<Outcome>>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn address(record: &Encoded) -> usize {
    record.json.as_ptr().addr()
}
