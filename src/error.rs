//! The errors a caller can get, one type for each moment: set-up, handing a record over, waiting.

mod delivery;

use std::{
    error::Error,
    fmt, io,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
};

use crate::{
    error_chain,
    record::{EventError, Record},
};

pub use self::delivery::DeliveryError;
pub(crate) use self::delivery::DeliveryErrorKind;

type Cause = Box<dyn Error + Send + Sync>;

const NO_CONSENT: &str = "the consent is undecided or was withdrawn";

/// Why [`TrubricsBuilder::build`](crate::TrubricsBuilder::build) made no client: a setting that cannot be used, or a
/// worker thread that could not be started.
#[non_exhaustive]
pub struct ConfigError {
    /// None if all settings are right.
    setting: Option<&'static str>,
    problem: String,
    cause: Option<Cause>,
}

impl ConfigError {
    /// `problem` continues the sentence that the setting's name begins.
    pub(crate) fn new(setting: &'static str, problem: impl Into<String>) -> Self {
        Self {
            setting: Some(setting),
            problem: problem.into(),
            cause: None,
        }
    }

    /// All settings are right, but the system did not start the worker thread.
    pub(crate) fn not_started(cause: io::Error) -> Self {
        Self {
            setting: None,
            problem: "the worker thread could not be started".into(),
            cause: Some(cause.into()),
        }
    }

    pub(crate) fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Returns the name of the setting that is wrong: of the method of [`TrubricsBuilder`](crate::TrubricsBuilder), or
    /// of the environment variable. `None` if the worker thread could not be started, and no setting is wrong.
    pub fn setting(&self) -> Option<&str> {
        self.setting
    }
}

impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        error_chain::debug(self, "ConfigError", f)
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.setting {
            Some(setting) => write!(f, "{setting} {}", self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Why [`try_track`](crate::Trubrics::try_track) did not take a record, which it gives back.
///
/// `Debug` and `Display` do not show the record.
pub struct TrackError {
    kind: TrackErrorKind,
    record: Box<Record>,
}

#[derive(Debug)]
pub(crate) enum TrackErrorKind {
    Full,
    NoConsent,
    Closed,
    Invalid(EventError),
}

impl TrackError {
    pub(crate) fn new(kind: TrackErrorKind, record: Record) -> Self {
        Self {
            kind,
            record: Box::new(record),
        }
    }

    /// The queue holds as many records, or bytes, as it may; there is room again when some are delivered.
    pub fn is_full(&self) -> bool {
        matches!(self.kind, TrackErrorKind::Full)
    }

    /// The client was closed.
    pub fn is_closed(&self) -> bool {
        matches!(self.kind, TrackErrorKind::Closed)
    }

    /// The consent was withdrawn, or is undecided and records do not wait for it.
    pub fn lacks_consent(&self) -> bool {
        matches!(self.kind, TrackErrorKind::NoConsent)
    }

    /// The problem of the record, when that is the reason.
    pub fn invalid(&self) -> Option<&EventError> {
        match &self.kind {
            TrackErrorKind::Invalid(error) => Some(error),
            _ => None,
        }
    }

    /// Gives the record back.
    ///
    /// [`before_send`](crate::TrubricsBuilder::before_send) may have changed it already. It does not run again when the
    /// same client is offered the record again.
    pub fn into_record(self) -> Record {
        *self.record
    }
}

impl fmt::Debug for TrackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        error_chain::debug(self, "TrackError", f)
    }
}

impl fmt::Display for TrackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TrackErrorKind::Full => "the queue is full",
            TrackErrorKind::NoConsent => NO_CONSENT,
            TrackErrorKind::Closed => "the client is closed",
            TrackErrorKind::Invalid(_) => "the record is invalid",
        })
    }
}

impl Error for TrackError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.invalid().map(|error| error as _)
    }
}

/// Not everything was delivered when [`flush`](crate::Trubrics::flush) or [`close`](crate::Trubrics::close) returned.
///
/// The error of a flush counts the drops during the call.
/// The error of a close counts all drops since the client was built.
#[non_exhaustive]
pub struct FlushError {
    pending: u64,
    dropped: u64,
    in_hook: bool,
    undecided: bool,
    cause: Option<Arc<DeliveryError>>,
}

impl FlushError {
    pub(crate) fn new(pending: u64, dropped: u64, cause: Option<Arc<DeliveryError>>) -> Self {
        Self {
            pending,
            dropped,
            in_hook: false,
            undecided: false,
            cause,
        }
    }

    pub(crate) fn in_hook(pending: u64) -> Self {
        let in_hook = true;
        Self {
            in_hook,
            ..Self::new(pending, 0, None)
        }
    }

    /// Records wait for consent.
    pub(crate) fn undecided(pending: u64) -> Self {
        let undecided = true;
        Self {
            undecided,
            ..Self::new(pending, 0, None)
        }
    }

    /// How many records wait for delivery or are in flight.
    pub fn pending(&self) -> u64 {
        self.pending
    }

