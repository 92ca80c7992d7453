use std::borrow::Cow;

use serde_json::{Value, json};

/// One entry of a 422's `detail`.
pub(super) struct ValidationError {
    // From the inside out, since it is found at the innermost value.
    place: Vec<Value>,
    message: Cow<'static, str>,
    kind: &'static str,
}

impl ValidationError {
    pub(super) fn new(message: impl Into<Cow<'static, str>>, kind: &'static str) -> Self {
        Self {
            place: Vec::new(),
            message: message.into(),
            kind,
        }
    }

    /// The same error, seen from the array or object around it.
    pub(super) fn within(mut self, place: impl Into<Value>) -> Self {
        self.place.push(place.into());
        self
    }

    /// Adds the next place outwards.
    pub(super) fn push(&mut self, place: impl Into<Value>) {
        self.place.push(place.into());
    }

    /// Whether it is about this field of the record that is being read.
    pub(super) fn is_about(&self, field: &str) -> bool {
        self.place.last().is_some_and(|place| place == field)
    }

    pub(super) fn to_json(&self) -> Value {
        let body = Value::from("body");
        let loc: Vec<&Value> = std::iter::once(&body)
            .chain(self.place.iter().rev())
            .collect();
        json!({ "loc": loc, "msg": self.message, "type": self.kind })
    }
}
