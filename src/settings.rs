//! The settings of a client as values, in groups: each setting has its field, its default and its bounds here.

pub(crate) mod check;
mod guard;
mod hand_off;
#[cfg_attr(not(feature = "http"), path = "settings/no_http.rs")]
mod http;

use std::{
    path::{self, PathBuf},
    time::Duration,
};

use self::check::{at_least, more_than_zero, within};
pub(crate) use self::{
    guard::{GuardSettings, NameLimitSettings},
    hand_off::{Duty, HandOffSettings},
    http::HttpOptions,
};
use crate::{
    batch::BatchLimits,
    consent::{Consent, WhileUndecided},
    content::Content,
    defaults,
    error::ConfigError,
    queue::Overflow,
    redaction::PropertyRedaction,
    spool::{Fingerprint, SpoolSettings, WhenFull},
};

/// Bounds of the queue.
#[derive(Debug, Clone)]
pub(crate) struct QueueSettings {
    pub(crate) capacity: usize,
    pub(crate) bytes: usize,
    pub(crate) overflow: Overflow,
}

/// How the worker delivers.
#[derive(Debug, Clone)]
pub(crate) struct WorkerSettings {
    pub(crate) flush_interval: Duration,
    pub(crate) flush_batch_size: usize,
    pub(crate) batch: BatchLimits,
    pub(crate) max_concurrent_requests: usize,
    pub(crate) request_timeout: Duration,
    pub(crate) give_up_after: Duration,
    pub(crate) initial_backoff: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) duty: Duty,
}

/// Whether records may be taken, and what becomes of them until that is decided.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ConsentSettings {
    pub(crate) consent: Consent,
    pub(crate) while_undecided: WhileUndecided,
}

/// How much is sent of the texts of people and models.
#[derive(Debug, Clone, Default)]
pub(crate) struct ContentSettings {
    pub(crate) content: Content,
    pub(crate) max_text_bytes: Option<usize>,
    pub(crate) send_media: bool,
    pub(crate) properties: PropertyRedaction,
}

/// The spool, if there is one.
#[derive(Debug, Clone)]
pub(crate) struct SpoolOptions {
    pub(crate) folder: Option<PathBuf>,
    pub(crate) max_bytes: u64,
    pub(crate) max_age: Duration,
    pub(crate) sync: bool,
}

/// The server takes no larger array.
const MAX_BATCH_SIZE: usize = 100;

/// Each is a thread and a socket.
const MAX_CONCURRENT_REQUESTS: usize = 64;

/// As in the official SDKs.
const MIN_FLUSH_INTERVAL: Duration = Duration::from_secs(1);

const MIN_BACKOFF: Duration = Duration::from_millis(1);

/// Less would not hold a segment of a few records.
const MIN_SPOOL_BYTES: u64 = 4 * 1024;

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            capacity: defaults::QUEUE_CAPACITY,
            bytes: defaults::QUEUE_BYTES,
            overflow: Overflow::default(),
        }
    }
}

impl QueueSettings {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Self {
            capacity,
            bytes,
            overflow: _,
        } = self;
        at_least("queue_capacity", *capacity, 1)?;
        at_least("queue_bytes", *bytes, 1)
    }
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            flush_interval: defaults::FLUSH_INTERVAL,
            flush_batch_size: defaults::FLUSH_BATCH_SIZE,
            batch: BatchLimits {
                records: defaults::MAX_BATCH_SIZE,
                bytes: defaults::MAX_BATCH_BYTES,
            },
            max_concurrent_requests: defaults::MAX_CONCURRENT_REQUESTS,
            request_timeout: defaults::REQUEST_TIMEOUT,
            give_up_after: defaults::GIVE_UP_AFTER,
            initial_backoff: defaults::INITIAL_BACKOFF,
            max_backoff: defaults::MAX_BACKOFF,
            duty: Duty::default(),
        }
    }
}

impl WorkerSettings {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Self {
            flush_interval,
            flush_batch_size,
            batch,
            max_concurrent_requests,
            request_timeout,
            give_up_after: _,
            initial_backoff,
            max_backoff,
            duty: _,
        } = self;
        within("flush_batch_size", *flush_batch_size, 1, MAX_BATCH_SIZE)?;
        within("max_batch_size", batch.records, 1, MAX_BATCH_SIZE)?;
        within(
            "max_concurrent_requests",
            *max_concurrent_requests,
            1,
            MAX_CONCURRENT_REQUESTS,
        )?;
        at_least("max_batch_bytes", batch.bytes, 1)?;
        at_least("flush_interval", *flush_interval, MIN_FLUSH_INTERVAL)?;
        more_than_zero("request_timeout", *request_timeout)?;
        at_least("initial_backoff", *initial_backoff, MIN_BACKOFF)?;
        if max_backoff < initial_backoff {
            let problem = format!(
                "is {max_backoff:?}: at least initial_backoff, {initial_backoff:?}, is allowed"
            );
            return Err(ConfigError::new("max_backoff", problem));
        }
        Ok(())
    }
}

impl ContentSettings {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Self {
            content: _,
            max_text_bytes,
            send_media: _,
            properties: _,
        } = self;
        at_least("max_text_bytes", max_text_bytes.unwrap_or(1), 1)
    }
}

impl Default for SpoolOptions {
    fn default() -> Self {
        Self {
            folder: None,
            max_bytes: defaults::SPOOL_MAX_BYTES,
            max_age: defaults::SPOOL_MAX_AGE,
            sync: false,
        }
    }
}

impl SpoolOptions {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let Self {
            folder,
            max_bytes,
            max_age,
            sync: _,
        } = self;
        at_least("spool_max_bytes", *max_bytes, MIN_SPOOL_BYTES)?;
        more_than_zero("spool_max_age", *max_age)?;
        let problem = match folder {
            Some(folder) if folder.as_os_str().is_empty() => {
                "is empty: the path of a folder is needed"
            }
            Some(folder) if folder.exists() && !folder.is_dir() => {
                "is the path of something that is not a folder"
            }
            _ => return Ok(()),
        };
        Err(ConfigError::new("spool", problem))
    }

    /// The settings of the spool for this project, if there is a folder.
    pub(crate) fn for_project(
        self,
        project: Fingerprint,
        overflow: Overflow,
    ) -> Result<Option<SpoolSettings>, ConfigError> {
        let Some(folder) = self.folder else {
            return Ok(None);
        };
        // A program that changes its directory later has its records where it said.
        let folder = path::absolute(folder)
            .map_err(|error| ConfigError::new("spool", "is not a usable path").caused_by(error))?;
        Ok(Some(SpoolSettings {
            folder,
            project,
            max_bytes: self.max_bytes,
            max_age: self.max_age,
            sync: self.sync,
            when_full: match overflow {
                Overflow::Block => WhenFull::Keep,
                Overflow::DropNewest => WhenFull::Evict,
            },
        }))
    }
}
