//! What holds when a process, or a whole run, has ended.

use std::time::Duration;

use super::{
    ledger::assert_order,
    plan::is_poison,
    process::Process,
    storm::{CLEARS_WITHIN, Storm},
};
use crate::{Consent, DropReason};

/// A kill may lose records of this age although there is a spool: they are not on disk yet.
pub(super) const UNSAFE_FOR: Duration = Duration::from_millis(20);

impl Storm {
    /// The process ends without a close. Only records that are in memory alone may be lost.
    pub(super) fn kill(&mut self, number: usize, starts_at: Duration) {
        let process = &mut self.processes[number];
        let Some(mut client) = process.client.take() else {
            return;
        };
        let may_lose =
            process.may_be_in_memory() || client.parts.intake.consent.get() != Consent::Granted;
        process.starts_at = Some(starts_at);
        client.kill();
        let drops = process.take_drops();
        self.note_doubles(number, &client);
        for record in drops.iter().flat_map(|drops| &drops.records) {
            let now = self.now();
            let tracked = &mut self.records[*record as usize];
            let age = now - tracked.at;
            assert!(
                may_lose || age <= UNSAFE_FOR,
                "process {number}: a kill lost {record} after {age:?}"
            );
            if !may_lose {
                self.figures.lost = self.figures.lost.max(age);
            }
            tracked.may_be_lost = true;
        }
        self.end_run(
            number,
            client
                .parts
                .intake
                .accounting
                .stats()
                .dropped_for(DropReason::Corrupted),
        );
    }

    /// Lets go of the clients that have ended.
    pub(super) fn end_closed(&mut self) {
        for number in 0..self.processes.len() {
            let process = &mut self.processes[number];
            let Some(client) = process.client.take_if(|client| client.has_ended()) else {
                continue;
            };
            let stats = client.parts.intake.accounting.stats();
            assert_eq!(stats.pending, 0, "process {number} has ended: {stats:?}");
            let closes_by = process.run.closes_by.unwrap_or_default();
            if process.has_threads() {
                let late = self.time.elapsed().saturating_sub(closes_by);
                self.figures.close_late = self.figures.close_late.max(late);
            }
            self.end_run(number, stats.dropped_for(DropReason::Corrupted));
        }
    }

    fn end_run(&mut self, number: usize, unread: u64) {
        self.unread += unread;
        self.processes[number].run.flushes.clear();
        let process = &self.processes[number];
        if process.program.requests == 1 && !process.run.had_fault && !process.is_tight() {
            self.check_order(process);
        }
    }

    /// A record of a process is passed by its later ones only after it has failed twice.
    fn check_order(&self, process: &Process) {
        let is_own = |number: &u32| {
            let tracked = &self.records[*number as usize];
            let is_whole = tracked.dropped == 0 && !tracked.is_forgotten && !tracked.may_double;
            tracked.process == process.number && *number >= process.run.first_record && is_whole
        };
        let calls = self.server.calls_from(process.run.first_call).into_iter();
        let calls: Vec<_> = calls.filter(|call| call.sender == process.number).collect();
        assert_order(&calls, is_own, &format!("process {}", process.number));
    }

    /// Every record that can be delivered has been.
    pub(super) fn check_cleared(&mut self) {
        let late = self.last_good_end.saturating_sub(super::plan::STORM);
        self.figures.cleared = late;
        let open =
            (0..self.next_record()).filter(|number| !is_poison(*number) && self.is_open(*number));
        let open: Vec<_> = open.collect();
        if open.len() as u64 > self.unread() {
            let first = open.first().copied().unwrap_or_default();
            let process = self.records[first as usize].process;
            let calls = self
                .server
                .calls()
                .into_iter()
                .filter(|call| call.records.contains(&first));
            let calls: Vec<_> = calls
                .map(|call| (call.at, call.records.len(), call.answer))
                .collect();
            panic!(
                "{} records wait {CLEARS_WITHIN:?} after the weather, first {first} of process {process}, tracked at {:?}: {:?}, sent {calls:?}; on disk {:?}",
                open.len(),
                self.records[first as usize].at,
                self.processes[process].stats(),
                self.disk.names()
            );
        }
    }

    /// All programs have ended. Only poison is left, and it is on disk.
    pub(super) fn check_ends(&self) {
        let open = (0..self.next_record()).filter(|number| self.is_open(*number));
        for number in open.filter(|number| is_poison(*number)) {
            let process = &self.processes[self.records[number as usize].process];
            assert!(process.has_spool(), "record {number} has no end");
        }
        assert!(
            self.processes
                .iter()
                .all(|process| process.client.is_none())
        );
    }
}
