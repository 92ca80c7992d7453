//! Events that a program declares as types of its own.

use serde::Serialize;

use super::Event;

/// An event that a program declares once, as a type: its name, and its properties as fields.
///
/// The value must be a struct with named fields, a map, or a struct without fields for an event without properties.
/// [`Event::of`] and [`Scope::event_of`](crate::Scope::event_of) make an [`Event`] of it.
///
/// ```
/// use serde::Serialize;
/// use trubrics::{Event, TypedEvent};
///
/// #[derive(Serialize)]
/// struct SignUp<'a> {
///     plan: &'a str,
///     seats: u32,
/// }
///
/// impl TypedEvent for SignUp<'_> {
///     const NAME: &'static str = "Sign up";
/// }
///
/// # let recorder = trubrics::testing::Recorder::new();
/// # let client = trubrics::Trubrics::builder("test-key").transport(recorder.clone()).build()?;
/// client.track(Event::of("user_123", &SignUp { plan: "team", seats: 3 }));
/// # client.flush(std::time::Duration::from_secs(5))?;
/// # assert_eq!(recorder.events_named("Sign up")[0]["properties"], serde_json::json!({"plan": "team", "seats": 3}));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait TypedEvent: Serialize {
    /// The name of the event, such as `Sign up`.
    const NAME: &'static str;
}

impl Event {
    /// Makes an event of a value whose type declares its name.
    ///
    /// The fields of the value are the properties, as with [`properties`](Self::properties). A value that cannot be
    /// sent makes the event invalid.
    pub fn of<T: TypedEvent>(user_id: impl Into<String>, value: &T) -> Self {
        Self::new(user_id, T::NAME).properties(value)
    }
}
