mod duties;

use std::io;

use super::*;
use crate::{
    accounting::NoBudget,
    clock::double::VirtualTime,
    consent::Consent,
    defaults,
    logging::double::lines,
    record::Endpoint,
    spool::{Fault, Fingerprint, MemoryDisk, Notice, SpoolSettings, WhenFull},
};

const SECOND: Duration = Duration::from_secs(1);

const FAILS: Fault = Fault {
    first: 0,
    lasts: true,
    error: io::ErrorKind::Other,
    percent: 0,
};

struct Bench {
    time: VirtualTime,
    disk: MemoryDisk,
    accounting: Arc<Accounting>,
    consent: Arc<ConsentCell>,
    spooler: Spooler,
}

fn spool(disk: &MemoryDisk, max_bytes: u64) -> Spool {
    let settings = SpoolSettings {
        folder: "spool".into(),
        project: Fingerprint::of(defaults::HOST, "key"),
        max_bytes,
        max_age: 1_000 * SECOND,
        sync: false,
        when_full: WhenFull::Evict,
    };
    Spool::in_memory(settings, disk)
}

fn bench(max_bytes: u64) -> Bench {
    let (time, disk) = (VirtualTime::start(), MemoryDisk::default());
    let accounting = Accounting::for_tests();
    let consent = Arc::new(ConsentCell::new(Consent::Granted));
    let spool = spool(&disk, max_bytes);
    let spooler = Spooler::new(
        accounting.clone(),
        consent.clone(),
        spool,
        Duty::All,
        clock::now(),
    );
    Bench {
        time,
        disk,
        accounting,
        consent,
        spooler,
    }
}

fn encoded(number: u32) -> Encoded {
    Encoded {
        json: number.to_string().into_bytes().into(),
        endpoint: Endpoint::Events,
        spool_entry: None,
    }
}

fn numbers(records: &Unsettled) -> Vec<u32> {
    let texts = records
        .iter()
        .map(|record| String::from_utf8_lossy(&record.json));
    texts.map(|text| text.parse().expect("a number")).collect()
}

/// Another run leaves this record on the disk.
fn leave_from_another_run(disk: &MemoryDisk, number: u32) {
    let mut other = spool(disk, 1_000_000);
    let mut left = vec![encoded(number)];
    let stored = other.store(&mut left, WhenFull::Evict, Now::read());
    stored.expect("the disk works");
    other.leave(Now::read());
}

impl Bench {
    /// Records with these numbers, as the worker takes them out of the channel.
    fn records(&self, numbers: impl IntoIterator<Item = u32>) -> Unsettled {
        let records: Vec<_> = numbers.into_iter().map(encoded).collect();
        for record in &records {
            let reserved = self.accounting.budget().reserve(record.cost());
            assert_ne!(reserved, Err(NoBudget::Full));
        }
        Unsettled::of(records, self.accounting.clone())
    }

    fn store(&mut self, numbers: impl IntoIterator<Item = u32>) {
        let records = self.records(numbers);
        self.spooler.store_or_hold(records, clock::now());
    }

    fn load(&mut self) -> Unsettled {
        self.spooler.load(true, true, clock::now())
    }

    /// How many records are in memory, and how many on disk.
    fn places(&self) -> (u64, u64) {
        (self.accounting.in_memory(), self.accounting.in_spool())
    }

    fn pass(&self, time: Duration) {
        self.time.set(self.time.elapsed() + time);
    }

    /// The number of records, whether they are due, and whether all are on disk.
    fn view(&self, flush_requested: bool, batched_bytes: usize) -> (u64, bool, bool) {
        let view = self.spooler.view(flush_requested, batched_bytes);
        (view.held, view.is_due, view.is_all_on_disk)
    }

    fn next_scan(&self) -> Option<Instant> {
        self.spooler.view(false, 0).next_scan
    }
}

#[test]
fn stored_records_need_no_budget_and_are_due_for_a_flush() {
    let mut bench = bench(1_000_000);
    assert!(!bench.spooler.holds_any());
    assert_eq!(bench.view(true, 0), (0, false, true));
    bench.store([1, 2]);
    assert_eq!(bench.places(), (0, 2));
    assert_eq!(bench.accounting.budget().bytes(), 0);
    assert!(bench.spooler.holds_any());
    assert_eq!(bench.spooler.unspooled_since(), None);
    assert_eq!(bench.view(false, 0), (2, false, true));
    assert_eq!(bench.view(true, 1), (2, true, false));
}

