//! Why records are dropped.

use std::fmt;

/// Declares the reasons once: the enum, the list of all of them, and their texts.
macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $name:ident => $text:literal,)+) => {
        /// Why a record was dropped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum DropReason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl DropReason {
            /// All reasons, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
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

drop_reasons! {
    /// The queue held as many records or bytes as it may, and [`Overflow`](crate::Overflow) says to drop the newest.
    QueueFull => "the queue was full",
    /// The client was closed before the record was tracked.
    Closed => "the client was closed",
    /// The record could not be sent as it was: see [`EventError`](crate::EventError).
    Invalid => "the record was invalid",
    /// [`before_send`](crate::TrubricsBuilder::before_send) refused the record or panicked, or a
    /// [redaction](crate::Content::redacted) panicked.
    Hook => "a hook of the program refused it",
    /// The server refused the record.
    Rejected => "the server refused it",
    /// The server refused the key.
    Unauthorized => "the server refused the key",
    /// The server says that the record alone is too large.
    TooLarge => "it was too large for the server",
    /// The server could not be reached, or answered "later", for as long as
    /// [`give_up_after`](crate::TrubricsBuilder::give_up_after) allows.
    GaveUp => "the server could not be reached for too long",
    /// The client was closed and its time ran out.
    CloseTimeout => "the client was closed before it could be delivered",
    /// The [`spool`](crate::TrubricsBuilder::spool) held too much, and the oldest records made room.
    SpoolFull => "the spool was full",
    /// The record was in a [`spool`](crate::TrubricsBuilder::spool) for longer than
    /// [`spool_max_age`](crate::TrubricsBuilder::spool_max_age) allows.
    Expired => "it was in the spool for too long",
    /// The record was in a [`spool`](crate::TrubricsBuilder::spool) and can no longer be read.
    Corrupted => "it could not be read from the spool",
    /// The worker failed; please report it.
    Internal => "the worker failed",
}
