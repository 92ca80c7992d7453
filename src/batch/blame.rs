//! Which scope a failure is blamed on, and which records wait because of it. Deterministic, without a clock.
//!
//! The rule: a failure is an answer that asks for a later attempt (5xx, 408) or a missing answer. It is blamed on the
//! narrowest scope that the evidence supports:
//! - on its batch, if another batch of its endpoint was accepted since the batch failed before;
//! - otherwise on its endpoint, if the other endpoint was accepted since this endpoint failed before;
//! - otherwise on the host.
//!
//! Each scope counts its own failures, and its delay doubles with them. An accepted request resets the counts of the
//! host and of its endpoint only. An endpoint that was blamed keeps its own delay, also while its next failures are
//! blamed on the host.
//!
//! A batch that was blamed is suspect. Others pass it. Its halves become batches of their own at once, and are blamed
//! by the same rule, until a bad record is alone. At most 16 splits in a row may pass without an accepted half. A
//! suspect record that is alone waits with delays of its own. It needs no more evidence while its endpoint does not
//! fail otherwise. If each batch has failed three times, and nothing else can be sent, batches are split without
//! evidence: a half that is accepted is evidence. Halves of such batches are split after two failures, while fewer than
//! 16 batches wait.
//!
//! A failure that says nothing about the records is always blamed on the host, and uses no evidence up: 425, 429, any
//! answer with `Retry-After`, and a request that may have failed before its body was on its way.
//!
//! After a failure, one request at a time is in flight until one is accepted. A record that breaks the server down
//! would take the requests beside it down each time.

use std::time::Instant;

use crate::{
    record::Endpoint,
    reply::{BodySent, Refusal, Verdict},
};

/// What a failure is blamed on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scope {
    Batch,
    Endpoint,
    Host,
}

/// The failures of one batch since its next records became the next ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failures {
    in_a_row: u32,
    /// How many requests of its endpoint had been accepted at the last failure that may be due to the records.
    accepted: Option<u64>,
    /// It was blamed, or split from one that was.
    is_suspect: bool,
    /// It is not sent before.
    retry_at: Option<Instant>,
}

impl Failures {
    pub(crate) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Of several batches, the one with the lowest rank goes first. While their endpoint fails, one that fails twice
    /// lets the next one have a turn, so that a bad batch does not hide the evidence. Otherwise the order is kept. A
    /// suspect batch always lets the next one have a turn.
    pub(crate) fn rank(&self, is_endpoint_failing: bool) -> u32 {
        match (self.is_suspect, is_endpoint_failing) {
            (true, _) => self.in_a_row,
            (false, true) => self.in_a_row / 2,
            (false, false) => 0,
        }
    }

    pub(crate) fn is_suspect(&self) -> bool {
        self.is_suspect
    }

    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    pub(crate) fn set_retry_at(&mut self, retry_at: Option<Instant>) {
        self.retry_at = retry_at;
    }

    /// Those of each half, if the batch is split. The evidence against the whole counts for them.
    pub(crate) fn of_half(&self) -> Self {
        Self {
            in_a_row: 0,
            accepted: self.accepted,
            is_suspect: true,
            retry_at: None,
        }
    }
}

/// How the requests of each endpoint went.
#[derive(Debug, Default)]
pub(crate) struct Blame {
    endpoints: [Health; Endpoint::ALL.len()],
}

#[derive(Debug, Default)]
struct Health {
    /// How many requests were accepted, ever.
    accepted: u64,
    /// The failures since the last accepted request.
    failures: u32,
    /// How many requests of the other endpoint had been accepted at the last failure.
    accepted_elsewhere: u64,
    /// The endpoint was blamed since its last accepted request, so its delay is its own.
    is_blamed: bool,
    /// Nothing is sent to the endpoint until then.
    shut_until: Option<Instant>,
    /// When it was shut last. Failures of requests that were already in flight are not new.
    shut_at: Option<Instant>,
    /// The delay was cut short, and none has run its course since.
    is_skipped: bool,
}