#[test]
fn records_that_the_disk_does_not_take_wait_in_memory_until_it_does() {
    let mut bench = bench(1_000_000);
    let start = clock::now();
    bench.disk.set_fault(Some(FAILS));
    bench.store([1, 2]);
    bench.pass(SECOND);
    bench.store([3]);
    assert_eq!(bench.places(), (3, 0));
    assert!(bench.spooler.holds_any());
    assert_eq!(bench.spooler.unspooled_since(), Some(start));
    assert_eq!(bench.view(true, 0), (3, true, false));
    bench.disk.set_fault(None);
    bench.store([]);
    assert_eq!(bench.places(), (3, 0), "no record, no write");
    bench.store([4]);
    assert_eq!(bench.places(), (0, 4));
    assert_eq!(bench.spooler.unspooled_since(), None);
    assert_eq!(bench.load().len(), 4);
}

#[test]
fn records_that_wait_are_offered_once_more_before_they_are_taken() {
    let mut bench = bench(1_000_000);
    bench.disk.set_fault(Some(FAILS));
    bench.store([1, 2, 3]);
    assert_eq!(numbers(&bench.spooler.take_unspooled(2)), [1, 2]);
    bench.disk.set_fault(None);
    assert!(bench.spooler.take_unspooled(2).is_empty());
    assert_eq!(bench.accounting.in_spool(), 1);
}

#[test]
fn the_first_failure_of_the_disk_and_its_recovery_are_logged() {
    let mut bench = bench(1_000_000);
    bench.disk.set_fault(Some(FAILS));
    let first = lines(|| bench.store([1]));
    assert_eq!(first.len(), 1);
    assert!(
        first[0].contains("the spool cannot be written"),
        "{first:?}"
    );
    assert_eq!(lines(|| bench.store([2])), [""; 0]);
    bench.disk.set_fault(None);
    assert_eq!(lines(|| bench.store([3])), [""; 0], "too soon");
    bench.pass(disk_state::RECOVERY);
    let line = "WARN the spool can be written again";
    assert_eq!(lines(|| bench.store([4])), [line]);
    assert_eq!(lines(|| bench.store([5])), [""; 0]);
}

#[test]
fn acknowledged_records_leave_the_disk() {
    let mut bench = bench(1_000_000);
    bench.store([1, 2]);
    let loaded = bench.load();
    assert_eq!(numbers(&loaded), [1, 2]);
    let entries = entries(loaded.iter());
    loaded.settle(&Outcome::Delivered);
    assert_eq!(bench.disk.segments(), 1);
    bench.spooler.acknowledge(&entries);
    assert_eq!(bench.disk.segments(), 0);
    assert_eq!(bench.places(), (0, 0));
}

#[test]
fn a_close_leaves_records_to_the_next_run_also_those_in_memory() {
    let mut bench = bench(1_000_000);
    bench.store([1]);
    bench.disk.set_fault(Some(FAILS));
    bench.store([2]);
    bench.disk.set_fault(None);
    let mut in_hand = bench.records([3]);
    bench.spooler.leave(&mut in_hand);
    assert!(in_hand.is_empty());
    assert_eq!(bench.accounting.stats().left_in_spool, 3);
    assert_eq!(bench.places(), (0, 0));
}

#[test]
fn scans_follow_each_other_after_longer_and_longer_pauses() {
    let mut bench = bench(1_000_000);
    let start = clock::now();
    assert_eq!(bench.next_scan(), Some(start + FIRST_SCAN_DELAY));
    bench.spooler.scan(start);
    assert_eq!(
        bench.next_scan(),
        Some(start + FIRST_SCAN_DELAY),
        "too early"
    );
    let mut now = start + FIRST_SCAN_DELAY;
    for pause in [1, 2, 4, 8] {
        bench.spooler.scan(now);
        assert_eq!(bench.next_scan(), Some(now + pause * SECOND));
        bench.spooler.scan_now(now);
        assert_eq!(bench.next_scan(), Some(now + pause * SECOND));
        now += pause * SECOND;
    }
    bench.spooler.scan(now);
    assert_eq!(bench.next_scan(), None);
    let soon = now + SCAN_INTERVAL - SECOND;
    drop(bench.spooler.load(true, true, soon));
    assert_eq!(bench.next_scan(), None);
    drop(bench.spooler.load(true, true, soon + SECOND));
    assert_eq!(bench.next_scan(), Some(soon + SECOND));
}

#[test]
fn a_close_scans_at_once_if_that_was_not_done_yet() {
    let mut bench = bench(1_000_000);
    let now = clock::now();
    bench.spooler.scan_now(now);
    assert_eq!(bench.next_scan(), Some(now));
}

#[test]
fn a_scan_that_fails_is_repeated_while_the_client_rests() {
    let mut bench = bench(1_000_000);
    bench.disk.set_fault(Some(FAILS));
    for _ in 0..MAX_SCANS {
        bench.pass(20 * SECOND);
        bench.spooler.scan(clock::now());
    }
    assert_eq!(bench.next_scan(), Some(clock::now() + SCAN_INTERVAL));
}

