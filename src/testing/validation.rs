//! Validates the body of a request, and words each error as FastAPI does.

use std::borrow::Cow;

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::endpoint::Endpoint;

/// The maximum number of records in one request.
const MAX_RECORDS: usize = 100;

/// One entry of a 422's `detail`.
pub(super) struct ValidationError {
    loc: Value,
    msg: Cow<'static, str>,
    kind: &'static str,
}

impl ValidationError {
    /// `loc` is `["body"]`, then the index of a record, then the name of a field, as far as they apply.
    pub(super) fn new(loc: Value, msg: impl Into<Cow<'static, str>>, kind: &'static str) -> Self {
        Self {
            loc,
            msg: msg.into(),
            kind,
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "loc": self.loc, "msg": self.msg, "type": self.kind })
    }

    /// FastAPI gives the offset of the fault where other errors have the index of a record.
    fn invalid_json(offset: usize) -> Self {
        let loc = json!(["body", offset]);
        Self::new(loc, "JSON decode error", "json_invalid")
    }
}

/// What the value of a field has to be.
#[derive(Clone, Copy)]
enum Type {
    Text,
    FilledText,
    Timestamp,
    Number,
    Object,
}

impl Type {
    /// Returns the `msg` and `type` of the error about a value that is not valid.
    fn check(self, value: &Value) -> Result<(), (&'static str, &'static str)> {
        match (self, value) {
            (Self::FilledText, Value::String(text)) if text.is_empty() => Err((
                "String should have at least 1 character",
                "string_too_short",
            )),
            (Self::Timestamp, Value::String(text))
                if OffsetDateTime::parse(text, &Rfc3339).is_err() =>
            {
                Err(("Input should be a valid datetime", "datetime_parsing"))
            }
            (Self::Text | Self::FilledText | Self::Timestamp, Value::String(_))
            | (Self::Number, Value::Number(_))
            | (Self::Object, Value::Object(_)) => Ok(()),
            (Self::Text | Self::FilledText, _) => {
                Err(("Input should be a valid string", "string_type"))
            }
            (Self::Timestamp, _) => Err(("Input should be a valid datetime", "datetime_type")),
            (Self::Number, _) => Err(("Input should be a valid number", "float_type")),
            (Self::Object, _) => Err(("Input should be a valid dictionary", "dict_type")),
        }
    }
}

/// The fields of a record. A field that is not listed is an error.
struct Schema {
    required: &'static [(&'static str, Type)],
    optional: &'static [(&'static str, Type)],
}

const EVENT: Schema = Schema {
    required: &[
        ("user_id", Type::FilledText),
        ("event", Type::FilledText),
        ("timestamp", Type::Timestamp),
    ],
    optional: &[("properties", Type::Object)],
};

const LLM_EVENT: Schema = Schema {
    required: &[
        ("user_id", Type::FilledText),
        ("prompt", Type::Text),
        ("generation", Type::Text),
    ],
    optional: &[
        ("assistant_id", Type::Text),
        ("thread_id", Type::Text),
        ("latency", Type::Number),
        ("timestamp", Type::Timestamp),
        ("prompt_event_name", Type::Text),
        ("generation_event_name", Type::Text),
        ("properties", Type::Object),
    ],
};

/// Returns the records of a valid body, or every error in it.
pub(super) fn validate(
    endpoint: Endpoint,
    body: &[u8],
) -> Result<Vec<Value>, Vec<ValidationError>> {
    let records = parse_records(body).map_err(|error| vec![error])?;
    let schema = match endpoint {
        Endpoint::Events => EVENT,
        Endpoint::LlmEvents => LLM_EVENT,
    };
    let mut errors = Vec::new();
    for (index, record) in records.iter().enumerate() {
        validate_record(index, record, &schema, &mut errors);
    }
    if errors.is_empty() {
        Ok(records)
    } else {
        Err(errors)
    }
}

/// Parses an array of 1 to [`MAX_RECORDS`] values, whatever they are.
fn parse_records(body: &[u8]) -> Result<Vec<Value>, ValidationError> {
    let in_body = |msg: Cow<'static, str>, kind| {
        let loc = json!(["body"]);
        Err(ValidationError::new(loc, msg, kind))
    };
    let Value::Array(records) = parse(body)? else {
        return in_body("Input should be a valid list".into(), "list_type");
    };
    match records.len() {
        0 => {
            let msg = "List should have at least 1 item after validation, not 0";
            in_body(msg.into(), "too_short")
        }
        1..=MAX_RECORDS => Ok(records),
        count => {
            let msg = format!(
                "List should have at most {MAX_RECORDS} items after validation, not {count}"
            );
            in_body(msg.into(), "too_long")
        }
    }
}

fn validate_record(
    index: usize,
    record: &Value,
    schema: &Schema,
    errors: &mut Vec<ValidationError>,
) {
    let Value::Object(record) = record else {
        let msg = "Input should be a valid dictionary or object to extract fields from";
        let loc = json!(["body", index]);
        errors.push(ValidationError::new(loc, msg, "model_attributes_type"));
        return;
    };
    let mut report = |name: &str, msg: &'static str, kind| {
        errors.push(ValidationError::new(
            json!(["body", index, name]),
            msg,
            kind,
        ));
    };
    for (name, _) in schema.required {
        if !record.contains_key(*name) {
            report(name, "Field required", "missing");
        }
    }
    for (name, value) in record {
        let mut fields = schema.required.iter().chain(schema.optional);
        let checked = match fields.find(|(field, _)| field == name) {
            Some((_, field_type)) => field_type.check(value),
            None => Err(("Extra inputs are not permitted", "extra_forbidden")),
        };
        if let Err((msg, kind)) = checked {
            report(name, msg, kind);
        }
    }
}

/// Parses a body; of a key that an object holds twice, the last value counts.
pub(super) fn parse(body: &[u8]) -> Result<Value, ValidationError> {
    let text =
        str::from_utf8(body).map_err(|error| ValidationError::invalid_json(error.valid_up_to()))?;
    serde_json::from_str(text).map_err(|error| {
        let lines_before = text
            .split_inclusive('\n')
            .take(error.line().saturating_sub(1));
        let offset = lines_before.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        ValidationError::invalid_json(offset)
    })
}
