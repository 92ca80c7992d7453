use std::{panic, process, sync::mpsc, time::Duration};

use trubrics::{Event, Trubrics, transport_fn};

use super::{from_env, names, run};
use crate::support::{LONG, build, server};

fn set_panic_hook(client: &Trubrics) {
    let former = panic::take_hook();
    panic::set_hook(Box::new({
        let client = client.clone();
        move |info| {
            let place = info.location().map(ToString::to_string);
            client.track(Event::new("user_123", "Crash").property("place", place));
            let _ = client.flush(Duration::from_secs(2));
            former(info);
        }
    }));
}

pub(super) fn program_with_a_panic_hook() {
    let client = from_env();
    set_panic_hook(&client);
    client.track(Event::new("user_123", "Report made"));
    let crash = panic::catch_unwind(|| panic!("on purpose"));
    // Nothing that comes later is needed for the delivery.
    assert!(crash.is_err());
    process::exit(101);
}

pub(super) fn program_that_aborts() {
    let client = from_env();
    set_panic_hook(&client);
    client.track(Event::new("user_123", "Report made"));
    let crash = panic::catch_unwind(|| panic!("on purpose"));
    assert!(crash.is_err());
    process::abort();
}

#[test]
fn a_program_that_panics_or_aborts_tells_of_it_and_loses_nothing() {
    for recipe in ["panic", "abort"] {
        let server = server();
        let output = run(recipe, &server);
        assert!(!output.status.success());
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(complaint.contains("on purpose"), "{complaint}");
        assert_eq!(names(&server), ["Crash", "Report made"], "{recipe}");
        let crash = server.events_named("Crash").remove(0);
        let place = crash["properties"]["place"].as_str().expect("a place");
        assert!(place.contains("panics.rs"), "{place}");
    }
}

/// Its hook would wait for ever if it waited for the thread that it runs on.
pub(super) fn program_that_panics_inside() {
    let client = build(
        Trubrics::builder("key")
            .before_send(|record| match record.get_user_id() {
                "nobody" => panic!("on purpose, in a hook"),
                _ => Some(record),
            })
            .transport(transport_fn(|_| panic!("on purpose, in the transport"))),
    );
    let (tell, told) = mpsc::channel();
    panic::set_hook(Box::new({
        let client = client.clone();
        move |_| {
            let error = client.flush(LONG).expect_err("called from inside");
            let _ = tell.send(error.is_in_hook());
        }
    }));
    client.track(Event::new("nobody", "e"));
    assert_eq!(told.recv_timeout(LONG), Ok(true), "in a hook");
    client.track(Event::new("user_123", "e"));
    // It makes the worker send, and so panic.
    let _ = client.flush(Duration::from_millis(500));
    assert_eq!(told.recv_timeout(LONG), Ok(true), "on the worker");
    process::exit(9);
}

#[test]
fn a_panic_hook_that_flushes_does_not_wait_for_itself() {
    let output = run("panic inside", &server());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(9), "{complaint}");
}
