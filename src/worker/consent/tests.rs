use super::*;
use crate::{
    consent::ConsentCell,
    spool::{Fault, MemoryDisk},
    worker::tests::bench::{Bench, withdraw_and_grant},
};

/// The client begins with this consent instead.
fn begin_with(bench: &mut Bench, consent: Consent) {
    let consent = std::sync::Arc::new(ConsentCell::new(consent));
    bench.parts.intake.consent = consent.clone();
    bench.worker.parts.consent = consent;
    bench.add_spool();
}

#[test]
fn a_grant_keeps_the_records_that_waited_for_it() {
    let mut bench = Bench::new();
    begin_with(&mut bench, Consent::Undecided);
    bench.track(1);
    bench.spool().note_withdrawal().expect("the disk works");
    bench.worker.grant(0).expect("the disk works");
    assert_eq!(bench.parts.intake.consent.get(), Consent::Granted);
    let stats = bench.parts.intake.accounting.stats();
    assert_eq!((stats.pending, stats.dropped), (1, 0));
}

/// The client does not take records. Another process granted the consent since, and the disk failed when the client was
/// to follow.
fn withdrawn_beside_a_grant() -> Bench {
    let mut bench = Bench::with_spool();
    bench.track(1);
    bench.worker.take(clock::now());
    bench.disk.refuse_removal(true);
    let mut other = bench.spool();
    other.note_withdrawal().expect("the disk works");
    let spooler = bench.worker.spooler.as_mut().expect("a spool");
    spooler.look().expect("the disk works");
    bench.worker.await_consent(clock::now());
    other.note_grant().expect("the disk works");
    bench.worker.grant(1).expect_err("the disk fails");
    bench.disk.refuse_removal(false);
    assert_eq!(bench.parts.intake.consent.get(), Consent::Withdrawn);
    bench.store_elsewhere();
    bench
}

#[test]
fn a_grant_after_one_that_failed_removes_nothing_of_other_processes() {
    let mut bench = withdrawn_beside_a_grant();
    let withdrawals = bench.parts.intake.consent.withdrawals();
    bench.worker.grant(withdrawals).expect("the disk works");
    assert_eq!(bench.parts.intake.consent.get(), Consent::Granted);
    assert_eq!(bench.disk.segments(), 1);
}

#[test]
fn a_client_takes_records_again_after_a_grant_elsewhere_that_it_could_not_follow() {
    let mut bench = withdrawn_beside_a_grant();
    bench.time.set(Duration::from_secs(120));
    bench.worker.await_consent(clock::now());
    assert_eq!(bench.parts.intake.consent.get(), Consent::Granted);
    assert_eq!(bench.disk.segments(), 1);
}

#[test]
fn a_grant_replaces_a_file_that_cannot_be_read_and_forgets_what_was_before() {
    let mut bench = Bench::with_spool();
    bench.track(1);
    bench.damage_consent();
    bench.worker.grant(0).expect("the disk works");
    assert_eq!(bench.parts.intake.consent.get(), Consent::Granted);
    bench.spool().look().expect("it can be read");
    let stats = bench.parts.intake.accounting.stats();
    assert_eq!(stats.dropped_for(DropReason::Withdrawn), 1);
}

#[test]
fn records_without_consent_are_neither_left_nor_dropped_for_another_reason() {
    for (consent, reason) in [
        (Consent::Undecided, DropReason::Undecided),
        (Consent::Granted, DropReason::Withdrawn),
    ] {
        let mut bench = Bench::new();
        begin_with(&mut bench, consent);
        bench.track(1);
        if consent == Consent::Granted {
            bench.parts.intake.consent.withdraw();
        }
        bench.worker.abandon(DropReason::CloseTimeout);
        let stats = bench.parts.intake.accounting.stats();
        assert_eq!((stats.dropped_for(reason), stats.left_in_spool), (1, 0));
    }
}

#[test]
fn the_worker_looks_for_a_withdrawal_each_100_ms_while_a_request_is_in_flight() {
    let mut bench = Bench::new();
    let start = clock::now();
    let batch = bench.batch(1, 0);
    assert_eq!(bench.worker.look_in_flight(start), None, "without a spool");
    bench.add_spool();
    assert_eq!(bench.worker.look_in_flight(start), None, "at rest");
    let (exchange, next) = (bench.parts.exchange.clone(), Some(start + LOOK_INTERVAL));
    let call = exchange.begin_call();
    assert_eq!(bench.worker.look_in_flight(start), next, "beside a call");
    assert_eq!(bench.worker.break_off_requests(start), next);
    drop(call);
    assert_eq!(bench.worker.break_off_requests(start), None);
    let attempt = batch.attempt(Vec::new(), start + LOOK_INTERVAL, 0);
    assert!(bench.worker.dispatcher.attempt(batch, attempt).is_none());
    for (at, next) in [(0, 100), (99, 100), (100, 200), (150, 200), (450, 550)] {
        let (at, next) = (Duration::from_millis(at), Duration::from_millis(next));
        bench.time.set(at);
        let look_at = bench.worker.look_in_flight(start + at);
        assert_eq!(look_at, Some(start + next), "at {at:?}");
    }
}

