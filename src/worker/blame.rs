//! What a failure is blamed on, and what waits for it. Deterministic, without a clock.
//!
//! The rule: a failure is an answer that asks for a later attempt (5xx, 408) or a missing answer. It is blamed on the
//! narrowest scope that the evidence supports:
//! - on its endpoint, if the other endpoint was accepted since this endpoint failed before;
//! - otherwise on the host.
//!
//! Each scope counts its own failures, and its delay doubles with them. An accepted request resets the counts of the host
//! and of its endpoint only. An endpoint that was blamed keeps its own delay, also while its next failures are blamed on
//! the host. A failure that says nothing about the records is always blamed on the host: 425, 429, any
//! answer with `Retry-After`, and a request that may have failed before its body was on its way.

use std::time::Instant;

use crate::{
    record::Endpoint,
    reply::{BodySent, Refusal, Verdict},
};

/// What a failure is blamed on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scope {
    Endpoint,
    Host,
}

/// How the requests of each endpoint went.
#[derive(Debug, Default)]
pub(super) struct Blame {
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
pub(super) fn may_be_narrow(verdict: &Verdict) -> bool {
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
    pub(super) fn succeeded(&mut self, endpoint: Endpoint) {
        let health = self.of(endpoint);
        health.accepted += 1;
        health.failures = 0;
        health.is_blamed = false;
        health.shut_until = None;
        health.is_skipped = false;
    }

    /// A request that began at `began` failed. Returns what is blamed, and how often the endpoint has failed in a row.
    pub(super) fn failed(
        &mut self,
        endpoint: Endpoint,
        may_be_narrow: bool,
        began: Instant,
    ) -> (Scope, u32) {
        let accepted = self.of(endpoint.other()).accepted;
        let health = self.of(endpoint);
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
        (scope, health.failures)
    }

    /// Nothing is sent to the endpoint until then.
    pub(super) fn shut(&mut self, endpoint: Endpoint, now: Instant, until: Instant) {
        let health = self.of(endpoint);
        health.shut_until = Some(until);
        health.shut_at = Some(now);
    }

    /// When the endpoint may be attempted again, if it may not at present.
    pub(super) fn shut_until(&self, endpoint: Endpoint, now: Instant) -> Option<Instant> {
        let shut_until = self.endpoints[endpoint as usize].shut_until;
        shut_until.filter(|until| *until > now)
    }

    /// Whether the endpoint was blamed since its last accepted request. Its own delay then holds after a failure that is
    /// blamed on the host, too.
    pub(super) fn is_blamed(&self, endpoint: Endpoint) -> bool {
        self.endpoints[endpoint as usize].is_blamed
    }

    /// How often the endpoint failed since it was accepted.
    pub(super) fn failures(&self, endpoint: Endpoint) -> u32 {
        self.endpoints[endpoint as usize].failures
    }

    /// A caller waits: each endpoint has one attempt at once for each delay that runs its course.
    pub(super) fn skip_once(&mut self, now: Instant) {
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
    pub(super) fn open_all(&mut self) {
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
