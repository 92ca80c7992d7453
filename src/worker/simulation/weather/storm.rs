//! A run of a script.

use std::{sync::Arc, time::Duration};

use super::{
    Client, Event, Fault, Figures, Plan, SECOND, Server, VirtualTime,
    plan::{PROJECTS, STORM, rule},
    process::{Flush, Process},
    random_double,
};
use crate::{
    Event as TrackedEvent, LlmEvent, clock,
    queue::Overflow,
    record::Record,
    spool::{MemoryDisk, WhenFull},
};

/// After the weather has cleared, every record that can be delivered is delivered within this time. The longest
/// `Retry-After` and the longest delay after a refusal are five minutes. If each batch in hand has a bad record, each
/// fails three times before it is split, and these failures are up to half a minute apart.
pub(super) const CLEARS_WITHIN: Duration = Duration::from_secs(10 * 60);

/// More steps at one instant than any run needs.
const MAX_STEPS: usize = 10_000;

/// A record that a program tracked, and its ends.
pub(super) struct Tracked {
    pub(super) process: usize,
    pub(super) at: Duration,
    pub(super) delivered: u32,
    pub(super) dropped: u32,
    /// It was dropped because of a withdrawal, or may have been removed because of one.
    pub(super) is_forgotten: bool,
    /// It may be delivered twice, or delivered and dropped.
    pub(super) may_double: bool,
    /// A kill may have lost it: it was in memory alone.
    pub(super) may_be_lost: bool,
}

/// The consent of a project, as far as the checks know it.
#[derive(Default, Clone, Copy)]
pub(super) struct Project {
    pub(super) is_withdrawn: bool,
    /// Records before this one may not be sent by a request that begins from now on.
    pub(super) forgotten_before: u32,
    /// Records before this one may have been removed.
    pub(super) may_be_gone_before: u32,
    pub(super) changes: u64,
}

pub(super) struct Storm {
    pub(super) plan: Plan,
    pub(super) time: VirtualTime,
    pub(super) server: Arc<Server>,
    pub(super) disk: MemoryDisk,
    pub(super) disk_fails: bool,
    pub(super) processes: Vec<Process>,
    pub(super) projects: [Project; 2],
    pub(super) records: Vec<Tracked>,
    /// How far the clock that can be set is ahead, in milliseconds, from when on.
    pub(super) clock_steps: Vec<(Duration, i128)>,
    pub(super) seen_calls: usize,
    pub(super) figures: Figures,
    /// When the last record was delivered or dropped that is not poison.
    pub(super) last_good_end: Duration,
    /// How many records processes that have ended could not read.
    pub(super) unread: u64,
}

