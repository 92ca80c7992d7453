//! The crate as its users see it, against servers on loopback. One binary: each module holds the promises of one kind.

/// How records travel: batches, order, endpoints, headers.
mod batches;
/// What each call of the client does and returns, and what it never does.
mod calls;
/// Failures that pass, and records that are refused.
mod faults;
/// `before_send` and `on_drop`.
mod hooks;
/// The queue's bounds, and what happens when they are reached.
mod pressure;
/// What the README says of settings, beside the constants.
mod readme;
/// Records on disk: what a close, another process or a bad disk does to them.
mod spool;
/// Every field and option of a record, as a server gets to see it.
mod wire;

mod support;
