//! How much is sent of prompts, generations and other texts: all but media, a redacted or shortened copy, or only the
//! length.
//!
//! The rules apply after `before_send` and before encoding, on the caller's thread. They change a copy, so that a
//! record that `try_track` gives back is still whole. A record that they do not change is not copied.

mod base64;
mod media;

use std::borrow::Cow;

use serde_json::Value;

use self::media::WithoutMedia;
use crate::{
    hooks::{self, ClientId},
    record::{LlmEvent, Properties, Record, TEXT, gen_ai, read_value},
    redaction::{PropertyRedaction, Redaction},
};

/// How much is sent of prompts, generations and other texts; for
/// [`TrubricsBuilder::llm_content`](crate::TrubricsBuilder::llm_content).
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum Content {
    /// The whole texts.
    #[default]
    Full,
    /// Each text as a [`Redaction`] returns it.
    Redacted(Redaction),
    /// No text, only its length.
    Off,
}

impl Content {
    /// Sends each text as this function returns it. [`Redaction`] has presets, which can be combined with functions.
    ///
    /// It runs inside `track`, as [`before_send`](crate::TrubricsBuilder::before_send) does. A panic drops the record,
    /// counted as [`DropReason::Hook`](crate::DropReason::Hook), so that no text is sent that was not redacted.
    pub fn redacted(redact: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self::Redacted(Redaction::new().then(redact))
    }
}

const PROMPT_LENGTH: &str = "prompt_length";
const GENERATION_LENGTH: &str = "generation_length";
const TRUNCATED: &str = "truncated";

/// Properties that hold texts, each with the property for its length. An error's text often quotes the prompt, and a
/// tool is called with what a user asked for.
const TEXT_PROPERTIES: [(&str, &str); 4] = [
    (TEXT, "text_length"),
    (gen_ai::ERROR_MESSAGE, "error_length"),
    (gen_ai::TOOL_ARGUMENTS, "arguments_length"),
    (gen_ai::TOOL_RESULT, "result_length"),
];

/// How much a client sends of texts, if it is not all.
pub(crate) struct ContentRules {
    content: Content,
    max_bytes: usize,
    send_media: bool,
    /// Whether also records without media change.
    change_every_record: bool,
    properties: PropertyRedaction,
    /// The keys of [`TEXT_PROPERTIES`], for [`Properties::may_have`].
    text_keys: u128,
    /// The JSON of the client's default properties of these keys, if it must not be sent as it is.
    default_texts: [Option<Vec<u8>>; TEXT_PROPERTIES.len()],
}

/// How much is sent of one text.
struct Shown<'t> {
    /// None if the text is not sent.
    text: Option<Cow<'t, str>>,
    /// In characters, if the text that is sent is not the whole.
    length: Option<usize>,
    is_cut: bool,
    media_omitted: usize,
}

/// A record that the rules change.
struct Copy {
    record: Record,
    is_cut: bool,
    media_omitted: usize,
}

impl ContentRules {
    /// None if everything is sent as it is. Otherwise, texts that must not be sent as they are are removed from the
    /// default properties, because these are sent without another look.
    pub(crate) fn new(
        content: Content,
        max_bytes: Option<usize>,
        send_media: bool,
        properties: PropertyRedaction,
        defaults: &mut Properties,
    ) -> Option<Self> {
        let is_full = matches!(content, Content::Full) && max_bytes.is_none();
        if is_full && send_media && properties.is_off() {
            return None;
        }
        let default_texts = TEXT_PROPERTIES.map(|(key, _)| {
            let json = defaults.value_json(key)?.to_owned();
            let is_kept = is_full && !media::is_in(&json);
            (!is_kept).then(|| {
                defaults.remove(key);
                json
            })
        });
        Some(Self {
            content,
            max_bytes: max_bytes.unwrap_or(usize::MAX),
            send_media,
            change_every_record: !is_full
                || !properties.is_off()
                || default_texts.iter().any(Option::is_some),
            properties,
            text_keys: Properties::bits_of(TEXT_PROPERTIES.map(|(key, _)| key)),
            default_texts,
        })
    }

    /// Whether [`apply`](Self::apply) may change the record. Allocates nothing.
    pub(crate) fn concern(&self, record: &Record) -> bool {
        self.change_every_record || self.has_media(record)
    }

    /// Returns a copy of the record as it is sent, or none if the redaction panicked.
    pub(crate) fn apply(&self, client: ClientId, record: &Record) -> Option<Record> {
        let record = self.redact_properties(client, record)?;
        let mut copy = Copy {
            record: Record::clone(&record),
            is_cut: false,
            media_omitted: 0,
        };
        if let Record::LlmEvent(event) = &*record {
            self.apply_to_fields(client, event, &mut copy)?;
        }
        for ((key, length_key), default) in TEXT_PROPERTIES.into_iter().zip(&self.default_texts) {
            let own = record.properties().value_json(key);
            if let Some(json) = own.or(default.as_deref()) {
                self.apply_to_property(client, key, length_key, json, &mut copy)?;
            }
        }
        Some(copy.finish())
    }

