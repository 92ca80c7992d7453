//! Blocking client for Trubrics.

mod delivery;
mod error;

#[cfg(feature = "testing")]
pub mod testing;

pub use delivery::transport::{Request, Response, Transport, TransportError};
pub use error::ConfigError;
