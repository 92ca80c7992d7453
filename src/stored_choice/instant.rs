//! Instants as texts such as `2026-03-01T09:30:00Z`, in UTC, in the years 1970 to 9999.

use std::time::{Duration, SystemTime};

use time::{Date, Month, OffsetDateTime};

/// The last second of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// The beginning of the second, or the nearest one that a text can have.
pub(super) fn to_second(time: SystemTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds(time))
}

fn seconds(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.unwrap_or_default().as_secs().min(LAST_SECOND)
}

/// The instant as in `2026-03-01T09:30:00Z`.
pub(super) fn instant(time: SystemTime) -> String {
    let utc = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(seconds(time));
    let (year, month, day) = utc.to_calendar_date();
    let (hour, minute, second) = utc.to_hms();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The instant of such a text.
pub(super) fn parse_instant(text: &str) -> Option<SystemTime> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let small = |from: usize| u8::try_from(number(from, from + 2)?).ok();
    let month = Month::try_from(small(5)?).ok()?;
    let date = Date::from_calendar_date(number(0, 4)?.into(), month, small(8)?).ok()?;
    let utc = date
        .with_hms(small(11)?, small(14)?, small(17)?)
        .ok()?
        .assume_utc();
    let seconds = u64::try_from(utc.unix_timestamp()).ok()?;
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?;
    // The marks between the numbers are right if the instant is written like this.
    (instant(time) == text).then_some(time)
}
