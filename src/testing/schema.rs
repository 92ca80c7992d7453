//! Which bodies the service takes, and its words for those it does not.
//!
//! A body is checked as it is parsed, without a tree: this runs for every record of every test.
//! The walk visits each value just as parsing to a [`Value`] would, so what passes here parses there.

use std::borrow::Cow;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::rules::Endpoint;

const MAX_RECORDS: usize = 100;

/// One entry of a 422's `detail`.
pub(super) struct Complaint {
    // From the inside out, since it is found at the innermost value.
    place: Vec<Value>,
    message: Cow<'static, str>,
    kind: &'static str,
}

impl Complaint {
    pub(super) fn new(message: impl Into<Cow<'static, str>>, kind: &'static str) -> Self {
        Self {
            place: Vec::new(),
            message: message.into(),
            kind,
        }
    }

    /// The same complaint, seen from the array or object around it.
    pub(super) fn within(mut self, place: impl Into<Value>) -> Self {
        self.place.push(place.into());
        self
    }

    pub(super) fn to_json(&self) -> Value {
        let body = Value::from("body");
        let loc: Vec<&Value> = std::iter::once(&body)
            .chain(self.place.iter().rev())
            .collect();
        json!({ "loc": loc, "msg": self.message, "type": self.kind })
    }
}

/// How many records the body holds, if each of them is in order.
pub(super) fn check(endpoint: Endpoint, body: &[u8]) -> Result<usize, Vec<Complaint>> {
    let schema = match endpoint {
        Endpoint::Events => Schema::Array(&Schema::Record(EVENT)),
        Endpoint::LlmEvents => Schema::Array(&Schema::Record(LLM_EVENT)),
    };
    match parse(schema, body) {
        Ok(found) if found.complaints.is_empty() => Ok(found.items),
        Ok(found) => Err(found.complaints),
        // As FastAPI has it, the place is an offset in the text here, not the index of a record.
        Err(error) => Err(vec![
            Complaint::new("JSON decode error", "json_invalid").within(offset(body, &error)),
        ]),
    }
}

/// How many items the body holds, if it is a JSON array.
pub(super) fn count(body: &[u8]) -> Option<usize> {
    let found = parse(Schema::Array(&Schema::Anything), body).ok()?;
    // Its length is no matter here: a scripted reply accepts whatever came.
    found.is_array.then_some(found.items)
}

fn parse(schema: Schema, body: &[u8]) -> serde_json::Result<Found> {
    let mut parser = serde_json::Deserializer::from_slice(body);
    let found = schema.deserialize(&mut parser)?;
    parser.end()?;
    Ok(found)
}

fn offset(body: &[u8], error: &serde_json::Error) -> usize {
    let before: usize = body
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    before + error.column().saturating_sub(1)
}

