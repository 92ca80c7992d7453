//! The names of segments, made and read in one place. They sort by the time at which the segments were made.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{
    record::Endpoint,
    spool::{
        entry,
        epoch::{EPOCH_DIGITS, Epoch},
        random::unique,
    },
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

/// The temporary name and the final name of a new segment for records of this endpoint. The epoch is in place of the
/// last random digits.
pub(in crate::spool) fn make(
    endpoint: Endpoint,
    epoch: Option<Epoch>,
    now: SystemTime,
) -> (String, String) {
    let (time, mut id) = (digits(now), unique().simple().to_string());
    if let Some(epoch) = epoch {
        id.truncate(id.len() - EPOCH_DIGITS);
        id.push_str(epoch.as_str());
    }
    let kind = char::from(entry::kind(endpoint));
    let name = format!("{time}-{kind}-{id}{SUFFIX}");
    (format!("{time}-{id}{TEMP_SUFFIX}"), name)
}

/// A temporary name that no other file has.
pub(in crate::spool) fn make_temp(now: SystemTime) -> String {
    format!("{}-{}{TEMP_SUFFIX}", digits(now), unique().simple())
}

/// The milliseconds since 1970.
fn digits(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:014}", since.as_millis())
}

/// Whether the segment of this name, which may be the temporary one, was made in this epoch.
pub(in crate::spool) fn is_of(name: &str, epoch: Epoch) -> bool {
    let stem = name.strip_suffix(SUFFIX);
    let stem = stem.or_else(|| name.strip_suffix(TEMP_SUFFIX));
    stem.is_some_and(|stem| stem.ends_with(epoch.as_str()))
}

/// Whether this is the name of a segment.
pub(in crate::spool) fn is_segment(name: &str) -> bool {
    parse(name).is_some()
}

/// Whether this is the temporary name of a segment.
pub(in crate::spool) fn is_temp(name: &str) -> bool {
    temp_made_at(name).is_some()
}

/// When the segment of this name was made; none if it is not the name of a segment.
pub(in crate::spool) fn made_at(name: &str) -> Option<SystemTime> {
    parse(name).map(|(made_at, _)| made_at)
}

/// The endpoint of its records; none if it is not the name of a segment.
pub(in crate::spool) fn endpoint(name: &str) -> Option<Endpoint> {
    parse(name).map(|(_, endpoint)| endpoint)
}

fn parse(name: &str) -> Option<(SystemTime, Endpoint)> {
    let (time, rest) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let (kind, id) = rest.split_once('-')?;
    let [kind] = *kind.as_bytes() else {
        return None;
    };
    let endpoint = entry::endpoint(kind)?;
    is_id(id).then_some((read_time(time)?, endpoint))
}

fn is_id(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn read_time(time: &str) -> Option<SystemTime> {
    let is_time = time.len() >= 14 && time.bytes().all(|byte| byte.is_ascii_digit());
    let since = Duration::from_millis(time.parse().ok()?);
    is_time.then(|| UNIX_EPOCH.checked_add(since)).flatten()
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
    let (time, id) = name.strip_suffix(TEMP_SUFFIX)?.split_once('-')?;
    is_id(id).then(|| read_time(time)).flatten()
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
            let (temp, name) = make(Endpoint::LlmEvents, None, made);
            assert_eq!(parse(&name), Some((made, Endpoint::LlmEvents)));
            assert_eq!(parse(&temp), None);
            assert!(!is_abandoned_temp(&temp, made + TEMP_GRACE));
            assert!(is_abandoned_temp(&temp, made + 2 * TEMP_GRACE));
            assert!(!is_abandoned_temp(&name, made + 2 * TEMP_GRACE));
            let temp = make_temp(made);
            assert!(is_temp(&temp) && is_abandoned_temp(&temp, made + 2 * TEMP_GRACE));
            assert_ne!(temp, make_temp(made));
        }
        let (_, early) = make(Endpoint::Events, None, UNIX_EPOCH - Duration::from_secs(1));
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
            format!("00000000000001-e-{id}"),
            format!("00000000000001-e-{id}.new"),
            format!("00000000000001-e-{id}.trubrics.bak"),
            format!("00000000000001-e-{}.trubrics", &id[1..]),
            format!("00000000000001-e-{id}0.trubrics"),
            format!("0000000000001-e-{id}.trubrics"),
            format!("+0000000000001-e-{id}.trubrics"),
            format!(" 0000000000001-e-{id}.trubrics"),
            format!("0000000000000x-e-{id}.trubrics"),
            format!("00000000000001-e_{id}.trubrics"),
            format!("00000000000001-e-g{}.trubrics", &id[1..]),
            format!("{huge}-e-{id}.trubrics"),
            format!("00000000000001-{id}.trubrics"),
            format!("00000000000001-a-{id}.trubrics"),
            format!("00000000000001-el-{id}.trubrics"),
            "notes.txt".into(),
        ] {
            assert_eq!(made_at(&name), None, "{name:?}");
        }
        assert!(made_at(&format!("18446744073709551615-e-{id}.trubrics")).is_some());
    }
}
