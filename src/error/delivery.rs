//! Why a record was not delivered.

use std::{
    error::Error,
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
};

use super::NO_CONSENT;
use crate::{
    drop_reason::DropReason,
    error_chain,
    record::EventError,
    reply::{Fault, Refusal},
    transport::TransportError,
};

/// Why [`track_sync`](crate::Trubrics::track_sync) or [`deliver`](crate::Trubrics::deliver) did not deliver a record,
/// or why the last request before a [`FlushError`](crate::FlushError) failed.
#[non_exhaustive]
pub struct DeliveryError {
    kind: DeliveryErrorKind,
}

#[derive(Debug)]
pub(crate) enum DeliveryErrorKind {
    Invalid(EventError),
    Hook,
    InHook,
    /// The sample or a limit leaves the record out.
    LeftOut(DropReason),
    Closed,
    /// Another process makes the requests of this client.
    HandedOff,
    NoConsent,
    /// The call of `deliver` ended before the record was settled. The cause is the last failure of the call.
    NotReached {
        is_key_refused: bool,
        cause: Option<Arc<DeliveryError>>,
    },
    NoAnswer(TransportError),
    Answer {
        refusal: Refusal,
        fault: Fault,
    },
}

impl DeliveryError {
    pub(crate) fn new(kind: DeliveryErrorKind) -> Self {
        Self { kind }
    }

    /// Whether the same record may be taken on another attempt: there was no answer, or one that says "later", or the
    /// limit of its name was reached.
    pub fn is_transient(&self) -> bool {
        match &self.kind {
            DeliveryErrorKind::NoAnswer(_) => true,
            DeliveryErrorKind::Answer { fault, .. } => *fault == Fault::Moment,
            DeliveryErrorKind::NotReached { is_key_refused, .. } => !is_key_refused,
            DeliveryErrorKind::LeftOut(reason) => !reason.is_record_fault(),
            DeliveryErrorKind::Invalid(_)
            | DeliveryErrorKind::Hook
            | DeliveryErrorKind::InHook
            | DeliveryErrorKind::Closed
            | DeliveryErrorKind::HandedOff
            | DeliveryErrorKind::NoConsent => false,
        }
    }

    /// Whether the record itself is the reason, so that it would be refused again, as
    /// [`DropReason::is_record_fault`] says it of drops. A status alone does not say so: a proxy answers 400 too.
    pub fn is_record_fault(&self) -> bool {
        match &self.kind {
            DeliveryErrorKind::Invalid(_) | DeliveryErrorKind::Hook => true,
            DeliveryErrorKind::LeftOut(reason) => reason.is_record_fault(),
            DeliveryErrorKind::Answer { fault, .. } => *fault == Fault::Record,
            DeliveryErrorKind::InHook
            | DeliveryErrorKind::Closed
            | DeliveryErrorKind::HandedOff
            | DeliveryErrorKind::NoConsent
            | DeliveryErrorKind::NotReached { .. }
            | DeliveryErrorKind::NoAnswer(_) => false,
        }
    }

    /// Whether the consent is undecided or was withdrawn, by this process or another one, or cannot be read from the
    /// spool. If it was withdrawn during the call, the record may have been sent without an answer, so the server may
    /// have it.
    pub fn lacks_consent(&self) -> bool {
        matches!(self.kind, DeliveryErrorKind::NoConsent)
    }

    /// Whether the client was closed, or belongs to the parent of a forked process.
    pub fn is_closed(&self) -> bool {
        matches!(self.kind, DeliveryErrorKind::Closed)
    }

    /// Whether [`before_send`](crate::TrubricsBuilder::before_send) refused the record or panicked, or a
    /// [redaction](crate::Content::redacted) panicked.
    pub fn is_refused_by_hook(&self) -> bool {
        matches!(self.kind, DeliveryErrorKind::Hook)
    }

    /// Whether a call of [`deliver`](crate::Trubrics::deliver) ended before the record was settled: its time was over,
    /// or the server refused the key for an earlier record. The source of the error is the last failure of the call.
    ///
    /// The record may have been sent without an answer, so the server may have it.
    pub fn is_not_reached(&self) -> bool {
        matches!(self.kind, DeliveryErrorKind::NotReached { .. })
    }

    /// Whether [`track_sync`](crate::Trubrics::track_sync) or [`deliver`](crate::Trubrics::deliver) was called by a
    /// hook or a transport of the client, and did nothing.
    pub fn is_in_hook(&self) -> bool {
        matches!(self.kind, DeliveryErrorKind::InHook)
    }

    /// Why the client itself did not send the record, although it is valid:
    /// [`DropReason::Sampled`] or
    /// [`DropReason::RateLimited`].
    pub fn left_out(&self) -> Option<DropReason> {
        match self.kind {
            DeliveryErrorKind::LeftOut(reason) => Some(reason),
            _ => None,
        }
    }

    /// The HTTP status, if the server answered.
    pub fn status(&self) -> Option<u16> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// The server's own words about the refusal, if it gave any; cut off where they are long.
    pub fn detail(&self) -> Option<&str> {
        self.refusal().and_then(|refusal| refusal.detail.as_deref())
    }

    /// The problem of the record, when it was not sent for that reason.
    pub fn invalid(&self) -> Option<&EventError> {
        match &self.kind {
            DeliveryErrorKind::Invalid(error) => Some(error),
            _ => None,
        }
    }

    fn refusal(&self) -> Option<&Refusal> {
        match &self.kind {
            DeliveryErrorKind::Answer { refusal, .. } => Some(refusal),
            _ => None,
        }
    }
}

impl fmt::Debug for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        error_chain::debug(self, "DeliveryError", f)
    }
}

impl fmt::Display for DeliveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            DeliveryErrorKind::Invalid(_) => f.write_str("the record is invalid"),
            DeliveryErrorKind::Hook => f.write_str("a hook of the program refused the record"),
            DeliveryErrorKind::InHook => {
                f.write_str("a hook or a transport of the client cannot wait for a delivery")
            }
            DeliveryErrorKind::LeftOut(reason) => write!(f, "the record was not sent: {reason}"),
            DeliveryErrorKind::Closed => f.write_str("the client is closed"),
            DeliveryErrorKind::HandedOff => {
                f.write_str("hand_off leaves all requests to another process")
            }
            DeliveryErrorKind::NoConsent => f.write_str(NO_CONSENT),
            DeliveryErrorKind::NotReached {
                is_key_refused: true,
                ..
            } => f.write_str("the server refused the key for an earlier record"),
            DeliveryErrorKind::NotReached { .. } => {
                f.write_str("the time was over before the record was delivered")
            }
            DeliveryErrorKind::NoAnswer(_) => f.write_str("the server could not be reached"),
            DeliveryErrorKind::Answer { refusal, .. } => {
                write!(f, "the server answered with {refusal}")
            }
        }
    }
}

impl Error for DeliveryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            DeliveryErrorKind::Invalid(error) => Some(error),
            DeliveryErrorKind::NoAnswer(error) => Some(error),
            DeliveryErrorKind::NotReached { cause, .. } => cause.as_deref().map(|cause| cause as _),
            DeliveryErrorKind::Hook
            | DeliveryErrorKind::InHook
            | DeliveryErrorKind::LeftOut(_)
            | DeliveryErrorKind::Closed
            | DeliveryErrorKind::HandedOff
            | DeliveryErrorKind::NoConsent
            | DeliveryErrorKind::Answer { .. } => None,
        }
    }
}

// As for the other errors: nothing can be seen half-changed.
impl UnwindSafe for DeliveryError {}
impl RefUnwindSafe for DeliveryError {}
