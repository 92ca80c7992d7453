//! How a client is: the public numbers, and those of them that the worker publishes.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crate::{error::DeliveryError, record::rfc3339};

/// How a client is at this moment, for a status command or a health check; from [`health`](crate::Trubrics::health).
///
/// [`Stats`](crate::Stats) counts what became of all records, and [`state`](crate::Trubrics::state) says whether the
/// consent is there. Records that wait for it are pending, and a withdrawal leaves none. `Display` is one line. Neither
/// `Display` nor `Debug` shows the key, a record or a user.
///
/// A handler for `/healthz` decides by itself:
///
/// ```
/// use std::time::Duration;
/// use trubrics::{Health, Trubrics};
///
/// /// The status and the body of an answer.
/// fn healthz(client: &Trubrics) -> (u16, String) {
///     let health = client.health();
///     let is_late = health.oldest_pending > Some(Duration::from_secs(300));
///     let is_healthy = health.disabled || health.worker_alive && !health.key_refused && !is_late;
///     (if is_healthy { 200 } else { 503 }, health.to_string())
/// }
///
/// assert_eq!(healthz(&Trubrics::disabled()), (200, "the client is disabled".to_owned()));
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Health {
    /// Whether the client does nothing: see [`is_disabled`](crate::Trubrics::is_disabled). The rest is then empty.
    pub disabled: bool,
    /// Whether the worker thread runs: not after a close or a failure of the worker, and not in a forked child.
    pub worker_alive: bool,
    /// Whether the server refused the key with 401 or 403, and no record has been delivered since.
    pub key_refused: bool,
    /// Records that wait for delivery or are in flight, in memory and in the spool: as in
    /// [`Stats`](crate::Stats::pending).
    pub pending: u64,
    /// The memory of those that are not in the spool, in bytes, as
    /// [`queue_bytes`](crate::TrubricsBuilder::queue_bytes) counts it.
    pub memory_bytes: u64,
    /// For how long the oldest pending record has waited; `None` if no record is pending.
    ///
    /// It is at least as long as the record waited, and not much longer: by up to a sixteenth, or 100 ms where that is
    /// more. A record in the spool is as old as its file. Where other runs began the file, that is longer.
    pub oldest_pending: Option<Duration>,
    /// How many of the pending records are in the spool. Those that another run left count once this client has taken
    /// their file over.
    pub in_spool: u64,
    /// The bytes of the files that hold them. Delivered records that are still in such a file count, too.
    pub spool_bytes: u64,
    /// The end of the worker's last request that the server accepted. [`track_sync`](crate::Trubrics::track_sync) and
    /// [`deliver`](crate::Trubrics::deliver) do not change this field, nor the two below.
    pub last_success: Option<SystemTime>,
    /// The end of the worker's last request that was refused or not answered. It stays after a success.
    pub last_failure: Option<SystemTime>,
    /// Why that request failed.
    pub last_failure_cause: Option<Arc<DeliveryError>>,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.disabled {
            return f.write_str("the client is disabled");
        }
        let state = match (self.worker_alive, self.key_refused) {
            (true, false) => "the worker runs",
            (true, true) => "the server refuses the API key",
            (false, _) => "the worker has ended",
        };
        let (pending, bytes) = (self.pending, self.memory_bytes);
        write!(f, "{state}; pending: {pending} ({bytes} B in memory")?;
        if let Some(oldest) = self.oldest_pending {
            write!(f, ", oldest: {} s", oldest.as_secs())?;
        }
        let (in_spool, bytes) = (self.in_spool, self.spool_bytes);
        write!(f, "); in the spool: {in_spool} ({bytes} B)")?;
        write!(f, "; last success: {}", Time(self.last_success))?;
        write!(f, "; last failure: {}", Time(self.last_failure))?;
        match &self.last_failure_cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

/// An instant as text, or that there is none.
struct Time(Option<SystemTime>);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => f.write_str(&rfc3339(time).unwrap_or_else(|| "unknown".into())),
            None => f.write_str("none"),
        }
    }
}

