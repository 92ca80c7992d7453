//! The defaults of all settings, each with its reason.

use std::time::Duration;

/// Where records go unless [`host`](crate::TrubricsBuilder::host) says otherwise.
pub const DEFAULT_HOST: &str = "https://app.trubrics.com/api/ingestion";

/// As in the official SDKs.
pub const DEFAULT_FLUSH_INTERVAL: Duration = Duration::from_secs(10);

/// As in the official SDKs.
pub const DEFAULT_FLUSH_BATCH_SIZE: usize = 20;

/// What the server takes in one request.
pub const DEFAULT_MAX_BATCH_SIZE: usize = 100;

/// Far below what servers usually refuse, and enough for a hundred long prompts.
pub const DEFAULT_MAX_BATCH_BYTES: usize = 1024 * 1024;

/// A burst of this many records is taken without a loss.
pub const DEFAULT_QUEUE_CAPACITY: usize = 100_000;

/// What an outage may cost in memory, at the most.
pub const DEFAULT_QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// One request at a time keeps the order of the records.
pub const DEFAULT_CONNECTIONS: usize = 1;

/// Long enough for a slow server, short enough to notice a dead one.
pub const DEFAULT_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection that takes longer will hardly come about.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The outages that are worth waiting for in memory.
pub const DEFAULT_GIVE_UP_AFTER: Duration = Duration::from_secs(5 * 60);

/// The delay after the first failure.
pub const DEFAULT_INITIAL_BACKOFF: Duration = Duration::from_millis(250);

/// The longest of the doubling delays.
pub const DEFAULT_MAX_BACKOFF: Duration = Duration::from_secs(30);

/// What a person at a terminal will wait for without wondering.
pub const DEFAULT_SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// Enough for a day of a busy tool, and not noticed on a disk.
pub const DEFAULT_SPOOL_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Older records tell little about the users of today.
pub const DEFAULT_SPOOL_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
