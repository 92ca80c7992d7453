//! The consent is withdrawn and granted, by a program's own caller or by another process.

use super::{
    Client,
    process::{Change, Process},
    storm::Storm,
};
use crate::spool::Spool;

impl Storm {
    /// A program's own caller withdraws or grants the consent.
    pub(super) fn change_consent(&mut self, program: usize, is_withdrawal: bool) {
        let next = self.next_record();
        let process = &mut self.processes[program];
        let Some(client) = process.open_client() else {
            return;
        };
        let answer = match is_withdrawal {
            true => client.withdraw(),
            false => client.grant(),
        };
        let run = &mut process.run;
        if is_withdrawal {
            run.withdrawn_before = next;
        }
        let removes = is_withdrawal || run.owes_withdrawal;
        run.owes_withdrawal |= is_withdrawal;
        run.minute.callers += 1;
        let project = &mut self.projects[process.project];
        project.changes += 1;
        project.is_withdrawn &= is_withdrawal;
        if removes {
            project.may_be_gone_before = next;
        }
        run.changes.push(Change {
            answer,
            is_withdrawal,
            next,
            number: project.changes,
        });
    }

    /// A withdrawal that the disk did not take is noted later: then all records go.
    pub(super) fn note_unnoted(&mut self, number: usize) {
        let process = &self.processes[number];
        if process.client.as_ref().is_some_and(Client::has_unnoted) {
            self.projects[process.project].may_be_gone_before = self.next_record();
        }
    }

    /// The spool as a process opens it that changes the consent alone.
    fn spool_of(&self, project: usize) -> Option<Spool> {
        let of_project = |process: &&Process| process.project == project;
        let mut spools = self
            .processes
            .iter()
            .filter(of_project)
            .filter_map(|process| process.program.spool.clone());
        Some(Spool::in_memory(spools.next()?, &self.disk))
    }

    pub(super) fn withdraw_elsewhere(&mut self, project: usize) {
        let Some(mut spool) = self.spool_of(project) else {
            return;
        };
        let next = self.next_record();
        let noted = spool.note_withdrawal();
        let forgotten = spool.forget(|_| ());
        let project = &mut self.projects[project];
        project.changes += 1;
        project.may_be_gone_before = next;
        if noted.is_ok() {
            project.is_withdrawn = forgotten.is_ok();
            project.forgotten_before = next;
        }
    }

    pub(super) fn grant_elsewhere(&mut self, project: usize) {
        let Some(mut spool) = self.spool_of(project) else {
            return;
        };
        // After an error, the content of the note is unknown.
        let _ = spool.note_grant();
        let project = &mut self.projects[project];
        project.changes += 1;
        project.is_withdrawn = false;
    }
}
