//! How much is sent of prompts, generations and other texts: all, a redacted or shortened copy, or only the length.
//!
//! The rules apply after `before_send` and before encoding, on the caller's thread. They change a copy, so that a
//! record that `try_track` gives back is still whole.

use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
};

use serde_json::Value;

use crate::{
    hooks::{self, ClientId, Redact},
    record::{LlmEvent, Properties, Record, TEXT, gen_ai},
};

/// How much is sent of prompts, generations and other texts; for
/// [`TrubricsBuilder::llm_content`](crate::TrubricsBuilder::llm_content).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Content {
    /// The whole texts.
    #[default]
    Full,
    /// Each text as a function returns it; from [`redacted`](Self::redacted).
    Redacted(Redaction),
    /// No text, only its length.
    Off,
}

/// A function that changes each text before it is sent; from [`Content::redacted`].
#[derive(Clone)]
pub struct Redaction(Arc<Redact>);

// A panic of the function is caught, and costs its record.
impl UnwindSafe for Redaction {}
impl RefUnwindSafe for Redaction {}

impl Content {
    /// Sends each text as this function returns it.
    ///
    /// It runs inside `track`, as [`before_send`](crate::TrubricsBuilder::before_send) does. A panic drops the record,
    /// counted as [`DropReason::Hook`](crate::DropReason::Hook), so that no text is sent that was not redacted.
    pub fn redacted(redact: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::Redacted(Redaction(Arc::new(redact)))
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("..")
    }
}

const PROMPT_LENGTH: &str = "prompt_length";
const GENERATION_LENGTH: &str = "generation_length";
const TRUNCATED: &str = "truncated";

/// Properties that hold texts, each with the property for its length. An error's text often quotes the prompt.
const TEXT_PROPERTIES: [(&str, &str); 2] = [
    (TEXT, "text_length"),
    (gen_ai::ERROR_MESSAGE, "error_length"),
];

/// How much a client sends of texts, if it is not all.
pub(crate) struct ContentRules {
    content: Content,
    max_bytes: usize,
    /// The client's default properties of the keys of [`TEXT_PROPERTIES`].
    default_texts: [Option<Value>; TEXT_PROPERTIES.len()],
}

/// How much is sent of one text.
struct Shown {
    /// None if the text is not sent.
    text: Option<String>,
    /// In characters, if the text that is sent is not the whole.
    length: Option<usize>,
    is_cut: bool,
}

impl ContentRules {
    /// None if everything is sent as it is, so that most clients pay only for that question. Otherwise, texts are
    /// removed from the default properties, because these are sent without another look.
    pub(crate) fn new(
        content: Content,
        max_bytes: Option<usize>,
        defaults: &mut Properties,
    ) -> Option<Self> {
        match (&content, max_bytes) {
            (Content::Full, None) => None,
            (_, max_bytes) => Some(Self {
                content,
                max_bytes: max_bytes.unwrap_or(usize::MAX),
                default_texts: TEXT_PROPERTIES.map(|(key, _)| defaults.remove(key)),
            }),
        }
    }

    /// Returns the record as it may be sent, or none if the redaction panicked.
    pub(crate) fn apply(&self, client: ClientId, record: &Record) -> Option<Record> {
        let (mut copy, mut is_cut) = match record {
            Record::Event(event) => (event.clone().into(), false),
            Record::LlmEvent(event) => self.apply_to_fields(client, event)?,
        };
        for ((key, length_key), default) in TEXT_PROPERTIES.into_iter().zip(&self.default_texts) {
            let Some(value) = copy.remove_property(key).or_else(|| default.clone()) else {
                continue;
            };
            let text = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            let shown = self.show(client, &text)?;
            if let Some(text) = shown.text {
                copy.set_property(key, text);
            }
            note_length(&mut copy, length_key, shown.length);
            is_cut |= shown.is_cut;
        }
        if is_cut {
            copy.set_property(TRUNCATED, true);
        }
        Some(copy)
    }

    fn apply_to_fields(&self, client: ClientId, event: &LlmEvent) -> Option<(Record, bool)> {
        let prompt = self.show(client, event.get_prompt())?;
        let generation = self.show(client, event.get_generation())?;
        let mut copy = event.clone();
        copy.set_prompt(prompt.text.unwrap_or_default());
        copy.set_generation(generation.text.unwrap_or_default());
        let mut copy = copy.into();
        note_length(&mut copy, PROMPT_LENGTH, prompt.length);
        note_length(&mut copy, GENERATION_LENGTH, generation.length);
        Some((copy, prompt.is_cut || generation.is_cut))
    }

    fn show(&self, client: ClientId, text: &str) -> Option<Shown> {
        Some(match &self.content {
            Content::Full => self.cut(text),
            Content::Redacted(redact) => self.cut(&hooks::redact(client, &*redact.0, text)?),
            Content::Off => Shown {
                text: None,
                length: Some(text.chars().count()),
                is_cut: false,
            },
        })
    }

    fn cut(&self, text: &str) -> Shown {
        let is_cut = text.len() > self.max_bytes;
        Shown {
            text: Some(prefix(text, self.max_bytes).to_owned()),
            length: is_cut.then(|| text.chars().count()),
            is_cut,
        }
    }
}

fn note_length(record: &mut Record, key: &str, length: Option<usize>) {
    if let Some(length) = length {
        record.set_property(key, length);
    }
}

/// The longest beginning of the text, in whole characters, that has no more bytes than this.
fn prefix(text: &str, max_bytes: usize) -> &str {
    if text.len() <= max_bytes {
        return text;
    }
    let end = (0..=max_bytes).rev().find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_character_ends() {
        let cases = [
            ("", 3, ""),
            ("a", 1, "a"),
            ("ab", 1, "a"),
            ("é", 1, ""),
            ("é", 2, "é"),
            ("aé", 2, "a"),
            ("日本", 5, "日"),
            ("日本", 6, "日本"),
            ("👩‍🔬", 5, "👩"),
        ];
        for (text, max, expected) in cases {
            assert_eq!(prefix(text, max), expected, "{text} {max}");
        }
    }

    #[test]
    fn debug_says_how_much_is_sent() {
        let content = [
            Content::Full,
            Content::redacted(str::to_owned),
            Content::Off,
        ];
        assert_eq!(format!("{content:?}"), "[Full, Redacted(..), Off]");
    }

    #[test]
    fn a_client_that_sends_everything_has_no_rules() {
        let new =
            |content, max_bytes| ContentRules::new(content, max_bytes, &mut Properties::default());
        assert!(new(Content::Full, None).is_none());
        assert!(new(Content::Off, None).is_some());
        assert!(new(Content::Full, Some(1)).is_some());
    }
}
