//! How many records and bytes may be in the queue, and the wait for room where somebody asks for it.

use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
};

/// Bounds of the budget, and what is in use. Both numbers are in one word, so that none ever sees one without the other,
/// and what does not fit is never counted, not even for a moment.
pub(super) struct Budget {
    max_records: u64,
    max_bytes: u64,
    used: AtomicU64,
    /// Callers that wait for room.
    blocked: AtomicUsize,
    turns: Mutex<Turns>,
    room: Condvar,
}

/// Those who wait are served in the order in which they came: small records would otherwise pass a large one for ever.
#[derive(Default)]
struct Turns {
    next: u64,
    serving: u64,
}

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
            turns: Mutex::default(),
            room: Condvar::new(),
        }
    }

    /// Takes budget for one record, if it fits; says how many bytes were in use before.
    pub(super) fn reserve(&self, bytes: usize) -> Option<usize> {
        let add = |used| self.fits(used, bytes as u64).then(|| used + pack(1, bytes));
        let before = self.used.fetch_update(SeqCst, SeqCst, add).ok()?;
        Some((before & BYTES_MASK) as usize)
    }

    /// Takes budget for one record, and waits for it in turn; none once `is_closed`. `wake` is called before a wait:
    /// what fills the queue may be too little to have woken the worker.
    pub(super) fn reserve_or_wait(
        &self,
        bytes: usize,
        is_closed: impl Fn() -> bool,
        wake: impl Fn(),
    ) -> Option<usize> {
        if !self.has_blocked()
            && let Some(before) = self.reserve(bytes)
        {
            return Some(before);
        }
        let mut turns = self.turns();
        let turn = turns.next;
        turns.next += 1;
        self.blocked.fetch_add(1, SeqCst);
        wake();
        let reserved = loop {
            if is_closed() {
                break None;
            }
            if turns.serving == turn
                && let Some(before) = self.reserve(bytes)
            {
                break Some(before);
            }
            turns = self
                .room
                .wait(turns)
                .unwrap_or_else(PoisonError::into_inner);
        };
        self.blocked.fetch_sub(1, SeqCst);
        turns.serving += 1;
        self.room.notify_all();
        reserved
    }

    /// Gives budget back.
    pub(super) fn release(&self, records: usize, bytes: usize) {
        self.used.fetch_sub(pack(records as u64, bytes), SeqCst);
        if self.has_blocked() {
            self.notify();
        }
    }

    /// Lets those who wait look again.
    pub(super) fn notify(&self) {
        // Whoever is about to wait holds this lock: behind it, he is waiting and hears the call.
        drop(self.turns());
        self.room.notify_all();
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

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was counted once, fits.
fn pack(records: u64, bytes: usize) -> u64 {
    (records << BYTES_BITS) | bytes as u64
}
