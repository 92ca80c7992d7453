//! The primitives that threads share and wait with. A model of `loom` replaces them: then it tries each interleaving.

#[cfg(test)]
#[cfg(trubrics_loom)]
pub(crate) mod model;

#[cfg(test)]
#[cfg(trubrics_loom)]
pub(crate) use self::model::{atomic, channel, mutex::*, thread, thread_local};

#[cfg(not(all(test, trubrics_loom)))]
pub(crate) use self::real::*;

/// Any build but a model.
#[cfg(not(all(test, trubrics_loom)))]
mod real {
    pub(crate) use std::{
        sync::{Condvar, Mutex, MutexGuard, atomic},
        thread, thread_local,
    };

    pub(crate) use crossbeam_channel as channel;
}
