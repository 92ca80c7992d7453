//! What a model replaces, over the primitives of `loom`.
//!
//! All threads of a model run on one thread of the machine, one at a time. So they share its virtual clock.

pub(crate) mod atomic;
pub(crate) mod channel;
pub(crate) mod mutex;
pub(crate) mod thread;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

pub(crate) use thread::thread_local;

use crate::clock::double::VirtualTime;

/// Runs a model in each interleaving, and prints how many there were. With bounds, only interleavings with at most this
/// many preemptions are tried: switches away from a thread that could go on.
#[track_caller]
pub(crate) fn check(
    name: &str,
    preemptions: Option<usize>,
    model: impl Fn() + Send + Sync + 'static,
) {
    let executions = Arc::new(AtomicU64::new(0));
    let counted = executions.clone();
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound = builder.preemption_bound.or(preemptions);
    let bound = builder.preemption_bound;
    let began = Instant::now();
    let model = Arc::new(model);
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        let _time = VirtualTime::start();
        let model = model.clone();
        // A thread of its own, because the first one has a small stack.
        thread::spawn(move || model()).join().expect("no panic");
    });
    let executions = executions.load(Relaxed);
    let bound = bound.map_or("any number of".to_owned(), |bound| {
        format!("at most {bound}")
    });
    let seconds = began.elapsed().as_secs_f64();
    println!("{name}: {executions} executions, {bound} preemptions, {seconds:.1} s");
}
