//! Instants as the server wants them: RFC 3339, UTC, always 24 bytes, as in `2024-10-09T13:21:46.182Z`.

use std::time::SystemTime;

use time::{OffsetDateTime, PrimitiveDateTime, UtcOffset};

use super::EventError;
use crate::clock;

/// An instant that a record can carry: a [`SystemTime`], a [`time::OffsetDateTime`], or an `Option<SystemTime>`, whose
/// `None` clears the timestamp.
///
/// The trait is sealed: only this crate implements it, and may add types.
///
/// ```
/// use std::time::SystemTime;
/// use trubrics::Event;
///
/// let event = Event::new("user_123", "Sign up").timestamp(SystemTime::UNIX_EPOCH);
/// assert_eq!(event.get_timestamp(), Some(SystemTime::UNIX_EPOCH));
/// assert_eq!(event.timestamp(None).get_timestamp(), None);
/// ```
pub trait IntoTimestamp: sealed::Convert {}

impl IntoTimestamp for SystemTime {}
impl IntoTimestamp for OffsetDateTime {}
impl IntoTimestamp for Option<SystemTime> {}

pub(super) mod sealed {
    use super::{EventError, Timestamp};

    #[expect(unnameable_types, reason = "this is what seals the trait")]
    pub trait Convert {
        /// None clears the timestamp.
        fn convert(self) -> Result<Option<Timestamp>, EventError>;
    }
}

/// An instant in UTC in the years 0 to 9999.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(unnameable_types, reason = "the sealed trait gives it to this crate")]
pub struct Timestamp(PrimitiveDateTime);

impl sealed::Convert for SystemTime {
    fn convert(self) -> Result<Option<Timestamp>, EventError> {
        Timestamp::try_from(self).map(Some)
    }
}

impl sealed::Convert for OffsetDateTime {
    fn convert(self) -> Result<Option<Timestamp>, EventError> {
        Timestamp::try_from(self).map(Some)
    }
}

impl sealed::Convert for Option<SystemTime> {
    fn convert(self) -> Result<Option<Timestamp>, EventError> {
        self.map(Timestamp::try_from).transpose()
    }
}

impl TryFrom<SystemTime> for Timestamp {
    type Error = EventError;

    fn try_from(time: SystemTime) -> Result<Self, EventError> {
        let utc = utc(time).ok_or_else(out_of_range)?;
        Self::try_from(utc)
    }
}

impl TryFrom<OffsetDateTime> for Timestamp {
    type Error = EventError;

    fn try_from(time: OffsetDateTime) -> Result<Self, EventError> {
        let utc = time.checked_to_offset(UtcOffset::UTC);
        utc.filter(|utc| (0..=9999).contains(&utc.year()))
            .map(|utc| Self(PrimitiveDateTime::new(utc.date(), utc.time())))
            .ok_or_else(out_of_range)
    }
}

impl Timestamp {
    /// None for an instant that this platform's `SystemTime` cannot hold.
    pub(super) fn to_system_time(self) -> Option<SystemTime> {
        let since_epoch = self.0.assume_utc() - OffsetDateTime::UNIX_EPOCH;
        let distance = since_epoch.unsigned_abs();
        if since_epoch.is_negative() {
            SystemTime::UNIX_EPOCH.checked_sub(distance)
        } else {
            SystemTime::UNIX_EPOCH.checked_add(distance)
        }
    }

    /// Appends the instant. Fractions of a millisecond are cut off.
    pub(super) fn write_rfc3339(self, out: &mut Vec<u8>) {
        let (year, month, day) = self.0.to_calendar_date();
        let (hour, minute, second, millisecond) = self.0.as_hms_milli();
        out.extend_from_slice(&digits::<4>(year.unsigned_abs()));
        out.push(b'-');
        out.extend_from_slice(&digits::<2>(u8::from(month).into()));
        out.push(b'-');
        out.extend_from_slice(&digits::<2>(day.into()));
        out.push(b'T');
        out.extend_from_slice(&digits::<2>(hour.into()));
        out.push(b':');
        out.extend_from_slice(&digits::<2>(minute.into()));
        out.push(b':');
        out.extend_from_slice(&digits::<2>(second.into()));
        out.push(b'.');
        out.extend_from_slice(&digits::<3>(millisecond.into()));
        out.push(b'Z');
    }
}

/// An instant as text in UTC, to the millisecond. None outside of the years 0 to 9999.
pub(crate) fn rfc3339(time: SystemTime) -> Option<String> {
    let mut text = Vec::new();
    Timestamp::try_from(time).ok()?.write_rfc3339(&mut text);
    String::from_utf8(text).ok()
}

/// The present in UTC. A clock outside of the years that `time` knows gives the first or the last instant that it
/// knows, where `OffsetDateTime::now_utc` would panic.
pub(crate) fn utc_now() -> OffsetDateTime {
    saturating_utc(clock::system_now())
}

fn saturating_utc(time: SystemTime) -> OffsetDateTime {
    let nearest = if time < SystemTime::UNIX_EPOCH {
        PrimitiveDateTime::MIN
    } else {
        PrimitiveDateTime::MAX
    };
    utc(time).unwrap_or_else(|| nearest.assume_utc())
}

fn utc(time: SystemTime) -> Option<OffsetDateTime> {
    let epoch = OffsetDateTime::UNIX_EPOCH;
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => epoch.checked_add(after.try_into().ok()?),
        Err(before) => epoch.checked_sub(before.duration().try_into().ok()?),
    }
}

fn out_of_range() -> EventError {
    EventError::new(
        "timestamp",
        "is out of range: the years 0 to 9999 in UTC are allowed",
    )
}

fn digits<const N: usize>(mut number: u32) -> [u8; N] {
    let mut text = [b'0'; N];
    for digit in text.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_beyond_the_calendar_is_its_nearest_end() {
        let far = Duration::from_secs(3_093_527_980_800);
        let now = Duration::from_millis(1_728_480_106_180);
        let epoch = SystemTime::UNIX_EPOCH;
        assert_eq!(saturating_utc(epoch + far).year(), 9999);
        assert_eq!(saturating_utc(epoch - far).year(), -9999);
        assert_eq!(saturating_utc(epoch + now).year(), 2024);
    }

    #[test]
    fn an_instant_comes_back_as_it_was_given() {
        let epoch = SystemTime::UNIX_EPOCH;
        for distance in [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::new(1_700_000_000, 5),
        ] {
            for time in [epoch + distance, epoch - distance] {
                let timestamp = Timestamp::try_from(time).expect("in range");
                assert_eq!(timestamp.to_system_time(), Some(time));
            }
        }
    }
}
