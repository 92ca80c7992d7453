//! How many records and bytes may be in the queue, and how callers wait for room.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError},
};

use crate::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    thread::{self, Thread},
};

/// The bounds of the queue, and how much of them is in use by records that wait, are in a batch or are in flight.
///
/// One word holds the bytes in use, the number of records ever accepted, and whether the budget is closed or paused. A
/// caller changes all of it in one step, so a record that does not fit is never counted, and none is accepted after the
/// close or during a pause.
pub(crate) struct Budget {
    max_records: u64,
    max_bytes: u64,
    state: Padded<AtomicU64>,
    /// Records ever released. Only the worker writes it, except where a record could not be sent to it.
    released: Padded<AtomicU64>,
    /// How many callers wait, readable without the lock.
    blocked: AtomicUsize,
    waiters: Mutex<VecDeque<Arc<Waiter>>>,
}

/// Keeps two values that different threads write off the same cache line.
#[derive(Default)]
#[repr(align(128))]
struct Padded<T>(T);

/// The budget of one record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reservation {
    /// How many records were accepted before this one; see [`Budget::distance`].
    pub(crate) ticket: u64,
    /// The bytes in use before this record.
    pub(crate) bytes_before: usize,
}

/// Why there is no budget for a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum NoBudget {
    Full,
    /// No record is accepted without consent.
    Paused,
    Closed,
}

/// A caller that waits for room. Whichever thread releases budget reserves it for the caller that has waited longest:
/// otherwise small records would keep passing a large one.
struct Waiter {
    bytes: usize,
    thread: Thread,
    grant: Mutex<Grant>,
}

#[derive(Clone, Copy)]
enum Grant {
    Waiting,
    Cancelled(NoBudget),
    Granted(Reservation),
}

/// The bytes are in the lower bits: room for 32 GiB.
const BYTES_BITS: u32 = 35;
const BYTES_MASK: u64 = (1 << BYTES_BITS) - 1;

/// The highest bit is set when the budget is closed.
const CLOSED: u64 = 1 << 63;

/// The next bit is set while the budget is paused.
const PAUSED: u64 = 1 << 62;

const FLAGS: u64 = CLOSED | PAUSED;

/// The bits between count accepted records, and start again at zero when they are used up.
const TICKET_MASK: u64 = (PAUSED >> BYTES_BITS) - 1;

/// Half of what can be counted, so that the sign of a distance between two counts is clear.
const MAX_RECORDS: u64 = TICKET_MASK / 2;

impl Budget {
    /// A budget with these bounds. A bound that cannot be counted is replaced by the largest that can.
    pub(crate) fn new(max_records: usize, max_bytes: usize) -> Self {
        Self {
            max_records: (max_records as u64).min(MAX_RECORDS),
            max_bytes: (max_bytes as u64).min(BYTES_MASK),
            state: Padded::default(),
            released: Padded::default(),
            blocked: AtomicUsize::new(0),
            waiters: Mutex::default(),
        }
    }