#[test]
fn a_withdrawal_while_a_close_stores_records_again_removes_them() {
    let mut bench = Bench::with_spool();
    bench.track(1);
    bench.worker.take(clock::now());
    bench.disk.remove_folder();
    let mut other = bench.spool();
    bench.disk.before_create(move || {
        other.note_withdrawal().expect("the disk works");
    });
    bench.worker.abandon(DropReason::CloseTimeout);
    assert_eq!(bench.disk.segments(), 0);
    assert_eq!(bench.parts.intake.consent.get(), Consent::Withdrawn);
    let stats = bench.parts.intake.accounting.stats();
    assert_eq!(
        (stats.pending, stats.drops().collect::<Vec<_>>()),
        (0, vec![(DropReason::Withdrawn, 1)])
    );
}

/// Has the disk fail, in all or with removals alone, or work again.
fn refuse(disk: &MemoryDisk, is_note: bool, fails: bool) {
    const FAILS: Fault = Fault {
        first: 0,
        lasts: true,
        error: io::ErrorKind::Other,
        percent: 0,
    };
    match is_note {
        true => disk.set_fault(fails.then_some(FAILS)),
        false => disk.refuse_removal(fails),
    }
}

/// The client has a record on disk. A caller withdraws the consent, and the disk fails.
fn withdrawn_on_a_failing_disk(is_note: bool) -> Bench {
    let mut bench = Bench::with_spool();
    bench.track(1);
    bench.worker.take(clock::now());
    refuse(&bench.disk, is_note, true);
    bench.parts.intake.consent.withdraw();
    bench.worker.withdraw().expect_err("the disk fails");
    bench
}

#[test]
fn a_withdrawal_that_the_disk_did_not_take_is_completed_within_a_minute() {
    for is_note in [true, false] {
        let mut bench = withdrawn_on_a_failing_disk(is_note);
        bench.time.set(Duration::from_secs(60));
        bench.worker.await_consent(clock::now());
        assert_eq!(bench.disk.segments(), 1, "the disk still fails");
        refuse(&bench.disk, is_note, false);
        bench.time.set(Duration::from_secs(119));
        bench.worker.await_consent(clock::now());
        assert_eq!(bench.disk.segments(), 1, "too early");
        bench.time.set(Duration::from_secs(120));
        bench.worker.await_consent(clock::now());
        assert_eq!(bench.disk.segments(), 0);
        let notice = bench.spool().look().expect("the disk works");
        assert_eq!(notice, Notice::Withdrawn);
    }
}

#[test]
fn a_close_completes_a_withdrawal_that_the_disk_did_not_take() {
    for is_note in [true, false] {
        let mut bench = withdrawn_on_a_failing_disk(is_note);
        refuse(&bench.disk, is_note, false);
        bench.worker.abandon(DropReason::CloseTimeout);
        assert_eq!(bench.disk.segments(), 0);
        let notice = bench.spool().look().expect("the disk works");
        assert_eq!(notice, Notice::Withdrawn);
    }
}

/// Another process withdraws the consent and grants it again. The client looks before the grant, and at these moments
/// after it, before it goes on.
fn assert_grant_stays(looks_between: bool, looks_after: bool) {
    let mut bench = Bench::with_spool();
    let mut other = bench.spool();
    let look = |bench: &mut Bench| {
        let spooler = bench.worker.spooler.as_mut().expect("a spool");
        spooler.look().expect("the disk works");
    };
    other.note_withdrawal().expect("the disk works");
    look(&mut bench);
    if looks_between {
        bench.worker.await_consent(clock::now());
    }
    assert_eq!(bench.parts.intake.consent.get(), Consent::Withdrawn);
    assert!(other.note_grant().expect("the disk works"));
    bench.store_elsewhere();
    if looks_after {
        look(&mut bench);
    }
    bench.worker.await_consent(clock::now());
    let notice = other.look().expect("the disk works");
    assert_eq!(notice, Notice::Same, "{looks_between}, {looks_after}");
    assert_eq!(bench.disk.segments(), 1, "{looks_between}, {looks_after}");
    bench.time.set(Duration::from_secs(60));
    bench.worker.await_consent(clock::now());
    assert_eq!(bench.parts.intake.consent.get(), Consent::Granted);
}

