use std::{process, thread, time::Duration};

use crate::{Event, Response, Trubrics, TrubricsBuilder, transport_fn};

const LONG: Duration = Duration::from_secs(20);

fn builder() -> TrubricsBuilder {
    Trubrics::builder("key").transport(transport_fn(|_| Ok(Response::new(200))))
}

/// Ends the process with this status when it is dropped in a process other than `parent`.
#[cfg(unix)]
struct ExitInChild {
    parent: u32,
    status: i32,
}

#[cfg(unix)]
impl Drop for ExitInChild {
    fn drop(&mut self) {
        if process::id() != self.parent {
            process::exit(self.status);
        }
    }
}

/// The exit status of a forked child that runs `code`, or 9 if it hangs.
#[cfg(unix)]
fn status_of_child(code: impl FnOnce()) -> i32 {
    match fork::fork().expect("a child") {
        fork::Fork::Child => {
            thread::spawn(|| {
                thread::sleep(LONG / 4);
                process::exit(9);
            });
            code();
            process::exit(0);
        }
        fork::Fork::Parent(child) => fork::waitpid(child).expect("the end of the child"),
    }
}

#[cfg(unix)]
#[test]
fn an_inherited_handle_waits_for_no_lock_of_its_parent() {
    let client = builder().build().expect("a client");
    let inner = client.inner.clone().expect("enabled");
    let mut inherited = Some(client);
    let mut status = None;
    let thread = inner.state.thread.lock().expect("the lock");
    inner.lifecycle().while_locked(|| {
        inner.state.parts.exchange.while_locked(|| {
            status = Some(status_of_child(|| {
                let client = inherited.take().expect("the handle");
                client.flush(LONG).expect_err("nothing is sent here");
                client.close(LONG).expect_err("nothing is sent here");
                client.close_in_time();
                let _ = client.stats();
            }));
        });
    });
    drop(thread);
    assert_eq!(status.map(exit_code), Some(0));
}

#[cfg(unix)]
#[test]
fn the_last_drop_of_an_inherited_handle_drops_no_part_of_the_client() {
    let part = ExitInChild {
        parent: process::id(),
        status: 3,
    };
    let client = builder()
        .before_send(move |record| {
            let _ = &part;
            Some(record)
        })
        .build()
        .expect("a client");
    client.track(Event::new("user", "Sign up"));
    let mut inherited = Some(client);
    let status = status_of_child(|| drop(inherited.take()));
    assert_eq!(exit_code(status), 0);
}

/// The exit code in a status of `waitpid`.
#[cfg(unix)]
fn exit_code(status: i32) -> i32 {
    status >> 8 & 0xff
}
