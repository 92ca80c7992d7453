//! What is tracked: an [`Event`] or an [`LlmEvent`], and its way to the bytes that go on the wire.
//!
//! `track` encodes a record once, on the caller's thread; from there on it is an [`Encoded`], and nothing looks into
//! it again. A retry sends the same bytes.

mod event;
mod finite;
mod llm_event;
mod properties;
mod timestamp;

pub use event::Event;
pub(crate) use finite::NOT_FINITE;
pub use llm_event::LlmEvent;
pub(crate) use properties::Properties;

use std::cell::RefCell;

use time::OffsetDateTime;

use crate::error::EventError;

/// Anything that can be tracked; made from an [`Event`] or an [`LlmEvent`] by `into()`.
#[derive(Debug, Clone)]
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
    /// Checks the record and turns it into its final bytes; `now` is its timestamp if it has none.
    pub(crate) fn encode(
        &self,
        defaults: &Properties,
        now: OffsetDateTime,
    ) -> Result<Encoded, EventError> {
        with_scratch(|json| {
            let endpoint = match self {
                Self::Event(event) => event.encode(defaults, now, json).map(|()| Endpoint::Events),
                Self::LlmEvent(event) => event
                    .encode(defaults, now, json)
                    .map(|()| Endpoint::LlmEvents),
            }?;
            Ok(Encoded {
                json: json.as_slice().into(),
                endpoint,
                entry: 0,
            })
        })
    }
}

/// A random UUID for a user without auth. Make it once and keep it, as [`AnonymousId`](crate::AnonymousId) does in a
/// file: every call gives another.
///
/// ```
/// let user_id = trubrics::anonymous_id();
/// assert_eq!(user_id.len(), 36);
/// assert_ne!(user_id, trubrics::anonymous_id());
/// ```
pub fn anonymous_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Where a record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Events,
    LlmEvents,
}

impl Endpoint {
    pub(crate) const ALL: [Self; 2] = [Self::Events, Self::LlmEvents];

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
    /// Its number in the segment of the spool that holds it; 0 for a record that is in memory alone.
    pub(crate) entry: u32,
}

/// A buffer that grew beyond this is not kept for the next record.
const MAX_KEPT_SCRATCH: usize = 64 * 1024;

/// Lends a buffer whose memory is reused from call to call.
fn with_scratch<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    // Taken out rather than borrowed: a thread that is ending has no such buffer any more, and gets a fresh one.
    let mut scratch = SCRATCH.try_with(RefCell::take).unwrap_or_default();
    scratch.clear();
    let result = work(&mut scratch);
    if scratch.capacity() <= MAX_KEPT_SCRATCH {
        let _ = SCRATCH.try_with(|kept| kept.replace(scratch));
    }
    result
}

/// Appends `"name":"text"` with what JSON asks to be escaped.
fn write_text_field(json: &mut Vec<u8>, name: &str, text: &str) {
    json.push(b'"');
    json.extend_from_slice(name.as_bytes());
    json.extend_from_slice(b"\":");
    write_text(json, text);
}

fn write_text(json: &mut Vec<u8>, text: &str) {
    // Writing a string into memory has no way to fail.
    let written = serde_json::to_writer(json, text);
    debug_assert!(written.is_ok(), "a str is always valid JSON text");
}

fn write_timestamp_field(json: &mut Vec<u8>, timestamp: OffsetDateTime) -> Result<(), EventError> {
    json.extend_from_slice(b",\"timestamp\":\"");
    timestamp::write_rfc3339(json, timestamp)?;
    json.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests;
