//! Instants as the server wants them: RFC 3339, UTC, always 24 bytes, as in `2024-10-09T13:21:46.182Z`.
//!
//! The calendar is computed here: every record has a timestamp, and the way through the parts of an [`OffsetDateTime`]
//! takes twice as long as reading the clock.

use std::{ops::RangeInclusive, time::SystemTime};

use time::OffsetDateTime;

use crate::{error::EventError, guard::caught};

/// Converts what the caller gave. A `SystemTime` far outside the calendar panics in its conversion; here it is an
/// error like any other.
pub(super) fn convert(timestamp: impl Into<OffsetDateTime>) -> Result<OffsetDateTime, EventError> {
    caught(|| timestamp.into()).ok_or_else(out_of_range)
}

/// What the server is told of an instant: whole seconds since 1970 in UTC, and milliseconds. What is finer is cut off,
/// towards the past.
#[derive(Clone, Copy)]
pub(super) struct Instant {
    seconds: i64,
    millisecond: u32,
}

impl From<OffsetDateTime> for Instant {
    fn from(timestamp: OffsetDateTime) -> Self {
        Self {
            seconds: timestamp.unix_timestamp(),
            millisecond: timestamp.millisecond().into(),
        }
    }
}

impl From<SystemTime> for Instant {
    fn from(now: SystemTime) -> Self {
        match now.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => Self {
                seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
                millisecond: since.subsec_millis(),
            },
            // A clock that is set wrong: the start of its calendar is as good a time as any.
            Err(_) => Self {
                seconds: 0,
                millisecond: 0,
            },
        }
    }
}

/// The years 0 to 9999.
const CALENDAR: RangeInclusive<i64> = -62_167_219_200..=253_402_300_799;

const DAY: u64 = 24 * 60 * 60;

/// From 1 March of the year 400 BC, where a cycle of 400 years begins, to 1970: what is counted from there is never
/// negative, and leap days come last in their years.
const TO_1970: i64 = (719_468 + 146_097) * DAY as i64;

pub(super) fn rfc3339(instant: Instant) -> Result<[u8; 24], EventError> {
    let Instant {
        seconds,
        millisecond,
    } = instant;
    if !CALENDAR.contains(&seconds) {
        return Err(out_of_range());
    }
    let since = (seconds + TO_1970) as u64;
    let (days, seconds) = (since / DAY, (since % DAY) as u32);

    // Cycles of 400 years are all alike; in each, years begin in March and have 365 days but for every fourth one,
    // not for every hundredth, but for the last.
    let (cycle, day) = (days / 146_097, (days % 146_097) as u32);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // Five months from March on have 153 days.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let is_next_year = month >= 10;
    let month = if is_next_year { month - 9 } else { month + 3 };
    let year = year + u32::from(is_next_year) + 400 * cycle as u32 - 400;

    let (minutes, second) = (seconds / 60, seconds % 60);
    let (hour, minute) = (minutes / 60, minutes % 60);

    let two = |number: u32| [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
    let ([y1, y2], [y3, y4]) = (two(year / 100), two(year % 100));
    let ([mo1, mo2], [d1, d2]) = (two(month), two(day));
    let ([h1, h2], [mi1, mi2], [s1, s2]) = (two(hour), two(minute), two(second));
    let ([_, f1], [f2, f3]) = (two(millisecond / 100), two(millisecond % 100));
    Ok([
        y1, y2, y3, y4, b'-', mo1, mo2, b'-', d1, d2, b'T', h1, h2, b':', mi1, mi2, b':', s1, s2,
        b'.', f1, f2, f3, b'Z',
    ])
}

fn out_of_range() -> EventError {
    EventError::new(
        "timestamp",
        "is out of range: the years 0 to 9999 in UTC are allowed",
    )
}
