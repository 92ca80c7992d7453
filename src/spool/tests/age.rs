//! How old records get, by which clock.

use super::*;

const WEEK: u64 = 7 * 24 * 60 * 60;

/// By the monotonic clock it is this moment, but the wall clock was set forward or back.
fn at_by_a_clock_that_is(now: Now, set: impl Fn(SystemTime) -> SystemTime) -> Now {
    Now {
        system: set(now.system),
        ..now
    }
}

/// A segment with one record for each of three days.
fn three_days(spool: &mut Spool) {
    for day in 0..3 {
        let now = at(u64::from(day) * DAY.as_secs());
        store(spool, &mut records("a", day..day + 1), now).expect("there is room");
    }
}

#[test]
fn only_own_records_older_than_the_limit_expire() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    three_days(&mut spool);
    let loaded = spool.load(true, true, at(WEEK + 1)).expect("records");
    assert_eq!(texts(&loaded.expired), ["a0"]);
    assert_eq!(texts(&loaded.records), ["a1", "a2"]);
    assert_eq!((loaded.missing, loaded.recovered), (0, 0));
}

#[test]
fn only_recovered_records_older_than_the_limit_expire() {
    let disk = MemoryDisk::default();
    let mut first = spool(&disk, settings());
    three_days(&mut first);
    assert_eq!(first.leave(at(0)).records, 3);
    let mut second = spool(&disk, settings());
    second.scan_for_orphans(at(WEEK)).expect("the disk works");
    let loaded = second.load(true, true, at(WEEK + 1)).expect("records");
    assert_eq!(texts(&loaded.expired), ["a0"]);
    assert_eq!(texts(&loaded.records), ["a1", "a2"]);
    assert_eq!((loaded.missing, loaded.recovered), (0, 3));
}

#[test]
fn loaded_records_expire_one_by_one() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    three_days(&mut spool);
    let loaded = spool.load(true, true, at(WEEK)).expect("records");
    let expired = |now| {
        let entries = entries(&loaded.records);
        let expired: Vec<_> = entries
            .iter()
            .map(|one| spool.is_expired(*one, now))
            .collect();
        expired
    };
    assert_eq!(expired(at(WEEK)), [false, false, false]);
    assert_eq!(expired(at(WEEK + 1)), [true, false, false]);
    assert_eq!(expired(at(WEEK + 1 + DAY.as_secs())), [true, true, false]);
}

#[test]
fn expired_records_are_evicted_as_expired() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    three_days(&mut spool);
    let now = at(WEEK + 1);
    store(&mut spool, &mut records("b", 0..60), now).expect("there is room");
    let evicted = spool.take_evicted().remove(0);
    assert_eq!(texts(&evicted.expired), ["a0"]);
    assert_eq!(texts(&evicted.records)[..2], ["a1", "a2"]);
}

#[test]
fn a_wall_clock_that_is_set_does_not_expire_own_records() {
    for years in [1, 50] {
        let disk = MemoryDisk::default();
        let mut spool = spool(&disk, settings());
        store(&mut spool, &mut records("a", 0..30), at(0)).expect("there is room");
        let forward = at_by_a_clock_that_is(at(1), |time| time + years * 365 * DAY);
        let back = at_by_a_clock_that_is(at(1), |_| UNIX_EPOCH);
        for now in [forward, back] {
            let loaded = spool.load(true, true, now).expect("records");
            assert!(loaded.expired.is_empty() && !loaded.records.is_empty());
            let entries = entries(&loaded.records);
            assert!(!spool.is_expired(entries[0], now));
            spool.acknowledge(&entries).expect("the disk works");
        }
    }
}

#[test]
fn what_is_stored_once_the_clock_is_right_expires_for_no_other_process() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    let wrong = at_by_a_clock_that_is(at(0), |_| UNIX_EPOCH + 2 * 365 * DAY);
    store(&mut spool, &mut records("a", 0..3), wrong).expect("there is room");
    let right = at_by_a_clock_that_is(at(5), |_| UNIX_EPOCH + 56 * 365 * DAY);
    store(&mut spool, &mut records("a", 3..5), right).expect("there is room");
    spool.leave(right);

    // The next process has the wall clock only: it knows the right time of the later records.
    let mut next = super::spool(&disk, settings());
    next.scan_for_orphans(right).expect("the disk works");
    let loaded = next.load(true, true, right).expect("records");
    assert_eq!((loaded.expired.len(), loaded.records.len()), (3, 2));
}
