//! One attempt over the transport: the request, its log line, and what its answer means.

use std::{
    io::ErrorKind,
    mem,
    sync::{Arc, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use log::{Level, debug, log_enabled};

use crate::{
    accounting::Accounting,
    catch_panic::catch_panic,
    clock,
    consent::{Consent, ConsentCell},
    error::{DeliveryError, DeliveryErrorKind},
    hooks::{self, ClientId},
    logging::{TARGET, logging},
    record::{Endpoint, utc_now},
    reply::{BodySent, Fault, Verdict, judge},
    sync::{Condvar, Mutex, MutexGuard},
    transport::{Request, Response, Transport, TransportError},
};

/// Makes the requests of one client, for the worker and for callers of `track_sync`.
pub(crate) struct Exchange {
    client: ClientId,
    accounting: Arc<Accounting>,
    consent: Arc<ConsentCell>,
    transport: Arc<dyn Transport>,
    api_key: String,
    /// The URL of each endpoint.
    urls: [String; Endpoint::ALL.len()],
    last: Mutex<Last>,
    requests: Arc<Requests>,
}

/// The calls of the transport that are under way, for the worker and for all callers.
#[derive(Default)]
struct Requests {
    counts: Mutex<Counts>,
    one_ended: Condvar,
}

#[derive(Default)]
struct Counts {
    under_way: usize,
    /// How many callers make requests themselves.
    callers: usize,
}

/// A caller makes requests itself, until this is dropped.
pub(crate) struct Call<'a>(&'a Requests);

/// How the worker's last attempts ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Last {
    pub(crate) success: Option<SystemTime>,
    pub(crate) failure: Option<(SystemTime, Arc<DeliveryError>)>,
    /// Whether the failure is the later of the two.
    is_failure: bool,
}

/// What an attempt sends.
pub(crate) struct Attempt {
    pub(crate) endpoint: Endpoint,
    /// How many records are in the body.
    pub(crate) records: usize,
    pub(crate) body: Vec<u8>,
    pub(crate) deadline: Instant,
    /// How often the consent was withdrawn before the records were taken.
    pub(crate) withdrawals: u64,
}

/// How often the requests under way are cancelled while a withdrawal waits for their end: one may have begun in the
/// moment of the withdrawal.
const CANCEL_INTERVAL: Duration = Duration::from_millis(20);

impl Exchange {
    /// `host` is the URL before the path of each endpoint.
    pub(crate) fn new(
        client: ClientId,
        accounting: Arc<Accounting>,
        consent: Arc<ConsentCell>,
        transport: Arc<dyn Transport>,
        api_key: String,
        host: &str,
    ) -> Self {
        Self {
            client,
            accounting,
            consent,
            transport,
            api_key,
            urls: Endpoint::ALL.map(|endpoint| format!("{host}{}", endpoint.path())),
            last: Mutex::default(),
            requests: Arc::default(),
        }
    }

    /// Makes the requests of one call over the same transport, and keeps their failures apart from the worker's.
    pub(crate) fn for_call(&self, accounting: Arc<Accounting>) -> Self {
        Self {
            client: self.client,
            accounting,
            consent: self.consent.clone(),
            transport: self.transport.clone(),
            api_key: self.api_key.clone(),
            urls: self.urls.clone(),
            last: Mutex::default(),
            requests: self.requests.clone(),
        }
    }

    pub(crate) fn client(&self) -> ClientId {
        self.client
    }

    pub(crate) fn consent(&self) -> &Arc<ConsentCell> {
        &self.consent
    }

    /// Makes one attempt for the worker, and keeps the reason if it fails.
    pub(crate) fn attempt(&self, attempt: &Attempt) -> Verdict {
        let (verdict, failure) = self.exchange(attempt);
        self.note_attempt(failure.as_ref());
        let failure = failure.map(DeliveryError::new).map(Arc::new);
        let former = self.last_slot().note(failure, clock::system_now());
        // The error of the program's transport may take long to drop, or panic.
        let _ = catch_panic(|| drop(former));
        verdict
    }

    /// Notes an attempt for the log of outages.
    fn note_attempt(&self, failure: Option<&DeliveryErrorKind>) {
        let cause = match failure {
            None => return self.accounting.attempt_succeeded(),
            // The text of a transport's error is the program's own code.
            Some(DeliveryErrorKind::NoAnswer(error)) => {
                catch_panic(|| error.cause_text()).unwrap_or_default()
            }
            Some(DeliveryErrorKind::Answer {
                refusal,
                fault: Fault::Moment,
            }) => format!("status {}", refusal.status),
            Some(_) => return,
        };
        self.accounting.attempt_failed(&cause);
    }

    /// Makes one attempt for a caller.
    pub(crate) fn attempt_once(&self, attempt: &Attempt) -> Result<(), DeliveryErrorKind> {
        let (_, failure) = self.exchange(attempt);
        failure.map_or(Ok(()), Err)
    }

    /// Why the worker's last attempt failed, if it did.
    pub(crate) fn last_failure(&self) -> Option<Arc<DeliveryError>> {
        let last = self.last_slot();
        let failure = last.failure.as_ref().filter(|_| last.is_failure);
        failure.map(|(_, error)| error.clone())
    }

    /// How the worker's last attempts ended.
    pub(crate) fn last(&self) -> Last {
        self.last_slot().clone()
    }

    /// Breaks off the requests that are under way, for good.
    pub(crate) fn interrupt(&self) {
        let _ = hooks::transport(self.client, || self.transport.interrupt());
    }

