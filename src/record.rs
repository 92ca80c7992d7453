//! Records, an [`Event`] or an [`LlmEvent`] each, and their encoding.
//!
//! `track` encodes a record once, on the caller's thread, to an [`Encoded`]. Nothing parses that again, and a retry
//! sends the same bytes.

mod cost;
mod error;
mod event;
pub(crate) mod feedback;
pub(crate) mod gen_ai;
mod into_text;
mod keys;
mod llm_event;
mod parse;
mod properties;
mod repeated_keys;
mod strict;
mod text;
mod timestamp;
mod typed;
mod usage;

pub use cost::Cost;
pub use error::EventError;
pub use event::Event;
pub(crate) use gen_ai::TEXT;
pub use into_text::IntoText;
pub(crate) use keys::end_of_text;
pub use llm_event::LlmEvent;
pub(crate) use properties::{Properties, read_value};
pub use timestamp::IntoTimestamp;
pub(crate) use timestamp::{rfc3339, utc_now};
pub use typed::TypedEvent;
pub use usage::Usage;

use std::{cell::RefCell, num::NonZeroU32, time::SystemTime};

pub(crate) use self::text::write_text;
use self::timestamp::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// An [`Event`] or an [`LlmEvent`], from which `into()` makes it.
///
/// A [`before_send`](crate::TrubricsBuilder::before_send) hook reads and changes it.
///
/// # Names
///
/// [`Event`], [`LlmEvent`] and `Record` name their methods by one rule. Its readers are those of
/// [`std::process::Command`].
///
/// - A field's bare name, such as [`thread_id`](LlmEvent::thread_id), takes the record and returns it with the field
///   set. `Record` itself has none of these.
/// - `set_<field>` sets the field in place.
/// - `get_<field>` reads the field.
///
/// `None` clears a field that may be absent: `event.thread_id(None)`, `event.set_thread_id(None)`. A field that
/// Trubrics keeps as a property, such as the `$text` of an [`Event`], is also the property of that key. The methods of
/// an [`LlmEvent`] that set a property of OpenTelemetry's, such as [`provider`](LlmEvent::provider), have no reader of
/// their own: use [`get_property`](Self::get_property) with the key.
///
/// ```
/// use trubrics::{Record, Trubrics};
///
/// # fn mask(text: &str) -> String { text.replace('@', "(at)") }
/// let client = Trubrics::builder("key")
///     .before_send(|mut record| {
///         if let Record::LlmEvent(event) = &mut record {
///             event.set_prompt(mask(event.get_prompt()));
///         }
///         record.remove_property("email");
///         Some(record)
///     })
/// #   .transport(trubrics::transport_fn(|_| Ok(trubrics::Response::new(200))))
///     .build()?;
/// # let _ = client;
/// # Ok::<(), trubrics::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// A user event.
    Event(Event),
    /// A prompt and its generation.
    LlmEvent(LlmEvent),
}

impl From<Event> for Record {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}

impl From<LlmEvent> for Record {
    fn from(event: LlmEvent) -> Self {
        Self::LlmEvent(event)
    }
}

impl Record {
    /// Returns the user.
    pub fn get_user_id(&self) -> &str {
        match self {
            Self::Event(event) => event.get_user_id(),
            Self::LlmEvent(event) => event.get_user_id(),
        }
    }

    /// Sets the user.
    pub fn set_user_id(&mut self, user_id: impl Into<String>) {
        match self {
            Self::Event(event) => event.set_user_id(user_id),
            Self::LlmEvent(event) => event.set_user_id(user_id),
        }
    }

    /// Returns the conversation, as [`Event::get_thread_id`] or [`LlmEvent::get_thread_id`] does.
    pub fn get_thread_id(&self) -> Option<String> {
        match self {
            Self::Event(event) => event.get_thread_id(),
            Self::LlmEvent(event) => event.get_thread_id().map(str::to_owned),
        }
    }

    /// Sets the conversation; `None` clears it.
    pub fn set_thread_id(&mut self, thread_id: impl IntoText) {
        match self {
            Self::Event(event) => event.set_thread_id(thread_id),
            Self::LlmEvent(event) => event.set_thread_id(thread_id),
        }
    }

