//! Everything at once: three programs of two projects, a server, a disk, a clock and people that do as a seed says, for
//! ten minutes each. After that everything works.
//!
//! The programs share the folder of the spool. What holds is checked after each step (`checks.rs`), and at the end of
//! each process and of the whole run (`ends.rs`). The addresses of the server and how the bytes of an answer arrive are
//! below the transport, and no part of this.

mod checks;
mod consent;
mod ends;
mod figures;
mod plan;
mod process;
mod storm;

use std::{
    env,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use self::{
    figures::Figures,
    plan::{Event, Plan},
    storm::Storm,
};
use super::{
    Answer, Call, Query, Random, Rule, SECOND,
    client::{Client, Drops, Program},
    ledger, seeds,
    server::{Line, MAX_LATENCY, MIN_LATENCY, Server},
};
use crate::{
    clock::double::{self, VirtualTime},
    spool::{Fault, random_double},
};

/// Runs the script of one seed. Prints it if a check fails.
fn run(seed: u64) -> Figures {
    let plan = Plan::of(seed);
    let storm = plan.clone();
    match catch_unwind(AssertUnwindSafe(|| Storm::new(storm).run())) {
        Ok(figures) => figures,
        Err(panic) => {
            println!("{plan}");
            println!(
                "TRUBRICS_SIMULATION_SEED={seed} cargo test --lib simulation::weather -- --nocapture"
            );
            resume_unwind(panic)
        }
    }
}

/// The number in this variable of the environment, if it is there.
fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok()?.parse().ok()
}

/// Runs fresh seeds on all processors for this long, or until one fails.
fn run_for(time: Duration, first: u64) -> Figures {
    let (end, next, has_failed) = (
        Instant::now() + time,
        AtomicU64::new(first),
        AtomicBool::new(false),
    );
    let run_some = || {
        let mut figures = Figures::default();
        while Instant::now() < end && !has_failed.load(Relaxed) {
            let seed = next.fetch_add(1, Relaxed);
            let ran = catch_unwind(|| run(seed));
            has_failed.fetch_or(ran.is_err(), Relaxed);
            figures = figures.and(ran.unwrap_or_else(|panic| resume_unwind(panic)));
        }
        figures
    };
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run_some)).collect();
        let figures = threads.into_iter().map(|thread| thread.join());
        let figures = figures.map(|figures| figures.unwrap_or_else(|panic| resume_unwind(panic)));
        figures.fold(Figures::default(), Figures::and)
    })
}

/// Seeds that found faults.
const FOUND: [u64; 10] = [
    5_984, 49_362, 54_470, 58_679, 70_689, 171_297, 293_868, 490_082, 589_601, 745_732,
];

#[test]
fn every_promise_holds_after_each_step_in_any_weather() {
    let first = number("TRUBRICS_SIMULATION_SEED");
    let seconds = number("TRUBRICS_SIMULATION_SECONDS");
    let figures = match (first, seconds) {
        (first, Some(seconds)) => {
            run_for(Duration::from_secs(seconds), first.unwrap_or_else(fresh))
        }
        (Some(seed), None) => run(seed),
        (None, None) => (0..seeds().end * 10)
            .chain(FOUND)
            .map(run)
            .fold(Figures::default(), Figures::and),
    };
    println!("{figures}");
}

/// A first seed that no run has had.
fn fresh() -> u64 {
    uuid::Uuid::new_v4().as_u64_pair().0 >> 16
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 0..3 {
        let (one, other) = (run(seed), run(seed));
        assert_eq!(format!("{one:?}"), format!("{other:?}"), "{seed}");
    }
}