/// Whether this verdict may be due to the records or to their endpoint, and not to the host as a whole.
pub(crate) fn may_be_narrow(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Later {
            after: None,
            refusal: Some(Refusal { status, .. }),
            ..
        } => !matches!(status, 425 | 429),
        Verdict::Later {
            after: None,
            refusal: None,
            body,
        } => *body != BodySent::Unknown,
        _ => false,
    }
}

impl Blame {
    /// A request was answered with something other than "later".
    pub(crate) fn succeeded(&mut self, endpoint: Endpoint) {
        let health = self.of(endpoint);
        health.accepted += 1;
        health.failures = 0;
        health.is_blamed = false;
        health.shut_until = None;
        health.is_skipped = false;
    }

    /// A request with this many records of a batch, begun at `began`, failed. Returns the blamed scope.
    pub(crate) fn failed(
        &mut self,
        endpoint: Endpoint,
        batch: &mut Failures,
        records: usize,
        may_be_narrow: bool,
        began: Instant,
    ) -> Scope {
        let accepted = self.of(endpoint.other()).accepted;
        let health = self.of(endpoint);
        batch.in_a_row = batch.in_a_row.saturating_add(1);
        let before = match may_be_narrow {
            true => batch.accepted.replace(health.accepted),
            // A failure that says nothing about the records uses no evidence up.
            false => batch.accepted,
        };
        let is_evident = before.is_some_and(|before| health.accepted > before);
        let is_known = batch.is_suspect && records == 1 && health.failures == 0;
        if may_be_narrow && (is_evident || is_known) {
            batch.is_suspect = true;
            return Scope::Batch;
        }
        let is_proved = health.failures > 0 && accepted > health.accepted_elsewhere;
        if health.shut_at.is_none_or(|shut_at| began >= shut_at) {
            health.failures = health.failures.saturating_add(1);
            health.accepted_elsewhere = accepted;
        }
        let scope = match may_be_narrow && is_proved {
            true => Scope::Endpoint,
            false => Scope::Host,
        };
        health.is_blamed |= scope == Scope::Endpoint;
        scope
    }

    /// Nothing is sent to the endpoint until then.
    pub(crate) fn shut(&mut self, endpoint: Endpoint, now: Instant, until: Instant) {
        let health = self.of(endpoint);
        health.shut_until = Some(until);
        health.shut_at = Some(now);
    }

    /// When the endpoint may be attempted again, if it may not at present.
    pub(crate) fn shut_until(&self, endpoint: Endpoint, now: Instant) -> Option<Instant> {
        let shut_until = self.endpoints[endpoint as usize].shut_until;
        shut_until.filter(|until| *until > now)
    }

    /// Whether the endpoint was blamed since its last accepted request. Its own delay then holds after a failure that
    /// is blamed on the host, too.
    pub(crate) fn is_blamed(&self, endpoint: Endpoint) -> bool {
        self.endpoints[endpoint as usize].is_blamed
    }

    /// How often the endpoint failed since it was accepted.
    pub(crate) fn failures(&self, endpoint: Endpoint) -> u32 {
        self.endpoints[endpoint as usize].failures
    }

    /// A caller waits: each endpoint has one attempt at once for each delay that runs its course.
    pub(crate) fn skip_once(&mut self, now: Instant) {
        for health in &mut self.endpoints {
            match health.shut_until {
                Some(until) if until <= now => health.is_skipped = false,
                Some(_) if !health.is_skipped => {
                    health.shut_until = None;
                    health.is_skipped = true;
                }
                _ => {}
            }
        }
    }

    /// The client closes: each endpoint has one attempt at once.
    pub(crate) fn open_all(&mut self) {
        for health in &mut self.endpoints {
            health.shut_until = None;
        }
    }

    fn of(&mut self, endpoint: Endpoint) -> &mut Health {
        &mut self.endpoints[endpoint as usize]
    }
}

#[cfg(test)]
mod tests;
