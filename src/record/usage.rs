//! How many tokens a generation used.

mod formats;

use serde_json::Value;

/// How many tokens a generation used, as its provider counted them; for [`LlmEvent::usage`](crate::LlmEvent::usage).
///
/// `input_tokens` and `output_tokens` are totals, as OpenTelemetry's conventions ask: the tokens of a cache are a part
/// of the input, and the tokens of reasoning are a part of the output. Some providers count a part beside the total, as
/// Anthropic does with the cache: [`from_json`](Self::from_json) and
/// [`with_uncached_input`](Self::with_uncached_input) add it.
///
/// A part that is not known is `None`, and is not sent.
///
/// ```
/// use trubrics::{LlmEvent, Usage};
///
/// let usage = Usage::new(120, 42).cache_read_tokens(100);
/// let event = LlmEvent::new("user_123", "What is a cohort?", "A group of users.").usage(usage);
/// assert_eq!(event.get_property("gen_ai.usage.input_tokens"), Some(120.into()));
/// assert_eq!(event.get_property("gen_ai.usage.cache_read.input_tokens"), Some(100.into()));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// All tokens of the input, sent as `gen_ai.usage.input_tokens`.
    pub input_tokens: Option<u64>,
    /// All tokens of the output, sent as `gen_ai.usage.output_tokens`.
    pub output_tokens: Option<u64>,
    /// The tokens of the input that were read from a cache, sent as `gen_ai.usage.cache_read.input_tokens`.
    pub cache_read_tokens: Option<u64>,
    /// The tokens of the input that were written to a cache, sent as `gen_ai.usage.cache_write.input_tokens`.
    pub cache_write_tokens: Option<u64>,
    /// The tokens of the output that were reasoning, sent as `gen_ai.usage.reasoning.output_tokens`.
    pub reasoning_tokens: Option<u64>,
}

impl Usage {
    /// The usage of a provider that reports totals.
    pub fn new(input_tokens: u64, output_tokens: u64) -> Self {
        Self {
            input_tokens: Some(input_tokens),
            output_tokens: Some(output_tokens),
            ..Self::default()
        }
    }

    /// The usage of a provider that reports the input without the tokens of the cache, as Anthropic does.
    ///
    /// The input is the sum of the first three, at most `u64::MAX`.
    ///
    /// ```
    /// let usage = trubrics::Usage::with_uncached_input(50, 1000, 200, 42);
    /// assert_eq!(usage.input_tokens, Some(1250));
    /// assert_eq!(usage.cache_read_tokens, Some(1000));
    /// ```
    pub fn with_uncached_input(
        uncached_input_tokens: u64,
        cache_read_tokens: u64,
        cache_write_tokens: u64,
        output_tokens: u64,
    ) -> Self {
        let input_tokens = uncached_input_tokens
            .saturating_add(cache_read_tokens)
            .saturating_add(cache_write_tokens);
        Self::new(input_tokens, output_tokens)
            .cache_read_tokens(cache_read_tokens)
            .cache_write_tokens(cache_write_tokens)
    }

    /// Reads the usage of a provider's answer, or of a chunk of its stream; `None` if there is no usage in it.
    ///
    /// It takes the usage itself, or the whole answer or chunk that holds it, in the form of
    ///
    /// - OpenAI chat completions, and other servers that answer as these do. A stream has usage in its last chunk, if
    ///   the request asks for it by `stream_options`.
    /// - OpenAI responses, and the event `response.completed` of a stream.
    /// - Anthropic messages, and the events `message_start` and `message_delta` of a stream. The second completes the
    ///   first. The input is the sum of the uncached, read and written tokens.
    /// - Gemini `generateContent`, also as a stream. The input is the sum of the prompt and the prompts of tools; the
    ///   output is the sum of the candidates and the thoughts.
    /// - Ollama, whose last chunk has the counts.
    ///
    /// The form is found by the names of the fields, which are those of the providers' documentation. A server that
    /// counts otherwise under the same names is read as OpenAI or Anthropic count. A part that is absent is `None`, and
    /// adds nothing to a total. One that is not a whole number from 0 to `u64::MAX` is `None`, and so is a total that
    /// it belongs to. A sum ends at `u64::MAX`.
    ///
    /// ```
    /// use serde_json::json;
    /// use trubrics::Usage;
    ///
    /// let chunk = json!({
    ///     "type": "message_start",
    ///     "message": { "usage": { "input_tokens": 21, "cache_read_input_tokens": 188_086, "output_tokens": 1 } },
    /// });
    /// let usage = Usage::from_json(&chunk).expect("usage");
    /// assert_eq!(usage.input_tokens, Some(188_107));
    /// assert_eq!(usage.cache_read_tokens, Some(188_086));
    /// assert_eq!(Usage::from_json(&json!({ "type": "message_stop" })), None);
    /// ```
    pub fn from_json(json: &Value) -> Option<Self> {
        formats::read(json)
    }

    /// Sets how many tokens of the input were read from a cache.
    #[must_use]
    pub fn cache_read_tokens(mut self, tokens: u64) -> Self {
        self.cache_read_tokens = Some(tokens);
        self
    }

    /// Sets how many tokens of the input were written to a cache.
    #[must_use]
    pub fn cache_write_tokens(mut self, tokens: u64) -> Self {
        self.cache_write_tokens = Some(tokens);
        self
    }

    /// Sets how many tokens of the output were reasoning.
    #[must_use]
    pub fn reasoning_tokens(mut self, tokens: u64) -> Self {
        self.reasoning_tokens = Some(tokens);
        self
    }
}
