//! What the worker does next. Deterministic, without I/O: `now` is an argument, and nothing here sends, waits or reads
//! a clock.

mod view;

use std::time::{Duration, Instant};

pub(crate) use self::view::{SpoolView, Step, View};
use crate::{deadline::after, queue::WakeLimits};

/// The longest `Retry-After` that is respected: waiting records have to be tried again some time. Five minutes are the
/// default of `give_up_after`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// How long the worker polls the queue after a full batch was taken. While records are that dense, no caller has to
/// wake it.
const POLL_PERIOD: Duration = Duration::from_millis(50);

/// The same with a spool, after any record was taken: it is on disk within this time.
const POLL_PERIOD_WITH_SPOOL: Duration = Duration::from_millis(2);

/// How long before the deadline of a caller that waits the last attempt is made.
const LAST_ATTEMPT: Duration = Duration::from_millis(50);

pub(crate) struct Schedule {
    flush_interval: Duration,
    wake_limits: WakeLimits,
    /// The records that wait in the channel arrived no earlier than this.
    since: Option<Instant>,
    /// The worker polls until then.
    poll_until: Option<Instant>,
    gate: BackoffGate,
    initial_backoff: Duration,
    closing: Option<Instant>,
    /// The last step was to take records.
    has_just_taken: bool,
    /// The earliest deadline of the callers that wait in a flush.
    flush_deadline: Option<Instant>,
}

impl Schedule {
    pub(crate) fn new(
        flush_interval: Duration,
        initial_backoff: Duration,
        wake_limits: WakeLimits,
    ) -> Self {
        Self {
            flush_interval,
            wake_limits,
            since: None,
            poll_until: None,
            gate: BackoffGate::default(),
            initial_backoff,
            closing: None,
            has_just_taken: false,
            flush_deadline: None,
        }
    }

    pub(crate) fn next(&mut self, now: Instant, view: View) -> Step {
        self.gate.pass(now);
        let poll_until = self.poll_until.filter(|_| self.is_polling(now));
        let mut until = earliest(self.closing, poll_until);
        let takes = self.takes_at_once(now, &view, &mut until);
        if takes && !self.has_just_taken {
            self.has_just_taken = true;
            return Step::Take;
        }
        // Every other step is a different one, so that callers who track without pause do not keep records from being
        // sent.
        self.has_just_taken = false;
        if let Some(step) = self.end_of_closing(now, &view) {
            return step;
        }
        let step = match &view.spool {
            None => self.next_in_memory(now, &view, &mut until),
            Some(spool) if spool.stores_only => self.next_stored(now, spool, &mut until),
            Some(spool) => self.next_spooled(now, &view, spool, &mut until),
        };
        step.unwrap_or(match takes {
            true => Step::Take,
            false => Step::Wait(until),
        })
    }

    /// Whether waiting records are taken whatever their number: to the disk if it has room, or because the client
    /// closes.
    fn takes_at_once(&self, now: Instant, view: &View, until: &mut Option<Instant>) -> bool {
        if view.waiting == 0 {
            return false;
        }
        let Some(spool) = view.spool.filter(|_| self.closing.is_none()) else {
            return self.closing.is_some();
        };
        match spool.full_until.filter(|full_until| now < *full_until) {
            Some(full_until) => {
                *until = earliest(*until, Some(full_until));
                false
            }
            None => true,
        }
    }

    /// Whether a client that closes has nothing more to do.
    fn end_of_closing(&self, now: Instant, view: &View) -> Option<Step> {
        let deadline = self.closing?;
        let spool = view.spool.unwrap_or_default();
        // A close that has time to spare delivers the records of other runs too: they may never have had time.
        let has_orphans = spool.has_orphans || spool.is_scan_due(now);
        let is_done = !view.is_busy()
            && view.waiting == 0
            && spool.held == 0
            && !spool.is_due
            && (now >= deadline || !has_orphans);
        if is_done {
            return Some(Step::End);
        }
        let has_failed = self.gate.backoff_until.is_some();
        let is_hopeless = self.is_refused_until(deadline)
            || spool.is_all_on_disk && has_failed
            || spool.stores_only;
        (now >= deadline || !view.in_flight && is_hopeless).then_some(Step::Abandon)
    }

