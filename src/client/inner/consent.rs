//! The consent of a client, from the callers' side.

use std::{
    io,
    time::{Duration, Instant},
};

use super::{ClientParts, Inner};
use crate::{
    clock,
    control::Control,
    deadline::after,
    spool::{Period, ProjectFolder},
    sync::channel::{Receiver, RecvTimeoutError, Sender, bounded},
};

/// How long a withdrawal and a grant may take.
const LIMIT: Duration = Duration::from_secs(5);

/// The consent to the requests of one call on the caller's thread. A withdrawal ends it, even if a grant follows.
pub(in crate::client) struct Agreement<'a> {
    parts: &'a ClientParts,
    withdrawals: u64,
    /// None without a spool.
    period: Option<Period>,
}

impl<'a> Agreement<'a> {
    /// The agreement as it is now, if there is consent. Without consent, this does not touch the disk.
    fn of(parts: &'a ClientParts) -> Option<Self> {
        let consent = &parts.intake.consent;
        let withdrawals = consent.withdrawals();
        if !consent.permits(withdrawals) {
            return None;
        }
        let period = match &parts.project {
            Some(project) => Some(project.granted_period()?),
            None => None,
        };
        Some(Self {
            parts,
            withdrawals,
            period,
        })
    }

    /// How often the consent was withdrawn before the agreement.
    pub(in crate::client) fn withdrawals(&self) -> u64 {
        self.withdrawals
    }

    /// Whether no process has withdrawn the consent since; false if that cannot be read.
    pub(in crate::client) fn holds(&self) -> bool {
        let is_same = |project: &ProjectFolder| {
            project
                .granted_period()
                .is_some_and(|period| Some(period) == self.period)
        };
        self.parts.intake.consent.permits(self.withdrawals)
            && self.parts.project.as_ref().is_none_or(is_same)
    }
}

impl Inner {
    /// The consent to what the caller is about to send, if there is one.
    pub(in crate::client) fn agreement(&self) -> Option<Agreement<'_>> {
        Agreement::of(&self.state.parts)
    }

    pub(in crate::client) fn withdraw(&self) -> io::Result<()> {
        let deadline = after(clock::now(), LIMIT);
        let is_forked = self.lifecycle().is_forked();
        if !is_forked {
            // Before the withdrawal counts: the worker may have forgotten it a moment later, and the grant of another
            // caller may follow. A pause after that grant would stay.
            self.intake().queue.pause();
        }
        // Nothing may be sent from here on, whatever fails.
        self.intake().consent.withdraw();
        if is_forked {
            return self.withdraw_in_folder();
        }
        let answer = self.ask(Control::Withdraw);
        if self.is_inside() {
            self.state.parts.exchange.cancel();
            return Err(in_hook());
        }
        let have_ended = self.state.parts.exchange.cancel_all(deadline);
        // A worker that has ended has settled all its records, and may have left them on disk.
        wait(&answer, deadline).unwrap_or_else(|| self.withdraw_in_folder())?;
        match have_ended {
            true => Ok(()),
            false => Err(too_late("a request could not be broken off in time")),
        }
    }

    pub(in crate::client) fn grant(&self) -> io::Result<()> {
        if self.lifecycle().is_forked() {
            let problem = "the client belongs to the parent of this process";
            return Err(io::Error::new(io::ErrorKind::Unsupported, problem));
        }
        let deadline = after(clock::now(), LIMIT);
        let withdrawals = self.intake().consent.withdrawals();
        let answer = self.ask(|done| Control::Grant { withdrawals, done });
        match self.is_inside() {
            true => Err(in_hook()),
            // A client that is closed takes no records.
            false => wait(&answer, deadline).unwrap_or_else(|| self.grant_in_folder()),
        }
    }

    /// Withdraws on the calling thread. Other processes, such as the parent of a fork, notice it.
    fn withdraw_in_folder(&self) -> io::Result<()> {
        let project = self.state.parts.project.as_ref();
        project.map_or(Ok(()), ProjectFolder::withdraw)
    }

    fn grant_in_folder(&self) -> io::Result<()> {
        let project = self.state.parts.project.as_ref();
        project.map_or(Ok(()), ProjectFolder::grant)
    }

    /// Sends the worker a message, and returns the end at which its answer arrives.
    fn ask(
        &self,
        message: impl FnOnce(Sender<io::Result<()>>) -> Control,
    ) -> Receiver<io::Result<()>> {
        let (done, answer) = bounded(1);
        self.worker().send(message(done));
        answer
    }
}

/// Waits for the answer of the worker; none if the worker has ended.
fn wait(answer: &Receiver<io::Result<()>>, deadline: Instant) -> Option<io::Result<()>> {
    match answer.recv_deadline(deadline) {
        Ok(result) => Some(result),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => Some(Err(too_late("the worker did not answer in time"))),
    }
}

fn in_hook() -> io::Error {
    let problem =
        "called from a hook or a transport: it takes effect, and the call does not wait for it";
    io::Error::new(io::ErrorKind::WouldBlock, problem)
}

fn too_late(problem: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, problem)
}

#[cfg(test)]
mod tests;
