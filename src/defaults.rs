//! The defaults of all settings, each with its reason.

use std::time::Duration;

/// Where records go unless [`host`](crate::TrubricsBuilder::host) says otherwise.
pub const HOST: &str = "https://app.trubrics.com/api/ingestion";

/// As in the official SDKs.
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(10);

/// As in the official SDKs.
pub const FLUSH_BATCH_SIZE: usize = 20;

/// What the server takes in one request.
pub const MAX_BATCH_SIZE: usize = 100;

/// Far below what servers usually refuse, and enough for a hundred long prompts.
pub const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// A burst of this many records is taken without a loss.
pub const QUEUE_CAPACITY: usize = 100_000;

/// The maximum memory that an outage may cost.
pub const QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// One request at a time keeps the order of the records.
pub const MAX_CONCURRENT_REQUESTS: usize = 1;

/// Long enough for a slow server, short enough to notice a dead one.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that takes longer will hardly come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The outages that are worth waiting for in memory.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(5 * 60);

/// The delay after the first failure.
pub const INITIAL_BACKOFF: Duration = Duration::from_millis(250);

/// The longest of the doubling delays.
pub const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// What a person at a terminal will wait for without wondering.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Enough for a day of a busy tool, and not noticed on a disk.
pub const SPOOL_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Older records tell little about the users of today.
pub const SPOOL_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Runs of a tool that follow each other this closely share a process that delivers.
pub const HAND_OFF_INTERVAL: Duration = Duration::from_secs(10);
