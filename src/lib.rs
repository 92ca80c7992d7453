//! Blocking client for Trubrics.

mod builder;
mod client;
mod global;
mod llm_call;
mod scope;

mod batch;
mod content;
mod delivery;
mod queue;
mod record;
mod worker;

mod deadline;
mod debug_transport;
mod error;
mod hooks;
mod opt_out;
mod report;
mod stats;

#[doc = include_str!("recipes.md")]
pub mod recipes {}

#[cfg(feature = "testing")]
pub mod testing;

pub use builder::{
    DEFAULT_CONNECT_TIMEOUT, DEFAULT_CONNECTIONS, DEFAULT_FLUSH_BATCH_SIZE, DEFAULT_FLUSH_INTERVAL,
    DEFAULT_GIVE_UP_AFTER, DEFAULT_HOST, DEFAULT_INITIAL_BACKOFF, DEFAULT_MAX_BACKOFF,
    DEFAULT_MAX_BATCH_BYTES, DEFAULT_MAX_BATCH_SIZE, DEFAULT_QUEUE_BYTES, DEFAULT_QUEUE_CAPACITY,
    DEFAULT_REQUEST_TIMEOUT, DEFAULT_SHUTDOWN_TIMEOUT, TrubricsBuilder,
};
pub use client::Trubrics;
pub use content::Content;
pub use debug_transport::DebugTransport;
pub use delivery::transport::{Request, Response, Transport, TransportError};
pub use error::{ConfigError, DeliveryError, EventError, FlushError, TrackError};
pub use global::{Guard, InitError, client, flush, init, track};
pub use hooks::Dropped;
pub use llm_call::{LlmCall, LlmStream, LlmTryStream};
pub use queue::Overflow;
pub use record::{Event, LlmEvent, Record, anonymous_id};
pub use scope::Scope;
pub use stats::{DropReason, Stats};
