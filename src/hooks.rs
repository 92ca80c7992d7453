//! Runs user callbacks: catches their panics, and tracks re-entrancy so that a callback cannot deadlock on its own
//! client.

use std::{cell::Cell, fmt, num::NonZeroU32, sync::Arc};

use crate::{
    catch_panic::catch_panic,
    drop_reason::DropReason,
    record::{Encoded, Record},
    reply::Refusal,
    sync::thread_local,
};

/// See [`TrubricsBuilder::before_send`](crate::TrubricsBuilder::before_send).
pub(crate) type BeforeSend = Arc<dyn Fn(Record) -> Option<Record> + Send + Sync>;
/// See [`TrubricsBuilder::on_drop`](crate::TrubricsBuilder::on_drop).
pub(crate) type OnDrop = Arc<dyn Fn(&Dropped<'_>) + Send + Sync>;

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

    /// The HTTP status, if the server refused them or asked for a later attempt.
    pub fn status(&self) -> Option<u16> {
        self.refusal.map(|refusal| refusal.status)
    }

    /// The server's own words, if it gave any; cut off where they are long.
    pub fn detail(&self) -> Option<&'a str> {
        self.refusal.and_then(|refusal| refusal.detail.as_deref())
    }

    /// Each record as the JSON object that would have been sent.
    ///
    /// A record that is [`DropReason::Invalid`] is shown as far as it can be written: an empty user or name stays
    /// empty, values that could not be serialised are left out, and so is a timestamp that was not set or is out of
    /// range.
    ///
    /// Some dropped records have no JSON, so these may be fewer than [`count`](Self::count): those of
    /// [`DropReason::Hook`] and [`DropReason::Corrupted`], those that were tracked without consent, and those of a
    /// withdrawal that cannot be read from the disk.
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

/// Tells clients apart: the client that a hook belongs to.
pub(crate) type ClientId = NonZeroU32;

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    BeforeSend,
    OnDrop,
    Redaction,
    Transport,
}

/// Runs `before_send`; a panic refuses the record. So does a record that comes out of `before_send` itself: it would
/// call itself without end.
pub(crate) fn before_send(client: ClientId, hook: &BeforeSend, record: Record) -> Option<Record> {
    if is_running(|frame| frame == (client, Kind::BeforeSend)) {
        return None;
    }
    guarded(client, Kind::BeforeSend, || hook(record)).flatten()
}

/// Runs a redaction; none if it panicked, and for a record that comes out of a redaction.
pub(crate) fn redact<T>(client: ClientId, redact: impl FnOnce() -> T) -> Option<T> {
    if is_running(|frame| frame == (client, Kind::Redaction)) {
        return None;
    }
    guarded(client, Kind::Redaction, redact)
}

/// Runs `on_drop`, unless the drop happened inside a hook: it would report its own drops without end.
pub(crate) fn on_drop(client: ClientId, hook: &OnDrop, dropped: &Dropped<'_>) {
    if !is_running(|(of, kind)| of == client && kind != Kind::Transport) {
        guarded(client, Kind::OnDrop, || hook(dropped));
    }
}

/// Runs a transport, on whatever thread; after a panic there is nothing.
pub(crate) fn transport<T>(client: ClientId, call: impl FnOnce() -> T) -> Option<T> {
    guarded(client, Kind::Transport, call)
}

/// The thread that this is called on works for the client alone: whatever it runs is as good as its transport.
pub(crate) fn mark_worker_thread(client: ClientId) {
    RUNNING.set(RUNNING.get().with((client, Kind::Transport)));
}

/// Whether a hook or the transport of this client is running on this thread.
pub(crate) fn is_inside(client: ClientId) -> bool {
    is_running(|(of, _)| of == client)
}

type Frame = (ClientId, Kind);

/// What runs on a thread, each inside the one before. It is plain data, because that is there until the very end of a
/// thread, when other thread-locals are gone.
#[derive(Clone, Copy)]
struct Running {
    frames: [Frame; MAX_DEPTH],
    depth: usize,
}

/// Hooks of one client that call another one, whose hooks call a third: where there are more, all of them count as
/// running.
const MAX_DEPTH: usize = 8;

thread_local! {
    static RUNNING: Cell<Running> = const {
        Cell::new(Running { frames: [(ClientId::MIN, Kind::Transport); MAX_DEPTH], depth: 0 })
    };
}

impl Running {
    fn with(mut self, frame: Frame) -> Self {
        if let Some(free) = self.frames.get_mut(self.depth) {
            *free = frame;
        }
        self.depth += 1;
        self
    }
}

fn is_running(is_meant: impl Fn(Frame) -> bool) -> bool {
    let Running { frames, depth } = RUNNING.get();
    depth > MAX_DEPTH || frames.into_iter().take(depth).any(is_meant)
}

fn guarded<T>(client: ClientId, kind: Kind, hook: impl FnOnce() -> T) -> Option<T> {
    let before = RUNNING.get();
    RUNNING.set(before.with((client, kind)));
    let result = catch_panic(hook);
    RUNNING.set(before);
    result
}

#[cfg(test)]
mod tests;
