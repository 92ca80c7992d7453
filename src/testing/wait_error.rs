use std::{error::Error, fmt, time::Duration};

/// The error of a wait: fewer records or requests than asked for arrived in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitError {
    pub(super) what: &'static str,
    pub(super) wanted: usize,
    pub(super) arrived: usize,
    pub(super) timeout: Duration,
}

impl WaitError {
    /// Returns how many had arrived when the time was over.
    pub fn arrived(&self) -> usize {
        self.arrived
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "waited {:?} for {} {}, {} arrived",
            self.timeout, self.wanted, self.what, self.arrived
        )
    }
}

impl Error for WaitError {}
