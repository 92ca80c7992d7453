//! What a client does that only stores, or only delivers, and what it counts.

use super::*;

/// For how many records a flush waits, and how many of them need no waiting.
fn progress(bench: &Bench) -> (u64, u64) {
    (bench.spooler.received(), bench.spooler.settled())
}

#[test]
fn a_flush_of_a_client_that_only_stores_waits_for_the_disk_alone() {
    for (duty, settled) in [(Duty::All, 0), (Duty::Store, 2)] {
        let mut bench = bench(1_000_000);
        bench.spooler.duty = duty;
        bench.store([1, 2]);
        assert_eq!(progress(&bench), (2, settled));
        bench.disk.set_full(true);
        bench.store([3]);
        let received = if duty == Duty::Store { 3 } else { 2 };
        assert_eq!(progress(&bench), (received, settled), "{duty:?}");
    }
}

#[test]
fn records_for_which_a_spool_has_no_room_keep_their_place_in_memory() {
    let mut bench = bench(4_096);
    bench.spooler.spool = Spool::in_memory(
        SpoolSettings {
            folder: "spool".into(),
            project: Fingerprint::of(defaults::HOST, "key"),
            max_bytes: 4_096,
            max_age: 1_000 * SECOND,
            sync: false,
            when_full: WhenFull::Keep,
        },
        &bench.disk,
    );
    bench.store(100..400);
    let (in_memory, on_disk) = bench.places();
    assert!(in_memory > 0 && on_disk > 0, "{in_memory} {on_disk}");
    assert_eq!(in_memory + on_disk, 300);
    let bytes = in_memory as usize * encoded(100).cost();
    assert_eq!(bench.accounting.budget().bytes(), bytes);
}

#[test]
fn a_client_that_only_delivers_looks_for_records_again_and_again_but_not_at_once() {
    let mut bench = bench(1_000_000);
    bench.spooler.duty = Duty::Deliver;
    bench.spooler.scan_now(clock::now());
    for number in 0..20 {
        bench.time.set(number * RESCAN_DELAY);
        if number == 0 {
            leave_from_another_run(&bench.disk, number);
        }
        bench.spooler.scan(clock::now());
        assert_eq!(numbers(&bench.load()), [number]);
        leave_from_another_run(&bench.disk, number + 1);
        bench.spooler.scan(clock::now());
        assert!(bench.load().is_empty(), "it looked at this moment");
    }
}

#[test]
fn records_that_cannot_be_read_are_dropped_as_corrupted() {
    let mut bench = bench(1_000_000);
    bench.store([1, 2]);
    bench.spooler.count_missing(2);
    let stats = bench.accounting.stats();
    assert_eq!(stats.dropped_for(DropReason::Corrupted), 2);
    assert_eq!(bench.places(), (0, 0));
}

#[test]
fn withdrawals_of_other_processes_are_counted_until_records_are_forgotten() {
    let mut bench = bench(1_000_000);
    let mut other = spool(&bench.disk, 1_000_000);
    other.note_withdrawal().expect("the disk works");
    assert_eq!(
        bench.spooler.noticed_since(),
        0,
        "not before the client looks"
    );
    bench.spooler.look().expect("the disk works");
    assert_eq!(bench.spooler.noticed_since(), 1);
    bench.consent.withdraw();
    bench.spooler.look().expect("the disk works");
    assert_eq!(bench.spooler.noticed_since(), 1, "nothing new");
    other.note_grant().expect("the disk works");
    bench.spooler.look().expect("the disk works");
    assert_eq!(bench.spooler.noticed_since(), 2);
    bench.spooler.forget(true).expect("the disk works");
    assert_eq!(bench.spooler.noticed_since(), 0);
}
