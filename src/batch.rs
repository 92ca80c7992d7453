//! Records in the order they came, and how many of them go into one request.

pub(crate) mod backoff;
pub(crate) mod delivery;

use std::collections::VecDeque;

use crate::record::Encoded;

/// Bounds of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

/// Takes the next batch off the front: as many as the limits allow, and always one, however large it is.
pub(crate) fn take_batch(waiting: &mut VecDeque<Encoded>, limits: BatchLimits) -> Vec<Encoded> {
    let mut bytes = "[]".len();
    let fits = |record: &&Encoded| {
        bytes += record.json.len() + ",".len();
        // The last record is followed by no comma.
        bytes - ",".len() <= limits.bytes
    };
    let count = waiting.iter().take(limits.records).take_while(fits).count();
    waiting.drain(..count.max(1).min(waiting.len())).collect()
}

/// Writes the body of a request: the records as one JSON array.
pub(crate) fn write_body(records: &[Encoded], body: &mut Vec<u8>) {
    body.clear();
    let size: usize = records.iter().map(|record| record.json.len()).sum();
    body.reserve(size + records.len() + "[]".len());
    body.push(b'[');
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&record.json);
    }
    body.push(b']');
}

/// What the records take in memory, as the queue's budget counts it.
pub(crate) fn cost(records: &[Encoded]) -> usize {
    records.iter().map(Encoded::cost).sum()
}

#[cfg(test)]
mod tests;
