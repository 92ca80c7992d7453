//! The consent of a client, from the callers' side.

use std::{
    io,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::Inner;
use crate::{control::Control, spool::ProjectFolder};

/// How long a withdrawal and a grant may take.
const LIMIT: Duration = Duration::from_secs(5);

impl Inner {
    pub(in crate::client) fn withdraw(&self) -> io::Result<()> {
        let deadline = Instant::now() + LIMIT;
        // First of all, because nothing may be taken or sent from here on, whatever fails.
        self.intake().consent.withdraw();
        if self.lifecycle().is_forked() {
            return self.withdraw_in_folder();
        }
        self.intake().queue.pause();
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
        let deadline = Instant::now() + LIMIT;
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