    /// Returns the assistant, as [`Event::get_assistant_id`] or [`LlmEvent::get_assistant_id`] does.
    pub fn get_assistant_id(&self) -> Option<String> {
        match self {
            Self::Event(event) => event.get_assistant_id(),
            Self::LlmEvent(event) => event.get_assistant_id().map(str::to_owned),
        }
    }

    /// Sets the assistant; `None` clears it.
    pub fn set_assistant_id(&mut self, assistant_id: impl IntoText) {
        match self {
            Self::Event(event) => event.set_assistant_id(assistant_id),
            Self::LlmEvent(event) => event.set_assistant_id(assistant_id),
        }
    }

    /// Returns the record's own timestamp, as [`Event::get_timestamp`] does.
    pub fn get_timestamp(&self) -> Option<SystemTime> {
        match self {
            Self::Event(event) => event.get_timestamp(),
            Self::LlmEvent(event) => event.get_timestamp(),
        }
    }

    /// Sets the timestamp; `None` clears it.
    pub fn set_timestamp(&mut self, timestamp: impl IntoTimestamp) {
        match self {
            Self::Event(event) => event.set_timestamp(timestamp),
            Self::LlmEvent(event) => event.set_timestamp(timestamp),
        }
    }

    /// Returns the property of this key, as [`Event::get_property`] does.
    pub fn get_property(&self, key: impl AsRef<str>) -> Option<Value> {
        match self {
            Self::Event(event) => event.get_property(key),
            Self::LlmEvent(event) => event.get_property(key),
        }
    }

    /// Sets one property, as [`Event::property`] does.
    pub fn set_property(&mut self, key: impl AsRef<str>, value: impl Serialize) {
        match self {
            Self::Event(event) => event.set_property(key, value),
            Self::LlmEvent(event) => event.set_property(key, value),
        }
    }

    /// Removes a property and returns it, as [`Event::remove_property`] does.
    pub fn remove_property(&mut self, key: impl AsRef<str>) -> Option<Value> {
        match self {
            Self::Event(event) => event.remove_property(key),
            Self::LlmEvent(event) => event.remove_property(key),
        }
    }

    pub(crate) fn properties(&self) -> &Properties {
        match self {
            Self::Event(event) => &event.properties,
            Self::LlmEvent(event) => &event.properties,
        }
    }

    pub(crate) fn properties_mut(&mut self) -> &mut Properties {
        match self {
            Self::Event(event) => &mut event.properties,
            Self::LlmEvent(event) => &mut event.properties,
        }
    }

    /// Whether this client's `before_send` has seen the record, because an earlier call gave it back.
    pub(crate) fn is_hooked_by(&self, client: NonZeroU32) -> bool {
        match self {
            Self::Event(event) => event.hooked_by.0 == Some(client),
            Self::LlmEvent(event) => event.hooked_by.0 == Some(client),
        }
    }

    pub(crate) fn set_hooked_by(&mut self, client: NonZeroU32) {
        match self {
            Self::Event(event) => event.hooked_by.0 = Some(client),
            Self::LlmEvent(event) => event.hooked_by.0 = Some(client),
        }
    }

    /// Checks the record and turns it into its final bytes; `now` is its timestamp if it has none.
    pub(crate) fn encode(
        &self,
        defaults: &Properties,
        now: SystemTime,
    ) -> Result<Encoded, EventError> {
        match self {
            Self::Event(event) => event.check()?,
            Self::LlmEvent(event) => event.check()?,
        }
        let own = self.own_timestamp();
        let timestamp = own.map_or_else(|| Timestamp::try_from(now), Ok)?;
        Ok(self.write(defaults, Some(timestamp)))
    }

    /// Turns a record that may be invalid into JSON, as far as it can be written: without values that could not be
    /// serialised, and without a timestamp that was not set or is out of range.
    pub(crate) fn encode_lossy(&self, defaults: &Properties) -> Encoded {
        self.write(defaults, self.own_timestamp())
    }

    fn own_timestamp(&self) -> Option<Timestamp> {
        match self {
            Self::Event(event) => event.timestamp,
            Self::LlmEvent(event) => event.timestamp,
        }
    }