/// What the worker knows alone, published before it waits and before each request. Readers take no lock.
pub(crate) struct Published {
    epoch: Instant,
    /// When the oldest record in memory was noted, in milliseconds after the epoch, plus one; 0 if there is none.
    oldest_in_memory: AtomicU64,
    /// When the oldest file of the spool was made, in milliseconds after 1970, plus one; 0 if there is none.
    oldest_in_spool: AtomicU64,
    spool_bytes: AtomicU64,
}

impl Published {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            oldest_in_memory: AtomicU64::new(0),
            oldest_in_spool: AtomicU64::new(0),
            spool_bytes: AtomicU64::new(0),
        }
    }

    pub(crate) fn set_oldest_in_memory(&self, oldest: Option<Instant>) {
        let since = |oldest: Instant| oldest.saturating_duration_since(self.epoch);
        let packed = oldest.map_or(0, |oldest| since(oldest).as_millis() as u64 + 1);
        self.oldest_in_memory.store(packed, Relaxed);
    }

    pub(crate) fn set_spool(&self, bytes: u64, oldest: Option<SystemTime>) {
        let since = |oldest: SystemTime| oldest.duration_since(UNIX_EPOCH).unwrap_or_default();
        let packed = oldest.map_or(0, |oldest| since(oldest).as_millis() as u64 + 1);
        self.oldest_in_spool.store(packed, Relaxed);
        self.spool_bytes.store(bytes, Relaxed);
    }

    /// The age of the oldest record in memory. A record that the worker has not noted yet has just been tracked.
    pub(crate) fn oldest_in_memory(&self, now: Instant) -> Duration {
        let since_epoch = now.saturating_duration_since(self.epoch);
        age(since_epoch, self.oldest_in_memory.load(Relaxed))
    }

    /// The age of the oldest file of the spool. A clock that was set back makes it 0.
    pub(crate) fn oldest_in_spool(&self, now: SystemTime) -> Duration {
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        age(since_epoch, self.oldest_in_spool.load(Relaxed))
    }

    pub(crate) fn spool_bytes(&self) -> u64 {
        self.spool_bytes.load(Relaxed)
    }
}

fn age(since_epoch: Duration, packed: u64) -> Duration {
    let noted = packed.checked_sub(1).map(Duration::from_millis);
    noted
        .map(|noted| since_epoch.saturating_sub(noted))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn ages_are_counted_from_what_the_worker_published() {
        let (start, wall) = (Instant::now(), UNIX_EPOCH + 1_000 * SECOND);
        let published = Published::new(start);
        let later = (start + 10 * SECOND, wall + 10 * SECOND);
        let ages = || {
            let (now, system) = later;
            (
                published.oldest_in_memory(now),
                published.oldest_in_spool(system),
            )
        };
        assert_eq!(
            ages(),
            (Duration::ZERO, Duration::ZERO),
            "nothing was published"
        );
        published.set_oldest_in_memory(Some(start));
        published.set_spool(7, Some(wall + 7 * SECOND));
        assert_eq!(ages(), (10 * SECOND, 3 * SECOND));
        assert_eq!(published.spool_bytes(), 7);
        published.set_oldest_in_memory(None);
        published.set_spool(0, Some(wall + 11 * SECOND));
        assert_eq!(
            ages(),
            (Duration::ZERO, Duration::ZERO),
            "made in the future"
        );
    }

    #[test]
    fn a_line_says_it_all() {
        let time = |seconds| Some(UNIX_EPOCH + seconds * SECOND);
        let mut health = Health {
            worker_alive: true,
            ..Health::default()
        };
        let idle = "the worker runs; pending: 0 (0 B in memory); in the spool: 0 (0 B); last success: none; last failure: none";
        assert_eq!(health.to_string(), idle);
        health.key_refused = true;
        health.pending = 5;
        health.memory_bytes = 700;
        health.oldest_pending = Some(Duration::from_millis(12_900));
        health.in_spool = 2;
        health.spool_bytes = 300;
        health.last_success = time(0);
        health.last_failure = time(86_400);
        let busy = "the server refuses the API key; pending: 5 (700 B in memory, oldest: 12 s); in the spool: 2 (300 B); last success: 1970-01-01T00:00:00.000Z; last failure: 1970-01-02T00:00:00.000Z";
        assert_eq!(health.to_string(), busy);
        health.worker_alive = false;
        assert!(health.to_string().starts_with("the worker has ended; "));
    }
}
