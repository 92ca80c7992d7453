use std::{
    process,
    time::{Duration, Instant},
};

use trubrics::Event;

use super::{from_env, names, run};
use crate::support::{LONG, server};

pub(super) fn program_that_forks() {
    let mut client = from_env();
    client.track(Event::new("user_123", "Before the fork"));
    match fork::fork().expect("a child") {
        fork::Fork::Child => {
            let started = Instant::now();
            let error = client.flush(LONG).expect_err("no worker delivers it here");
            assert!(error.pending() > 0);
            let error = client
                .track_sync(Event::new("user_123", "On the parent's connection"))
                .expect_err("not here");
            assert_eq!(error.to_string(), "the client is closed");
            let outcomes = client.deliver([Event::new("user_123", "Of the parent")], LONG);
            assert!(outcomes[0].as_ref().is_err_and(|error| error.is_closed()));
            client = from_env();
            assert!(started.elapsed() < Duration::from_secs(10), "it waited");
            client.track(Event::new("user_123", "In the child"));
            drop(client);
            process::exit(7);
        }
        fork::Fork::Parent(child) => {
            fork::waitpid(child).expect("its end");
            client.track(Event::new("user_123", "After the fork"));
        }
    }
}

pub(super) fn program_that_forks_with_a_client_of_the_process() {
    let mut guard = trubrics::init(from_env()).expect("the first");
    trubrics::track(Event::new("user_123", "Before the fork"));
    if let fork::Fork::Parent(child) = fork::fork().expect("a child") {
        fork::waitpid(child).expect("its end");
        trubrics::track(Event::new("user_123", "After the fork"));
    } else {
        drop(guard);
        guard = trubrics::init(from_env()).expect("the first of the child");
        trubrics::track(Event::new("user_123", "In the child"));
        drop(guard);
        process::exit(7);
    }
    drop(guard);
}

#[test]
fn after_a_fork_both_processes_deliver_what_is_theirs_once() {
    for recipe in ["fork", "fork with a client of the process"] {
        let server = server();
        let output = run(recipe, &server);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaint}");
        assert_eq!(
            names(&server),
            ["After the fork", "Before the fork", "In the child"]
        );
    }
}
