//! Consent beside the other settings that keep a client from sending, and what a client says of itself.

use trubrics::{Choice, Gate, OffReason, Redaction, State, StoredChoice, grant_in, withdraw_in};

use super::*;

#[test]
fn the_state_of_a_running_client_follows_the_consent() {
    let (server, folder) = (server(), Folder::new());
    let builder = client_of(&server).spool(&folder.0);
    let client = build(builder.consent(Consent::Undecided));
    assert_eq!(client.state(), State::Undecided);
    assert!(!client.is_disabled());
    client.grant().expect("the disk works");
    assert_eq!(client.state(), State::On);
    client.withdraw().expect("the disk works");
    assert_eq!(client.state(), State::Off(OffReason::Withdrawn));
    assert_eq!(client.state().to_string(), "off: consent was withdrawn");
    grant_in(&folder.0).expect("the disk works");
    client.grant().expect("the disk works");
    withdraw_in(&folder.0).expect("the disk works");
    client.track(event("before"));
    // The worker notices it before the record is stored.
    let flushed = client.flush(LONG);
    let context = format!("{flushed:?}, {:?}", client.stats());
    assert_eq!(
        client.state(),
        State::Off(OffReason::Withdrawn),
        "{context}"
    );
    let _ = client.close(LONG);
    assert_eq!(client.state(), State::Off(OffReason::Withdrawn));
    assert!(server.requests().is_empty());
}

/// Leaves a record of this server's project in the folder.
fn leave(server: &Server, folder: &Folder) {
    let client = build(client_of(server).spool(&folder.0));
    client.track(event("left"));
    client.close(Duration::ZERO).expect("on disk");
    assert_eq!(folder.records(), 1);
}

#[test]
fn a_choice_that_is_off_forgets_the_spool_and_other_gates_do_not() {
    let (server, folder, choices) = (server(), Folder::new(), Folder::new());
    leave(&server, &folder);
    let stored = StoredChoice::in_file(choices.0.join("telemetry"));
    let builder = || {
        let builder = client_of(&server).spool(&folder.0);
        builder.off_if(Gate::when(true, "a test"))
    };
    let with_choice = || builder().off_if(Gate::choice(&stored));
    for settings in [builder(), with_choice(), builder().disabled(true)] {
        assert!(build(settings).is_disabled());
        assert_eq!(folder.records(), 1);
    }
    stored.set(Choice::Off, "1").expect("stored");
    let client = build(with_choice());
    assert_eq!(client.state(), State::Off(OffReason::Condition("a test")));
    assert_eq!(folder.records(), 0);
    let later = build(client_of(&server).spool(&folder.0));
    assert_eq!(later.state(), State::On, "no withdrawal is noted");
}

#[test]
fn an_undecided_choice_makes_a_client_that_no_grant_starts() {
    let folder = Folder::new();
    let stored = StoredChoice::in_file(folder.0.join("telemetry"));
    let client = build(client_of(&server()).off_if(Gate::choice(&stored)));
    client.grant().expect("nothing is done");
    assert_eq!(client.state(), State::Undecided);
    assert_eq!(client.consent(), Consent::Undecided);
    client.track(event("ignored"));
    client.close(LONG).expect("nothing waits");
}

#[test]
fn the_health_of_an_undecided_client_shows_what_waits() {
    let client = build(client_of(&server()).consent(Consent::Undecided));
    client.track(event("waits"));
    let start = Instant::now();
    let has_age = || {
        let health = client.health();
        assert!(health.worker_alive && health.pending == 1 && health.memory_bytes > 0);
        health.oldest_pending > Some(Duration::ZERO)
    };
    while !has_age() {
        assert!(start.elapsed() < LONG, "the worker does not note its age");
        thread::yield_now();
    }
    client.withdraw().expect("no disk");
    let health = client.health();
    assert_eq!((health.pending, health.memory_bytes), (0, 0));
    assert_eq!(health.oldest_pending, None);
}

#[test]
fn the_health_of_a_withdrawn_client_shows_an_empty_spool() {
    let (server, folder) = (server(), Folder::new());
    server.set_unavailable(true);
    let client = build(client_of(&server).spool(&folder.0));
    for _ in 0..10 {
        client.track(event("waits"));
    }
    let _ = client.flush(Duration::from_millis(100));
    let health = client.health();
    assert!(health.in_spool == 10 && health.spool_bytes > 0, "{health}");
    client.withdraw().expect("the disk works");
    let health = client.health();
    assert_eq!((health.pending, health.in_spool), (0, 0));
    assert_eq!((health.spool_bytes, health.oldest_pending), (0, None));
    assert!(health.worker_alive && health.last_failure.is_some());
}

#[test]
fn without_consent_no_limit_counts_and_no_rule_sees_a_record() {
    let server = server();
    let builder = client_of(&server)
        .consent(Consent::Undecided)
        .while_undecided(WhileUndecided::Drop)
        .at_most("limited", 1, NEVER)
        .sample(0.0);
    let client = build(builder.clone());
    client.track(event("limited"));
    assert_eq!(client.stats().dropped_for(DropReason::Undecided), 1);
    assert!(
        client
            .try_track(event("limited"))
            .expect_err("refused")
            .lacks_consent()
    );
    let outcomes = client.deliver([event("limited")], LONG);
    let error = outcomes[0].as_ref().expect_err("refused");
    assert!(error.lacks_consent() && error.left_out().is_none());

    let client = build(builder.sample(1.0).redact_properties(Redaction::all()));
    (0..3).for_each(|_| client.track(event("limited")));
    client.grant().expect("no disk");
    (0..2).for_each(|_| client.track(event("limited").property("mail", "a@example.com")));
    client.flush(LONG).expect("delivered");
    assert_eq!(client.stats().dropped_for(DropReason::RateLimited), 1);
    let sent = server.events_named("limited");
    assert_eq!(sent.len(), 1, "the limit is that of the granted ones");
    assert!(!sent[0].to_string().contains("example.com"), "{}", sent[0]);
}

#[test]
fn an_opt_out_does_not_make_a_grant_of_a_damaged_note() {
    let (server, folder, choices) = (server(), Folder::new(), Folder::new());
    leave(&server, &folder);
    let note = folder.0.join(&folder.files()[0]).with_file_name("consent");
    fs::write(&note, "torn").expect("room");
    let stored = StoredChoice::in_file(choices.0.join("telemetry"));
    stored.set(Choice::Off, "1").expect("stored");
    let builder = || client_of(&server).spool(&folder.0);
    drop(build(builder().off_if(Gate::choice(&stored))));
    assert_eq!(folder.records(), 0);
    let later = build(builder());
    later.track(event("later"));
    later
        .flush(Duration::from_millis(100))
        .expect_err("the note may have been a withdrawal");
    assert!(server.requests().is_empty());
    later.withdraw().expect("the note is written anew");
}

#[cfg(unix)]
#[test]
fn a_project_that_a_link_leads_to_is_withdrawn_too() {
    let (server, folder, elsewhere) = (server(), Folder::new(), Folder::new());
    leave(&server, &folder);
    let file = folder.files().remove(0);
    let (project, _) = file.split_once('/').expect("a folder of the project");
    let project = folder.0.join(project);
    fs::rename(&project, &elsewhere.0).expect("moved");
    std::os::unix::fs::symlink(&elsewhere.0, &project).expect("a link");
    withdraw_in(&folder.0).expect("the disk works");
    assert_eq!(elsewhere.records(), 0);
    let later = build(client_of(&server).spool(&folder.0));
    assert_eq!(later.consent(), Consent::Withdrawn);
}