    fn next_in_memory(
        &mut self,
        now: Instant,
        view: &View,
        until: &mut Option<Instant>,
    ) -> Option<Step> {
        if view.batched {
            let attempt = self.next_attempt(now, view, until);
            if attempt.is_some() || !self.may_take_more(view) {
                return attempt;
            }
        }
        if view.waiting == 0 {
            self.since = None;
            return None;
        }
        self.is_gathered(now, view, view.waiting, view.waiting_bytes, until)
            .then_some(Step::Take)
    }

    fn next_spooled(
        &mut self,
        now: Instant,
        view: &View,
        spool: &SpoolView,
        until: &mut Option<Instant>,
    ) -> Option<Step> {
        let mut is_due = spool.is_due(now);
        if view.batched {
            if let Some(step) = self.next_attempt(now, view, until) {
                return Some(step);
            }
            if !self.may_take_more(view) {
                return None;
            }
        }
        if spool.held == 0 {
            self.since = None;
        } else {
            let bytes = view.waiting_bytes + spool.held_bytes;
            is_due |= self.is_gathered(now, view, spool.held, bytes, until);
        }
        if view.in_flight {
            return None;
        }
        if (is_due || spool.has_orphans) && !spool.is_loaded {
            return Some(Step::Load { is_due });
        }
        if spool.is_scan_due(now) {
            return Some(Step::ScanSpool);
        }
        *until = earliest(*until, earliest(spool.next_scan, spool.read_again_at));
        None
    }

    /// Offers the disk those records again that it did not take, from time to time, and more often while a caller
    /// waits.
    fn next_stored(
        &mut self,
        now: Instant,
        spool: &SpoolView,
        until: &mut Option<Instant>,
    ) -> Option<Step> {
        if spool.is_all_on_disk {
            self.since = None;
            return None;
        }
        let since = *self.since.get_or_insert(now);
        let due = after(since, self.while_callers_wait(since, self.flush_interval));
        if now >= due {
            self.since = Some(now);
            return Some(Step::Load { is_due: true });
        }
        *until = earliest(*until, Some(due));
        None
    }

    /// The next attempt of batched records, if the back-off allows one.
    fn next_attempt(&self, now: Instant, view: &View, until: &mut Option<Instant>) -> Option<Step> {
        match self.gate.until() {
            None if view.resting_until.is_some() => *until = earliest(*until, view.resting_until),
            None if view.has_slot => return Some(Step::Attempt),
            gate => *until = earliest(*until, gate),
        }
        if self.gate.retry_after_until.is_some() {
            if view.give_up_at.is_some_and(|give_up_at| give_up_at <= now) {
                return Some(Step::GiveUp);
            }
            *until = earliest(*until, view.give_up_at);
        }
        None
    }

    /// Whether other records may be sent while those in hand wait for delays of their own.
    fn may_take_more(&self, view: &View) -> bool {
        view.resting_until.is_some() && view.has_slot && self.gate.until().is_none()
    }

    /// Whether this many records are enough for a request, or have waited long enough.
    fn is_gathered(
        &mut self,
        now: Instant,
        view: &View,
        records: u64,
        bytes: usize,
        until: &mut Option<Instant>,
    ) -> bool {
        let due = after(*self.since.get_or_insert(now), self.flush_interval);
        let limits = self.wake_limits;
        let is_enough = records >= limits.records as u64 || bytes >= limits.bytes;
        if is_enough || self.closing.is_some() || view.blocked || now >= due {
            return true;
        }
        *until = earliest(*until, Some(due));
        false
    }

    /// All waiting records were taken: later ones arrive from here on.
    pub(crate) fn note_drained(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// This many records arrived at once. If they are dense, the worker polls for a while.
    pub(crate) fn note_arrivals(&mut self, count: u64, has_spool: bool, now: Instant) {
        let (dense, period) = if has_spool {
            (1, POLL_PERIOD_WITH_SPOOL)
        } else {
            (self.wake_limits.records as u64, POLL_PERIOD)
        };
        if count >= dense {
            self.poll_until = Some(after(now, period));
        }
    }

    /// Whether the worker polls the queue, so that callers do not have to wake it.
    pub(crate) fn is_polling(&self, now: Instant) -> bool {
        self.poll_until.is_some_and(|until| now < until)
    }

    /// The server answered with something other than "later". A `Retry-After` of another answer still holds.
    pub(crate) fn succeeded(&mut self) {
        self.gate.backoff_until = None;
        self.gate.backoff_skipped = false;
    }

    /// Whether this failure should start a new back-off. Requests that were already in flight when the current one
    /// started do not extend it.
    pub(crate) fn starts_backoff(&self, began: Instant) -> bool {
        self.gate.shut_at.is_none_or(|shut_at| began >= shut_at)
    }

    /// Nothing is sent for a while: for the client's own delay, at most until `give_up_at`, and in any case for as long
    /// as the server asks for. The client's own delay is shorter while a caller waits.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        own_delay: Option<Duration>,
        retry_after: Option<Duration>,
        give_up_at: Option<Instant>,
    ) {
        if let Some(delay) = own_delay {
            let delay = self.while_callers_wait(now, delay);
            self.gate.backoff_until = earliest(Some(after(now, delay)), give_up_at);
            self.gate.shut_at = Some(now);
        }
        if let Some(delay) = retry_after {
            let until = after(now, delay.min(MAX_RETRY_AFTER));
            self.gate.retry_after_until = self.gate.retry_after_until.max(Some(until));
        }
    }

