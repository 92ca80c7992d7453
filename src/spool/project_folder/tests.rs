use std::{env, fs, time::Duration};

use super::*;
use crate::{
    record::{Encoded, Endpoint},
    spool::{Now, Spool, WhenFull},
};

/// The folder of a spool, which is not there yet, and is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("trubrics-project-{}", crate::anonymous_id());
        Self(env::temp_dir().join(name))
    }

    fn settings(&self) -> SpoolSettings {
        SpoolSettings {
            folder: self.0.clone(),
            project: Fingerprint::of("https://example.org", "key"),
            max_bytes: 1_000_000,
            max_age: Duration::from_secs(1_000),
            sync: false,
            when_full: WhenFull::Evict,
        }
    }

    fn project(&self) -> ProjectFolder {
        ProjectFolder::of(&self.settings())
    }

    /// Leaves a record, as a run does.
    fn leave_record(&self) {
        let mut spool = Spool::new(self.settings());
        let mut records = vec![Encoded {
            json: b"{}".as_slice().into(),
            endpoint: Endpoint::Events,
            spool_entry: None,
        }];
        let stored = spool.store(&mut records, WhenFull::Evict, Now::read());
        stored.expect("the disk works");
        spool.leave(Now::read());
        assert_eq!(self.segments(), 1);
    }

    fn segments(&self) -> usize {
        let entries = self.project().0.read_dir().expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names.filter(|name| name != "consent").count()
    }

    fn note(&self) -> Option<Note> {
        Note::read(&FileSystem::default(), &self.project().0).expect("the disk works")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn records_are_forgotten_also_by_other_processes() {
    let folder = Folder::new();
    folder.project().forget().expect("nothing to forget");
    assert!(!folder.0.exists());
    folder.leave_record();
    folder.project().forget().expect("the disk works");
    assert_eq!(folder.segments(), 0);
    let note = folder.note().expect("a note for other processes");
    assert!(!note.is_withdrawn);
    folder.project().forget().expect("the disk works");
    let later = folder.note().expect("a note");
    assert!(later.epoch == note.epoch, "there was nothing to forget");
}

#[test]
fn records_that_are_forgotten_after_a_withdrawal_leave_its_note() {
    let folder = Folder::new();
    folder.leave_record();
    Note::new(true)
        .write(&FileSystem::default(), &folder.project().0)
        .expect("the disk works");
    folder.project().forget().expect("the disk works");
    assert_eq!(folder.segments(), 0);
    assert!(folder.note().is_some_and(|note| note.is_withdrawn));
}

#[test]
fn a_withdrawal_and_a_grant_are_noted_once() {
    let folder = Folder::new();
    folder.leave_record();
    let project = folder.project();
    project.grant().expect("the disk works");
    assert!(folder.note().is_none(), "it was not withdrawn");
    assert!(project.granted_period().is_some());
    project.withdraw().expect("the disk works");
    let withdrawn = folder.note().expect("a note");
    assert!(withdrawn.is_withdrawn && folder.segments() == 0);
    assert!(project.granted_period().is_none());
    project.withdraw().expect("the disk works");
    let again = folder.note().expect("a note");
    assert!(again.epoch == withdrawn.epoch);
    project.grant().expect("the disk works");
    let granted = folder.note().expect("a note");
    assert!(!granted.is_withdrawn && granted.epoch != withdrawn.epoch);
    assert!(project.granted_period().is_some());
}

#[test]
fn a_note_that_cannot_be_read_is_written_anew_by_a_grant() {
    let folder = Folder::new();
    folder.leave_record();
    let project = folder.project();
    fs::write(project.0.join("consent"), "?").expect("written");
    assert!(project.granted_period().is_none());
    project.grant().expect("the disk works");
    assert!(folder.note().is_some_and(|note| !note.is_withdrawn));
}

#[test]
fn a_damaged_note_stays_while_records_are_forgotten() {
    let folder = Folder::new();
    folder.leave_record();
    let note = folder.project().0.join("consent");
    fs::write(&note, "?").expect("written");
    folder.project().forget().expect("the disk works");
    assert_eq!(folder.segments(), 0);
    assert_eq!(fs::read(&note).expect("a file"), b"?");
}

#[test]
fn what_is_not_a_note_or_a_segment_is_an_error_or_stays() {
    let folder = Folder::new();
    folder.leave_record();
    let project = folder.project();
    let (_, name) = name::make(Endpoint::Events, None, std::time::SystemTime::now());
    fs::create_dir(project.0.join(name)).expect("made");
    let note = project.0.join("consent");
    fs::create_dir(&note).expect("made");
    for change in [ProjectFolder::grant, ProjectFolder::forget] {
        let error = change(&project).expect_err("it is a folder");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
    fs::remove_dir(&note).expect("removed");
    project
        .withdraw()
        .expect("the folder of a segment's name stays");
    assert_eq!(folder.segments(), 1);

    let file = ProjectFolder(note);
    assert!(file.has_segments().is_err());
    assert!(
        !ProjectFolder(folder.0.join("absent"))
            .has_segments()
            .expect("no folder")
    );
}

#[test]
fn only_the_folders_of_projects_are_changed() {
    let folder = Folder::new();
    withdraw_in(&folder.0).expect("there is no folder");
    folder.leave_record();
    let other = folder.0.join("other");
    fs::create_dir(&other).expect("made");
    let file = folder
        .0
        .join(Fingerprint::of("https://example.org", "other").to_string());
    fs::write(&file, "").expect("written");
    withdraw_in(&folder.0).expect("the disk works");
    assert!(folder.note().is_some_and(|note| note.is_withdrawn));
    assert_eq!(other.read_dir().expect("a folder").count(), 0);
    grant_in(&folder.0).expect("the disk works");
    assert!(folder.note().is_some_and(|note| !note.is_withdrawn));
    withdraw_in(&file).expect_err("it is not a folder");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_searched_is_an_error_after_all_others_are_changed() {
    let folder = Folder::new();
    folder.leave_record();
    for number in 0..8 {
        let name = Fingerprint::of("https://example.org", &format!("other {number}")).to_string();
        let link = folder.0.join(name);
        std::os::unix::fs::symlink(&link, &link).expect("made");
    }
    withdraw_in(&folder.0).expect_err("each link leads to itself");
    assert!(folder.note().is_some_and(|note| note.is_withdrawn));
    assert_eq!(folder.segments(), 0);
}

#[cfg(unix)]
#[test]
fn a_link_to_a_project_that_is_gone_is_not_an_error() {
    let folder = Folder::new();
    folder.leave_record();
    let name = Fingerprint::of("https://example.org", "other").to_string();
    std::os::unix::fs::symlink("gone", folder.0.join(name)).expect("made");
    withdraw_in(&folder.0).expect("the disk works");
}

#[test]
fn a_folder_with_the_name_of_a_segment_is_no_disk_that_fails() {
    let folder = Folder::new();
    folder.leave_record();
    let (_, name) = name::make(Endpoint::Events, None, Now::read().system);
    fs::create_dir(folder.project().0.join(name)).expect("made");
    let mut spool = Spool::new(folder.settings());
    spool.scan_for_orphans(Now::read()).expect("the disk works");
    let loaded = spool.load(true, true, Now::read()).expect("a record");
    assert_eq!(loaded.records.len(), 1);
    assert!(spool.load(true, true, Now::read()).is_none());
    assert!(!spool.needs_scan());
}
