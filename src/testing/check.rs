//! Which bodies the service takes, and its words for those it does not.
//!
//! A body is checked as it is parsed, without a tree: this runs for every record of every test.
//! The walk visits each value just as parsing to a [`Value`] would, so what passes here parses there.

use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
    value::MapAccessDeserializer,
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    rules::Endpoint,
    schema::{EVENT, Field, LLM_EVENT, Schema},
    validation_error::ValidationError,
};

const MAX_RECORDS: usize = 100;

/// How many records the body holds, if each of them is in order.
pub(super) fn check(endpoint: Endpoint, body: &[u8]) -> Result<usize, Vec<ValidationError>> {
    let schema = match endpoint {
        Endpoint::Events => Schema::Array(&Schema::Record(EVENT)),
        Endpoint::LlmEvents => Schema::Array(&Schema::Record(LLM_EVENT)),
    };
    let text = str::from_utf8(body).map_err(|error| vec![no_json(error.valid_up_to())])?;
    let mut errors = Vec::new();
    match parse(schema, text, &mut errors) {
        Ok(Some(records)) if errors.is_empty() => Ok(records),
        Ok(_) => Err(errors),
        Err(error) => Err(vec![no_json(offset(text, &error))]),
    }
}

/// As FastAPI has it, the place is an offset in the text here, not the index of a record.
fn no_json(offset: usize) -> ValidationError {
    ValidationError::new("JSON decode error", "json_invalid").within(offset)
}

/// How many items the body holds, if it is a JSON array; whether they are in order is no matter.
pub(super) fn count(body: &[u8]) -> Option<usize> {
    let text = str::from_utf8(body).ok()?;
    parse(Schema::Array(&Schema::Anything), text, &mut Vec::new()).ok()?
}

fn parse(
    schema: Schema,
    text: &str,
    errors: &mut Vec<ValidationError>,
) -> serde_json::Result<Option<usize>> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let items = Check { schema, errors }.deserialize(&mut parser)?;
    parser.end()?;
    Ok(items)
}

fn offset(text: &str, error: &serde_json::Error) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    before + error.column().saturating_sub(1)
}

/// Checks one value, and everything inside it, against a schema.
///
/// Its result is the number of items, if the value is an array where one is wanted.
struct Check<'c> {
    schema: Schema,
    errors: &'c mut Vec<ValidationError>,
}

impl Check<'_> {
    /// The same check for a value inside this one.
    fn inside<'i>(&'i mut self, schema: Schema) -> Check<'i> {
        Check {
            schema,
            errors: self.errors,
        }
    }

    /// Marks what was found since there were `before` errors as found at `place`.
    fn place_since(&mut self, before: usize, place: impl Into<Value> + Copy) {
        for error in self.errors.iter_mut().skip(before) {
            error.push(place);
        }
    }

    /// Complains about the type of a value, unless it is the one that is wanted.
    fn wants(self, fits: bool) -> Option<usize> {
        if fits {
            return None;
        }
        let (message, kind) = match self.schema {
            Schema::Anything => return None,
            Schema::Text | Schema::FilledText => ("Input should be a valid string", "string_type"),
            Schema::Timestamp => ("Input should be a valid datetime", "datetime_type"),
            Schema::Number => ("Input should be a valid number", "float_type"),
            Schema::Object => ("Input should be a valid dictionary", "dict_type"),
            Schema::Record(_) => (
                "Input should be a valid dictionary or object to extract fields from",
                "model_attributes_type",
            ),
            Schema::Array(_) => ("Input should be a valid list", "list_type"),
        };
        self.errors.push(ValidationError::new(message, kind));
        None
    }

    fn wants_number(self) -> Option<usize> {
        let fits = matches!(self.schema, Schema::Number);
        self.wants(fits)
    }
}

impl<'de> DeserializeSeed<'de> for Check<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Check<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(self.wants(false))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(self.wants(false))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(self.wants_number())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(self.wants_number())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(self.wants_number())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        let (message, kind) = match self.schema {
            Schema::FilledText if text.is_empty() => (
                "String should have at least 1 character",
                "string_too_short",
            ),
            Schema::Timestamp if OffsetDateTime::parse(text, &Rfc3339).is_err() => {
                ("Input should be a valid datetime", "datetime_parsing")
            }
            Schema::Text | Schema::FilledText | Schema::Timestamp => return Ok(None),
            _ => return Ok(self.wants(false)),
        };
        self.errors.push(ValidationError::new(message, kind));
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Self::Value, A::Error> {
        let Schema::Array(item) = self.schema else {
            while items
                .next_element_seed(self.inside(Schema::Anything))?
                .is_some()
            {}
            return Ok(self.wants(false));
        };
        let mut count = 0;
        loop {
            let before = self.errors.len();
            if items.next_element_seed(self.inside(*item))?.is_none() {
                break;
            }
            self.place_since(before, count);
            count += 1;
        }
        let length = match count {
            0 => ValidationError::new(
                "List should have at least 1 item after validation, not 0",
                "too_short",
            ),
            1..=MAX_RECORDS => return Ok(Some(count)),
            _ => ValidationError::new(
                format!(
                    "List should have at most {MAX_RECORDS} items after validation, not {count}"
                ),
                "too_long",
            ),
        };
        *self.errors = vec![length];
        Ok(Some(count))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Self::Value, A::Error> {
        match self.schema {
            Schema::Record(fields) => {
                self.visit_record(fields, entries)?;
                Ok(None)
            }
            // A program that turns on serde_json's `arbitrary_precision` gets its numbers as maps;
            // only serde_json itself can tell them from objects.
            Schema::Number => {
                let value = Value::deserialize(MapAccessDeserializer::new(entries))?;
                Ok(self.wants(value.is_number()))
            }
            _ => {
                while entries.next_key::<IgnoredAny>()?.is_some() {
                    entries.next_value_seed(self.inside(Schema::Anything))?;
                }
                let fits = matches!(self.schema, Schema::Object);
                Ok(self.wants(fits))
            }
        }
    }
}

impl Check<'_> {
    /// Checks an object against the fields it may have.
    fn visit_record<'de, A: MapAccess<'de>>(
        &mut self,
        fields: &'static [Field],
        mut entries: A,
    ) -> Result<(), A::Error> {
        let first = self.errors.len();
        let mut seen = 0_u32;
        while let Some(key) = entries.next_key_seed(Key(fields))? {
            let (index, field) = match key {
                Named::Known(index, field) => (index, field),
                Named::Unknown(name) => {
                    entries.next_value_seed(self.inside(Schema::Anything))?;
                    let extra =
                        ValidationError::new("Extra inputs are not permitted", "extra_forbidden");
                    self.errors.push(extra.within(name));
                    continue;
                }
            };
            let bit = 1 << index;
            if seen & bit != 0 {
                // Of a name given twice, the last value counts.
                let mut ours = self.errors.split_off(first);
                ours.retain(|error| !error.is_about(field.name));
                self.errors.append(&mut ours);
            }
            seen |= bit;
            let before = self.errors.len();
            entries.next_value_seed(self.inside(field.schema))?;
            self.place_since(before, field.name);
        }
        for (index, field) in fields.iter().enumerate() {
            if field.required && seen & (1 << index) == 0 {
                let missing = ValidationError::new("Field required", "missing");
                self.errors.push(missing.within(field.name));
            }
        }
        Ok(())
    }
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
