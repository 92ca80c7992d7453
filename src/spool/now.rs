//! Time by two clocks, and the age of a record by the one that can be trusted for it.

use std::time::{Duration, Instant, SystemTime};

use crate::clock;

/// One moment, read from both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// Runs evenly, but means nothing to another process.
    pub(crate) instant: Instant,
    /// Means the same to all processes, but can be set.
    pub(crate) system: SystemTime,
}

impl Now {
    pub(crate) fn read() -> Self {
        Self {
            instant: clock::now(),
            system: clock::system_now(),
        }
    }
}

/// When a record was stored.
#[derive(Debug, Clone, Copy)]
pub(super) enum StoredAt {
    /// By this process.
    Here(Instant),
    /// By another process, as it wrote into the record's line.
    Elsewhere(SystemTime),
}

impl StoredAt {
    /// A record from the future, by a clock that was set back since, is new.
    pub(super) fn is_older_than(self, age: Duration, now: Now) -> bool {
        let found = match self {
            Self::Here(instant) => now.instant.saturating_duration_since(instant),
            Self::Elsewhere(time) => now.system.duration_since(time).unwrap_or_default(),
        };
        found > age
    }

    /// The same for another process: it judges the age by the clock that can be set.
    pub(super) fn by_system_clock(self, now: Now) -> SystemTime {
        match self {
            Self::Here(instant) => {
                let age = now.instant.saturating_duration_since(instant);
                now.system
                    .checked_sub(age)
                    .unwrap_or(SystemTime::UNIX_EPOCH)
            }
            Self::Elsewhere(time) => time,
        }
    }
}

/// When the records of a segment were written by this process. Writes that follow each other closely share an entry,
/// which has the time of the last one: no record is taken for older than it is.
#[derive(Debug, Default)]
pub(super) struct WriteTimes(Vec<WriteTime>);

#[derive(Debug)]
struct WriteTime {
    /// The number of the first record.
    first: u32,
    began: Instant,
    ended: Instant,
}

/// An entry spans at most this part of the age that matters.
const GRAIN: u32 = 1000;

impl WriteTimes {
    /// Notes a write of the records from `first` on.
    pub(super) fn note(&mut self, first: u32, max_age: Duration, now: Instant) {
        match self.0.last_mut() {
            Some(last) if now.saturating_duration_since(last.began) <= max_age / GRAIN => {
                last.ended = now;
            }
            _ => self.0.push(WriteTime {
                first,
                began: now,
                ended: now,
            }),
        }
    }

    /// When the record was written; none if another process wrote it.
    pub(super) fn of(&self, number: u32) -> Option<Instant> {
        let next = self.0.partition_point(|write| write.first <= number);
        let write = next.checked_sub(1).and_then(|index| self.0.get(index))?;
        Some(write.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_wall_clock_does_not_age_what_this_process_stored() {
        let (start, day) = (Now::read(), 24 * 60 * 60 * SECOND);
        let stored = StoredAt::Here(start.instant);
        for system in [start.system - day, start.system + day] {
            let later = |age| Now {
                instant: start.instant + age,
                system,
            };
            assert!(!stored.is_older_than(SECOND, later(SECOND)));
            assert!(stored.is_older_than(SECOND, later(2 * SECOND)));
        }
    }

    #[test]
    fn what_another_process_stored_goes_by_the_wall_clock() {
        let now = Now::read();
        let stored = |ago| StoredAt::Elsewhere(now.system - ago);
        assert!(!stored(SECOND).is_older_than(SECOND, now));
        assert!(stored(2 * SECOND).is_older_than(SECOND, now));
        let from_the_future = StoredAt::Elsewhere(now.system + SECOND);
        assert!(!from_the_future.is_older_than(Duration::from_millis(1), now));
    }

    #[test]
    fn many_writes_share_few_entries_and_make_no_record_older() {
        let (start, age, mut times) = (Instant::now(), 1_000 * SECOND, WriteTimes::default());
        for write in 0..100 {
            times.note(10 + write, age, start + write * SECOND / 10);
        }
        assert!(times.0.len() <= 11, "{}", times.0.len());
        for write in 0..100 {
            let (is, written) = (times.of(10 + write), start + write * SECOND / 10);
            let late = is.expect("a write").duration_since(written);
            assert!(late <= SECOND, "{late:?}");
        }
        assert_eq!(times.of(9), None);
    }
}
