//! Why records are dropped.

use std::fmt;

/// Declares the reasons once: the enum, the list of all of them, and their texts.
macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $name:ident($fault:ident) => $text:literal,)+) => {
        /// Why a record was dropped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum DropReason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl DropReason {
            /// All reasons, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Whether the record itself is the reason: the same record would be dropped again.
            ///
            /// The record is not at fault for the other reasons. Before a program stores such a record or tracks it
            /// again, it has to look at the reason: the person does not agree to records of
            /// [`Withdrawn`](Self::Withdrawn) and [`Undecided`](Self::Undecided), and the server may have those of
            /// [`GaveUp`](Self::GaveUp) and [`CloseTimeout`](Self::CloseTimeout).
            ///
            /// ```
            /// use trubrics::DropReason;
            ///
            /// assert!(DropReason::Invalid.is_record_fault());
            /// assert!(!DropReason::Unauthorized.is_record_fault());
            /// ```
            pub fn is_record_fault(self) -> bool {
                match self {
                    $(Self::$name => matches!(Fault::$fault, Fault::Record),)+
                }
            }
        }

        impl fmt::Display for DropReason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)+
                })
            }
        }
    };
}

/// Where the fault is when a record is dropped.
enum Fault {
    Record,
    Elsewhere,
}

drop_reasons! {
    /// The queue held as many records or bytes as it may, and [`Overflow`](crate::Overflow) says to drop the newest.
    ///
    /// The record is not at fault.
    QueueFull(Elsewhere) => "the queue was full",
    /// The client was closed before the record was tracked.
    ///
    /// The record is not at fault.
    Closed(Elsewhere) => "the client was closed",
    /// The record could not be sent as it was: see [`EventError`](crate::EventError).
    ///
    /// The record itself is at fault.
    Invalid(Record) => "the record was invalid",
    /// [`before_send`](crate::TrubricsBuilder::before_send) refused the record or panicked, or a
    /// [redaction](crate::Content::redacted) panicked.
    ///
    /// The record itself is at fault.
    Hook(Record) => "a hook of the program refused it",
    /// More events of its name were tracked than [`at_most`](crate::TrubricsBuilder::at_most) allows.
    ///
    /// The record is not at fault.
    RateLimited(Elsewhere) => "more events of its name came than at_most allows",
    /// Its user is not in the [`sample`](crate::TrubricsBuilder::sample).
    ///
    /// The record itself is at fault.
    Sampled(Record) => "its user is not in the sample",
    /// The server refused the record: status 400 or 422, without an HTML page.
    ///
    /// The record itself is at fault.
    Rejected(Record) => "the server refused it",
    /// The server refused the request with a status that does not speak of its records, such as a redirect, 404 or 407,
    /// or a proxy refused it with an HTML page.
    ///
    /// The record is not at fault.
    RequestRejected(Elsewhere) => "the server refused the request",
    /// The server refused the key.
    ///
    /// The record is not at fault.
    Unauthorized(Elsewhere) => "the server refused the key",
    /// The server says that the record alone is too large.
    ///
    /// The record itself is at fault.
    TooLarge(Record) => "it was too large for the server",
    /// The server could not be reached, or answered "later", for as long as
    /// [`give_up_after`](crate::TrubricsBuilder::give_up_after) allows.
    ///
    /// The record is not at fault.
    GaveUp(Elsewhere) => "the server could not be reached for too long",
    /// The client was closed and its time ran out.
    ///
    /// The record is not at fault.
    CloseTimeout(Elsewhere) => "the client was closed before it could be delivered",
    /// The [`spool`](crate::TrubricsBuilder::spool) held too much, and the oldest records made room.
    ///
    /// The record is not at fault.
    SpoolFull(Elsewhere) => "the spool was full",
    /// The record was in a [`spool`](crate::TrubricsBuilder::spool) for longer than
    /// [`spool_max_age`](crate::TrubricsBuilder::spool_max_age) allows.
    ///
    /// The record is not at fault.
    Expired(Elsewhere) => "it was in the spool for too long",
    /// The record was in a [`spool`](crate::TrubricsBuilder::spool) and can no longer be read.
    ///
    /// The record is not at fault.
    Corrupted(Elsewhere) => "it could not be read from the spool",
    /// The consent was [withdrawn](crate::Trubrics::withdraw). [`Dropped`](crate::Dropped) shows the records that
    /// waited, but not those that were tracked after the withdrawal.
    ///
    /// The record is not at fault.
    Withdrawn(Elsewhere) => "the consent was withdrawn",
    /// The consent was [undecided](crate::Consent::Undecided) when the record was tracked, or when the client was
    /// closed. [`Dropped`](crate::Dropped) shows the records that waited.
    ///
    /// The record is not at fault.
    Undecided(Elsewhere) => "the consent was undecided",
    /// The worker failed; please report it.
    ///
    /// The record is not at fault.
    Internal(Elsewhere) => "the worker failed",
}

#[cfg(test)]
mod tests {
    use super::DropReason::{self, *};

    #[test]
    fn each_reason_is_listed_once_in_its_place_with_a_text_of_its_own() {
        let mut texts = std::collections::HashSet::new();
        for (place, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, place, "{reason:?}");
            assert!(texts.insert(reason.to_string()), "{reason:?}");
        }
        assert_eq!(
            DropReason::ALL.last(),
            Some(&Internal),
            "the last one is listed too"
        );
    }

    #[test]
    fn a_record_is_at_fault_only_if_it_would_be_dropped_again() {
        let at_fault = DropReason::ALL.iter().copied();
        let at_fault: Vec<_> = at_fault.filter(|reason| reason.is_record_fault()).collect();
        assert_eq!(at_fault, [Invalid, Hook, Sampled, Rejected, TooLarge]);
    }
}
