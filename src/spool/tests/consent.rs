//! Withdrawals that other processes note.

use super::*;
use crate::spool::{
    disk::double::{Fault, Operation},
    note::Note,
};

/// Another process withdraws the consent.
fn withdraw_elsewhere(disk: &MemoryDisk) {
    let mut other = spool(disk, settings());
    other.note_withdrawal().expect("the disk works");
    other.forget(|_| ()).expect("the disk works");
}

fn grant_elsewhere(disk: &MemoryDisk) {
    let mut other = spool(disk, settings());
    assert!(other.note_grant().expect("the disk works"));
}

#[test]
fn a_withdrawal_elsewhere_is_noticed_once() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    assert_eq!(spool.look().expect("no file"), Notice::Same);
    withdraw_elsewhere(&disk);
    assert_eq!(spool.look().expect("a note"), Notice::Withdrawn);
    assert_eq!(spool.look().expect("a note"), Notice::Same);
    grant_elsewhere(&disk);
    assert_eq!(spool.look().expect("a note"), Notice::Granted);
    assert_eq!(spool.look().expect("a note"), Notice::Same);
}

#[test]
fn a_withdrawal_and_a_grant_between_two_looks_are_noticed() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    withdraw_elsewhere(&disk);
    grant_elsewhere(&disk);
    assert_eq!(spool.look().expect("a note"), Notice::Granted);
    withdraw_elsewhere(&disk);
    grant_elsewhere(&disk);
    assert_eq!(spool.look().expect("a note"), Notice::Granted);
}

#[test]
fn a_withdrawal_removes_held_and_orphaned_segments_and_no_other_file() {
    let disk = MemoryDisk::default();
    let foreign = folder().join("notes.txt");
    disk.put(&foreign, b"mine");
    leave_behind(&disk, "x", 3, at(0));
    let mut holder = spool(&disk, settings());
    store_apart(&disk, &mut holder, &mut records("h", 0..3), at(0));
    let mut ours = spool(&disk, settings());
    store_apart(&disk, &mut ours, &mut records("a", 0..25), at(1));
    let loaded = ours.load(true, false, at(1)).expect("records");
    store_apart(&disk, &mut ours, &mut records("b", 0..5), at(1));

    ours.note_withdrawal().expect("the disk works");
    let mut found = Vec::new();
    let mut recovered = 0;
    ours.forget(|loaded| {
        found.extend(texts(&loaded.records));
        recovered += loaded.recovered;
    })
    .expect("the disk works");
    let with_the_worker = texts(&loaded.records);
    let own = records("a", 0..25).len() + 5 - with_the_worker.len();
    assert_eq!(
        (found.len(), recovered),
        (own + 3, 3),
        "those of the holder are its own"
    );
    let consent = folder().join("consent");
    assert_eq!(disk.names(), [consent, foreign]);

    let mut seen = 0;
    holder
        .forget(|loaded| seen += loaded.records.len())
        .expect("the disk works");
    assert_eq!(seen, 3, "read without its name");
}

#[test]
fn a_segment_of_before_a_withdrawal_is_never_delivered() {
    let disk = MemoryDisk::default();
    let mut slow = spool(&disk, settings());
    slow.look().expect("no file");
    // The process is killed when it has only written the note.
    let mut killed = spool(&disk, settings());
    leave_behind(&disk, "x", 3, at(0));
    killed.note_withdrawal().expect("the disk works");
    grant_elsewhere(&disk);
    // This process has not looked yet, and is killed after its write.
    store_apart(&disk, &mut slow, &mut records("y", 0..3), at(1));
    slow.leave(at(1));
    assert_eq!(disk.segments(), 2);

    let mut next = spool(&disk, settings());
    assert_eq!(next.look().expect("a note"), Notice::Granted);
    store_apart(&disk, &mut next, &mut records("a", 0..2), at(2));
    next.scan_for_orphans(at(3)).expect("the disk works");
    let loaded = next.load(true, true, at(3)).expect("records");
    assert_eq!(texts(&loaded.records), ["a0", "a1"]);
    assert!(next.load(true, true, at(3)).is_none());
    assert_eq!(disk.segments(), 1, "the others are removed");
}

