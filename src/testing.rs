//! A real ingestion server on the loopback interface, for tests and demonstrations.
//!
//! [`Server`] speaks HTTP/1.1 over a real socket and judges requests as the real service does, so a
//! test covers the whole way of an event. Faults are asked for, never random: [`Server::script`]
//! says what the next requests get, [`Server::refuse`] which records are bad.
//!
//! ```
//! use std::time::Duration;
//! use trubrics::{Event, Trubrics, testing};
//!
//! fn sign_up(analytics: &Trubrics, user_id: &str) {
//!     analytics.track(Event::new(user_id, "Sign up").property("plan", "team"));
//! }
//!
//! let server = testing::Server::start()?;
//! let client = Trubrics::builder(testing::API_KEY).host(server.url()).build()?;
//!
//! sign_up(&client, "user-1");
//! client.flush(Duration::from_secs(5))?;
//!
//! let events = server.events();
//! assert_eq!(events.len(), 1);
//! assert_eq!(events[0]["user_id"], "user-1");
//! assert_eq!(events[0]["event"], "Sign up");
//! assert_eq!(events[0]["properties"]["plan"], "team");
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
