//! What the worker does next. Pure: `now` is an argument, and nothing here sends, waits or reads a clock.

use std::time::{Duration, Instant};

use crate::deadline::after;

/// The most that a server may have us wait: what waits behind has to be tried again some time. Five minutes are what a
/// batch is given in all by default.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// How long the worker looks at the queue by itself, without being woken, after a full batch came: while records are that
/// dense, none of those who track them has to wake anybody.
const POLL_PERIOD: Duration = Duration::from_millis(50);

/// The same where there is a spool, after any record came: it is on disk within this time.
const POLL_PERIOD_WITH_SPOOL: Duration = Duration::from_millis(2);

/// Where the records are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// In the channel or on their way into it.
    pub(crate) waiting: u64,
    pub(crate) waiting_bytes: usize,
    /// Callers wait for room in the queue.
    pub(crate) blocked: bool,
    /// The worker holds records that are due, apart from those in flight.
    pub(crate) batched: bool,
    pub(crate) in_flight: bool,
    /// One more request may be in flight.
    pub(crate) has_place: bool,
    /// When the first of the batches in hand has to be given up.
    pub(crate) give_up_at: Option<Instant>,
    /// What is on disk, for a client that has a spool.
    pub(crate) spool: Option<SpoolView>,
}

/// What is on disk and not in hand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SpoolView {
    /// Our own that are being gathered, and their bytes.
    pub(crate) held: u64,
    pub(crate) held_bytes: usize,
    /// Our own are due: enough was gathered, or somebody flushes.
    pub(crate) is_due: bool,
    /// Others left something.
    pub(crate) has_orphans: bool,
    /// When to look for more.
    pub(crate) next_scan: Option<Instant>,
}

/// The next thing to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// Take in everything that waits in the channel: it is due.
    Take,
    /// Take the next records from the spool; our own that are being gathered only if they are due.
    Load { is_due: bool },
    /// Look for what others left in the spool.
    ScanSpool,
    /// Attempt a batch.
    Attempt,
    /// Give up the batches that have had their time: the server does not want them now.
    GiveUp,
    /// Listen for control, at most until then.
    Wait(Option<Instant>),
    /// Drop what is left: nothing can be sent any more before the client has to be closed.
    Abandon,
    /// Nothing is left, and nothing will come.
    End,
}

pub(crate) struct Schedule {
    flush_interval: Duration,
    wake_at_records: u64,
    wake_at_bytes: usize,
    /// What waits in the channel arrived no earlier than this.
    since: Option<Instant>,
    /// Nobody has to wake the worker until then.
    poll_until: Option<Instant>,
    gate: BackoffGate,
    closing: Option<Instant>,
}

impl Schedule {
    pub(crate) fn new(
        flush_interval: Duration,
        wake_at_records: usize,
        wake_at_bytes: usize,
    ) -> Self {
        Self {
            flush_interval,
            wake_at_records: wake_at_records as u64,
            wake_at_bytes,
            since: None,
            poll_until: None,
            gate: BackoffGate::default(),
            closing: None,
        }
    }

    pub(crate) fn next(&mut self, now: Instant, view: View) -> Step {
        self.gate.pass(now);
        let spool = view.spool.unwrap_or_default();
        let is_closing = self.closing.is_some();
        // With a spool, records are on disk before anything else is done.
        if view.waiting > 0 && (is_closing || view.spool.is_some()) {
            return Step::Take;
        }
        let is_busy = view.batched || view.in_flight;
        let is_scan_due = spool.next_scan.is_some_and(|next| next <= now);
        if let Some(deadline) = self.closing {
            // Who closes with time to spare delivers what others left too: they may all have been in a hurry.
            let has_left = now < deadline && (spool.has_orphans || is_scan_due);
            if !is_busy && spool.held == 0 && !spool.is_due && !has_left {
                return Step::End;
            }
            if now >= deadline || !view.in_flight && self.is_shut_until(deadline) {
                return Step::Abandon;
            }
        }
        let poll_until = self.poll_until.filter(|_| self.is_polling(now));
        let mut until = earliest(self.closing, poll_until);
        if view.batched {
            match self.gate.until() {
                None if view.has_place => return Step::Attempt,
                gate => until = earliest(until, gate),
            }
            if self.gate.retry_after_until.is_some() {
                if view.give_up_at.is_some_and(|give_up_at| give_up_at <= now) {
                    return Step::GiveUp;
                }
                until = earliest(until, view.give_up_at);
            }
        } else if view.waiting + spool.held > 0 {
            let due = after(*self.since.get_or_insert(now), self.flush_interval);
            let is_enough = view.waiting + spool.held >= self.wake_at_records
                || view.waiting_bytes + spool.held_bytes >= self.wake_at_bytes;
            if is_enough || is_closing || view.blocked || spool.is_due || now >= due {
                if view.spool.is_none() {
                    return Step::Take;
                } else if !is_busy {
                    return Step::Load { is_due: true };
                }
            } else {
                until = earliest(until, Some(due));
            }
        } else {
            self.since = None;
        }
        if !is_busy {
            if spool.is_due || spool.has_orphans {
                return Step::Load {
                    is_due: spool.is_due,
                };
            }
            if is_scan_due {
                return Step::ScanSpool;
            }
            until = earliest(until, spool.next_scan);
        }
        Step::Wait(until)
    }