#[test]
fn a_segment_of_another_run_that_cannot_be_read_is_looked_for_again_while_the_client_rests() {
    let mut bench = bench(1_000_000);
    leave_from_another_run(&bench.disk, 3);
    for _ in 0..MAX_SCANS {
        bench.pass(20 * SECOND);
        bench.spooler.scan(clock::now());
    }
    assert_eq!(bench.next_scan(), None);
    bench.disk.set_fault(Some(FAILS));
    assert!(bench.load().is_empty());
    assert_eq!(bench.next_scan(), Some(clock::now() + SCAN_INTERVAL));
    bench.disk.set_fault(None);
    bench.pass(SCAN_INTERVAL);
    bench.spooler.scan(clock::now());
    assert_eq!(bench.load().len(), 1);
    assert_eq!(bench.next_scan(), None);
}

#[test]
fn what_could_not_be_written_down_is_written_by_a_scan_while_the_client_rests() {
    let mut bench = bench(1_000_000);
    bench.store([1]);
    for _ in 0..MAX_SCANS {
        bench.pass(20 * SECOND);
        bench.spooler.scan(clock::now());
    }
    let records = bench.load();
    assert_eq!(bench.next_scan(), None);
    bench.disk.set_fault(Some(FAILS));
    bench.spooler.acknowledge(&entries(records.iter()));
    assert_eq!(bench.next_scan(), Some(clock::now() + SCAN_INTERVAL));
    bench.disk.set_fault(None);
    bench.pass(SCAN_INTERVAL);
    bench.spooler.scan(clock::now());
    assert_eq!((bench.next_scan(), bench.disk.segments()), (None, 0));
    drop(records);
}

#[test]
fn a_flush_loads_records_of_its_client_before_those_of_other_runs() {
    for is_flushing in [false, true] {
        let mut bench = bench(1_000_000);
        bench.store([1]);
        leave_from_another_run(&bench.disk, 90);
        bench.pass(SECOND);
        bench.spooler.scan(clock::now());
        bench.spooler.set_flush_target();
        let first = bench.load();
        bench.store([2]);
        if is_flushing {
            bench.spooler.set_flush_target();
        } else {
            bench.spooler.flush_target = 0;
        }
        let (second, third) = (bench.load(), bench.load());
        let loaded = [&first, &second, &third].map(numbers);
        match is_flushing {
            true => assert_eq!(loaded, [[1], [2], [90]]),
            false => assert_eq!(loaded, [[1], [90], [2]]),
        }
        assert_eq!(bench.accounting.stats().recovered, 1);
    }
}

#[test]
fn after_a_flush_other_runs_have_their_turn_again() {
    let mut bench = bench(1_000_000);
    bench.store([1]);
    bench.spooler.set_flush_target();
    let flushed = bench.load();
    let entries = entries(flushed.iter());
    flushed.settle(&Outcome::Delivered);
    bench.spooler.acknowledge(&entries);
    leave_from_another_run(&bench.disk, 90);
    bench.pass(SECOND);
    bench.spooler.scan(clock::now());
    bench.store([2]);
    assert_eq!(numbers(&bench.load()), [90]);
}

#[test]
fn the_oldest_records_make_room_and_are_dropped_once() {
    let mut bench = bench(4_000);
    for number in 0..200 {
        bench.store([number]);
    }
    let evicted = bench.accounting.stats().dropped_for(DropReason::SpoolFull);
    assert!(evicted > 0);
    assert_eq!(bench.places(), (0, 200 - evicted));
}

#[test]
fn records_that_are_too_old_are_dropped_one_load_after_the_other() {
    let mut bench = bench(400_000);
    bench.store(0..5_000);
    bench.pass(1_001 * SECOND);
    let mut loads = 0;
    while bench.accounting.stats().dropped_for(DropReason::Expired) < 5_000 {
        assert!(bench.load().is_empty());
        loads += 1;
    }
    assert!(loads > 1, "new records get to the disk meanwhile");
    assert_eq!(bench.places(), (0, 0));
}

#[test]
fn a_withdrawal_and_a_grant_are_noted_for_other_processes() {
    let mut bench = bench(1_000_000);
    let mut other = spool(&bench.disk, 1_000_000);
    assert!(matches!(other.look(), Ok(Notice::Same)));
    assert_eq!(bench.spooler.note_grant().ok(), Some(false));
    bench.spooler.note_withdrawal().expect("the disk works");
    assert!(matches!(other.look(), Ok(Notice::Withdrawn)));
    assert_eq!(bench.spooler.note_grant().ok(), Some(true));
    bench.pass(SECOND);
    other.note_withdrawal().expect("the disk works");
    bench.spooler.look().expect("the disk works");
    assert_eq!(bench.consent.get(), Consent::Withdrawn);
}

#[test]
fn the_next_look_for_a_grant_follows_the_last_one() {
    let mut bench = bench(1_000_000);
    bench.pass(SECOND);
    bench.spooler.look().expect("the disk works");
    assert_eq!(bench.spooler.next_look(), clock::now() + SCAN_INTERVAL);
}
