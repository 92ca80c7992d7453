//! How many records and bytes may be in the queue, and the wait for room where somebody asks for it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread::{self, Thread},
};

/// Bounds of the budget, and what is in use. Both numbers are in one word, so that none ever sees one without the other,
/// and what does not fit is never counted, not even for a moment.
pub(super) struct Budget {
    max_records: u64,
    max_bytes: u64,
    used: AtomicU64,
    /// How many wait, to be asked without the lock.
    blocked: AtomicUsize,
    waiting: Mutex<VecDeque<Arc<Waiter>>>,
}

/// A caller that waits for room. It is given its budget by whoever gives some back, in the order in which they came:
/// small records would otherwise pass a large one for ever.
struct Waiter {
    bytes: usize,
    thread: Thread,
    /// 0 while it waits, 1 when it waits in vain, and 2 more than the bytes that were in use before its own.
    answer: AtomicU64,
}

const WAITING: u64 = 0;
const IN_VAIN: u64 = 1;
const GRANTED: u64 = 2;

/// The bytes are in the lower bits, the records above them: room for 64 GiB and 268 million records.
const BYTES_BITS: u32 = 36;
const BYTES_MASK: u64 = (1 << BYTES_BITS) - 1;
const MAX_RECORDS: u64 = u64::MAX >> BYTES_BITS;

impl Budget {
    /// Bounds beyond what can be counted are as good as none.
    pub(super) fn new(max_records: usize, max_bytes: usize) -> Self {
        Self {
            max_records: (max_records as u64).min(MAX_RECORDS),
            max_bytes: (max_bytes as u64).min(BYTES_MASK),
            used: AtomicU64::new(0),
            blocked: AtomicUsize::new(0),
            waiting: Mutex::default(),
        }
    }

    /// Takes budget for one record, if it fits; says how many bytes were in use before.
    pub(super) fn reserve(&self, bytes: usize) -> Option<usize> {
        let add = |used| self.fits(used, bytes as u64).then(|| used + pack(1, bytes));
        let before = self.used.fetch_update(SeqCst, SeqCst, add).ok()?;
        Some((before & BYTES_MASK) as usize)
    }

    /// Takes budget for one record, and waits for it in turn; none where that is `in_vain`. `wake` is called before a
    /// wait: what fills the queue may be too little to have woken the worker.
    pub(super) fn reserve_or_wait(
        &self,
        bytes: usize,
        in_vain: impl Fn() -> bool,
        wake: impl Fn(),
    ) -> Option<usize> {
        if !self.has_blocked()
            && let Some(before) = self.reserve(bytes)
        {
            return Some(before);
        }
        // Nobody may be there to let go of the lock.
        if in_vain() {
            return None;
        }
        let waiter = Arc::new(Waiter {
            bytes,
            thread: thread::current(),
            answer: AtomicU64::new(WAITING),
        });
        let mut waiting = self.waiting();
        // From here on, whoever gives budget back or shuts the door comes by; what came before is seen here.
        self.blocked.fetch_add(1, SeqCst);
        waiting.push_back(waiter.clone());
        if in_vain() {
            self.let_go(&mut waiting);
        }
        self.grant(&mut waiting);
        drop(waiting);
        if waiter.answer.load(SeqCst) == WAITING {
            wake();
        }
        loop {
            match waiter.answer.load(SeqCst) {
                WAITING => thread::park(),
                IN_VAIN => return None,
                granted => return Some((granted - GRANTED) as usize),
            }
        }
    }

    /// Gives budget back, and hands it on to those who wait.
    pub(super) fn release(&self, records: usize, bytes: usize) {
        self.used.fetch_sub(pack(records as u64, bytes), SeqCst);
        if self.has_blocked() {
            self.grant(&mut self.waiting());
        }
    }

    /// Lets those who wait go without.
    pub(super) fn close(&self) {
        self.let_go(&mut self.waiting());
    }

    fn grant(&self, waiting: &mut VecDeque<Arc<Waiter>>) {
        while let Some(before) = waiting.front().and_then(|next| self.reserve(next.bytes)) {
            self.answer_next(waiting, GRANTED + before as u64);
        }
    }

    fn let_go(&self, waiting: &mut VecDeque<Arc<Waiter>>) {
        while !waiting.is_empty() {
            self.answer_next(waiting, IN_VAIN);
        }
    }

    fn answer_next(&self, waiting: &mut VecDeque<Arc<Waiter>>, answer: u64) {
        if let Some(next) = waiting.pop_front() {
            self.blocked.fetch_sub(1, SeqCst);
            next.answer.store(answer, SeqCst);
            next.thread.unpark();
        }
    }

    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.fits(self.used.load(SeqCst), bytes as u64)
    }

    pub(super) fn has_blocked(&self) -> bool {
        self.blocked.load(SeqCst) > 0
    }

    pub(super) fn records(&self) -> u64 {
        self.used.load(SeqCst) >> BYTES_BITS
    }

    pub(super) fn bytes(&self) -> usize {
        (self.used.load(SeqCst) & BYTES_MASK) as usize
    }

    fn fits(&self, used: u64, bytes: u64) -> bool {
        used >> BYTES_BITS < self.max_records
            && bytes <= self.max_bytes.saturating_sub(used & BYTES_MASK)
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Arc<Waiter>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was counted once, fits.
fn pack(records: u64, bytes: usize) -> u64 {
    (records << BYTES_BITS) | bytes as u64
}
