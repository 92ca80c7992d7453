//! Instants as the server wants them: RFC 3339, UTC, always 24 bytes, as in `2024-10-09T13:21:46.182Z`.

use std::{any::Any, time::SystemTime};

use time::{OffsetDateTime, UtcOffset};

use super::EventError;
use crate::catch_panic::catch_panic;

/// Converts what the caller gave; what panics in its conversion is an error like any other.
///
/// A `SystemTime` far outside the calendar would do so. It is told apart, for even a panic that is caught runs the
/// program's panic hook, and ends a program that aborts on panics.
pub(super) fn convert(
    timestamp: impl Into<OffsetDateTime> + 'static,
) -> Result<OffsetDateTime, EventError> {
    let converted = match (&timestamp as &dyn Any).downcast_ref() {
        Some(time) => from_system_time(*time),
        None => catch_panic(|| timestamp.into()),
    };
    converted.ok_or_else(out_of_range)
}

fn from_system_time(time: SystemTime) -> Option<OffsetDateTime> {
    let epoch = OffsetDateTime::UNIX_EPOCH;
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => epoch.checked_add(after.try_into().ok()?),
        Err(before) => epoch.checked_sub(before.duration().try_into().ok()?),
    }
}

/// Appends the instant in UTC; what is finer than a millisecond is cut off.
pub(super) fn write_rfc3339(
    out: &mut Vec<u8>,
    timestamp: OffsetDateTime,
) -> Result<(), EventError> {
    let utc = timestamp
        .checked_to_offset(UtcOffset::UTC)
        .ok_or_else(out_of_range)?;
    let (year, month, day) = utc.to_calendar_date();
    let (hour, minute, second, millisecond) = utc.to_hms_milli();
    let year = u16::try_from(year)
        .ok()
        .filter(|year| *year <= 9999)
        .ok_or_else(out_of_range)?;

    out.extend_from_slice(&digits::<4>(year));
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
    out.extend_from_slice(&digits::<3>(millisecond));
    out.push(b'Z');
    Ok(())
}

fn out_of_range() -> EventError {
    EventError::new(
        "timestamp",
        "is out of range: the years 0 to 9999 in UTC are allowed",
    )
}

fn digits<const N: usize>(mut number: u16) -> [u8; N] {
    let mut text = [b'0'; N];
    for digit in text.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    text
}
