//! The names of properties that dashboards read about a generation: OpenTelemetry's conventions for generative AI, so
//! that one vocabulary serves all of a program's telemetry.

pub(crate) const PROVIDER: &str = "gen_ai.provider.name";
pub(crate) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
pub(crate) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
/// The conventions have no attribute for a cost; this is the name that tools read.
pub(crate) const COST: &str = "gen_ai.usage.cost";
pub(crate) const FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
pub(crate) const TIME_TO_FIRST_TOKEN: &str = "gen_ai.response.time_to_first_chunk";
pub(crate) const ERROR_TYPE: &str = "error.type";
/// What the conventions say for an error whose class nobody named.
pub(crate) const OTHER_ERROR: &str = "_OTHER";
pub(crate) const ERROR_MESSAGE: &str = "error.message";
/// How long a call took that has no latency, for it brought no generation to its end.
pub(crate) const DURATION: &str = "gen_ai.client.operation.duration";
/// Ours: how a call ended.
pub(crate) const OUTCOME: &str = "outcome";
