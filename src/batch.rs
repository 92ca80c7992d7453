//! Records in the order they came, and how many of them go into one request.

pub(crate) mod backoff;
pub(crate) mod blame;
pub(crate) mod delivery;
pub(crate) mod size_limit;

use crate::record::Encoded;

/// Bounds of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
}

/// How many of these records the next request carries: as many as the limits allow, and at least one, however large it
/// is.
pub(crate) fn batch_length<'a>(
    waiting: impl Iterator<Item = &'a Encoded>,
    limits: BatchLimits,
) -> usize {
    let mut bytes = "[]".len();
    let fits = |record: &&Encoded| {
        bytes += record.json.len() + ",".len();
        // The last record is followed by no comma.
        bytes - ",".len() <= limits.bytes
    };
    waiting.take(limits.records).take_while(fits).count().max(1)
}

/// Writes the body of a request: the records as one JSON array.
pub(crate) fn write_body<'a>(
    records: impl ExactSizeIterator<Item = &'a Encoded> + Clone,
    body: &mut Vec<u8>,
) {
    body.clear();
    let size: usize = records.clone().map(|record| record.json.len()).sum();
    body.reserve(size + records.len() + "[]".len());
    body.push(b'[');
    for (index, record) in records.enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&record.json);
    }
    body.push(b']');
}

/// What the records take in memory, as the queue's budget counts it.
pub(crate) fn cost<'a>(records: impl Iterator<Item = &'a Encoded>) -> usize {
    records.map(Encoded::cost).sum()
}

#[cfg(test)]
mod tests;
