//! The defaults of all settings, each with its reason.

use std::time::Duration;

/// The default of [`host`](crate::TrubricsBuilder::host): the ingestion service of Trubrics.
pub const HOST: &str = "https://app.trubrics.com/api/ingestion";

/// The default of [`flush_interval`](crate::TrubricsBuilder::flush_interval): 10 s, as in the official SDKs.
pub const FLUSH_INTERVAL: Duration = Duration::from_secs(10);

/// The default of [`flush_batch_size`](crate::TrubricsBuilder::flush_batch_size): 20, as in the official SDKs.
pub const FLUSH_BATCH_SIZE: usize = 20;

/// The default of [`max_batch_size`](crate::TrubricsBuilder::max_batch_size): 100, what the server takes in one
/// request.
pub const MAX_BATCH_SIZE: usize = 100;

/// The default of [`max_batch_bytes`](crate::TrubricsBuilder::max_batch_bytes): 1 MiB, far below what servers usually
/// refuse, and enough for a hundred long prompts.
pub const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// The default of [`queue_capacity`](crate::TrubricsBuilder::queue_capacity): 100,000. A burst of this many records
/// is taken without a loss.
pub const QUEUE_CAPACITY: usize = 100_000;

/// The default of [`queue_bytes`](crate::TrubricsBuilder::queue_bytes): 32 MiB, the maximum memory that an outage may
/// cost.
pub const QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// The default of [`max_concurrent_requests`](crate::TrubricsBuilder::max_concurrent_requests): 1. One request at a
/// time keeps the order of the records.
pub const MAX_CONCURRENT_REQUESTS: usize = 1;

/// The default of [`request_timeout`](crate::TrubricsBuilder::request_timeout): 10 s, long enough for a slow server,
/// short enough to notice a dead one.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The default of [`connect_timeout`](crate::TrubricsBuilder::connect_timeout): 3 s. A connection that takes longer
/// will hardly come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The default of [`give_up_after`](crate::TrubricsBuilder::give_up_after): 5 min, the outages that are worth waiting
/// for in memory.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(5 * 60);

/// The default of [`initial_backoff`](crate::TrubricsBuilder::initial_backoff): 250 ms.
pub const INITIAL_BACKOFF: Duration = Duration::from_millis(250);

/// The default of [`max_backoff`](crate::TrubricsBuilder::max_backoff): 30 s.
pub const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// The default of [`shutdown_timeout`](crate::TrubricsBuilder::shutdown_timeout): 2 s, what a person at a terminal
/// will wait for without wondering.
pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);

/// The default of [`spool_max_bytes`](crate::TrubricsBuilder::spool_max_bytes): 64 MiB, enough for a day of a busy
/// tool, and not noticed on a disk.
pub const SPOOL_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The default of [`spool_max_age`](crate::TrubricsBuilder::spool_max_age): 7 days. Older records tell little about
/// the users of today.
pub const SPOOL_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The default of [`hand_off_interval`](crate::TrubricsBuilder::hand_off_interval): 10 s. Runs of a tool that follow
/// each other this closely share a process that delivers.
pub const HAND_OFF_INTERVAL: Duration = Duration::from_secs(10);
