//! What runs cost, and the highest values beside their bounds.

use std::{fmt, time::Duration};

use super::{checks::CLOSE_SLACK, checks::MAX_FAILED, ends::UNSAFE_FOR, storm::CLEARS_WITHIN};

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Figures {
    pub(super) seeds: usize,
    pub(super) time: Duration,
    pub(super) requests: usize,
    pub(super) records: usize,
    pub(super) steps: u64,
    /// How long after the weather the last good record was delivered.
    pub(super) cleared: Duration,
    /// Failed requests of a process in a minute, beyond those that its answers and callers allow.
    pub(super) failed: u64,
    /// How long after its deadline a close ended.
    pub(super) close_late: Duration,
    /// The age of the oldest record that a kill lost although there was a spool.
    pub(super) lost: Duration,
}

impl Figures {
    /// The sums, and the higher one of each other figure.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            seeds: self.seeds + other.seeds,
            time: self.time + other.time,
            requests: self.requests + other.requests,
            records: self.records + other.records,
            steps: self.steps + other.steps,
            cleared: self.cleared.max(other.cleared),
            failed: self.failed.max(other.failed),
            close_late: self.close_late.max(other.close_late),
            lost: self.lost.max(other.lost),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = self.time.as_secs_f64() / 3_600.0;
        writeln!(
            f,
            "seeds: {}, simulated hours: {hours:.0}, steps: {}, requests: {}, records: {}",
            self.seeds, self.steps, self.requests, self.records
        )?;
        writeln!(
            f,
            "all delivered after the weather: within {:?} (bound: {CLEARS_WITHIN:?})",
            self.cleared
        )?;
        writeln!(
            f,
            "failed requests of a process in a minute, beyond halves, 4 for each answer and 2 for each caller: {} (bound: {MAX_FAILED})",
            self.failed
        )?;
        writeln!(
            f,
            "end of a close after its deadline: {:?} (bound: {CLOSE_SLACK:?})",
            self.close_late
        )?;
        write!(
            f,
            "age of records that a kill lost beside a spool: {:?} (bound: {UNSAFE_FOR:?})",
            self.lost
        )
    }
}
