//! What holds after each step.

use std::time::Duration;

use super::{
    Answer, Call, Drops, MAX_LATENCY, MIN_LATENCY,
    plan::{PROJECTS, STORM, is_poison, is_refused},
    process::{Minute, Process, Run},
    storm::{Storm, Tracked},
};
use crate::{Consent, DropReason, defaults};

/// A close ends this long after its deadline at most, if the worker does not make the requests itself.
pub(super) const CLOSE_SLACK: Duration = Duration::from_millis(50);

/// This many requests of a process may fail in a minute, four more for each request that is answered otherwise, and two
/// more for each caller that waits. An answer is evidence against batches that failed before: their halves follow each
/// other without a pause. The first request of each half does not count, because a batch has only so many. Nor does a
/// record that was found in this way: it has delays of its own.
pub(super) const MAX_FAILED: u64 = 40;

/// This many requests of such a record may fail in a minute: its delay doubles from 250 ms to 30 s, and is at least
/// half of that. The delays may begin anew once, when the other parts of its batch become a batch of their own.
const MAX_ALONE: u64 = 2 * 11;

impl Storm {
    pub(super) fn check(&mut self) {
        self.figures.steps += 1;
        for number in 0..self.processes.len() {
            let process = &mut self.processes[number];
            if let Some(client) = process.client.take() {
                if client.has_ended() {
                    self.note_doubles(number, &client);
                }
                self.processes[number].client = Some(client);
            }
        }
        for call in self.server.calls_from(self.seen_calls) {
            self.seen_calls += 1;
            self.note_call(&call);
        }
        for number in 0..self.processes.len() {
            for drops in self.processes[number].take_drops() {
                self.note_drops(number, &drops);
            }
            self.note_changes(number);
            self.note_unnoted(number);
        }
        for process in self
            .processes
            .iter()
            .filter(|process| process.client.is_some())
        {
            self.check_stats(process);
            self.check_close(process);
        }
        for number in 0..self.processes.len() {
            self.check_flushes(number);
        }
        self.check_folders();
    }

    /// A request carries records of its own project, for which there is consent.
    fn note_call(&mut self, call: &Call) {
        let process = &mut self.processes[call.sender];
        let run = &mut process.run;
        for record in &call.records {
            assert_eq!(
                PROJECTS[self.records[*record as usize].process], process.project,
                "{call:?} has another project's record {record}"
            );
            let is_withdrawn = *record < run.withdrawn_before
                || process.program.spool.is_some()
                    && *record < self.projects[process.project].forgotten_before;
            assert!(!is_withdrawn, "{call:?} has the withdrawn record {record}");
        }
        if self.projects[process.project].changes == 0 {
            assert_respects(run, call);
        }
        count(run, call);
        let minute = run.minute;
        let failed = minute
            .failed
            .saturating_sub(4 * minute.answered + 2 * minute.callers);
        assert!(
            failed <= MAX_FAILED,
            "too many requests: {minute:?}, last {call:?}"
        );
        self.figures.failed = self.figures.failed.max(failed);
        if !call.answer.accepts() {
            return;
        }
        run.accepted += call.records.len() as u64;
        if call.answer != Answer::Unheard {
            run.heard += call.records.len() as u64;
        }
        for record in &call.records {
            let tracked = &mut self.records[*record as usize];
            tracked.delivered += 1;
            assert_single(*record, tracked, &format!("{call:?}"));
            tracked.may_double |= call.answer == Answer::Unheard;
            self.last_good_end = call.at;
            self.processes[tracked.process].run.open.remove(record);
        }
    }

    /// A record is dropped once, for a reason that there is.
    fn note_drops(&mut self, number: usize, drops: &Drops) {
        let process = &mut self.processes[number];
        *process.run.shown.entry(drops.reason).or_default() += drops.records.len() as u64;
        for record in &drops.records {
            let process = &self.processes[number];
            let is_right = self.is_right(process, drops, *record);
            assert!(is_right, "{drops:?} of process {number}, record {record}");
            let tracked = &mut self.records[*record as usize];
            if drops.reason == DropReason::Withdrawn {
                tracked.is_forgotten = true;
            } else {
                tracked.dropped += 1;
                assert_single(*record, tracked, &format!("{drops:?}"));
                if !is_poison(*record) {
                    self.last_good_end = drops.at;
                }
            }
            let owner = tracked.process;
            self.processes[owner].run.open.remove(record);
        }
    }

