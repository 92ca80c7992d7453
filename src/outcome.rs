//! How an operation that took time ended, as its record says.

use crate::record::{Record, gen_ai};

pub(crate) enum Outcome {
    Finished,
    /// The text of the error.
    Failed(String),
    /// Dropped before it ended: an early return, a panic.
    Interrupted,
}

impl Outcome {
    /// Sets the properties that say it: `outcome`, and those of the error.
    pub(crate) fn set_on(self, record: &mut Record) {
        let outcome = match self {
            Self::Finished => "finished",
            Self::Failed(error) => {
                let class = record.get_property(gen_ai::ERROR_TYPE);
                if class.is_none_or(|class| class.is_null()) {
                    record.set_property(gen_ai::ERROR_TYPE, gen_ai::OTHER_ERROR);
                }
                record.set_property(gen_ai::ERROR_MESSAGE, error);
                "failed"
            }
            Self::Interrupted => "interrupted",
        };
        record.set_property(gen_ai::OUTCOME, outcome);
    }
}
