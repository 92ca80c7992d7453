//! The fault storm: many threads use a client while its server and its network fail in every known way. At the end,
//! the callers' notes, the calls of `on_drop`, the server's list of records and `stats()` must agree for every single
//! event.
//!
//! In some storms the client has a spool. Then another client delivers the records that the first one leaves there.
//!
//! A seed decides the settings, the faults and the calls of each thread. It does not decide the timing of the threads.
//! A long storm:
//!
//! ```text
//! TRUBRICS_STORM_SEEDS=20 TRUBRICS_STORM_STEPS=10000 cargo test --release --test integration storm:: -- --nocapture
//! ```
//!
//! and the same seed once more, with the steps of its message:
//!
//! ```text
//! TRUBRICS_STORM_SEED=7 TRUBRICS_STORM_STEPS=10000 cargo test --release --test integration storm:: -- --nocapture
//! ```

#![expect(clippy::print_stdout, reason = "a long storm tells its figures")]

mod attempts;
mod caller;
mod ledger;
mod network;
mod weather;

use std::{
    env,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use trubrics::{Stats, TrubricsBuilder, testing::Server};

use self::{
    caller::Caller,
    ledger::{Told, settle},
    network::Network,
    weather::Weather,
};
use crate::chance::Chance;

const CALLERS: u64 = 6;

/// Short enough for every run of the tests.
const STEPS: u64 = 900;

/// One for each end of a storm: with a queue that overflows, with small batches, and with large ones in order. A
/// random one goes with them.
const SEEDS: [u64; 3] = [3, 7, 8];

/// How many more records each caller tracks while the client is closed.
const TAIL: u64 = 40;

/// More than it takes until no fault is left.
const MAX_CLIENTS: usize = 1_000;

/// More than any storm needs to end.
const AMPLE: Duration = Duration::from_secs(120);

#[test]
fn after_a_storm_of_faults_every_record_is_accounted_for_once() {
    let number = |name| env::var(name).ok().map(|value| value.parse().expect(name));
    let steps = number("TRUBRICS_STORM_STEPS");
    let seeds: Vec<u64> = match (
        number("TRUBRICS_STORM_SEED"),
        number("TRUBRICS_STORM_SEEDS"),
    ) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => (1..=count).collect(),
        (None, None) => SEEDS.into_iter().chain([Chance::fresh_seed()]).collect(),
    };
    let is_told = steps.is_some();
    let steps = steps.unwrap_or(STEPS);
    for seed in seeds {
        let start = Instant::now();
        match storm(seed, steps) {
            Ok(told) if is_told => {
                println!(
                    "seed {seed}, {steps} steps, {:.1?}: {told}",
                    start.elapsed()
                );
            }
            Ok(_) => {}
            Err(problems) => panic!(
                "storm of TRUBRICS_STORM_SEED={seed} TRUBRICS_STORM_STEPS={steps}:\n{}",
                problems.join("\n")
            ),
        }
    }
}

/// How a storm ends.
enum End {
    /// Everything is flushed, then the client is closed.
    Calm,
    /// The client is closed while all threads go on tracking.
    Racing,
    /// The same, with a server that is down and no time to wait for it.
    Abrupt,
}

fn storm(seed: u64, steps: u64) -> Result<String, Vec<String>> {
    let mut chance = Chance::new(seed, 0);
    let end = match seed % 3 {
        0 => End::Calm,
        1 => End::Racing,
        _ => End::Abrupt,
    };
    let weather = Weather::new(seed, &mut chance);
    let server = Server::start().expect("a server");
    let network = Network::before(&server);
    let told = Told::default();
    let settings = told.listen(weather.settings((&server, &network), &mut chance));
    let client = settings.build().expect("a client");

    let mut main = Caller::new(&client, seed, CALLERS, weather.most_pending());
    let over = AtomicBool::new(false);
    let meeting = Barrier::new(CALLERS as usize + 1);
    let call = &|thread| {
        let mut caller = Caller::new(&client, seed, thread, weather.most_pending());
        for _ in 0..steps / CALLERS {
            caller.step();
        }
        meeting.wait();
        meeting.wait();
        for _ in 0..TAIL {
            caller.hand_over();
        }
        caller
    };
    let callers = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|thread| scope.spawn(move || call(thread)))
            .collect();
        let rage = || weather.rage((&server, &network), seed, steps, &over);
        let raging = scope.spawn(rage);

        meeting.wait();
        if matches!(end, End::Abrupt) {
            over.store(true, SeqCst);
            raging.join().expect("no panic");
            shut_down(&server, &mut main);
        }
        meeting.wait();
        match end {
            End::Calm => {}
            End::Racing => drop(client.close(AMPLE)),
            End::Abrupt => drop(client.close(Duration::from_millis(chance.below(30)))),
        }
        let callers = callers
            .into_iter()
            .map(|caller| caller.join().expect("no panic"));
        let callers: Vec<_> = callers.collect();
        over.store(true, SeqCst);
        callers
    });

    finish(&mut main, &end);
    let (mut handed, mut problems) = (main.handed, main.problems);
    for caller in callers {
        handed.extend(caller.handed);
        problems.extend(caller.problems);
    }
    if client.stats().left_in_spool > 0 {
        network.leave_connections();
        // A request that is still on its way must not be accepted: its client does not wait for the answer.
        let _ = server.wait_for_requests(usize::MAX, Duration::from_millis(300));
        server.set_unavailable(false);
    }
    let clients = with_the_rest(client.stats(), || {
        told.listen(weather.settings((&server, &network), &mut Chance::new(seed, 0)))
    });
    match settle(
        &handed,
        &told,
        (&server, &network),
        weather.keeps_order(),
        clients,
    ) {
        Ok(figures) if problems.is_empty() => Ok(format!("{figures}, {}", network.figures())),
        Ok(_) => Err(problems),
        Err(more) => Err([problems, more].concat()),
    }
}

/// Delivers the records that a client left in its spool, by clients each of which ends with the first request that
/// fails. Returns the figures of all.
fn with_the_rest(first: Stats, settings: impl Fn() -> TrubricsBuilder) -> Vec<Stats> {
    let mut clients = vec![first];
    while clients[clients.len() - 1].left_in_spool > 0 && clients.len() < MAX_CLIENTS {
        let next = settings().build().expect("a client");
        let _ = next.close(AMPLE);
        clients.push(next.stats());
    }
    clients
}

/// Takes the server down while records wait. No request is in flight then, and no other caller uses the client. A close
/// without time may interrupt an answer, and what became of an accepted request would then be unknown.
fn shut_down(server: &Server, main: &mut Caller<'_>) {
    main.flush_all();
    server.set_unavailable(true);
    (0..TAIL).for_each(|_| main.try_track());
}

/// Closes the client for good. No caller tracks any more.
fn finish(main: &mut Caller<'_>, end: &End) {
    match end {
        End::Calm => {
            main.flush_all();
            drop(main.client.close(AMPLE));
        }
        End::Racing => {}
        End::Abrupt => {
            // The worker may have been let go, and not yet be done with dropping.
            let deadline = Instant::now() + Duration::from_secs(10);
            while main.client.stats().pending > 0 && Instant::now() < deadline {
                drop(main.client.close(Duration::from_millis(100)));
            }
        }
    }
}
