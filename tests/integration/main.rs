//! The crate as its users see it, against servers on loopback. One binary: each module holds the promises of one kind.

/// How records travel: batches, order, endpoints, headers.
mod batches;
/// What each call of the client does and returns, and what it never does.
mod calls;
/// What is sent of what was said: everything, redacted, cut or only its length.
mod content;
/// Failures that pass, and records that are refused.
mod faults;
/// `before_send` and `on_drop`.
mod hooks;
/// The queue's bounds, and what happens when they are reached.
mod pressure;

mod support;