    /// Breaks off the requests that are under way. Later ones are made as usual.
    pub(crate) fn cancel(&self) {
        let _ = hooks::transport(self.client, || self.transport.cancel());
    }

    /// Breaks off the requests under way, and waits until they have ended or the consent is granted again. Returns
    /// whether that is so by the deadline.
    pub(crate) fn cancel_all(&self, deadline: Instant) -> bool {
        loop {
            self.cancel();
            let counts = self.requests.counts();
            let left = deadline.saturating_duration_since(clock::now());
            let is_over = counts.under_way == 0 || self.consent.get() == Consent::Granted;
            if is_over || left.is_zero() {
                return is_over;
            }
            let time = left.min(CANCEL_INTERVAL);
            let waited = self.requests.one_ended.wait_timeout(counts, time);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// A caller is about to make requests itself.
    pub(crate) fn begin_call(&self) -> Call<'_> {
        self.requests.counts().callers += 1;
        Call(&self.requests)
    }

    /// Whether callers make requests themselves.
    pub(crate) fn has_calls(&self) -> bool {
        self.requests.counts().callers > 0
    }

    /// Waits until no caller makes requests itself. Returns whether that is so by the deadline.
    pub(crate) fn await_calls(&self, deadline: Instant) -> bool {
        let mut counts = self.requests.counts();
        while counts.callers > 0 {
            let left = deadline.saturating_duration_since(clock::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.requests.one_ended.wait_timeout(counts, left);
            counts = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Calls the transport, unless the consent was withdrawn since the records were taken.
    fn call(&self, request: &Request<'_>, withdrawals: u64) -> Result<Response, TransportError> {
        self.requests.counts().under_way += 1;
        // Read after the request is counted: a withdrawal from here on waits for it.
        let answer = if self.consent.permits(withdrawals) {
            hooks::transport(self.client, || self.transport.send(request))
                .unwrap_or_else(|| Err(TransportError::new("the transport panicked")))
        } else {
            Err(TransportError::new("the consent was withdrawn"))
        };
        self.requests.counts().under_way -= 1;
        self.requests.one_ended.notify_all();
        answer
    }

    /// One request and its answer: what it means, and why it is not a success.
    fn exchange(&self, attempt: &Attempt) -> (Verdict, Option<DeliveryErrorKind>) {
        let answer = match self.send(attempt) {
            Ok(answer) => answer,
            Err(error) => {
                let verdict = Verdict::Later {
                    after: None,
                    refusal: None,
                    body: body_sent(&error, attempt.deadline),
                };
                return (verdict, Some(DeliveryErrorKind::NoAnswer(error)));
            }
        };
        let verdict = judge(&answer, utc_now(), &self.api_key);
        let refusal = verdict.refusal();
        let failure = refusal.map(|(refusal, fault)| DeliveryErrorKind::Answer {
            refusal: refusal.clone(),
            fault,
        });
        (verdict, failure)
    }

    /// Makes the request and logs it. A panic of the transport counts as a missing answer.
    fn send(&self, attempt: &Attempt) -> Result<Response, TransportError> {
        let Attempt {
            endpoint,
            records,
            body,
            deadline,
            withdrawals,
        } = attempt;
        let start = clock::now();
        let request = Request::new(&self.urls[*endpoint as usize], body)
            .with_api_key(&self.api_key)
            .with_deadline(*deadline);
        let answer = self.call(&request, *withdrawals);
        logging(|| {
            if log_enabled!(target: TARGET, Level::Debug) {
                let outcome = match &answer {
                    Ok(answer) => format!("status {}", answer.status()),
                    Err(error) => error.cause_text(),
                };
                let time = clock::now().saturating_duration_since(start).as_millis();
                let (path, bytes) = (endpoint.path(), body.len());
                debug!(target: TARGET, "{path} (records: {records}, bytes: {bytes}): {outcome} after {time} ms");
            }
        });
        answer
    }

    /// Runs `code` while the lock is held, as if another thread held it.
    #[cfg(test)]
    pub(crate) fn while_locked(&self, code: impl FnOnce()) {
        let _locked = self.last_slot();
        code();
    }

    fn last_slot(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Requests {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.counts().callers -= 1;
        self.0.one_ended.notify_all();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let last = mem::take(&mut *self.last_slot());
        // The error of the program's transport may panic when it is dropped.
        let _ = catch_panic(|| drop(last));
    }
}

impl Last {
    /// Notes how an attempt ended, and returns the failure that was known before, if this one replaces it.
    fn note(
        &mut self,
        failure: Option<Arc<DeliveryError>>,
        now: SystemTime,
    ) -> Option<(SystemTime, Arc<DeliveryError>)> {
        self.is_failure = failure.is_some();
        match failure {
            Some(failure) => self.failure.replace((now, failure)),
            None => {
                self.success = Some(now);
                None
            }
        }
    }
}

/// How much of the body was sent in a request that failed before this deadline, or at it.
fn body_sent(error: &TransportError, deadline: Instant) -> BodySent {
    let kind = error.io_kind();
    let is_late = kind == Some(ErrorKind::TimedOut) || clock::now() >= deadline;
    match error.was_sending_body() {
        true if is_late => BodySent::TimedOut,
        true => BodySent::Lost,
        // The connection ended in good order, which it does only after the whole body.
        false if kind == Some(ErrorKind::UnexpectedEof) => BodySent::Whole,
        false => BodySent::Unknown,
    }
}

#[cfg(test)]
#[cfg(not(trubrics_loom))]
mod tests;
