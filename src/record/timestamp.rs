//! Instants as the server wants them: RFC 3339, UTC, always 24 bytes, as in `2024-10-09T13:21:46.182Z`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use time::{OffsetDateTime, UtcOffset};

use crate::error::EventError;

/// Converts what the caller gave. A `SystemTime` far outside the calendar panics in its conversion; here it is an
/// error like any other.
pub(super) fn convert(timestamp: impl Into<OffsetDateTime>) -> Result<OffsetDateTime, EventError> {
    catch_unwind(AssertUnwindSafe(|| timestamp.into())).map_err(|_| out_of_range())
}

/// The instant in UTC; what is finer than a millisecond is cut off.
pub(super) fn rfc3339(timestamp: OffsetDateTime) -> Result<[u8; 24], EventError> {
    let utc = timestamp
        .checked_to_offset(UtcOffset::UTC)
        .ok_or_else(out_of_range)?;
    let (year, month, day) = utc.to_calendar_date();
    let (hour, minute, second, millisecond) = utc.to_hms_milli();
    let year = u16::try_from(year)
        .ok()
        .filter(|year| *year <= 9999)
        .ok_or_else(out_of_range)?;

    let two = |number: u8| [b'0' + number / 10, b'0' + number % 10];
    let [y1, y2] = two((year / 100) as u8);
    let [y3, y4] = two((year % 100) as u8);
    let [m1, m2] = two(month.into());
    let [d1, d2] = two(day);
    let [h1, h2] = two(hour);
    let [min1, min2] = two(minute);
    let [s1, s2] = two(second);
    let f1 = b'0' + (millisecond / 100) as u8;
    let [f2, f3] = two((millisecond % 100) as u8);
    Ok([
        y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', min1, min2, b':', s1, s2,
        b'.', f1, f2, f3, b'Z',
    ])
}

fn out_of_range() -> EventError {
    EventError::new(
        "timestamp",
        "is out of range: the years 0 to 9999 in UTC are allowed",
    )
}