impl Storm {
    pub(super) fn new(plan: Plan) -> Self {
        random_double::set_seed(Some(plan.seed));
        let time = VirtualTime::start();
        let server = Arc::new(Server::new(plan.seed, rule(&plan.events)));
        let processes = plan.programs.iter().zip(PROJECTS).enumerate();
        let processes = processes
            .map(|(number, (program, project))| Process::new(number, project, program.clone()));
        Self {
            time,
            server,
            disk: MemoryDisk::default(),
            disk_fails: false,
            processes: processes.collect(),
            projects: Default::default(),
            records: Vec::new(),
            clock_steps: vec![(Duration::ZERO, 0)],
            seen_calls: 0,
            figures: Figures::default(),
            last_good_end: Duration::ZERO,
            unread: 0,
            plan,
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.time.elapsed()
    }

    pub(super) fn next_record(&self) -> u32 {
        self.records.len() as u32
    }

    /// Runs the whole script, and the time after it.
    pub(super) fn run(mut self) -> Figures {
        for (at, event) in self.plan.events.clone() {
            self.run_until(at);
            self.perform(&event);
        }
        self.run_until(STORM);
        self.clear();
        self.run_while(CLEARS_WITHIN, |storm| storm.waits_for_good());
        self.check_cleared();
        self.close_all();
        self.check_ends();
        random_double::set_seed(None);
        self.figures.seeds = 1;
        self.figures.time = self.now();
        self.figures.requests = self.server.len();
        self.figures.records = self.records.len();
        self.figures
    }

    /// Everything works from here on, and every program runs with consent.
    fn clear(&mut self) {
        self.perform(&Event::DiskWorks);
        for project in 0..self.projects.len() {
            self.perform(&Event::GrantElsewhere { project });
        }
        for program in 0..self.processes.len() {
            let process = &mut self.processes[program];
            process.starts_at = process.starts_at.map(|_| STORM);
            self.perform(&Event::Grant { program });
        }
    }

    fn close_all(&mut self) {
        for program in 0..self.processes.len() {
            self.close(program, 10 * SECOND, Duration::ZERO);
            self.processes[program].starts_at = None;
        }
        self.run_until(self.now() + 21 * SECOND);
    }

    fn run_while(&mut self, limit: Duration, is_open: impl Fn(&Self) -> bool) {
        let end = self.now() + limit;
        while is_open(self) && self.now() < end {
            self.run_until(self.now() + SECOND);
        }
    }

    /// Lets the time pass until then, and checks everything after each step.
    fn run_until(&mut self, until: Duration) {
        let mut steps = (self.now(), 0);
        loop {
            steps = match steps.0 == self.now() {
                true => (steps.0, steps.1 + 1),
                false => (self.now(), 0),
            };
            assert!(steps.1 < MAX_STEPS, "the time does not go on");
            self.start_due();
            self.processes.iter_mut().for_each(Process::work);
            self.check();
            self.end_closed();
            let now = clock::now();
            let events = self.processes.iter().filter_map(Process::next_event);
            let ended = self
                .processes
                .iter()
                .filter(|process| process.client.is_none());
            let starts = ended.filter_map(|process| process.starts_at);
            let next = events.map(|at| self.now() + at.saturating_duration_since(now));
            match next.chain(starts).min() {
                Some(at) if at <= until => self.time.set(at.max(self.now())),
                _ => break,
            }
        }
        self.time.set(until.max(self.now()));
    }

    fn start_due(&mut self) {
        for number in 0..self.processes.len() {
            let is_due = |at: Duration| at <= self.time.elapsed();
            let process = &mut self.processes[number];
            if process.client.is_none() && process.starts_at.is_some_and(is_due) {
                process.start(&self.server, &self.disk);
                process.run.first_record = self.records.len() as u32;
                process.run.had_fault = self.disk_fails;
            }
        }
    }

    fn perform(&mut self, event: &Event) {
        match *event {
            Event::Server(_) => {}
            Event::Track {
                program,
                records,
                padding,
            } => (0..records).for_each(|_| self.track(program, padding)),
            Event::Flush { program, timeout } => self.flush(program, timeout),
            Event::Close {
                program,
                timeout,
                starts_after,
            } => self.close(program, timeout, starts_after),
            Event::Kill {
                program,
                starts_after,
            } => {
                let starts_at = self.now() + starts_after;
                self.kill(program, starts_at);
            }
            Event::DiskFails(fault) => self.break_disk(Some(fault), false),
            Event::DiskIsFull => self.break_disk(None, true),
            Event::DiskWorks => self.break_disk(None, false),
            Event::ClockJumps { by, is_ahead } => self.jump(by, is_ahead),
            Event::Withdraw { program } => self.change_consent(program, true),
            Event::Grant { program } => self.change_consent(program, false),
            Event::WithdrawElsewhere { project } => self.withdraw_elsewhere(project),
            Event::GrantElsewhere { project } => self.grant_elsewhere(project),
        }
    }

    fn track(&mut self, program: usize, padding: usize) {
        let (number, at) = (self.next_record(), self.now());
        let process = &mut self.processes[program];
        let Some(client) = process.open_client() else {
            return;
        };
        let (name, text) = (number.to_string(), "x".repeat(padding));
        let record: Record = match number % 5 {
            0 | 2 | 4 => TrackedEvent::new("user", name)
                .property("padding", text)
                .into(),
            _ => LlmEvent::new("user", name, text).into(),
        };
        let intake = &client.parts.intake;
        let is_kept = process
            .program
            .spool
            .as_ref()
            .is_some_and(|spool| spool.when_full == WhenFull::Keep);
        let is_taken = match is_kept {
            // A caller that waited for room would stop the time.
            true => intake.try_track(record).is_ok(),
            false => {
                let is_paused = intake.queue.refusal().is_some();
                intake.track(record);
                !is_paused
            }
        };
        debug_assert_eq!(intake.overflow, Overflow::DropNewest);
        if is_taken {
            process.run.open.insert(number);
        }
        self.records.push(Tracked {
            process: program,
            at,
            delivered: 0,
            dropped: 0,
            is_forgotten: !is_taken,
            may_double: self.disk_fails,
            may_be_lost: false,
        });
    }

    fn flush(&mut self, program: usize, timeout: Duration) {
        let (next, deadline) = (self.next_record(), self.now() + timeout);
        let process = &mut self.processes[program];
        let Some(client) = process.open_client() else {
            return;
        };
        let answer = client.flush(clock::now() + timeout);
        process.run.minute.callers += 1;
        process.run.flushes.push(Flush {
            answer,
            deadline,
            next,
        });
    }

    fn close(&mut self, program: usize, timeout: Duration, starts_after: Duration) {
        let closes_by = self.now() + timeout;
        let process = &mut self.processes[program];
        let Some(client) = process.open_client() else {
            return;
        };
        client.close(clock::now() + timeout);
        process.run.closes_by = Some(closes_by);
        process.run.minute.callers += 1;
        process.starts_at = closes_by.checked_add(starts_after);
    }

    fn break_disk(&mut self, fault: Option<Fault>, is_full: bool) {
        self.disk.set_fault(fault);
        self.disk.set_full(is_full);
        self.disk_fails = fault.is_some() || is_full;
        if !self.disk_fails {
            return;
        }
        for process in &mut self.processes {
            process.run.had_fault = true;
            // A write that failed may have left records that no call can cut off. The answer to a request in flight may
            // not be written down.
            let in_flight = process.client.as_ref().map(Client::records_in_flight);
            let in_flight = in_flight.into_iter().flatten();
            for record in process.run.open.iter().copied().chain(in_flight) {
                self.records[record as usize].may_double = true;
            }
        }
    }

    fn jump(&mut self, by: Duration, is_ahead: bool) {
        self.time.step(by, is_ahead);
        let (_, ahead) = self.clock_steps.last().copied().unwrap_or_default();
        let by = by.as_millis() as i128;
        let ahead = match is_ahead {
            true => ahead + by,
            false => ahead - by,
        };
        self.clock_steps.push((self.now(), ahead));
    }

    /// What a client had in flight when it ended may be delivered twice. So may everything that it could not
    /// acknowledge, because the disk failed.
    pub(super) fn note_doubles(&mut self, program: usize, client: &Client) {
        for record in client.records_in_flight() {
            self.records[record as usize].may_double = true;
        }
        let process = &self.processes[program];
        if !process.run.had_fault {
            return;
        }
        let project = process.project;
        for record in &mut self.records {
            record.may_double |= PROJECTS[record.process] == project;
        }
    }
}