    fn is_right(&self, process: &Process, drops: &Drops, record: u32) -> bool {
        let run = &process.run;
        let tracked = &self.records[record as usize];
        // At the time of the drop: a step in which the worker makes a request itself ends later than it began.
        let age = drops.at.saturating_sub(tracked.at);
        let spool = process.program.spool.as_ref();
        let may_be_in_memory = process.may_be_in_memory();
        match drops.reason {
            DropReason::Rejected => is_refused(record),
            DropReason::TooLarge => true,
            DropReason::GaveUp => may_be_in_memory && age >= defaults::GIVE_UP_AFTER,
            DropReason::Unauthorized | DropReason::RequestRejected => {
                may_be_in_memory && self.now() <= STORM + defaults::REQUEST_TIMEOUT
            }
            DropReason::Expired => {
                spool.is_some_and(|spool| self.may_be_older(tracked, spool.max_age))
            }
            DropReason::SpoolFull => process.is_tight(),
            DropReason::QueueFull => process.program.queue_capacity < defaults::QUEUE_CAPACITY,
            DropReason::CloseTimeout => run.closes_by.is_some() && may_be_in_memory,
            DropReason::Withdrawn => self.projects[process.project].changes > 0,
            _ => false,
        }
    }

    /// Whether the record may be older than this by one of the clocks, if it was stored at any moment since it was
    /// tracked.
    fn may_be_older(&self, tracked: &Tracked, age: Duration) -> bool {
        let at = |at: Duration| {
            let step = self.clock_steps.iter().rfind(|(since, _)| *since <= at);
            at.as_millis() as i128 + step.map_or(0, |(_, ahead)| *ahead)
        };
        let later = self
            .clock_steps
            .iter()
            .filter(|(since, _)| *since >= tracked.at);
        let stored = later.map(|(since, ahead)| since.as_millis() as i128 + ahead);
        // A clock that jumps at the moment of a record may have done so after it.
        let just_before = tracked.at.saturating_sub(Duration::from_nanos(1));
        let tracked_at = [at(tracked.at), at(just_before)];
        let oldest = stored.chain(tracked_at).min().unwrap_or_default();
        self.now().saturating_sub(tracked.at) >= age
            || at(self.now()) - oldest >= age.as_millis() as i128
    }

    /// Every record is in one place, and each drop was shown.
    fn check_stats(&self, process: &Process) {
        let (stats, run) = (process.stats(), &process.run);
        let number = process.number;
        let ends = stats.delivered + stats.dropped + stats.pending + stats.left_in_spool;
        assert_eq!(
            stats.tracked + stats.recovered,
            ends,
            "process {number}: {stats:?}"
        );
        assert!(
            stats.delivered <= run.accepted,
            "process {number}: {stats:?}, {}",
            run.accepted
        );
        let client = process.client.as_ref();
        let is_idle = process.is_at_rest() && client.is_some_and(|client| client.in_flight() == 0);
        if is_idle && self.projects[process.project].changes == 0 {
            assert_eq!(stats.delivered, run.heard, "process {number}: {stats:?}");
        }
        for (reason, count) in stats.drops() {
            let shown = run.shown.get(&reason).copied().unwrap_or_default();
            let may_be_unseen = match reason {
                DropReason::Corrupted => run.had_fault,
                DropReason::Withdrawn => self.projects[process.project].changes > 0,
                _ => false,
            };
            assert!(
                shown == count || shown < count && may_be_unseen,
                "process {number}: {shown} drops were shown for {reason:?}: {stats:?}"
            );
        }
    }

    /// A close ends in time.
    fn check_close(&self, process: &Process) {
        if let Some(closes_by) = process.run.closes_by {
            let slack = match process.has_threads() {
                true => CLOSE_SLACK,
                // The caller does not wait for a worker that is in a request.
                false => CLOSE_SLACK + defaults::REQUEST_TIMEOUT,
            };
            let is_late = self.now() > closes_by + slack;
            assert!(!is_late, "process {} does not end", process.number);
        }
    }

    /// A flush is answered as soon as all its records have ended, and not before.
    fn check_flushes(&mut self, number: usize) {
        let (now, process) = (self.now(), &mut self.processes[number]);
        let Some(client) = process.client.as_ref().filter(|client| !client.has_ended()) else {
            return process.run.flushes.clear();
        };
        let may_be_gone = self.projects[process.project].may_be_gone_before;
        let is_whole = !process.run.had_fault && !process.is_tight();
        let is_rested =
            process.is_at_rest() && client.in_flight() == 0 && process.stats().pending == 0;
        let open = &process.run.open;
        process
            .run
            .flushes
            .retain(|flush| match flush.answer.try_recv() {
                Ok(()) => {
                    let left = open.range(may_be_gone..flush.next.max(may_be_gone)).next();
                    assert!(
                        left.is_none() || !is_whole,
                        "process {number}: a flush left {left:?}"
                    );
                    false
                }
                Err(error) if error.is_disconnected() => {
                    assert!(
                        now >= flush.deadline,
                        "process {number}: a flush ended early"
                    );
                    false
                }
                Err(_) => {
                    assert!(!is_rested, "process {number}: a flush waits for nothing");
                    now < flush.deadline
                }
            });
    }

