//! Keys of properties that have a meaning: the one home of their names.
//!
//! A name is Trubrics', or a convention's, or ours. The conventions are OpenTelemetry's, for generative AI and for
//! errors, so that all of a program's telemetry has the same names.

// Trubrics' own.

/// The words of a user.
pub(crate) const TEXT: &str = "$text";
pub(crate) const THREAD_ID: &str = "$thread_id";
pub(crate) const ASSISTANT_ID: &str = "$assistant_id";
pub(crate) const PROMPT_ID: &str = "$prompt_id";
pub(crate) const GENERATION_ID: &str = "$generation_id";

// The conventions'.

pub(crate) const PROVIDER: &str = "gen_ai.provider.name";
/// All tokens of the input, with those of a cache.
pub(crate) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
/// All tokens of the output, with those of reasoning.
pub(crate) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
pub(crate) const CACHE_READ_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
pub(crate) const CACHE_WRITE_TOKENS: &str = "gen_ai.usage.cache_write.input_tokens";
pub(crate) const REASONING_TOKENS: &str = "gen_ai.usage.reasoning.output_tokens";
pub(crate) const RESPONSE_MODEL: &str = "gen_ai.response.model";
pub(crate) const RESPONSE_ID: &str = "gen_ai.response.id";
pub(crate) const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
pub(crate) const TIME_TO_FIRST_TOKEN: &str = "gen_ai.response.time_to_first_chunk";
pub(crate) const PROMPT_NAME: &str = "gen_ai.prompt.name";
pub(crate) const PROMPT_VERSION: &str = "gen_ai.prompt.version";
pub(crate) const TOOL_NAME: &str = "gen_ai.tool.name";
pub(crate) const TOOL_CALL_ID: &str = "gen_ai.tool.call.id";
pub(crate) const TOOL_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
pub(crate) const TOOL_RESULT: &str = "gen_ai.tool.call.result";
pub(crate) const ERROR_TYPE: &str = "error.type";
/// The class of an error whose class is not known.
pub(crate) const OTHER_ERROR: &str = "_OTHER";

// Ours: the conventions have no attribute for these.

pub(crate) const COST_AMOUNT: &str = "cost.amount";
/// The ISO 4217 code of the currency of `cost.amount`.
pub(crate) const COST_CURRENCY: &str = "cost.currency";
/// The seconds that a step took, or a call that has no latency because its generation is not complete.
pub(crate) const DURATION: &str = "duration";
/// How a call ended: `finished`, `failed` or `interrupted`.
pub(crate) const OUTCOME: &str = "outcome";
pub(crate) const ERROR_MESSAGE: &str = "error_message";
/// How many images and files of the texts were replaced by placeholders.
pub(crate) const MEDIA_OMITTED: &str = "media_omitted";
/// `up` or `down`.
pub(crate) const FEEDBACK_THUMB: &str = "feedback.thumb";
pub(crate) const FEEDBACK_SCORE: &str = "feedback.score";
pub(crate) const FEEDBACK_SCORE_MIN: &str = "feedback.score_min";
pub(crate) const FEEDBACK_SCORE_MAX: &str = "feedback.score_max";
pub(crate) const FEEDBACK_LABEL: &str = "feedback.label";
/// The source in which documents were searched.
pub(crate) const RETRIEVAL_NAME: &str = "retrieval.name";
/// The number of documents that were found.
pub(crate) const RETRIEVAL_RESULTS: &str = "retrieval.results";