    /// The record with redacted properties, or none if a redaction panicked. The other rules go by these.
    fn redact_properties<'r>(
        &self,
        client: ClientId,
        record: &'r Record,
    ) -> Option<Cow<'r, Record>> {
        if self.properties.is_off() {
            return Some(Cow::Borrowed(record));
        }
        let redact = || self.properties.apply(record.properties().json());
        Some(match hooks::redact(client, redact)? {
            None => Cow::Borrowed(record),
            Some(json) => {
                let mut redacted = record.clone();
                redacted.properties_mut().set_values(json);
                Cow::Owned(redacted)
            }
        })
    }

    fn has_media(&self, record: &Record) -> bool {
        let is_in_fields = match record {
            Record::Event(_) => false,
            Record::LlmEvent(event) => [event.get_prompt(), event.get_generation()]
                .iter()
                .any(|text| media::is_in(text.as_bytes())),
        };
        let properties = record.properties();
        let is_in_property = |(key, _)| properties.value_json(key).is_some_and(media::is_in);
        is_in_fields
            || properties.may_have(self.text_keys)
                && media::is_in(properties.json())
                && TEXT_PROPERTIES.into_iter().any(is_in_property)
    }

    fn apply_to_fields(&self, client: ClientId, event: &LlmEvent, copy: &mut Copy) -> Option<()> {
        let prompt = self.show(client, event.get_prompt())?;
        let generation = self.show(client, event.get_generation())?;
        copy.note(PROMPT_LENGTH, &prompt);
        copy.note(GENERATION_LENGTH, &generation);
        if let Record::LlmEvent(copy) = &mut copy.record {
            copy.set_prompt(prompt.text.unwrap_or_default());
            copy.set_generation(generation.text.unwrap_or_default());
        }
        Some(())
    }

    /// A value that is not a text keeps its structure if that is enough. Otherwise it is treated as the text of its
    /// JSON.
    fn apply_to_property(
        &self,
        client: ClientId,
        key: &str,
        length_key: &str,
        json: &[u8],
        copy: &mut Copy,
    ) -> Option<()> {
        let written = String::from_utf8_lossy(json);
        let without_media = self.without_media(&written);
        let json = without_media.text;
        let text = match read_value(json.as_bytes()) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let shown = self.show(client, &text)?;
        copy.media_omitted += without_media.omitted;
        copy.note(length_key, &shown);
        match &shown.text {
            Some(text_shown) if *text_shown == text => {
                copy.record.properties_mut().set_json(key, json.as_bytes());
            }
            Some(text_shown) => copy.record.set_property(key, text_shown),
            None => drop(copy.record.remove_property(key)),
        }
        Some(())
    }

    fn show<'t>(&self, client: ClientId, text: &'t str) -> Option<Shown<'t>> {
        if let Content::Off = &self.content {
            return Some(Shown {
                text: None,
                length: Some(text.chars().count()),
                is_cut: false,
                media_omitted: 0,
            });
        }
        let WithoutMedia { text, omitted } = self.without_media(text);
        let text = match &self.content {
            Content::Redacted(redaction) => {
                let redact = || match redaction.apply(&text) {
                    Cow::Borrowed(_) => None,
                    Cow::Owned(redacted) => Some(redacted),
                };
                hooks::redact(client, redact)?.map_or(text, Cow::Owned)
            }
            Content::Full | Content::Off => text,
        };
        let is_cut = text.len() > self.max_bytes;
        let length = is_cut.then(|| text.chars().count());
        Some(Shown {
            text: Some(cut(text, self.max_bytes)),
            length,
            is_cut,
            media_omitted: omitted,
        })
    }

    /// The text with placeholders instead of media, unless these are sent, or nothing is.
    fn without_media<'t>(&self, text: &'t str) -> WithoutMedia<'t> {
        if self.send_media || matches!(self.content, Content::Off) {
            return WithoutMedia {
                text: Cow::Borrowed(text),
                omitted: 0,
            };
        }
        media::replace(text)
    }
}

impl Copy {
    fn note(&mut self, length_key: &str, shown: &Shown<'_>) {
        if let Some(length) = shown.length {
            self.record.set_property(length_key, length);
        }
        self.is_cut |= shown.is_cut;
        self.media_omitted += shown.media_omitted;
    }

    fn finish(mut self) -> Record {
        if self.is_cut {
            self.record.set_property(TRUNCATED, true);
        }
        if self.media_omitted > 0 {
            self.record
                .set_property(gen_ai::MEDIA_OMITTED, self.media_omitted);
        }
        self.record
    }
}

fn cut(text: Cow<'_, str>, max_bytes: usize) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(prefix(text, max_bytes)),
        Cow::Owned(mut text) => {
            text.truncate(prefix(&text, max_bytes).len());
            Cow::Owned(text)
        }
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
mod tests;
