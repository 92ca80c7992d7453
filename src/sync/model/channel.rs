//! A channel of messages over the locks of `loom`, which does not know crossbeam's. That crossbeam's channel itself is
//! correct is not part of the models.
//!
//! A wait for an instant soon is one that ends at any moment, and the clock goes on to that instant. A wait for a later
//! one has no end: a model in which a thread needs that end fails as a deadlock.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

pub(crate) use crossbeam_channel::{
    RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError,
};

use super::mutex::{Condvar, Mutex, MutexGuard};
use crate::clock::{self, double};

/// A wait for an instant that is closer ends.
const SOON: Duration = Duration::from_secs(1);

pub(crate) struct Sender<T>(Arc<Channel<T>>);

pub(crate) struct Receiver<T>(Arc<Channel<T>>);

struct Channel<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    messages: VecDeque<T>,
    capacity: usize,
    senders: usize,
    receivers: usize,
}

pub(crate) fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    bounded(usize::MAX)
}

pub(crate) fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let state = State {
        messages: VecDeque::new(),
        capacity,
        senders: 1,
        receivers: 1,
    };
    let channel = Arc::new(Channel {
        state: Mutex::new(state),
        changed: Condvar::new(),
    });
    (Sender(channel.clone()), Receiver(channel))
}

impl<T> Sender<T> {
    /// Sends a message. Where the source uses it, there is room.
    pub(crate) fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.try_send(message).map_err(|error| match error {
            TrySendError::Disconnected(message) => SendError(message),
            TrySendError::Full(_) => panic!("a sender would wait"),
        })
    }

    pub(crate) fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let mut state = self.0.state();
        if state.receivers == 0 {
            return Err(TrySendError::Disconnected(message));
        }
        if state.messages.len() >= state.capacity {
            return Err(TrySendError::Full(message));
        }
        state.messages.push_back(message);
        drop(state);
        self.0.changed.notify_one();
        Ok(())
    }
}

impl<T> Receiver<T> {
    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        let mut state = self.0.state();
        loop {
            match state.take() {
                Ok(message) => return Ok(message),
                Err(TryRecvError::Disconnected) => return Err(RecvError),
                Err(TryRecvError::Empty) => {
                    state = self.0.changed.wait(state).expect("no panic");
                }
            }
        }
    }

    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.state().take()
    }

    pub(crate) fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        let left = deadline.saturating_duration_since(clock::now());
        if left >= SOON {
            return self
                .recv()
                .map_err(|RecvError| RecvTimeoutError::Disconnected);
        }
        self.try_recv().map_err(|error| match error {
            TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            TryRecvError::Empty => {
                double::pass(left);
                RecvTimeoutError::Timeout
            }
        })
    }
}

/// The messages, until the channel is disconnected.
pub(crate) struct Messages<'a, T>(&'a Receiver<T>);

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Messages<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        Messages(self)
    }
}

impl<T> Iterator for Messages<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

impl<T> Channel<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no panic")
    }
}

impl<T> State<T> {
    fn take(&mut self) -> Result<T, TryRecvError> {
        self.messages.pop_front().ok_or(match self.senders {
            0 => TryRecvError::Disconnected,
            _ => TryRecvError::Empty,
        })
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.state().senders += 1;
        Self(self.0.clone())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.0.state().receivers += 1;
        Self(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.senders -= 1;
        if state.senders == 0 {
            drop(state);
            self.0.changed.notify_all();
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.receivers -= 1;
        // Crossbeam drops the messages with the last receiver.
        let left = match state.receivers {
            0 => std::mem::take(&mut state.messages),
            _ => VecDeque::new(),
        };
        drop(state);
        drop(left);
    }
}
