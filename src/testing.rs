//! For the tests of programs that use this crate: a service to send to, in memory or on the loopback interface.
//!
//! [`Recorder`] is a transport that keeps what it is given: no socket, no thread, enough for most tests. [`Server`]
//! speaks HTTP/1.1 over a real socket, so a test covers the whole way of an event. Both judge requests as the real
//! service does, and are asked in the same words: all events, those of a name or of a user, and to wait until so many
//! have arrived. Faults are asked for, never random: `script` says what the next requests get, `refuse` which records
//! are bad.
//!
//! They are stricter in one thing: what `serde_json` cannot read as a `Value` is `json_invalid` here, where the real
//! service may well take it, such as a property of 200 levels or the number `1e999`.
//!
//! Switch the feature on for tests alone:
//!
//! ```toml
//! [dev-dependencies]
//! trubrics = { version = "0.1", features = ["testing"] }
//! ```
//!
//! A test of an application, which hands its client down:
//!
//! ```
//! use std::time::Duration;
//! use trubrics::{Event, Trubrics, testing::{API_KEY, Recorder}};
//!
//! fn sign_up(analytics: &Trubrics, user_id: &str) {
//!     analytics.track(Event::new(user_id, "Sign up").property("plan", "team"));
//! }
//!
//! let recorder = Recorder::new();
//! let client = Trubrics::builder(API_KEY).transport(recorder.clone()).build()?;
//!
//! sign_up(&client, "user-1");
//! client.flush(Duration::from_secs(5))?;
//!
//! let events = recorder.events_named("Sign up");
//! assert_eq!(events.len(), 1);
//! assert_eq!(events[0]["user_id"], "user-1");
//! assert_eq!(events[0]["properties"]["plan"], "team");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The same over a socket, through an outage:
//!
//! ```
//! use std::time::Duration;
//! use trubrics::{Event, Trubrics, testing::{Reply, Server}};
//!
//! # if cfg!(feature = "http") {
//! let server = Server::start()?;
//! server.script([Reply::close(), Reply::status(503)]);
//! let client = Trubrics::builder(server.api_key())
//!     .host(server.url())
//!     .flush_batch_size(1)
//!     .initial_backoff(Duration::from_millis(1))
//!     .build()?;
//!
//! client.track(Event::new("user-1", "Sign up"));
//! server.wait_for(1, Duration::from_secs(5))?;
//! assert_eq!(server.requests().len(), 3);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod recorder;
mod server;
mod shared;

mod connection;
mod reading;
mod rules;

mod check;
mod complaint;
mod schema;

mod received;
mod reply;

#[cfg(test)]
mod tests;

pub use received::ReceivedRequest;
pub use recorder::Recorder;
pub use reply::Reply;
pub use server::{DEFAULT_BODY_LIMIT, Server};
pub use shared::WaitError;

/// The key that a server accepts unless it was started with another one.
pub const API_KEY: &str = "test-key";
