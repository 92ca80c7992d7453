//! `flush`, `close` and the drop of a client return in time, whatever state the network is in.
//!
//! With `TRUBRICS_MEASURE=1` in the environment each state is entered twenty times, one after the other, and the
//! longest that a call took is printed, with one connection and with three.

mod states;

use std::{
    env, thread,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use trubrics::{Trubrics, testing};

use self::states::{STATES, State};
use crate::{child, support::LONG};

const LIMIT: Duration = Duration::from_millis(300);

/// What a call may take beyond its limit on a machine that has much else to do; the promise is 50 ms on an idle one.
const MARGIN: Duration = Duration::from_millis(700);

/// Where the worker makes the requests itself, and where other threads do.
const CONNECTIONS: [usize; 2] = [1, 3];

/// A call, with the time that it is given.
type Call = (&'static str, Duration, fn(&mut Option<Trubrics>));

const CLOSE: Call = ("close(300 ms)", LIMIT, |client| {
    let _ = client.as_ref().map(|client| client.close(LIMIT));
});
const CLOSE_AT_ONCE: Call = ("close(0)", Duration::ZERO, |client| {
    let _ = client.as_ref().map(|client| client.close(Duration::ZERO));
});
const FLUSH: Call = ("flush(300 ms)", LIMIT, |client| {
    let _ = client.as_ref().map(|client| client.flush(LIMIT));
});
const FLUSH_AT_ONCE: Call = ("flush(0)", Duration::ZERO, |client| {
    let _ = client.as_ref().map(|client| client.flush(Duration::ZERO));
});
const DROP: Call = ("drop", LIMIT, |client| *client = None);
const TWO_CLOSES: Call = ("two close(300 ms)", LIMIT, |client| {
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| client.as_ref().map(|client| client.close(LIMIT)));
        }
    });
});

#[test]
fn close_returns_in_time_in_every_state() {
    in_each_state(STATES, CLOSE);
}

#[test]
fn close_without_time_returns_at_once_in_every_state() {
    in_each_state(STATES, CLOSE_AT_ONCE);
}

#[test]
fn flush_returns_in_time_in_every_state() {
    in_each_state(STATES, FLUSH);
}

#[test]
fn flush_without_time_returns_at_once_in_every_state() {
    in_each_state(STATES, FLUSH_AT_ONCE);
}

#[test]
fn a_drop_returns_in_time_in_every_state() {
    in_each_state(STATES, DROP);
}

#[test]
fn two_threads_that_close_at_once_both_return_in_time_in_every_state() {
    in_each_state(STATES, TWO_CLOSES);
}

#[cfg(target_os = "linux")]
#[test]
fn every_call_returns_in_time_while_the_name_server_is_silent() {
    let test = "every_call_returns_in_time_while_the_name_server_is_silent";
    if !child::is_this_under(&states::OWN_NAME_SERVER, module_path!(), test) {
        return;
    }
    for call in [CLOSE, CLOSE_AT_ONCE, FLUSH, FLUSH_AT_ONCE, DROP, TWO_CLOSES] {
        in_each_state(&[states::NO_NAME], call);
    }
}

/// Makes the call in each state and holds that it returns in time, and that every record is accounted for afterwards.
fn in_each_state(states: &[State], (name, limit, call): Call) {
    if env::var_os("TRUBRICS_MEASURE").is_some() {
        return measure(states, (name, limit, call));
    }
    for connections in CONNECTIONS {
        // All at once: nearly all of the time is spent on waiting.
        thread::scope(|scope| {
            for (state, enter) in states {
                let run = move || {
                    let took = time(*enter, connections, call);
                    assert!(took <= limit + MARGIN, "{name}, {state}: {took:?}");
                };
                let thread = thread::Builder::new().name(format!("{name}, {state}"));
                thread.spawn_scoped(scope, run).unwrap();
            }
        });
    }
}

fn measure(states: &[State], (name, limit, call): Call) {
    for (state, enter) in states {
        let slowest = CONNECTIONS.map(|connections| {
            let all = (0..20).map(|_| time(*enter, connections, call));
            let slowest = all.max().unwrap_or_default();
            assert!(slowest <= limit + MARGIN, "{name}, {state}: {slowest:?}");
            slowest.as_millis()
        });
        child::tell(&format!("{name:18} | {state:21} | {slowest:3?} ms"));
    }
}

/// How long the call takes in that state.
fn time(enter: states::Enter, connections: usize, call: fn(&mut Option<Trubrics>)) -> Duration {
    let (sender, told) = unbounded();
    let builder = Trubrics::builder(testing::API_KEY)
        .max_concurrent_requests(connections)
        .shutdown_timeout(LIMIT)
        .on_drop(move |dropped| {
            let _ = sender.send(dropped.count());
        });
    let (client, other_side) = enter(builder);
    let mut client = Some(client);
    let started = Instant::now();
    call(&mut client);
    let took = started.elapsed();
    drop(other_side);
    match client {
        Some(client) => settle(&client),
        None => wait_for_the_end(&told),
    }
    took
}

/// Ends the client, whose worker may have been let go, and holds that all its records have met their end.
fn settle(client: &Trubrics) {
    let _ = client.close(Duration::ZERO);
    let deadline = Instant::now() + LONG;
    while client.stats().pending > 0 && Instant::now() < deadline {
        // Each call waits a little for the worker, but gives it no time for further attempts that matter.
        let _ = client.close(Duration::from_millis(20));
    }
    client.close(LONG).ok();
    let stats = client.stats();
    assert_eq!(stats.pending, 0, "{stats:?}");
    assert_eq!(stats.tracked, stats.delivered + stats.dropped, "{stats:?}");
}

/// The hook goes with the worker.
fn wait_for_the_end(told: &Receiver<usize>) {
    let deadline = Instant::now() + LONG;
    loop {
        match told.recv_deadline(deadline) {
            Ok(_) => {}
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => panic!("the worker did not end"),
        }
    }
}