#[derive(Clone, Copy)]
enum Schema {
    Anything,
    Text,
    FilledText,
    Timestamp,
    Number,
    Object,
    Record(&'static [Field]),
    Array(&'static Schema),
}

struct Field {
    name: &'static str,
    required: bool,
    schema: Schema,
}

const fn required(name: &'static str, schema: Schema) -> Field {
    Field {
        name,
        required: true,
        schema,
    }
}

const fn optional(name: &'static str, schema: Schema) -> Field {
    Field {
        name,
        required: false,
        schema,
    }
}

const EVENT: &[Field] = &[
    required("user_id", Schema::FilledText),
    required("event", Schema::FilledText),
    required("timestamp", Schema::Timestamp),
    optional("properties", Schema::Object),
];

const LLM_EVENT: &[Field] = &[
    required("user_id", Schema::FilledText),
    required("prompt", Schema::Text),
    required("generation", Schema::Text),
    optional("assistant_id", Schema::Text),
    optional("thread_id", Schema::Text),
    optional("latency", Schema::Number),
    optional("timestamp", Schema::Timestamp),
    optional("prompt_event_name", Schema::Text),
    optional("generation_event_name", Schema::Text),
    optional("properties", Schema::Object),
];

/// What one value turned out to be. A good one allocates nothing.
#[derive(Default)]
struct Found {
    complaints: Vec<Complaint>,
    items: usize,
    is_array: bool,
}

impl From<Complaint> for Found {
    fn from(complaint: Complaint) -> Self {
        Self {
            complaints: vec![complaint],
            ..Self::default()
        }
    }
}

impl Schema {
    /// The judgement on a value of a type that this schema may not want.
    fn takes(self, fits: bool) -> Found {
        if fits {
            return Found::default();
        }
        let (message, kind) = match self {
            Self::Anything => return Found::default(),
            Self::Text | Self::FilledText => ("Input should be a valid string", "string_type"),
            Self::Timestamp => ("Input should be a valid datetime", "datetime_type"),
            Self::Number => ("Input should be a valid number", "float_type"),
            Self::Object => ("Input should be a valid dictionary", "dict_type"),
            Self::Record(_) => (
                "Input should be a valid dictionary or object to extract fields from",
                "model_attributes_type",
            ),
            Self::Array(_) => ("Input should be a valid list", "list_type"),
        };
        Complaint::new(message, kind).into()
    }
}

impl<'de> DeserializeSeed<'de> for Schema {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Schema {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Found, E> {
        Ok(self.takes(false))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Found, E> {
        Ok(self.takes(false))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Found, E> {
        Ok(self.takes(matches!(self, Self::Number)))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Found, E> {
        Ok(self.takes(matches!(self, Self::Number)))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Found, E> {
        Ok(self.takes(matches!(self, Self::Number)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Found, E> {
        Ok(match self {
            Self::Text => Found::default(),
            Self::FilledText if text.is_empty() => Complaint::new(
                "String should have at least 1 character",
                "string_too_short",
            )
            .into(),
            Self::FilledText => Found::default(),
            Self::Timestamp if OffsetDateTime::parse(text, &Rfc3339).is_err() => {
                Complaint::new("Input should be a valid datetime", "datetime_parsing").into()
            }
            Self::Timestamp => Found::default(),
            _ => self.takes(false),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        let Self::Array(item) = self else {
            while items.next_element_seed(Self::Anything)?.is_some() {}
            return Ok(self.takes(false));
        };
        let mut found = Found {
            is_array: true,
            ..Found::default()
        };
        while let Some(one) = items.next_element_seed(*item)? {
            for complaint in one.complaints {
                found.complaints.push(complaint.within(found.items));
            }
            found.items += 1;
        }
        let length = match found.items {
            0 => Complaint::new(
                "List should have at least 1 item after validation, not 0",
                "too_short",
            ),
            1..=MAX_RECORDS => return Ok(found),
            n => Complaint::new(
                format!("List should have at most {MAX_RECORDS} items after validation, not {n}"),
                "too_long",
            ),
        };
        found.complaints = vec![length];
        Ok(found)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Found, A::Error> {
        match self {
            Self::Record(fields) => visit_record(fields, entries),
            // A program that turns on serde_json's `arbitrary_precision` gets its numbers as maps;
            // only serde_json itself can tell them from objects.
            Self::Number => {
                let value = Value::deserialize(MapAccessDeserializer::new(entries))?;
                Ok(self.takes(value.is_number()))
            }
            _ => {
                while entries.next_key::<IgnoredAny>()?.is_some() {
                    entries.next_value_seed(Self::Anything)?;
                }
                Ok(self.takes(matches!(self, Self::Object)))
            }
        }
    }
}

fn visit_record<'de, A: MapAccess<'de>>(
    fields: &'static [Field],
    mut entries: A,
) -> Result<Found, A::Error> {
    let mut found = Found::default();
    let mut seen = 0_u32;
    while let Some(key) = entries.next_key_seed(Key(fields))? {
        let (index, field) = match key {
            Named::Known(index, field) => (index, field),
            Named::Unknown(name) => {
                entries.next_value_seed(Schema::Anything)?;
                let extra = Complaint::new("Extra inputs are not permitted", "extra_forbidden");
                found.complaints.push(extra.within(name));
                continue;
            }
        };
        let bit = 1 << index;
        if seen & bit != 0 {
            // Of a name given twice, the last value counts.
            found
                .complaints
                .retain(|complaint| complaint.place.last() != Some(&Value::from(field.name)));
        }
        seen |= bit;
        for complaint in entries.next_value_seed(field.schema)?.complaints {
            found.complaints.push(complaint.within(field.name));
        }
    }
    for (index, field) in fields.iter().enumerate() {
        if field.required && seen & (1 << index) == 0 {
            let missing = Complaint::new("Field required", "missing");
            found.complaints.push(missing.within(field.name));
        }
    }
    Ok(found)
}

struct Key(&'static [Field]);

enum Named {
    Known(usize, &'static Field),
    Unknown(String),
}

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Named;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Named, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Named;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Named, E> {
        Ok(self
            .0
            .iter()
            .enumerate()
            .find(|(_, field)| field.name == name)
            .map_or_else(
                || Named::Unknown(name.to_owned()),
                |(index, field)| Named::Known(index, field),
            ))
    }
}
