//! Threads, how they park, and what belongs to one of them.

use std::{cell::Cell, io, sync::Arc};

pub(crate) use loom::thread::{JoinHandle, yield_now};

use super::mutex::{Condvar, Mutex};

/// Declares a value of each thread, as that of `std`.
macro_rules! local {
    ($(#[$doc:meta])* static $name:ident: $value:ty = const { $init:expr };) => {
        $(#[$doc])*
        static $name: $crate::sync::model::thread::LocalKey<$value> = {
            loom::thread_local! { static VALUE: $value = $init; }
            $crate::sync::model::thread::LocalKey(&VALUE)
        };
    };
}
pub(crate) use local as thread_local;

/// Enough for a whole client in a build without optimisations. The default of `loom` is too little.
const STACK_BYTES: usize = 512 * 1024;

#[derive(Default)]
pub(crate) struct Builder;

impl Builder {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn name(self, _: String) -> Self {
        self
    }

    pub(crate) fn spawn<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let builder = loom::thread::Builder::new().stack_size(STACK_BYTES);
        builder.spawn(work)
    }
}

pub(crate) fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    Builder::new().spawn(work).expect("a thread of a model")
}

/// A thread that others can unpark.
#[derive(Clone)]
pub(crate) struct Thread(Arc<Parker>);

#[derive(Default)]
struct Parker {
    is_unparked: Mutex<bool>,
    unparked: Condvar,
}

local! {
    static CURRENT: Cell<Option<Thread>> = const { Cell::new(None) };
}

pub(crate) fn current() -> Thread {
    let thread = CURRENT.take().unwrap_or_else(|| Thread(Arc::default()));
    CURRENT.set(Some(thread.clone()));
    thread
}

/// Waits until the thread is unparked. The one of `loom` cannot be used, because it also ends a wait for a lock.
pub(crate) fn park() {
    let Thread(parker) = current();
    let mut is_unparked = parker.is_unparked.lock().expect("no panic");
    while !*is_unparked {
        is_unparked = parker.unparked.wait(is_unparked).expect("no panic");
    }
    *is_unparked = false;
}

impl Thread {
    pub(crate) fn unpark(&self) {
        *self.0.is_unparked.lock().expect("no panic") = true;
        self.0.unparked.notify_one();
    }
}

/// A value of each thread.
pub(crate) struct LocalKey<T: 'static>(pub(crate) &'static loom::thread::LocalKey<T>);

impl<T: 'static> LocalKey<Cell<T>> {
    pub(crate) fn set(&self, value: T) {
        self.0.with(|cell| cell.set(value));
    }

    pub(crate) fn get(&self) -> T
    where
        T: Copy,
    {
        self.0.with(Cell::get)
    }

    pub(crate) fn take(&self) -> T
    where
        T: Default,
    {
        self.0.with(Cell::take)
    }
}