    /// Everything that waited was taken in: whatever waits from here on came later.
    pub(crate) fn note_drained(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// So many came, which says how soon more will.
    pub(crate) fn note_arrivals(&mut self, count: u64, has_spool: bool, now: Instant) {
        let (dense, period) = if has_spool {
            (1, POLL_PERIOD_WITH_SPOOL)
        } else {
            (self.wake_at_records, POLL_PERIOD)
        };
        if count >= dense {
            self.poll_until = Some(after(now, period));
        }
    }

    /// Whether the worker looks at the queue by itself soon, so that nobody has to wake it.
    pub(crate) fn is_polling(&self, now: Instant) -> bool {
        self.poll_until.is_some_and(|until| now < until)
    }

    /// The server answered with something else than "later". What it asked for in another answer still holds.
    pub(crate) fn succeeded(&mut self) {
        self.gate.backoff_until = None;
        self.gate.backoff_skipped = false;
    }

    /// Whether a failure of a request that began then tells something new: of several that were in flight together, the
    /// first one has shut the gate for all.
    pub(crate) fn starts_backoff(&self, began: Instant) -> bool {
        self.gate.shut_at.is_none_or(|shut_at| began >= shut_at)
    }

    /// Nothing may be sent for a while: for our own delay if this failure is news, or until `give_up_at`, and in any case
    /// for what the server asks for.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        own_delay: Option<Duration>,
        retry_after: Option<Duration>,
        give_up_at: Option<Instant>,
    ) {
        if let Some(delay) = own_delay {
            self.gate.backoff_until = earliest(Some(after(now, delay)), give_up_at);
            self.gate.shut_at = Some(now);
        }
        if let Some(delay) = retry_after {
            let until = after(now, delay.min(MAX_RETRY_AFTER));
            self.gate.retry_after_until = self.gate.retry_after_until.max(Some(until));
        }
    }

    /// Somebody waits: one attempt is made at once, but not against the server's word, and only one for each delay that
    /// runs its course, so that many who flush do not become a storm of retries.
    pub(crate) fn skip_backoff_once(&mut self) {
        if !self.gate.backoff_skipped && self.gate.backoff_until.take().is_some() {
            self.gate.backoff_skipped = true;
        }
    }

    /// Send what there is, and end by `deadline`; of several, the latest holds.
    pub(crate) fn close(&mut self, deadline: Instant) {
        if self.closing.is_none() {
            self.gate.backoff_until = None;
        }
        self.closing = self.closing.max(Some(deadline));
    }

    pub(crate) fn closing(&self) -> Option<Instant> {
        self.closing
    }

    /// Whether no attempt will be made before `deadline`.
    pub(crate) fn is_shut_until(&self, deadline: Instant) -> bool {
        self.gate.until().is_some_and(|until| until >= deadline)
    }
}

fn earliest(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    [one, other].into_iter().flatten().min()
}

/// Shut after a failure, for both endpoints: they are one host.
#[derive(Debug, Default)]
struct BackoffGate {
    /// Our own back-off.
    backoff_until: Option<Instant>,
    /// What the server asked for.
    retry_after_until: Option<Instant>,
    /// When our own back-off began.
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
