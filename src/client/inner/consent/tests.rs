use std::{env, fs, path::PathBuf};

use super::*;
use crate::{Consent, DropReason, Event, Response, Trubrics, TrubricsBuilder, transport_fn};

fn builder() -> TrubricsBuilder {
    Trubrics::builder("key").transport(transport_fn(|_| Ok(Response::new(200))))
}

/// A folder that is not there yet, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("trubrics-agreement-{}", crate::anonymous_id());
        Self(env::temp_dir().join(name))
    }

    fn client(&self) -> Trubrics {
        builder().spool(&self.0).build().expect("a client")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn an_agreement_ends_with_a_withdrawal_even_if_a_grant_follows() {
    let client = builder().build().expect("a client");
    let inner = client.inner.as_ref().expect("enabled");
    let before = inner.agreement().expect("there is consent");
    assert!(before.holds());
    assert_eq!(before.withdrawals(), 0);
    client.withdraw().expect("no disk");
    assert!(!before.holds() && inner.agreement().is_none());
    client.grant().expect("no disk");
    assert!(!before.holds());
    let after = inner.agreement().expect("there is consent");
    assert!(after.holds());
    assert_eq!(after.withdrawals(), 1);
}

#[test]
fn an_agreement_ends_with_a_withdrawal_of_another_process() {
    let folder = Folder::new();
    let client = folder.client();
    // The first record makes the folder of the project.
    client.track(Event::new("user", "Sign up"));
    client.flush(LIMIT).expect("delivered");
    let inner = client.inner.as_ref().expect("enabled");
    let before = inner.agreement().expect("there is consent");
    assert!(before.holds());
    crate::withdraw_in(&folder.0).expect("the disk works");
    assert!(!before.holds() && inner.agreement().is_none());
    crate::grant_in(&folder.0).expect("the disk works");
    assert!(!before.holds());
}

#[test]
fn the_consent_of_a_closed_client_is_changed_in_its_folder() {
    let folder = Folder::new();
    let client = folder.client();
    client.close(LIMIT).expect("nothing to deliver");
    client.withdraw().expect("the disk works");
    assert_eq!(folder.client().consent(), Consent::Withdrawn);
    client.grant().expect("the disk works");
    assert_eq!(folder.client().consent(), Consent::Granted);
}

#[test]
fn a_worker_that_has_ended_gives_no_answer_and_a_busy_one_an_error() {
    let soon = || Instant::now() + Duration::from_millis(1);
    let (done, answer) = bounded(1);
    let late = wait(&answer, soon()).expect("it has not ended");
    let kind = late.expect_err("no answer").kind();
    assert_eq!(kind, io::ErrorKind::TimedOut);
    done.send(Ok(())).expect("the test listens");
    assert!(wait(&answer, soon()).is_some_and(|result| result.is_ok()));
    drop(done);
    assert!(wait(&answer, soon()).is_none());
}

#[test]
fn records_that_wait_for_consent_are_sent_after_a_grant_whatever_other_processes_noted() {
    let folder = Folder::new();
    folder.client().track(Event::new("user", "Sign up"));
    let undecided = builder().spool(&folder.0).consent(Consent::Undecided);
    let client = undecided.build().expect("a client");
    client.track(Event::new("user", "Run"));
    crate::withdraw_in(&folder.0).expect("the disk works");
    client.grant().expect("the disk works");
    client.flush(LIMIT).expect("delivered");
    let stats = client.stats();
    assert_eq!((stats.delivered, stats.dropped), (1, 0));
    assert_eq!(folder.client().consent(), Consent::Granted);
}

#[test]
fn records_that_wait_for_consent_are_dropped_at_the_end() {
    let undecided = builder().consent(Consent::Undecided);
    let client = undecided.build().expect("a client");
    client.track(Event::new("user", "Run"));
    client.close(LIMIT).expect_err("there is no consent");
    assert_eq!(client.stats().dropped_for(DropReason::Undecided), 1);
}

#[test]
fn a_grant_over_a_damaged_note_forgets_what_was_tracked_before_it() {
    let folder = Folder::new();
    let away = Trubrics::builder("key").transport(transport_fn(|_| Ok(Response::new(503))));
    let client = away.spool(&folder.0).build().expect("a client");
    client.track(Event::new("user", "Run"));
    client
        .flush(Duration::from_millis(10))
        .expect_err("the server is away");
    let projects = fs::read_dir(&folder.0).expect("a folder");
    for project in projects {
        let note = project.expect("a project").path().join("consent");
        fs::write(note, "?").expect("written");
    }
    client.grant().expect("the disk works");
    assert_eq!(client.stats().dropped_for(DropReason::Withdrawn), 1);
    assert_eq!(client.consent(), Consent::Granted);
    assert_eq!(folder.client().consent(), Consent::Granted);
}
