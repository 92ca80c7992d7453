//! `cargo run --example threads`: one client, many threads; each holds a clone, and one worker sends for all of them.
//!
//! The records go to a server on this machine.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{error::Error, thread, time::Duration};

use trubrics::{Event, Trubrics, testing::Server};

const THREADS: usize = 8;
const EVENTS_PER_THREAD: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::start()?;
    let client = Trubrics::builder(server.api_key())
        .host(server.url())
        .default_property("app_version", "1.4.0")
        .build()?;

    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            // A clone is a pointer to the same client.
            let client = client.clone();
            thread::spawn(move || {
                for step in 0..EVENTS_PER_THREAD {
                    client
                        .track(Event::new(format!("user_{number}"), "Step").property("step", step));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked")?;
    }

    // Waits for the worker: everything that was tracked is delivered when this succeeds.
    client.close(Duration::from_secs(10))?;

    let stats = client.stats();
    println!("tracked    {:>5}  by {THREADS} threads", stats.tracked);
    println!(
        "delivered  {:>5}  in {} requests",
        stats.delivered,
        server.requests().len()
    );
    println!("dropped    {:>5}", stats.dropped);
    println!("pending    {:>5}", stats.pending);
    Ok(())
}
