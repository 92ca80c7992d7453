//! A blocking client for [Trubrics](https://www.trubrics.com), product analytics for AI applications.
//!
//! [`Trubrics::track`] puts a record into a queue and returns; one thread sends queued records, in batches, and retries
//! failed ones. It needs no async runtime, and neither does any dependency.
//!
//! ```no_run
//! use std::time::Duration;
//! use trubrics::{Event, LlmEvent, Trubrics};
//!
//! let client = Trubrics::from_env()?;
//! client.track(Event::new("user_123", "Sign up").property("plan", "team"));
//! client.track(
//!     LlmEvent::new("user_123", "How do I export a chart?", "Open its menu: Export.")
//!         .assistant_id("gpt-4o")
//!         .latency(Duration::from_millis(1420)),
//! );
//! client.flush(Duration::from_secs(5))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | You build | Read |
//! |---|---|
//! | your first program with it | [Start](_docs::start) |
//! | a feature with a model | [Measuring AI](_docs::measuring_ai) |
//! | a command-line tool | [Command-line tools](_docs::command_line_tools) |
//! | a service | [Services](_docs::services) |
//! | a program that asks its users, or lets them opt out | [Privacy](_docs::privacy) |
//! | an async program, or one that ends by a signal or a panic | [Recipes](_docs::recipes) |
//!
//! [The other pages](_docs) are about settings, delivery, tests, performance, and how to move from another SDK.
//!
//! # The way of a record
//!
//! ```text
//! your threads
//!   Event or LlmEvent
//!     |  track: before_send,
//!     |  check, to JSON once
//!     v
//!   queue, bounded
//!     |
//! ----|---- the worker thread ----
//!     v
//!   a batch for each endpoint
//!     |  one request, the same
//!     |  bytes each time
//!     v
//!   delivered, retried, split
//!   or dropped
//!     |
//!     v
//!   stats, on_drop, log;
//!   flush and close return
//! ```
//!
//! - **A record is an [`Event`] or an [`LlmEvent`].** Building one never fails; its errors come back from
//!   [`try_track`](Trubrics::try_track) and [`track_sync`](Trubrics::track_sync).
//! - **Nothing is lost silently.** Each record ends as delivered, left in the spool, or dropped for a [`DropReason`]
//!   that is counted in [`Stats`]. Drops are logged, and reported to [`on_drop`](TrubricsBuilder::on_drop).
//! - **Delivery is at least once.** If the server accepted a record and only its answer was lost, it gets the record
//!   again.
//! - **Deadlines hold.** [`flush`](Trubrics::flush), [`close`](Trubrics::close) and the drop of the last
//!   handle return in time whatever the network does.
//! - **Queued records are lost if the process ends without a close.** `std::process::exit` drops nothing, and Rust
//!   never drops a `static`. [`close`](Trubrics::close) the client before, or give it a
//!   [`spool`](TrubricsBuilder::spool), which keeps records on disk. [`delivery`](_docs::delivery) says when they are
//!   there.
//! - **The key stays in its header**: in no URL, error, log line or `Debug`. What users said is not logged either.
//!
//! [`Trubrics::llm_call`] times a call to a model and tracks how it ended, also when it streams its answer.
//! [Measuring an AI feature](_docs::measuring_ai) goes from the prompt to usage, tools and feedback.
//! [`Trubrics::for_user`] gives a handle that knows the user and the conversation. [`init`] makes a client the one of
//! the process, and the [recipes](_docs::recipes) say what to do before a program ends.
//!
//! [`TrubricsBuilder`] has the settings. For tests of your own there are a transport and a server:
#![cfg_attr(feature = "testing", doc = "[`testing`].")]
#![cfg_attr(not(feature = "testing"), doc = "the feature `testing`.")]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic)
)]

mod builder;
mod client;
mod global;
mod llm_call;
mod scope;
mod server_sent_events;
mod step;

mod accounting;
mod batch;
mod content;
mod control;
mod exchange;
mod guard;
mod hand_off;
mod host;
#[cfg(feature = "http")]
mod http;
mod intake;
mod lifecycle;
mod queue;
mod record;
mod redaction;
mod reply;
mod settings;
mod spool;
mod transport;
mod worker;

mod anonymous_id;
mod catch_panic;
mod clock;
mod consent;
mod deadline;
mod debug_transport;
mod drop_reason;
mod environment;
mod error;
mod error_chain;
mod gate;
mod health;
mod hooks;
mod logging;
mod opt_out;
mod outcome;
mod process_facts;
mod small_file;
mod state;
mod stats;
mod stored_choice;
mod sync;

pub mod _docs;
pub mod defaults;

#[cfg(feature = "testing")]
pub mod testing;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

pub use anonymous_id::{AnonymousId, ParseIdError};
pub use builder::TrubricsBuilder;
pub use client::Trubrics;
pub use consent::{Consent, WhileUndecided};
pub use content::Content;
pub use debug_transport::DebugTransport;
pub use drop_reason::DropReason;
pub use error::{ConfigError, DeliveryError, FlushError, TrackError};
pub use gate::Gate;
pub use global::{ClientGuard, InitError, flush, global, init, track};
pub use health::Health;
pub use hooks::Dropped;
pub use llm_call::{LlmCall, LlmStream, LlmTryStream};
pub use process_facts::ProcessFacts;
pub use queue::Overflow;
pub use record::{
    Cost, Event, EventError, IntoText, IntoTimestamp, LlmEvent, Record, TypedEvent, Usage,
    anonymous_id,
};
pub use redaction::Redaction;
pub use scope::Scope;
pub use server_sent_events::ServerSentEvents;
pub use spool::{grant_in, withdraw_in};
pub use state::{OffReason, State};
pub use stats::Stats;
pub use step::Step;
pub use stored_choice::{Choice, MadeChoice, StoredChoice};
pub use transport::{Request, Response, Transport, TransportError, transport_fn};

/// The code in the README is compiled with the documentation's.
#[cfg(all(doctest, feature = "http"))]
#[doc = include_str!("../README.md")]
struct Readme;
