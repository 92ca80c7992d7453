//! The entry points of the targets in `fuzz/`, which set the configuration `fuzzing`. They are not a part of the crate.

#[cfg(feature = "http")]
pub use crate::{
    batch::fuzzing::deliver,
    http::fuzzing::{status, urls},
};
pub use crate::{
    record::fuzzing::{read_record, write_properties},
    redaction::fuzzing::redact,
    server_sent_events::fuzzing::read_events,
    spool::fuzzing::read_segment,
};

#[cfg(test)]
mod tests;
