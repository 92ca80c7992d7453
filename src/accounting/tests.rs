use std::sync::Arc;

use super::*;

mod counts;
mod lines;

impl Accounting {
    /// With room for whatever a test puts in.
    pub(crate) fn for_tests() -> Arc<Self> {
        Arc::new(Self::new(
            ClientId::MIN,
            Budget::new(usize::MAX, usize::MAX),
            None,
        ))
    }
}

/// Records as a worker holds them, each with its budget.
pub(crate) fn unsettled(records: impl IntoIterator<Item = Encoded>) -> Unsettled {
    let accounting = Accounting::for_tests();
    let records: Vec<_> = records.into_iter().collect();
    for record in &records {
        let reserved = accounting.budget().reserve(record.cost());
        assert!(reserved.is_ok(), "there is room");
    }
    Unsettled::of(records, accounting)
}

/// A record that is in memory, or on disk.
fn record(is_spooled: bool) -> Encoded {
    Encoded {
        json: b"{}".as_slice().into(),
        endpoint: crate::record::Endpoint::Events,
        spool_entry: is_spooled.then_some(std::num::NonZeroU32::MIN),
    }
}

fn refusal(status: u16) -> Refusal {
    Refusal {
        status,
        detail: None,
    }
}
