//! The forms in which providers report usage.

use serde_json::Value;

use super::Usage;

/// Where an answer, a chunk of a stream, or a usage itself has the counts.
const PLACES: [&str; 5] = [
    "",
    "/usage",
    "/usageMetadata",
    "/response/usage",
    "/message/usage",
];

/// Where a form has each count, as JSON pointers. Several pointers are added up.
#[derive(Clone, Copy)]
struct Format {
    /// The field that all reports of this form have, and no form after it.
    mark: &'static str,
    /// The first is always reported. The others are zero if they are absent.
    input: &'static [&'static str],
    output: &'static [&'static str],
    cache_read: &'static [&'static str],
    cache_write: &'static [&'static str],
    reasoning: &'static [&'static str],
}

/// OpenAI chat completions, and the many servers that answer in the same form.
const OPENAI_CHAT: Format = Format {
    mark: "/prompt_tokens",
    input: &["/prompt_tokens"],
    output: &["/completion_tokens"],
    cache_read: &["/prompt_tokens_details/cached_tokens"],
    cache_write: &["/prompt_tokens_details/cache_write_tokens"],
    reasoning: &["/completion_tokens_details/reasoning_tokens"],
};

const OPENAI_RESPONSES: Format = Format {
    mark: "/input_tokens_details",
    input: &["/input_tokens"],
    output: &["/output_tokens"],
    cache_read: &["/input_tokens_details/cached_tokens"],
    cache_write: &["/input_tokens_details/cache_write_tokens"],
    reasoning: &["/output_tokens_details/reasoning_tokens"],
};

/// The input tokens of Anthropic do not count those of the cache.
const ANTHROPIC: Format = Format {
    mark: "/cache_creation_input_tokens",
    input: &[
        "/input_tokens",
        "/cache_read_input_tokens",
        "/cache_creation_input_tokens",
    ],
    output: &["/output_tokens"],
    cache_read: &["/cache_read_input_tokens"],
    cache_write: &["/cache_creation_input_tokens"],
    reasoning: &["/output_tokens_details/thinking_tokens"],
};

/// Anthropic, in a report that has no total of the tokens written to the cache, but counts them by their lifetime.
const ANTHROPIC_BY_LIFETIME: Format = Format {
    mark: "/cache_creation",
    input: &[
        "/input_tokens",
        "/cache_read_input_tokens",
        "/cache_creation/ephemeral_5m_input_tokens",
        "/cache_creation/ephemeral_1h_input_tokens",
    ],
    cache_write: &[
        "/cache_creation/ephemeral_5m_input_tokens",
        "/cache_creation/ephemeral_1h_input_tokens",
    ],
    ..ANTHROPIC
};

/// OpenAI responses or Anthropic, in a report without the field that tells them apart. It has one of the two fields for
/// reasoning at most.
const OPENAI_OR_ANTHROPIC: Format = Format {
    mark: "/output_tokens",
    reasoning: &[
        "/output_tokens_details/reasoning_tokens",
        "/output_tokens_details/thinking_tokens",
    ],
    ..ANTHROPIC
};

/// The cached content is a part of the prompt. The prompts of tools and the thoughts are counted apart.
const GEMINI: Format = Format {
    mark: "/promptTokenCount",
    input: &["/promptTokenCount", "/toolUsePromptTokenCount"],
    output: &["/candidatesTokenCount", "/thoughtsTokenCount"],
    cache_read: &["/cachedContentTokenCount"],
    cache_write: &[],
    reasoning: &["/thoughtsTokenCount"],
};

const OLLAMA: Format = Format {
    mark: "/eval_count",
    input: &["/prompt_eval_count"],
    output: &["/eval_count"],
    cache_read: &[],
    cache_write: &[],
    reasoning: &[],
};

/// In the order in which they are tried.
const FORMATS: [Format; 7] = [
    OPENAI_CHAT,
    OPENAI_RESPONSES,
    ANTHROPIC,
    ANTHROPIC_BY_LIFETIME,
    OPENAI_OR_ANTHROPIC,
    GEMINI,
    OLLAMA,
];

/// The counts of the first place that has any.
pub(super) fn read(json: &Value) -> Option<Usage> {
    let places = PLACES.iter().filter_map(|place| json.pointer(place));
    places.filter_map(read_report).next()
}

fn read_report(report: &Value) -> Option<Usage> {
    let format = FORMATS
        .iter()
        .find(|format| field(report, format.mark).is_some())?;
    let usage = format.read(report);
    (usage != Usage::default()).then_some(usage)
}

impl Format {
    fn read(&self, report: &Value) -> Usage {
        let has_input = self.input.first().and_then(|first| field(report, first));
        Usage {
            input_tokens: has_input.and_then(|_| sum(report, self.input)),
            output_tokens: sum(report, self.output),
            cache_read_tokens: sum(report, self.cache_read),
            cache_write_tokens: sum(report, self.cache_write),
            reasoning_tokens: sum(report, self.reasoning),
        }
    }
}

/// The sum of the fields that are present, or none if there are none or one of them is not a count.
fn sum(report: &Value, pointers: &[&str]) -> Option<u64> {
    let fields = pointers
        .iter()
        .filter_map(|pointer| field(report, pointer))
        .map(Value::as_u64);
    fields.reduce(|sum, count| Some(sum?.saturating_add(count?)))?
}

/// A field that is present and not null.
fn field<'a>(report: &'a Value, pointer: &str) -> Option<&'a Value> {
    report.pointer(pointer).filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests;
