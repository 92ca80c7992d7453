//! The crate as its users see it, against servers on loopback. One binary: each module holds the promises of one kind.

/// How records travel: batches, order, endpoints, headers.
mod batches;
/// What each call of the client does and returns, and what it never does.
mod calls;
/// What is sent of what was said: everything, redacted, cut or only its length.
mod content;
/// Failures that pass, and records that are refused.
mod faults;
/// The client of the process.
mod global;
/// `before_send` and `on_drop`.
mod hooks;
/// Calls to a model, on a real clock.
mod llm_calls;
/// The queue's bounds, and what happens when they are reached.
mod pressure;
/// What the README says of settings, beside the constants.
mod readme;
/// The recipes of the documentation, each a program of its own.
mod recipes;
/// Every field and option of a record, as a server gets to see it.
mod wire;

mod support;
