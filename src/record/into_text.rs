//! Texts for fields that may be absent.

use std::borrow::Cow;

/// A text for a field that may be absent: a `&str`, a `String`, or an `Option<String>`, whose `None` clears the field.
///
/// The trait is sealed: only this crate implements it, and may add types. An `Option<&str>` is not among them, because
/// with two kinds of `Option` the compiler could no longer infer the type of a bare `None`.
///
/// ```
/// use trubrics::LlmEvent;
///
/// let mut event = LlmEvent::new("user_123", "What is a cohort?", "A group of users.").thread_id("thread_7");
/// assert_eq!(event.get_thread_id(), Some("thread_7"));
/// event.set_thread_id(None);
/// assert_eq!(event.get_thread_id(), None);
/// ```
pub trait IntoText: sealed::Convert {}

pub(super) mod sealed {
    #[expect(unnameable_types, reason = "this is what seals the trait")]
    pub trait Convert {
        /// None clears the field.
        fn into_text(self) -> Option<String>;
    }
}

macro_rules! texts {
    ($($type:ty),* $(,)?) => {
        $(impl IntoText for $type {}

        impl sealed::Convert for $type {
            fn into_text(self) -> Option<String> {
                Some(self.into())
            }
        })*
    };
}

texts!(&str, &String, String, Box<str>, Cow<'_, str>);

impl IntoText for Option<String> {}

impl sealed::Convert for Option<String> {
    fn into_text(self) -> Option<String> {
        self
    }
}
