//! A whole worker under a clock that stands still until nothing is left to do, against a made-up server.
//!
//! Everything is real but the clock, the transport, the disk and the threads: a test takes the steps of the worker one
//! by one, on its own thread. When the worker waits, the clock jumps to the next event. The same seed gives the same
//! run.

#![expect(clippy::print_stdout, reason = "figures and seeds are for a person")]

mod client;
mod harness;
mod ledger;
mod random;
mod server;
mod traffic;

mod ages;
mod batches;
mod disks;
mod outages;
mod poison;
mod restarts;
mod rules;
mod sizes;
mod weather;
mod withdrawals;

use self::{
    harness::{Setup, Simulation},
    ledger::Ledger,
    random::Random,
    server::{Answer, Call, Query, Rule},
    traffic::Traffic,
};
use std::{env, ops::Range, time::Duration};

const SECOND: Duration = Duration::from_secs(1);

/// The seeds of this run: a few, or as many as the environment says.
fn seeds() -> Range<u64> {
    let seeds = env::var("TRUBRICS_SIMULATION_SEEDS").ok();
    let count = seeds.and_then(|seeds| seeds.parse().ok());
    0..count.unwrap_or(2)
}

/// In memory and with a spool, with one request and several in flight.
fn clients(seed: u64) -> impl Iterator<Item = Setup> {
    let kinds = [(false, 1), (true, 1), (false, 4), (true, 4)];
    kinds.into_iter().map(move |(has_spool, requests)| Setup {
        seed,
        has_spool,
        requests,
        max_age: 600 * SECOND,
    })
}
