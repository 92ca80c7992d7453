//! Whether the disk of the spool works, as the log says it.

use std::{
    io,
    time::{Duration, Instant},
};

use log::warn;

use crate::{
    clock,
    logging::{TARGET, logging},
};

#[derive(Default)]
pub(super) struct DiskState {
    /// When the disk failed last, if the failure was logged and the recovery was not.
    failed_at: Option<Instant>,
}

/// A disk that is nearly full takes a small write right after it refused a large one. It has recovered when it takes a
/// write this long after the last failure.
pub(super) const RECOVERY: Duration = Duration::from_secs(1);

impl DiskState {
    /// Logs the first failure, and the recovery.
    pub(super) fn log(&mut self, outcome: &io::Result<()>) {
        let now = clock::now();
        match (outcome, self.failed_at) {
            (Err(error), failed_at) => {
                if failed_at.is_none() {
                    logging(
                        || warn!(target: TARGET, "the spool cannot be written: records wait in memory ({error})"),
                    );
                }
                self.failed_at = Some(now);
            }
            (Ok(()), Some(failed_at)) if now.duration_since(failed_at) >= RECOVERY => {
                logging(|| warn!(target: TARGET, "the spool can be written again"));
                self.failed_at = None;
            }
            _ => {}
        }
    }
}
