//! The program's own code that runs inside ours: guarded, so that its panic costs a record at the most, and known, so
//! that it cannot wait for itself.

use std::{
    cell::Cell,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{
    delivery::reply::Refusal,
    record::{Encoded, Record},
    stats::DropReason,
};

/// See [`TrubricsBuilder::before_send`](crate::TrubricsBuilder::before_send).
pub(crate) type BeforeSend = Box<dyn Fn(Record) -> Option<Record> + Send + Sync>;
/// See [`TrubricsBuilder::on_drop`](crate::TrubricsBuilder::on_drop).
pub(crate) type OnDrop = Box<dyn Fn(&Dropped<'_>) + Send + Sync>;

/// Records that were dropped together; what [`on_drop`](crate::TrubricsBuilder::on_drop) is given. `Debug` hides the
/// records.
pub struct Dropped<'a> {
    pub(crate) reason: DropReason,
    pub(crate) refusal: Option<&'a Refusal>,
    pub(crate) count: usize,
    pub(crate) records: &'a [Encoded],
}

impl<'a> Dropped<'a> {
    /// Why they were dropped.
    pub fn reason(&self) -> DropReason {
        self.reason
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The HTTP status, if it was the server that refused them or put them off.
    pub fn status(&self) -> Option<u16> {
        self.refusal.map(|refusal| refusal.status)
    }

    /// The server's own words, if it gave any; cut off where they are long.
    pub fn detail(&self) -> Option<&'a str> {
        self.refusal.and_then(|refusal| refusal.detail.as_deref())
    }

    /// Each record as the JSON object that would have been sent. There is none for [`DropReason::Invalid`] and
    /// [`DropReason::Hook`], where a record ends before it is JSON.
    pub fn records(&self) -> impl Iterator<Item = &'a str> {
        self.records
            .iter()
            .map(|record| std::str::from_utf8(&record.json).unwrap_or_default())
    }
}

impl fmt::Debug for Dropped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dropped")
            .field("reason", &self.reason)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// Runs `before_send`; a panic refuses the record.
pub(crate) fn before_send(hook: &BeforeSend, record: Record) -> Option<Record> {
    guarded(|| hook(record)).flatten()
}

/// Runs a redaction; none if it panicked.
pub(crate) fn redact(redact: impl Fn(&str) -> String, text: &str) -> Option<String> {
    guarded(|| redact(text))
}

/// Runs `on_drop`, unless the drop happened inside a hook: it would be told of its own doing without end.
pub(crate) fn on_drop(hook: &OnDrop, dropped: &Dropped<'_>) {
    if !is_running() {
        guarded(|| hook(dropped));
    }
}

thread_local! {
    static RUNNING: Cell<bool> = const { Cell::new(false) };
}

/// Whether a hook is running on this thread.
pub(crate) fn is_running() -> bool {
    RUNNING.try_with(Cell::get).unwrap_or_default()
}

fn guarded<T>(hook: impl FnOnce() -> T) -> Option<T> {
    let outer = RUNNING
        .try_with(|running| running.replace(true))
        .unwrap_or_default();
    let result = catch_unwind(AssertUnwindSafe(hook));
    let _ = RUNNING.try_with(|running| running.set(outer));
    result.ok()
}
