//! The names of segments, made and read in one place. They sort by the time at which the segments were made.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::spool::{
    epoch::{EPOCH_DIGITS, Epoch},
    random::unique,
};

const SUFFIX: &str = ".trubrics";

/// A new segment has a temporary name until its header is written.
const TEMP_SUFFIX: &str = ".new";

/// A temporary file older than this was abandoned before its rename. A process that was merely stalled gets an error
/// from the rename, and makes another file.
const TEMP_GRACE: Duration = Duration::from_secs(10);

/// Names of a time up to this one, in the year 4821, have room behind them: those of a later time would not sort behind
/// a name of 14 digits.
const LATEST: Duration = Duration::from_millis(90_000_000_000_000);

/// The temporary name and the final name of a new segment.
pub(in crate::spool) fn make(now: SystemTime) -> (String, String) {
    make_in(None, now)
}

/// As [`make`], with the epoch in place of the last random digits.
pub(in crate::spool) fn make_in(epoch: Option<Epoch>, now: SystemTime) -> (String, String) {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut stem = format!("{:014}-{}", since.as_millis(), unique().simple());
    if let Some(epoch) = epoch {
        stem.truncate(stem.len() - EPOCH_DIGITS);
        stem.push_str(epoch.as_str());
    }
    (format!("{stem}{TEMP_SUFFIX}"), format!("{stem}{SUFFIX}"))
}

/// Whether the segment of this name, which may be the temporary one, was made in this epoch.
pub(in crate::spool) fn is_of(name: &str, epoch: Epoch) -> bool {
    let stem = name.strip_suffix(SUFFIX);
    let stem = stem.or_else(|| name.strip_suffix(TEMP_SUFFIX));
    stem.is_some_and(|stem| stem.ends_with(epoch.as_str()))
}

/// Whether this is the name of a segment.
pub(in crate::spool) fn is_segment(name: &str) -> bool {
    made_at(name).is_some()
}

/// Whether this is the temporary name of a segment.
pub(in crate::spool) fn is_temp(name: &str) -> bool {
    temp_made_at(name).is_some()
}

/// When the segment of this name was made; none if it is not the name of a segment.
pub(in crate::spool) fn made_at(name: &str) -> Option<SystemTime> {
    let (time, id) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_time = time.len() >= 14 && time.bytes().all(|byte| byte.is_ascii_digit());
    let since = Duration::from_millis(time.parse().ok()?);
    (is_id && is_time)
        .then(|| UNIX_EPOCH.checked_add(since))
        .flatten()
}

/// Whether the names of later segments sort behind this one.
pub(in crate::spool) fn has_room_behind(name: &str) -> bool {
    made_at(name).is_some_and(|made| made <= UNIX_EPOCH + LATEST)
}

/// Whether this is the temporary name of a segment whose process ended before the rename.
pub(in crate::spool) fn is_abandoned_temp(name: &str, now: SystemTime) -> bool {
    temp_made_at(name)
        .is_some_and(|made| now.duration_since(made).is_ok_and(|age| age > TEMP_GRACE))
}

fn temp_made_at(name: &str) -> Option<SystemTime> {
    let stem = name.strip_suffix(TEMP_SUFFIX)?;
    made_at(&format!("{stem}{SUFFIX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_made() {
        for milliseconds in [
            0,
            1,
            1_789_000_000_123,
            99_999_999_999_999,
            100_000_000_000_000,
        ] {
            let made = UNIX_EPOCH + Duration::from_millis(milliseconds);
            let (temp, name) = make(made);
            assert_eq!((made_at(&name), made_at(&temp)), (Some(made), None));
            assert!(!is_abandoned_temp(&temp, made + TEMP_GRACE));
            assert!(is_abandoned_temp(&temp, made + 2 * TEMP_GRACE));
            assert!(!is_abandoned_temp(&name, made + 2 * TEMP_GRACE));
        }
        let (_, early) = make(UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(made_at(&early), Some(UNIX_EPOCH), "before all time");
    }

    #[test]
    fn other_names_are_not_names_of_segments() {
        let id = "0123456789abcdef0123456789abcdef";
        let huge = "9".repeat(40);
        for name in [
            String::new(),
            ".trubrics".into(),
            "-.trubrics".into(),
            format!("00000000000001-{id}"),
            format!("00000000000001-{id}.new"),
            format!("00000000000001-{id}.trubrics.bak"),
            format!("00000000000001-{}.trubrics", &id[1..]),
            format!("00000000000001-{id}0.trubrics"),
            format!("0000000000001-{id}.trubrics"),
            format!("+0000000000001-{id}.trubrics"),
            format!(" 0000000000001-{id}.trubrics"),
            format!("0000000000000x-{id}.trubrics"),
            format!("00000000000001_{id}.trubrics"),
            format!("00000000000001-g{}.trubrics", &id[1..]),
            format!("{huge}-{id}.trubrics"),
            "notes.txt".into(),
        ] {
            assert_eq!(made_at(&name), None, "{name:?}");
        }
        assert!(made_at(&format!("18446744073709551615-{id}.trubrics")).is_some());
    }
}
