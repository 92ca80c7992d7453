use proptest::prelude::*;

use std::collections::VecDeque;

use super::*;

fn take_batch(waiting: &mut VecDeque<Encoded>, limits: BatchLimits) -> Vec<Encoded> {
    let length = batch_length(waiting.iter(), limits);
    waiting.drain(..length.min(waiting.len())).collect()
}

fn record(size: usize) -> Encoded {
    Encoded {
        json: vec![b'1'; size].into(),
        endpoint: Endpoint::Events,
        spool_entry: None,
    }
}

#[test]
fn a_record_larger_than_a_batch_may_be_goes_alone() {
    let limits = BatchLimits {
        records: 10,
        bytes: 20,
    };
    let mut waiting: VecDeque<_> = [5, 100, 5, 5].map(record).into();
    let sizes: Vec<Vec<usize>> = std::iter::from_fn(|| {
        let batch = take_batch(&mut waiting, limits);
        (!batch.is_empty()).then(|| batch.iter().map(|record| record.json.len()).collect())
    })
    .collect();
    assert_eq!(sizes, [vec![5], vec![100], vec![5, 5]]);
}

#[test]
fn a_batch_that_fills_its_bytes_exactly_is_one_batch() {
    let limits = BatchLimits {
        records: 10,
        bytes: "[111,22]".len(),
    };
    let mut waiting: VecDeque<_> = [3, 2].map(record).into();
    assert_eq!(take_batch(&mut waiting, limits).len(), 2);
}

proptest! {
    #[test]
    fn batches_hold_the_limits_and_all_records_in_their_order(
        sizes in prop::collection::vec(1_usize..50, 1..60),
        records in 1_usize..10,
        bytes in 1_usize..200,
    ) {
        let limits = BatchLimits { records, bytes };
        let mut waiting: VecDeque<_> = sizes.iter().map(|size| record(*size)).collect();
        let mut found = Vec::new();
        let mut body = Vec::new();
        while !waiting.is_empty() {
            let batch = take_batch(&mut waiting, limits);
            write_body(batch.iter(), &mut body);
            prop_assert!(!batch.is_empty() && batch.len() <= records);
            prop_assert!(body.len() <= bytes || batch.len() == 1);
            prop_assert_eq!(body.len(), batch.iter().map(|record| record.json.len()).sum::<usize>() + batch.len() - 1 + 2);
            found.extend(batch.iter().map(|record| record.json.len()));
        }
        prop_assert_eq!(found, sizes);
    }
}