#[test]
fn the_first_record_of_a_run_is_not_added_to_a_segment_of_before() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 3, at(0));
    let mut killed = spool(&disk, settings());
    killed.note_withdrawal().expect("the disk works");
    grant_elsewhere(&disk);
    let mut next = spool(&disk, settings());
    next.look().expect("a note");
    store(&mut next, &mut records("a", 0..2), at(1)).expect("the disk works");
    let loaded = next.load(true, false, at(1)).expect("records");
    assert_eq!(texts(&loaded.records), ["a0", "a1"]);
}

#[test]
fn a_segment_of_a_later_epoch_is_left_to_those_who_know_it() {
    let disk = MemoryDisk::default();
    withdraw_elsewhere(&disk);
    grant_elsewhere(&disk);
    let mut behind = spool(&disk, settings());
    behind.look().expect("a note");
    withdraw_elsewhere(&disk);
    grant_elsewhere(&disk);
    let mut ahead = spool(&disk, settings());
    ahead.look().expect("a note");
    store_apart(&disk, &mut ahead, &mut records("a", 0..2), at(1));
    ahead.leave(at(1));
    behind.scan_for_orphans(at(2)).expect("the disk works");
    assert!(behind.load(true, true, at(2)).is_none());
    assert_eq!(disk.segments(), 1);
}

#[test]
fn a_process_that_notices_a_grant_leaves_the_records_of_after_it() {
    let disk = MemoryDisk::default();
    let mut ours = spool(&disk, settings());
    store_apart(&disk, &mut ours, &mut records("a", 0..2), at(0));
    let mut killed = spool(&disk, settings());
    killed.note_withdrawal().expect("the disk works");
    grant_elsewhere(&disk);
    let mut ahead = spool(&disk, settings());
    ahead.look().expect("a note");
    store_apart(&disk, &mut ahead, &mut records("b", 0..2), at(1));
    ahead.leave(at(1));
    // A process that has not looked yet.
    leave_behind(&disk, "x", 3, at(1));

    assert_eq!(ours.look().expect("a note"), Notice::Granted);
    let mut forgotten = Vec::new();
    ours.forget_earlier(|loaded| forgotten.extend(texts(&loaded.records)))
        .expect("the disk works");
    assert_eq!(forgotten, ["a0", "a1", "x0", "x1", "x2"]);
    ours.scan_for_orphans(at(2)).expect("the disk works");
    let loaded = ours.load(true, true, at(2)).expect("records");
    assert_eq!(texts(&loaded.records), ["b0", "b1"]);

    ours.note_withdrawal().expect("the disk works");
    ours.forget(|_| ()).expect("the disk works");
    assert_eq!(disk.segments(), 0);
}

#[test]
fn runs_after_a_grant_share_segments_as_before() {
    let disk = MemoryDisk::default();
    withdraw_elsewhere(&disk);
    grant_elsewhere(&disk);
    for run in 0..5 {
        let mut spool = spool(&disk, settings());
        spool.look().expect("a note");
        store(&mut spool, &mut records("a", run..run + 1), at(1)).expect("the disk works");
        spool.leave(at(1));
    }
    assert_eq!(disk.segments(), 1);
}

#[test]
fn a_damaged_note_is_an_error_until_it_is_written_anew() {
    let disk = MemoryDisk::default();
    disk.put(&folder().join("consent"), b"");
    let mut spool = spool(&disk, settings());
    let error = spool.look().expect_err("no note");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(spool.note_grant().expect("the disk works"));
    assert_eq!(spool.look().expect("a note"), Notice::Same);
}

