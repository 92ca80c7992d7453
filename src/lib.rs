//! Blocking client for Trubrics.

mod delivery;
mod error;

pub use delivery::transport::{Request, Response, Transport, TransportError};
pub use error::ConfigError;
