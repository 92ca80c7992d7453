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

    let mut text = *b"yyyy-mm-ddThh:mm:ss.fffZ";
    write_digits(&mut text[0..4], year);
    write_digits(&mut text[5..7], u8::from(month).into());
    write_digits(&mut text[8..10], day.into());
    write_digits(&mut text[11..13], hour.into());
    write_digits(&mut text[14..16], minute.into());
    write_digits(&mut text[17..19], second.into());
    write_digits(&mut text[20..23], millisecond);
    Ok(text)
}

fn out_of_range() -> EventError {
    EventError::new(
        "timestamp",
        "is out of range: the years 0 to 9999 in UTC are allowed",
    )
}

fn write_digits(text: &mut [u8], mut number: u16) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}
