//! The hand-off: a process stores its records and ends, and starts a process that delivers them.

mod process;
mod stamp;

use std::{ffi::OsString, fs, io, time::Duration};

use log::warn;

use crate::{
    clock,
    logging::{TARGET, logging},
    spool::ProjectFolder,
};

/// How the process that delivers is started, and how often.
pub(crate) struct HandOff {
    pub(crate) arguments: Vec<OsString>,
    pub(crate) interval: Duration,
}

/// The name of the file in the folder of the project.
const STAMP: &str = "hand-off";

impl HandOff {
    /// Starts a process that delivers, if there are records for it and none was started within the interval.
    pub(crate) fn start(&self, project: &ProjectFolder) {
        if let Err(error) = self.try_start(project) {
            logging(
                || warn!(target: TARGET, "the process that delivers cannot be started: {error}"),
            );
        }
    }

    fn try_start(&self, project: &ProjectFolder) -> io::Result<()> {
        // A program that does not know its own arguments must not start itself again and again.
        if process::is_started_by_hand_off() || !project.has_segments()? {
            return Ok(());
        }
        let program = process::program()?;
        let stamp = project.path().join(STAMP);
        if !stamp::note(&stamp, clock::system_now(), self.interval)? {
            return Ok(());
        }
        process::start(&program, &self.arguments).inspect_err(|_| {
            // The next run tries again. If the file stays, a run after the interval does.
            let _ = fs::remove_file(&stamp);
        })
    }
}