    /// Reserves budget for one record, if it fits.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<Reservation, NoBudget> {
        // Read before the state: a count that is too small only makes the queue look fuller than it is.
        let mut released = self.released.0.load(SeqCst);
        let mut state = self.state.0.load(SeqCst);
        loop {
            if let Some(refusal) = refusal_of(state) {
                return Err(refusal);
            }
            if !self.fits(state, released, bytes) {
                let latest = self.released.0.load(SeqCst);
                if latest == released {
                    return Err(NoBudget::Full);
                }
                released = latest;
                state = self.state.0.load(SeqCst);
                continue;
            }
            let next = (state + (1 << BYTES_BITS) + bytes as u64) & !FLAGS;
            match self
                .state
                .0
                .compare_exchange_weak(state, next, SeqCst, SeqCst)
            {
                Ok(_) => {
                    return Ok(Reservation {
                        ticket: ticket_of(state),
                        bytes_before: bytes_of(state),
                    });
                }
                Err(current) => state = current,
            }
        }
    }

    /// Reserves budget for one record, and waits for it in turn. Refuses only when the budget is closed or paused, or
    /// `is_cancelled` says that no thread will release any. `wake` is called before a wait: the queue can be full
    /// before the worker was woken for it.
    pub(crate) fn reserve_or_wait(
        &self,
        bytes: usize,
        is_cancelled: impl Fn() -> bool,
        wake: impl Fn(),
    ) -> Result<Reservation, NoBudget> {
        if !self.has_blocked()
            && let Ok(reservation) = self.reserve(bytes)
        {
            return Ok(reservation);
        }
        // Before the lock: in a forked process, the thread that holds it does not exist.
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        if is_cancelled() {
            return Err(NoBudget::Closed);
        }
        let waiter = Arc::new(Waiter {
            bytes,
            thread: thread::current(),
            grant: Mutex::new(Grant::Waiting),
        });
        let mut waiters = self.waiters();
        // A release or close that happens from here on sees this caller; an earlier one is seen below.
        self.blocked.fetch_add(1, SeqCst);
        waiters.push_back(waiter.clone());
        if let Some(refusal) = self.refusal() {
            self.cancel_all(&mut waiters, refusal);
        }
        self.grant(&mut waiters);
        drop(waiters);
        let is_waiting = matches!(*waiter.grant(), Grant::Waiting);
        if is_waiting {
            wake();
        }
        loop {
            let grant = *waiter.grant();
            match grant {
                Grant::Waiting => thread::park(),
                Grant::Cancelled(refusal) => return Err(refusal),
                Grant::Granted(reservation) => return Ok(reservation),
            }
        }
    }

    /// Takes back the reservation of a record that could not be sent to the worker: it was never accepted.
    pub(crate) fn undo(&self, bytes: usize) {
        let undone = |state: u64| {
            let counts = state & !FLAGS;
            // One bit above the count, so that a count of zero can be reduced.
            let reduced = (counts | PAUSED) - (1 << BYTES_BITS) - bytes as u64;
            Some((reduced & !FLAGS) | (state & FLAGS))
        };
        let _ = self.state.0.fetch_update(SeqCst, SeqCst, undone);
        self.grant_to_blocked();
    }

    /// Releases the budget of settled records, and passes it on to callers that wait.
    pub(crate) fn release(&self, records: usize, bytes: usize) {
        self.state.0.fetch_sub(bytes as u64, SeqCst);
        self.released.0.fetch_add(records as u64, SeqCst);
        self.grant_to_blocked();
    }

    /// Closes the budget; callers that wait are refused.
    pub(crate) fn close(&self) {
        self.state.0.fetch_or(CLOSED, SeqCst);
        self.cancel_all(&mut self.waiters(), NoBudget::Closed);
    }

    /// Accepts no record until [`resume`](Self::resume); callers that wait are refused.
    pub(crate) fn pause(&self) {
        self.state.0.fetch_or(PAUSED, SeqCst);
        self.cancel_all(&mut self.waiters(), NoBudget::Paused);
    }

    pub(crate) fn resume(&self) {
        self.state.0.fetch_and(!PAUSED, SeqCst);
    }

    /// Why no record is accepted, if that is so whatever there is room for.
    pub(crate) fn refusal(&self) -> Option<NoBudget> {
        refusal_of(self.state.0.load(SeqCst))
    }

    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let released = self.released.0.load(SeqCst);
        self.fits(self.state.0.load(SeqCst), released, bytes)
    }

    /// Whether callers wait for room.
    pub(crate) fn has_blocked(&self) -> bool {
        self.blocked.load(SeqCst) > 0
    }

    /// Records ever accepted.
    pub(crate) fn accepted(&self) -> u64 {
        let released = self.released.0.load(SeqCst);
        released + in_use(self.state.0.load(SeqCst), released)
    }

    /// Records in use.
    pub(crate) fn records(&self) -> u64 {
        let released = self.released.0.load(SeqCst);
        in_use(self.state.0.load(SeqCst), released)
    }

    /// Bytes in use.
    pub(crate) fn bytes(&self) -> usize {
        bytes_of(self.state.0.load(SeqCst))
    }

    /// How many records were accepted after the first `taken` ones.
    pub(crate) fn accepted_after(&self, taken: u64) -> u64 {
        Self::distance(ticket_of(self.state.0.load(SeqCst)), taken)
    }

    /// How far a ticket is ahead of a count of records; zero if it is behind.
    pub(crate) fn distance(ticket: u64, count: u64) -> u64 {
        let distance = ticket.wrapping_sub(count) & TICKET_MASK;
        if distance > MAX_RECORDS { 0 } else { distance }
    }

    /// As if this many records had been accepted and released.
    #[cfg(test)]
    pub(crate) fn accept_for_tests(&self, records: u64) {
        self.state
            .0
            .store((records & TICKET_MASK) << BYTES_BITS, SeqCst);
        self.released.0.store(records, SeqCst);
    }

    fn fits(&self, state: u64, released: u64, bytes: usize) -> bool {
        in_use(state, released) < self.max_records
            && bytes as u64 <= self.max_bytes.saturating_sub(state & BYTES_MASK)
    }

    fn grant_to_blocked(&self) {
        if self.has_blocked() {
            self.grant(&mut self.waiters());
        }
    }

    fn grant(&self, waiters: &mut VecDeque<Arc<Waiter>>) {
        while let Some(reservation) = waiters
            .front()
            .and_then(|next| self.reserve(next.bytes).ok())
        {
            self.answer_next(waiters, Grant::Granted(reservation));
        }
    }

    fn cancel_all(&self, waiters: &mut VecDeque<Arc<Waiter>>, refusal: NoBudget) {
        while !waiters.is_empty() {
            self.answer_next(waiters, Grant::Cancelled(refusal));
        }
    }

    fn answer_next(&self, waiters: &mut VecDeque<Arc<Waiter>>, grant: Grant) {
        if let Some(next) = waiters.pop_front() {
            self.blocked.fetch_sub(1, SeqCst);
            *next.grant() = grant;
            next.thread.unpark();
        }
    }

    fn waiters(&self) -> MutexGuard<'_, VecDeque<Arc<Waiter>>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    fn grant(&self) -> MutexGuard<'_, Grant> {
        self.grant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal_of(state: u64) -> Option<NoBudget> {
    match state & FLAGS {
        0 => None,
        PAUSED => Some(NoBudget::Paused),
        _ => Some(NoBudget::Closed),
    }
}

fn bytes_of(state: u64) -> usize {
    (state & BYTES_MASK) as usize
}

fn ticket_of(state: u64) -> u64 {
    (state >> BYTES_BITS) & TICKET_MASK
}

/// Accepted records that are not released. `released` was read before `state`, so it is not ahead.
fn in_use(state: u64, released: u64) -> u64 {
    ticket_of(state).wrapping_sub(released) & TICKET_MASK
}

#[cfg(test)]
#[cfg(trubrics_loom)]
mod models;
