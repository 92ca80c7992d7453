//! One line of the file: the API's own event, or its LLM event if there is a `prompt`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error as _, de::IgnoredAny};
use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use trubrics::{Event, LlmEvent, Record};

/// A misspelt field is an error: its value would be lost without a word.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventLine {
    user_id: String,
    event: String,
    #[serde(deserialize_with = "rfc3339")]
    timestamp: OffsetDateTime,
    properties: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LlmEventLine {
    user_id: String,
    prompt: String,
    generation: String,
    #[serde(deserialize_with = "rfc3339")]
    timestamp: OffsetDateTime,
    assistant_id: Option<String>,
    thread_id: Option<String>,
    latency: Option<f64>,
    prompt_event_name: Option<String>,
    generation_event_name: Option<String>,
    properties: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Kind {
    prompt: Option<IgnoredAny>,
}

type Setter = fn(LlmEvent, String) -> LlmEvent;

pub(crate) fn parse(line: &[u8]) -> serde_json::Result<Record> {
    let kind: Kind = serde_json::from_slice(line)?;
    if kind.prompt.is_none() {
        let line: EventLine = serde_json::from_slice(line)?;
        let event = Event::new(line.user_id, line.event).timestamp(line.timestamp);
        return Ok(event.properties(line.properties.unwrap_or_default()).into());
    }
    let line: LlmEventLine = serde_json::from_slice(line)?;
    let mut event = LlmEvent::new(line.user_id, line.prompt, line.generation)
        .timestamp(line.timestamp)
        .properties(line.properties.unwrap_or_default());
    if let Some(seconds) = line.latency {
        let latency = Duration::try_from_secs_f64(seconds).map_err(serde_json::Error::custom)?;
        event = event.latency(latency);
    }
    let texts: [(Option<String>, Setter); 4] = [
        (line.assistant_id, LlmEvent::assistant_id),
        (line.thread_id, LlmEvent::thread_id),
        (line.prompt_event_name, LlmEvent::prompt_event_name),
        (line.generation_event_name, LlmEvent::generation_event_name),
    ];
    for (text, set) in texts {
        if let Some(text) = text {
            event = set(event, text);
        }
    }
    Ok(event.into())
}

fn rfc3339<'de, D: Deserializer<'de>>(input: D) -> Result<OffsetDateTime, D::Error> {
    let text = String::deserialize(input)?;
    OffsetDateTime::parse(&text, &Rfc3339)
        .map_err(|error| D::Error::custom(format!("timestamp `{text}` is not RFC 3339: {error}")))
}