    /// A caller waits: one attempt is made at once, but not against a `Retry-After`. Each delay that runs its course
    /// allows one such attempt, so that many flushes do not become a storm of retries.
    pub(crate) fn skip_backoff_once(&mut self) {
        if !self.gate.backoff_skipped && self.gate.backoff_until.take().is_some() {
            self.gate.backoff_skipped = true;
        }
    }

    /// Sets the earliest deadline of the callers that wait in a flush. A back-off that has begun becomes shorter.
    pub(crate) fn set_flush_deadline(&mut self, now: Instant, deadline: Option<Instant>) {
        self.flush_deadline = deadline;
        if let (Some(_), Some(until)) = (deadline, self.gate.backoff_until) {
            let rest = until.saturating_duration_since(now);
            self.gate.backoff_until = Some(now + self.while_callers_wait(now, rest));
        }
    }

    /// The back-off delay for the callers that wait, so that they use the time that they have.
    fn while_callers_wait(&self, now: Instant, delay: Duration) -> Duration {
        let left = |deadline: Option<Instant>| {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(now));
            left.unwrap_or_default().saturating_sub(LAST_ATTEMPT)
        };
        let floor = self.initial_backoff.min(delay);
        let for_flush = delay_within(left(self.flush_deadline), delay, floor);
        // There is one close: its last attempt may follow soon after the one before.
        let time = left(self.closing);
        let for_close = delay_within(time, delay, floor.min(time));
        for_flush.min(for_close)
    }

    /// Send the remaining records, and end by `deadline`; of several deadlines, the latest holds.
    pub(crate) fn close(&mut self, deadline: Instant) {
        if self.closing.is_none() {
            self.gate.backoff_until = None;
        }
        self.closing = self.closing.max(Some(deadline));
    }

    pub(crate) fn closing(&self) -> Option<Instant> {
        self.closing
    }

    /// Whether the server allows no attempt before `deadline`.
    fn is_refused_until(&self, deadline: Instant) -> bool {
        let refused_until = self.gate.retry_after_until;
        refused_until.is_some_and(|until| until >= deadline)
    }
}

/// A back-off delay when a caller has this much time left until the last attempt: half of it, so that attempts become
/// more frequent, and all of it when there is no time for two more. It is at least `floor`. With less time than that,
/// no attempt is made for the caller, and the delay stays as it is.
fn delay_within(left: Duration, delay: Duration, floor: Duration) -> Duration {
    if left.is_zero() || left < floor {
        delay
    } else if left / 2 < floor {
        left.min(delay)
    } else {
        delay.min(left / 2)
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

/// Shut after a failure, for both endpoints, because they are one host.
#[derive(Debug, Default)]
struct BackoffGate {
    /// The client's own back-off.
    backoff_until: Option<Instant>,
    /// The delay that the server asked for.
    retry_after_until: Option<Instant>,
    /// When the client's own back-off began.
    shut_at: Option<Instant>,
    /// A back-off was cut short, and none has run its course since.
    backoff_skipped: bool,
}

impl BackoffGate {
    fn until(&self) -> Option<Instant> {
        self.backoff_until.max(self.retry_after_until)
    }

    fn pass(&mut self, now: Instant) {
        if self.backoff_until.is_some_and(|until| until <= now) {
            self.backoff_until = None;
            self.backoff_skipped = false;
        }
        self.retry_after_until = self.retry_after_until.filter(|until| *until > now);
    }
}

#[cfg(test)]
mod tests;