    fn write(&self, defaults: &Properties, timestamp: Option<Timestamp>) -> Encoded {
        let (endpoint, length) = match self {
            Self::Event(event) => (Endpoint::Events, event.text_length()),
            Self::LlmEvent(event) => (Endpoint::LlmEvents, event.text_length()),
        };
        let write = |json: &mut Vec<u8>| match self {
            Self::Event(event) => event.write(defaults, timestamp, json),
            Self::LlmEvent(event) => event.write(defaults, timestamp, json),
        };
        let json = if length < MAX_KEPT_SCRATCH / 2 {
            with_scratch(|json| {
                write(json);
                json.as_slice().into()
            })
        } else {
            // With room for escapes: to move a large record costs more than to give back room that it did not need.
            let mut json = Vec::with_capacity(length + length / 16 + 1024);
            write(&mut json);
            json.into_boxed_slice()
        };
        Encoded {
            json,
            endpoint,
            spool_entry: None,
        }
    }
}

/// Makes a random UUID for a user without auth: every call gives another. The same as
/// [`AnonymousId::random`](crate::AnonymousId::random), as a `String`.
///
/// Keep it for as long as the user is the same. [`AnonymousId::in_file`](crate::AnonymousId::in_file) keeps one in a
/// file.
///
/// ```
/// let user_id = trubrics::anonymous_id();
/// assert_eq!(user_id.len(), 36);
/// assert_ne!(user_id, trubrics::anonymous_id());
/// ```
pub fn anonymous_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The id of the client whose `before_send` a record went through last. Records are equal without it.
#[derive(Clone, Copy, Default)]
struct HookedBy(Option<NonZeroU32>);

impl PartialEq for HookedBy {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The endpoint that takes a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Events,
    LlmEvents,
}

impl Endpoint {
    pub(crate) const ALL: [Self; 2] = [Self::Events, Self::LlmEvents];

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Events => Self::LlmEvents,
            Self::LlmEvents => Self::Events,
        }
    }

    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Events => "/publish_events",
            Self::LlmEvents => "/publish_llm_events",
        }
    }
}

/// A record as it goes on the wire: one JSON object in one exact allocation.
pub(crate) struct Encoded {
    pub(crate) json: Box<[u8]>,
    pub(crate) endpoint: Endpoint,
    /// The number by which the spool knows the record; none if the record is only in memory.
    pub(crate) spool_entry: Option<NonZeroU32>,
}

/// The memory of a queued record beside its JSON: its place in the channel and the allocator's overhead.
pub(crate) const RECORD_OVERHEAD: usize = 48;

const _: () = assert!(
    size_of::<Encoded>() <= RECORD_OVERHEAD / 2,
    "its place in the channel"
);

impl Encoded {
    /// Whether the record is on disk.
    pub(crate) fn is_spooled(&self) -> bool {
        self.spool_entry.is_some()
    }

    /// The memory that the record takes.
    pub(crate) fn cost(&self) -> usize {
        self.json.len() + RECORD_OVERHEAD
    }
}

/// A buffer that grew beyond this is not kept for the next record.
const MAX_KEPT_SCRATCH: usize = 64 * 1024;

/// Lends a buffer whose memory is reused from call to call.
fn with_scratch<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    // Taken out rather than borrowed, so that a thread that is ending, which has lost the buffer, uses a new one.
    let mut scratch = SCRATCH.try_with(RefCell::take).unwrap_or_default();
    scratch.clear();
    let result = work(&mut scratch);
    if scratch.capacity() <= MAX_KEPT_SCRATCH {
        let _ = SCRATCH.try_with(|kept| kept.replace(scratch));
    }
    result
}

/// Appends a field: its name with everything up to the text, then the text.
#[inline]
fn write_text_field(json: &mut Vec<u8>, name: &'static str, text: &str) {
    json.extend_from_slice(name.as_bytes());
    write_text(json, text);
}

/// Appends the timestamp, if there is one, with a comma before it.
fn write_timestamp_field(json: &mut Vec<u8>, timestamp: Option<Timestamp>) {
    if let Some(timestamp) = timestamp {
        json.extend_from_slice(b",\"timestamp\":\"");
        timestamp.write_rfc3339(json);
        json.push(b'"');
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
#[cfg(test)]
pub(crate) mod tests;