#[test]
fn a_withdrawal_on_a_disk_that_fails_removes_what_it_can() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 3, at(0));
    leave_behind(&disk, "y", 3, at(0));
    disk.refuse(Some(Operation::ReplaceNote));
    let mut ours = spool(&disk, settings());
    ours.note_withdrawal()
        .expect_err("the note cannot be written");
    ours.forget(|_| ()).expect("the rest works");
    assert_eq!(disk.segments(), 0);

    disk.refuse(None);
    leave_behind(&disk, "x", 3, at(0));
    disk.refuse(Some(Operation::Remove));
    ours.note_withdrawal().expect("the note can be written");
    ours.forget(|_| ()).expect_err("no segment can be removed");
    disk.refuse(None);
    grant_elsewhere(&disk);
    let mut next = spool(&disk, settings());
    next.look().expect("a note");
    next.scan_for_orphans(at(20)).expect("the disk works");
    assert!(next.load(true, true, at(20)).is_none());
    assert_eq!(disk.segments(), 0);
}

#[test]
fn each_change_of_the_note_has_an_epoch_of_its_own() {
    let disk = MemoryDisk::default();
    let mut epochs = Vec::new();
    for _ in 0..3 {
        withdraw_elsewhere(&disk);
        epochs.push(
            Note::read(&disk, &folder())
                .expect("a note")
                .expect("a note")
                .epoch,
        );
        grant_elsewhere(&disk);
        epochs.push(
            Note::read(&disk, &folder())
                .expect("a note")
                .expect("a note")
                .epoch,
        );
    }
    let different = epochs
        .iter()
        .filter(|epoch| epochs.iter().filter(|other| other == epoch).count() == 1);
    assert_eq!(different.count(), 6);
}

#[test]
fn a_note_that_cannot_be_looked_at_is_not_replaced_by_a_grant() {
    let disk = MemoryDisk::default();
    withdraw_elsewhere(&disk);
    let mut ours = spool(&disk, settings());
    disk.refuse(Some(Operation::ReadNote));
    ours.note_grant().expect_err("it cannot be read");
    disk.refuse(None);
    assert_eq!(ours.look().expect("a note"), Notice::Withdrawn);
}

#[test]
fn records_are_forgotten_where_there_are_none_and_while_other_processes_remove_them() {
    let disk = MemoryDisk::default();
    let mut ours = spool(&disk, settings());
    ours.forget(|_| ()).expect("there is no folder");
    for first in 0.. {
        leave_behind(&disk, "x", 2, at(0));
        disk.set_fault(Some(Fault {
            first,
            lasts: false,
            error: io::ErrorKind::NotFound,
            percent: 0,
        }));
        ours.forget(|_| ()).expect("what is gone needs no removal");
        let is_over = !disk.has_failed();
        disk.set_fault(None);
        if is_over {
            assert!(first > 3, "too few operations: {first}");
            break;
        }
    }
    assert_eq!(disk.segments(), 0);
}

#[test]
fn a_folder_that_cannot_be_listed_is_not_forgotten_and_a_file_without_a_size_is() {
    let disk = MemoryDisk::default();
    leave_behind(&disk, "x", 2, at(0));
    let mut ours = spool(&disk, settings());
    disk.refuse(Some(Operation::List));
    ours.forget(|_| ()).expect_err("it cannot be listed");
    disk.refuse(Some(Operation::Measure));
    ours.forget(|_| ()).expect("they can be removed");
    assert_eq!(disk.segments(), 0);
}

#[test]
fn a_grant_that_another_process_noted_since_the_last_look_is_told_and_stays() {
    let disk = MemoryDisk::default();
    let mut spool = spool(&disk, settings());
    assert!(!spool.note_grant().expect("no file"), "nothing was noted");
    withdraw_elsewhere(&disk);
    grant_elsewhere(&disk);
    let noted = Note::read(&disk, &folder()).expect("a note");
    assert!(
        spool.note_grant().expect("a note"),
        "earlier records are to be forgotten"
    );
    assert!(!spool.note_grant().expect("a note"));
    assert_eq!(Note::read(&disk, &folder()).expect("a note"), noted);
}
