//! The fields of a record, and what each may hold.

/// What a value has to be.
#[derive(Clone, Copy)]
pub(super) enum Schema {
    Anything,
    Text,
    FilledText,
    Timestamp,
    Number,
    Object,
    Record(&'static [Field]),
    Array(&'static Schema),
}

pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) schema: Schema,
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

pub(super) const EVENT: &[Field] = &[
    required("user_id", Schema::FilledText),
    required("event", Schema::FilledText),
    required("timestamp", Schema::Timestamp),
    optional("properties", Schema::Object),
];

pub(super) const LLM_EVENT: &[Field] = &[
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
