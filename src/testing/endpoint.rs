//! The two paths that take records.

/// The path before the name of an endpoint, as on the real service.
pub(super) const PREFIX: &str = "/api/ingestion";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Events,
    LlmEvents,
}

impl Endpoint {
    pub(super) fn of(path: &str) -> Option<Self> {
        match path.strip_prefix(PREFIX)? {
            "/publish_events" => Some(Self::Events),
            "/publish_llm_events" => Some(Self::LlmEvents),
            _ => None,
        }
    }
}
