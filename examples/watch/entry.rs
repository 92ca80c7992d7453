//! What a request brought: records that were accepted, or the reason why it was refused.

use serde_json::{Value, json};
use trubrics::testing::ReceivedRequest;

pub(crate) enum Entry {
    Event(Value),
    LlmEvent(Value),
    Refused(Refusal),
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Event,
    LlmEvent,
    Refused,
}

pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// Method and path.
    pub(crate) request: String,
    pub(crate) reasons: Vec<String>,
    /// What the body holds, so far as it can be read.
    pub(crate) records: Vec<Value>,
}

/// Lower-case parts of a user's id and of a record's name; empty for all.
#[derive(Clone, Default)]
pub(crate) struct Filter {
    pub(crate) user: String,
    pub(crate) event: String,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Event, Self::LlmEvent, Self::Refused];

    /// As the page has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::LlmEvent => "llm",
            Self::Refused => "refused",
        }
    }
}

impl Entry {
    /// An entry for each accepted record of a request, or one for its refusal.
    pub(crate) fn of(request: &ReceivedRequest) -> Vec<Self> {
        let records: Vec<Value> = serde_json::from_slice(request.body()).unwrap_or_default();
        match request.status() {
            Some(200..=299) => records
                .into_iter()
                .map(|record| match record.get("event") {
                    Some(_) => Self::Event(record),
                    None => Self::LlmEvent(record),
                })
                .collect(),
            status => vec![Self::Refused(Refusal {
                status: status.unwrap_or_default(),
                request: format!("{} {}", request.method(), request.path()),
                reasons: reasons(request, records.len()),
                records,
            })],
        }
    }

    /// Whether one of its records passes; a refusal without any that can be read does.
    pub(crate) fn passes(&self, filter: &Filter) -> bool {
        match self {
            Self::Event(record) | Self::LlmEvent(record) => filter.passes(record),
            Self::Refused(Refusal { records, .. }) => {
                records.is_empty() || records.iter().any(|record| filter.passes(record))
            }
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Event(_) => Kind::Event,
            Self::LlmEvent(_) => Kind::LlmEvent,
            Self::Refused(_) => Kind::Refused,
        }
    }

    /// As the page reads it.
    pub(crate) fn to_json(&self) -> Value {
        let kind = self.kind().name();
        match self {
            Self::Event(record) | Self::LlmEvent(record) => {
                json!({ "kind": kind, "records": [record] })
            }
            Self::Refused(refusal) => json!({
                "kind": kind,
                "status": refusal.status,
                "request": refusal.request,
                "reasons": refusal.reasons,
                "records": refusal.records,
            }),
        }
    }
}

impl Filter {
    fn passes(&self, record: &Value) -> bool {
        let contains = |text: &str, part: &str| text.to_lowercase().contains(part);
        contains(text(record, "user_id").unwrap_or_default(), &self.user)
            && names(record).iter().any(|name| contains(name, &self.event))
    }
}

pub(crate) fn text<'r>(record: &'r Value, field: &str) -> Option<&'r str> {
    record.get(field)?.as_str()
}

/// The name of an event; of an LLM event those of the two that Trubrics makes of it.
pub(crate) fn names(record: &Value) -> Vec<&str> {
    if record.get("prompt").is_none() {
        return vec![text(record, "event").unwrap_or_default()];
    }
    vec![
        text(record, "prompt_event_name").unwrap_or("Prompt"),
        text(record, "generation_event_name").unwrap_or("Generation"),
    ]
}

fn reasons(request: &ReceivedRequest, records: usize) -> Vec<String> {
    let mut reasons = said(request.answer(), records);
    match request.status() {
        Some(401) if request.header("x-api-key").is_none() => {
            reasons.push("the request has no x-api-key".to_owned());
        }
        Some(401) => reasons.push("the key is another one than this server was given".to_owned()),
        Some(404) if request.method() == "POST" => {
            reasons.push("the host that a client is given ends in /api/ingestion".to_owned());
        }
        _ => {}
    }
    reasons
}

/// The reasons in the body of an answer.
fn said(answer: &[u8], records: usize) -> Vec<String> {
    let body: Value = serde_json::from_slice(answer).unwrap_or_default();
    match &body["detail"] {
        Value::String(detail) => vec![detail.clone()],
        Value::Array(complaints) => complaints
            .iter()
            .map(|complaint| complained(complaint, records))
            .collect(),
        _ => vec![String::from_utf8_lossy(answer).into_owned()],
    }
}

/// "record 2 of 3, user_id: Field required", from `{"loc": ["body", 1, "user_id"], "msg": "Field required"}`.
fn complained(complaint: &Value, records: usize) -> String {
    let message = text(complaint, "msg").unwrap_or_default();
    let place = complaint["loc"].as_array().map_or(&[][..], Vec::as_slice);
    let place = match place {
        [_, Value::Number(offset)] if complaint["type"] == "json_invalid" => {
            format!("byte {offset} of the body")
        }
        [_, Value::Number(index), field @ ..] => {
            let number = index.as_u64().unwrap_or_default() + 1;
            let mut place = format!("record {number} of {records}");
            for part in field {
                place += ", ";
                place += &part
                    .as_str()
                    .map_or_else(|| part.to_string(), str::to_owned);
            }
            place
        }
        _ => "the body".to_owned(),
    };
    format!("{place}: {message}")
}