    /// A withdrawal and a grant that succeeded hold.
    fn note_changes(&mut self, number: usize) {
        let process = &mut self.processes[number];
        let (has_spool, project) = (process.has_spool(), process.project);
        for change in std::mem::take(&mut process.run.changes) {
            let Ok(result) = change.answer.try_recv() else {
                process.run.changes.push(change);
                continue;
            };
            if change.is_withdrawal || result.is_ok() {
                process.run.owes_withdrawal = result.is_err();
            }
            let project = &mut self.projects[project];
            if result.is_ok() && has_spool && change.is_withdrawal {
                let is_newest = change.number == project.changes;
                project.is_withdrawn |= is_newest;
                project.forgotten_before = project.forgotten_before.max(change.next);
            }
        }
    }

    /// Nothing is on disk for a project whose consent is withdrawn.
    fn check_folders(&self) {
        for (number, project) in self.projects.iter().enumerate() {
            if !project.is_withdrawn || self.disk_fails {
                continue;
            }
            let of_project = |process: &&Process| process.project == number;
            let mut spools = self
                .processes
                .iter()
                .filter(of_project)
                .filter_map(|process| process.program.spool.as_ref());
            let Some(spool) = spools.next() else { continue };
            let folder = spool.folder.join(spool.project.to_string());
            let is_segment = |name: &&std::path::PathBuf| {
                name.starts_with(&folder) && name.extension().is_some_and(|end| end == "trubrics")
            };
            let names = self.disk.names();
            let left = names.iter().find(is_segment);
            assert!(
                left.is_none(),
                "project {number} has {left:?} without consent"
            );
        }
    }

    /// Whether the record has no end, and should have one.
    pub(super) fn is_open(&self, number: u32) -> bool {
        let tracked = &self.records[number as usize];
        let project = self.projects[PROJECTS[tracked.process]];
        tracked.delivered + tracked.dropped == 0
            && !tracked.is_forgotten
            && !tracked.may_be_lost
            && number >= project.may_be_gone_before
    }

    pub(super) fn waits_for_good(&self) -> bool {
        let is_consented =
            |process: &Process| process.client.is_none() || process.consent() == Consent::Granted;
        let open =
            (0..self.next_record()).filter(|number| !is_poison(*number) && self.is_open(*number));
        open.count() as u64 > self.unread() || !self.processes.iter().all(is_consented)
    }

    /// How many records could not be read.
    pub(super) fn unread(&self) -> u64 {
        let running = self
            .processes
            .iter()
            .map(|process| process.stats().dropped_for(DropReason::Corrupted));
        self.unread + running.sum::<u64>()
    }
}

/// A record ends once.
fn assert_single(number: u32, tracked: &Tracked, what: &str) {
    let ends = tracked.delivered + tracked.dropped;
    assert!(
        ends <= 1 || tracked.may_double,
        "record {number} of process {} ended {ends} times, last in {what}",
        tracked.process
    );
}

/// No request begins before the time that the server asked for, once its answer has come. A withdrawal forgets answers.
fn assert_respects(run: &mut Run, call: &Call) {
    let is_heard = |(at, _): &(Duration, Duration)| call.at > *at + MAX_LATENCY;
    let until = run.retry_after.iter().filter(|asked| is_heard(asked));
    let until = until.map(|(at, until)| *at + MIN_LATENCY + *until).max();
    assert!(
        until.is_none_or(|until| call.at >= until),
        "{call:?} comes before {until:?}"
    );
    if let Answer::After(_, seconds) = call.answer {
        let delay = Duration::from_secs(seconds).min(MAX_RETRY_AFTER);
        run.retry_after
            .retain(|(at, until)| *at + *until + MAX_LATENCY > call.at);
        run.retry_after.push((call.at, delay));
    }
}

/// The longest `Retry-After` that a client respects.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

fn count(run: &mut Run, call: &Call) {
    let (minute, number) = (&mut run.minute, call.at.as_secs() / 60);
    if minute.number != number {
        *minute = Minute {
            number,
            ..Minute::default()
        };
        run.alone.values_mut().for_each(|failed| *failed = 0);
    }
    let is_refused = matches!(call.answer, Answer::Bad(_) | Answer::Status(400..500));
    if call.answer.accepts() && call.answer != Answer::Unheard || is_refused {
        minute.answered += 1;
        return;
    }
    let Some(first) = call.records.first() else {
        return;
    };
    let size = call.records.len();
    let is_half = run
        .failed_with
        .get(first)
        .is_some_and(|whole| size < *whole);
    match run.alone.get_mut(first).filter(|_| size == 1) {
        _ if is_half && size == 1 => drop(run.alone.insert(*first, 0)),
        _ if is_half => {}
        Some(failed) => {
            *failed += 1;
            let bound = MAX_ALONE + minute.callers;
            assert!(*failed <= bound, "too many requests: last {call:?}");
        }
        None => minute.failed += 1,
    }
    let sizes = call.records.iter().map(|record| (*record, size));
    run.failed_with.extend(sizes);
}
