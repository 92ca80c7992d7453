//! An ingestion service for the tests of programs that use this crate, in memory or on the loopback interface.
//!
//! [`Recorder`] is a transport that keeps the requests it gets, without a socket or a thread; it is enough for most
//! tests. [`Server`] speaks HTTP/1.1 over a real socket, so that a test covers the whole way of an event. Both
//! dereference to [`Service`]: they judge requests as the real service does, and have the same queries and settings.
//! Faults are never random: [`script`](Service::script) sets the replies to the next requests, and
//! [`set_refusal`](Service::set_refusal) the records that are refused.
//!
//! The service is stricter than the real one in one point. JSON that `serde_json` cannot parse to a `Value`, such as a
//! property of 200 levels or the number `1e999`, is `json_invalid` here, although the real service may accept it.
//!
//! Enable the feature for tests alone:
//!
//! ```toml
//! [dev-dependencies]
//! trubrics = { version = "0.1", features = ["testing"] }
//! ```
//!
//! A test of an application whose functions take the client as an argument:
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
mod service;

mod connection;
mod request_reader;

mod endpoint;
mod rules;
mod validation;

mod received;
mod reply;
mod wait_error;

#[cfg(test)]
mod tests;

pub use crate::global::with_global;
pub use received::ReceivedRequest;
pub use recorder::Recorder;
pub use reply::Reply;
pub use server::Server;
pub use service::{DEFAULT_BODY_LIMIT, Service};
pub use wait_error::WaitError;

/// The key that a [`Recorder`] accepts, and a [`Server`] unless it was started with another one.
pub const API_KEY: &str = "test-key";
