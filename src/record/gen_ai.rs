//! Keys of properties about a generation. They are those of OpenTelemetry's conventions for generative AI, so that all
//! of a program's telemetry has the same names.

pub(crate) const PROVIDER: &str = "gen_ai.provider.name";
pub(crate) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub(crate) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
/// The conventions have no attribute for a cost; this is the name that tools read.
pub(crate) const COST: &str = "gen_ai.usage.cost";
pub(crate) const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
pub(crate) const TIME_TO_FIRST_TOKEN: &str = "gen_ai.response.time_to_first_chunk";
pub(crate) const ERROR_TYPE: &str = "error.type";
/// The conventions' class of an error whose class is not known.
pub(crate) const OTHER_ERROR: &str = "_OTHER";
pub(crate) const ERROR_MESSAGE: &str = "error.message";
/// The duration of a call that has no latency, because its generation is not complete.
pub(crate) const DURATION: &str = "gen_ai.client.operation.duration";
/// How a call ended; not in the conventions.
pub(crate) const OUTCOME: &str = "outcome";
pub(crate) const TOOL_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
pub(crate) const TOOL_RESULT: &str = "gen_ai.tool.call.result";
/// How many images and files of the texts were replaced by notes; not in the conventions.
pub(crate) const MEDIA_OMITTED: &str = "media_omitted";
