//! The settings of the spool.

use std::{path::PathBuf, time::Duration};

use super::fingerprint::Fingerprint;

/// The settings of the builder that begin with `spool`.
#[derive(Debug, Clone)]
pub(crate) struct SpoolSettings {
    pub(crate) folder: PathBuf,
    /// Whose records these are.
    pub(crate) project: Fingerprint,
    pub(crate) max_bytes: u64,
    pub(crate) max_age: Duration,
    pub(crate) sync: bool,
    pub(crate) when_full: WhenFull,
}

/// What the spool does when the limit is reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum WhenFull {
    /// Removes the oldest segments.
    Evict,
    /// Takes no more records.
    Keep,
}
