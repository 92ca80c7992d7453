//! When a record happened.

use time::{Date, Month, UtcOffset};

use super::*;

#[test]
fn a_timestamp_is_sent_as_the_same_instant_in_utc_with_milliseconds() {
    let local = Date::from_calendar_date(2025, Month::January, 2)
        .expect("a date")
        .with_hms_nano(8, 34, 5, 7_999_999)
        .expect("a time")
        .assume_offset(UtcOffset::from_hms(5, 30, 0).expect("an offset"));
    assert_eq!(
        json_of(event().timestamp(local))["timestamp"],
        "2025-01-02T03:04:05.007Z"
    );

    let system = SystemTime::UNIX_EPOCH + Duration::from_millis(1_728_480_106_180);
    assert_eq!(
        json_of(event().timestamp(system))["timestamp"],
        "2024-10-09T13:21:46.180Z"
    );

    let before_1970 = SystemTime::UNIX_EPOCH - Duration::from_micros(1);
    assert_eq!(
        json_of(event().timestamp(before_1970))["timestamp"],
        "1969-12-31T23:59:59.999Z"
    );
}

#[test]
fn a_timestamp_may_be_absent() {
    let own = Some(NOW + Duration::from_secs(1));
    let text = "1970-01-01T00:00:01.000Z";
    assert_eq!(json_of(event().timestamp(own))["timestamp"], text);
    let none: Option<SystemTime> = None;
    assert_ne!(
        json_of(event().timestamp(own).timestamp(none))["timestamp"],
        text
    );
}

#[test]
fn a_clock_out_of_range_makes_a_record_invalid() {
    let beyond = NOW + Duration::from_secs(3_093_527_980_800);
    let records: [Record; 2] = [event().into(), LlmEvent::new("u", "p", "g").into()];
    for record in records {
        let error = record.encode(&Properties::default(), beyond).err();
        assert_eq!(error.expect("no time").field(), "timestamp");
        let timed = match record {
            Record::Event(event) => event.timestamp(NOW).into(),
            Record::LlmEvent(event) => Record::from(event.timestamp(NOW)),
        };
        let encoded = timed.encode(&Properties::default(), beyond);
        assert!(encoded.is_ok(), "a record with its own time needs no clock");
    }
}