    /// How many records were dropped: during a flush, or since the client was built for a close.
    /// [`stats`](crate::Trubrics::stats) has the reasons.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether the call was made by a hook or a transport, and did nothing: it would have waited for itself.
    pub fn is_in_hook(&self) -> bool {
        self.in_hook
    }

    /// Whether the records wait because the consent is undecided.
    pub fn lacks_consent(&self) -> bool {
        self.undecided
    }
}

impl fmt::Debug for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        error_chain::debug(self, "FlushError", f)
    }
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.in_hook {
            return f.write_str("flush and close cannot be called from a hook or a transport");
        }
        let Self {
            pending, dropped, ..
        } = self;
        if self.undecided {
            return write!(f, "records wait for consent: {pending}");
        }
        write!(
            f,
            "not everything was delivered: {pending} pending, {dropped} dropped"
        )
    }
}

impl Error for FlushError {
    /// Why the last request failed, if it did: a [`DeliveryError`].
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

// The causes are boxed values of other types, which nothing changes after the error was made: a panic cannot leave one
// half-changed.
impl UnwindSafe for ConfigError {}
impl RefUnwindSafe for ConfigError {}
impl UnwindSafe for TrackError {}
impl RefUnwindSafe for TrackError {}
impl UnwindSafe for FlushError {}
impl RefUnwindSafe for FlushError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, TransportError, Trubrics, TrubricsBuilder};

    #[test]
    fn clients_and_errors_may_cross_a_caught_panic() {
        fn crosses<T: UnwindSafe + RefUnwindSafe>() {}
        crosses::<Trubrics>();
        crosses::<TrubricsBuilder>();
        crosses::<ConfigError>();
        crosses::<TrackError>();
        crosses::<DeliveryError>();
        crosses::<FlushError>();
    }

    #[test]
    fn an_error_of_main_is_a_sentence_with_its_causes() {
        let main = |error: Box<dyn Error>| format!("Error: {error:?}");
        let wrong = ConfigError::new("queue_bytes", "is 0");
        assert_eq!(
            main(wrong.into()),
            r#"Error: ConfigError("queue_bytes is 0")"#
        );
        let no_answer = DeliveryErrorKind::NoAnswer(TransportError::new("refused"));
        let cause = Some(Arc::new(DeliveryError::new(no_answer)));
        let expected = "Error: FlushError(\"not everything was delivered: 2 pending, 1 dropped: the server could not be \
                        reached: no answer from the server: refused\")";
        assert_eq!(main(FlushError::new(2, 1, cause).into()), expected);
        let invalid = TrackErrorKind::Invalid(EventError::empty_user_id());
        let record = Event::new("", "secret").into();
        let expected = "Error: TrackError(\"the record is invalid: user_id is empty: use anonymous_id() for a user \
                        without auth\")";
        assert_eq!(main(TrackError::new(invalid, record).into()), expected);
    }

    #[test]
    fn a_config_error_names_the_setting_if_one_is_wrong() {
        let wrong = ConfigError::new("queue_bytes", "is 0");
        assert_eq!(wrong.setting(), Some("queue_bytes"));
        assert_eq!(wrong.to_string(), "queue_bytes is 0");
        let not_started = ConfigError::not_started(io::ErrorKind::WouldBlock.into());
        assert_eq!(not_started.setting(), None);
        assert!(not_started.source().is_some());
        let text = "the worker thread could not be started";
        assert_eq!(not_started.to_string(), text);
    }

    #[test]
    fn a_track_error_says_why_the_record_was_not_taken() {
        let kinds = [
            TrackErrorKind::Full,
            TrackErrorKind::Closed,
            TrackErrorKind::NoConsent,
            TrackErrorKind::Invalid(EventError::empty_user_id()),
        ];
        for (expected, kind) in kinds.into_iter().enumerate() {
            let error = TrackError::new(kind, Event::new("user", "Run").into());
            let found = [
                error.is_full(),
                error.is_closed(),
                error.lacks_consent(),
                error.invalid().is_some(),
            ];
            let reasons = found.into_iter().enumerate().filter(|(_, is)| *is);
            assert_eq!(reasons.map(|(at, _)| at).collect::<Vec<_>>(), [expected]);
        }
    }

    #[test]
    fn a_flush_error_has_its_numbers_and_says_why_nothing_was_done() {
        let parts = |error: FlushError| {
            let numbers = (error.pending(), error.dropped());
            (numbers, error.is_in_hook(), error.lacks_consent())
        };
        assert_eq!(parts(FlushError::new(3, 2, None)), ((3, 2), false, false));
        assert_eq!(parts(FlushError::in_hook(3)), ((3, 0), true, false));
        assert_eq!(parts(FlushError::undecided(3)), ((3, 0), false, true));
    }

    #[test]
    fn a_delivery_error_says_if_the_client_is_closed_or_a_hook_refused() {
        let closed = DeliveryError::new(DeliveryErrorKind::Closed);
        assert!(closed.is_closed() && !closed.is_refused_by_hook());
        let refused = DeliveryError::new(DeliveryErrorKind::Hook);
        assert!(refused.is_refused_by_hook() && !refused.is_closed());
    }
}