#[test]
fn a_grant_after_a_withdrawal_elsewhere_is_not_withdrawn_again() {
    for (looks_between, looks_after) in [(false, false), (false, true), (true, false), (true, true)]
    {
        assert_grant_stays(looks_between, looks_after);
    }
}

#[test]
fn a_withdrawal_of_the_client_counts_beside_a_grant_elsewhere() {
    let mut bench = Bench::with_spool();
    let mut other = bench.spool();
    other.note_withdrawal().expect("the disk works");
    let spooler = bench.worker.spooler.as_mut().expect("a spool");
    spooler.look().expect("the disk works");
    assert!(other.note_grant().expect("the disk works"));
    bench.parts.intake.consent.withdraw();
    bench.worker.withdraw().expect("the disk works");
    assert_eq!(other.look().expect("the disk works"), Notice::Withdrawn);
}

#[test]
fn a_client_stays_without_consent_until_there_is_a_grant() {
    let mut bench = Bench::with_spool();
    bench.spool().note_withdrawal().expect("the disk works");
    let spooler = bench.worker.spooler.as_mut().expect("a spool");
    spooler.look().expect("the disk works");
    for minutes in 0..3 {
        bench.time.set(Duration::from_secs(60 * minutes));
        bench.worker.await_consent(clock::now());
        assert_eq!(bench.parts.intake.consent.get(), Consent::Withdrawn);
    }
}

#[test]
fn no_record_gets_into_the_epoch_after_its_withdrawal_in_a_flush() {
    let mut bench = Bench::with_spool();
    bench.disk.set_full(true);
    bench.track(1);
    bench.worker.take(clock::now());
    bench.disk.set_full(false);
    assert_eq!(bench.disk.segments(), 0);
    withdraw_and_grant(bench.spool());
    bench.track(1);
    bench.worker.request_flush();
    assert_eq!(bench.found_after_a_kill(), 0);
}

#[test]
fn no_record_gets_into_the_epoch_after_its_withdrawal_in_a_close() {
    let mut bench = Bench::with_spool();
    let event = crate::LlmEvent::new("user", "prompt", "");
    bench.parts.intake.track(event.into());
    bench.worker.take(clock::now());
    assert_eq!(bench.disk.segments(), 1);
    let other = bench.spool();
    bench.disk.before_create(move || withdraw_and_grant(other));
    bench.track(1);
    bench.worker.abandon(DropReason::CloseTimeout);
    assert_eq!(bench.found_after_a_kill(), 0);
    let stats = bench.parts.intake.accounting.stats();
    assert_eq!(
        (stats.dropped_for(DropReason::Withdrawn), stats.pending),
        (2, 0)
    );
}

#[test]
fn records_of_other_processes_after_a_grant_are_not_loaded_before_earlier_ones_are_forgotten() {
    let mut bench = Bench::with_spool();
    bench.track(1);
    bench.worker.take(clock::now());
    withdraw_and_grant(bench.spool());
    let spooler = bench.worker.spooler.as_mut().expect("a spool");
    spooler.look().expect("the disk works");
    bench.store_elsewhere();
    bench.time.set(Duration::from_secs(1));
    let spooler = bench.worker.spooler.as_mut().expect("a spool");
    spooler.scan(clock::now());
    bench.worker.load(true, clock::now());
    bench.worker.await_consent(clock::now());
    assert_eq!(bench.found_after_a_kill(), 1);
}

#[test]
fn an_earlier_grant_does_not_count_after_a_withdrawal_that_is_not_noted_yet() {
    let mut bench = Bench::with_spool();
    withdraw_and_grant(bench.spool());
    let spooler = bench.worker.spooler.as_mut().expect("a spool");
    spooler.look().expect("the disk works");
    bench.worker.await_consent(clock::now());
    bench.store_elsewhere();
    // A caller withdraws. The message of another caller's grant arrives first.
    bench.parts.intake.consent.withdraw();
    let withdrawals = bench.parts.intake.consent.withdrawals();
    bench.worker.grant(withdrawals).expect("the disk works");
    bench.worker.withdraw().expect("the disk works");
    assert_eq!(bench.found_after_a_kill(), 0);
}
