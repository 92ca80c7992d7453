//! Storms of processes that share a spool and die by `SIGKILL`. They are of two projects: each record must arrive at
//! its own.
//!
//! A process promises a record when it has read that record in the folder as a whole line. The record is then in the
//! kernel's hands, where a kill cannot reach it. After each `track`, the process looks for its own records in the
//! folder and reports over a pipe how many it has read; nothing depends on milliseconds. Its own records are not due
//! for delivery until it has reported all of them, so none leaves the folder unread. A record that a successful `flush`
//! delivered counts as promised, too. Meanwhile the process delivers the records that earlier processes left.
//!
//! The parent kills the process at a random moment after the report (storms of promises), or at any moment (storms of
//! surprise, where only reported records are promised). At the end, one client delivers the remaining records. The
//! server must then have every promised record, and none that was not tracked. A kill between the server's answer and
//! the acknowledgement on disk delivers that one batch twice. The test counts such batches: there may be no more of
//! them than kills.
//!
//! Some of the processes are stopped for a while, with the locks of their segments, and go on.
//!
//! `TRUBRICS_KILLS=full` runs the storms in the size that gives figures. `TRUBRICS_KILLS_SEED=<n>` chooses other
//! moments, from the few milliseconds in which a process delivers, or from `TRUBRICS_KILLS_WITHIN=<milliseconds>`:
//!
//! ```sh
//! TRUBRICS_KILLS=full cargo test --release --test integration kills:: -- --nocapture --test-threads 1
//! ```
#![expect(clippy::print_stdout, reason = "figures are asked for")]

mod process;
mod storm;

use std::{
    env,
    os::unix::process::ExitStatusExt,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use self::{
    process::{Life, Orders, Process},
    storm::{Ledger, Storm},
};
use crate::{
    chance::Chance,
    support::{Folder, LONG, server},
};

const SLOW: Duration = Duration::from_millis(20);

fn is_full() -> bool {
    env::var_os("TRUBRICS_KILLS").is_some_and(|size| size == "full")
}

/// The other end of all the tests here.
#[test]
fn a_process_of_a_storm() {
    if let Some(orders) = Orders::received() {
        orders.carry_out();
    }
}

fn storm_of_promises(latency: Duration) {
    let storm = Storm {
        processes: if is_full() { 200 } else { 24 },
        latency,
        is_patient: true,
        seed: storm::seed(),
    };
    let outcome = storm.run();
    println!("{outcome}");
    assert_eq!(outcome.ledger.promised(), storm.processes * storm::RECORDS);
    outcome.check();
}

#[test]
fn what_killed_processes_promised_arrives() {
    storm_of_promises(Duration::ZERO);
}

#[test]
fn what_killed_processes_promised_arrives_at_a_slow_server() {
    storm_of_promises(SLOW);
}

#[test]
fn a_kill_at_any_moment_costs_nothing_that_was_on_disk() {
    for latency in [Duration::ZERO, SLOW] {
        let storm = Storm {
            processes: if is_full() { 200 } else { 16 },
            latency,
            is_patient: false,
            seed: storm::seed(),
        };
        let outcome = storm.run();
        println!("{outcome}");
        outcome.check();
    }
}

#[test]
fn four_processes_deliver_everything_once_beside_others_that_are_killed() {
    let records = if is_full() { 10_000 } else { 1_000 };
    let (server, folder) = (server(), Folder::new());
    // Long enough a life to be disturbed.
    server.set_latency(SLOW / 4);
    let mut ledger = Ledger::default();
    let is_over = AtomicBool::new(false);
    let orders = |name, life, records| Orders {
        folder: folder.0.clone(),
        host: server.url().to_owned(),
        name,
        records,
        life,
    };
    let mut kills = 0;
    thread::scope(|scope| {
        let works = |name| {
            let orders = orders(name, Life::Works, records);
            let work = move || {
                let mut process = Process::start(&orders);
                process.wait_for_start();
                process.freeze(SLOW * 10);
                process.wait_for_promise();
                assert!(process.end(LONG).success(), "it closed well");
            };
            scope.spawn(work)
        };
        let workers: Vec<_> = (0..4).map(works).collect();
        let killing = scope.spawn(|| {
            let (mut chance, mut promised) = (Chance::new(storm::seed(), 0), Vec::new());
            for name in 4.. {
                if is_over.load(Ordering::Relaxed) && name > 8 {
                    break;
                }
                let life = Life::of(name);
                let process = Process::start(&orders(name, life, storm::RECORDS));
                let (stored, status) = process.kill_after(storm::moment(&mut chance, SLOW * 4));
                promised.push((name, stored, status.signal().is_some()));
            }
            promised
        });
        for worker in workers {
            worker.join().expect("a worker");
        }
        is_over.store(true, Ordering::Relaxed);
        for (name, stored, was_killed) in killing.join().expect("the killer") {
            ledger.promise(name, stored, storm::RECORDS);
            kills += u64::from(was_killed);
        }
    });
    for name in 0..4 {
        ledger.promise(name, records, records);
    }
    storm::deliver_the_rest(&server, &folder);
    storm::assert_nothing_is_left(&folder);
    ledger.read(0, &server);
    println!(
        "4 processes, {records} records each, {kills} others killed beside them: {} of {} arrived, {} of them twice; of \
         the others {} batches twice",
        ledger.arrived(0..4),
        4 * records,
        ledger.doubled(0..4),
        ledger.doubled_batches(),
    );
    assert_eq!(ledger.arrived(0..4), 4 * records);
    assert_eq!(ledger.doubled(0..4), 0);
    ledger.check(kills);
}
