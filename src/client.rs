//! The handle that programs hold: it passes records to the intake, and waits for the worker on request.

mod deliver;
mod inner;

use std::{
    convert::Infallible,
    fmt, io,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
    time::Duration,
};

pub(crate) use self::inner::ClientParts;
use self::inner::Inner;
use crate::{
    consent::Consent,
    error::{DeliveryError, FlushError, TrackError},
    health::Health,
    record::{Event, Record},
    state::{OffReason, State},
    stats::Stats,
    sync::{channel::Receiver, thread::JoinHandle},
};

/// A client of Trubrics: takes records and returns at once, while one thread delivers them in batches.
///
/// Clones are cheap and share that thread. When the last handle is dropped the client is closed as by
/// [`close`](Self::close), with the time that [`shutdown_timeout`](crate::TrubricsBuilder::shutdown_timeout) allows. A
/// client in a `static` is never dropped, and `std::process::exit` drops nothing: call `close` there, as the
/// [recipes](crate::_docs::recipes) show.
///
/// ```no_run
/// use trubrics::{Event, Trubrics};
///
/// let client = Trubrics::from_env()?;
/// client.track(Event::new("user_123", "Sign up").property("plan", "team"));
/// # Ok::<(), trubrics::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use = "a client that is dropped at once is closed at once"]
pub struct Trubrics {
    /// The error is the state of a client that does nothing.
    inner: Result<Arc<Inner>, Arc<State>>,
}

// The client catches the panics of hooks and transports, so a panic cannot leave it half-changed.
impl UnwindSafe for Trubrics {}
impl RefUnwindSafe for Trubrics {}

impl Trubrics {
    /// A client without thread or socket, whose calls all do nothing and succeed.
    pub fn disabled() -> Self {
        Self::inactive(State::Off(OffReason::Disabled))
    }

    /// A client that does nothing, because it is in this state.
    pub(crate) fn inactive(state: State) -> Self {
        Self {
            inner: Err(Arc::new(state)),
        }
    }

    /// Whether this client does nothing: it is [`disabled`](Self::disabled), or was
    /// [built](crate::TrubricsBuilder::build) with settings that disable it, for a user who opted out, or with a
    /// [`Gate::choice`](crate::Gate::choice) that the user has not made yet. Its [`state`](Self::state) says why.
    pub fn is_disabled(&self) -> bool {
        self.inner.is_err()
    }

    /// Says whether this client sends, and why not; takes no lock. For a client that is off by its settings, that does
    /// not change. For any other, it follows the [`consent`](Self::consent), also after [`close`](Self::close).
    ///
    /// ```
    /// use trubrics::{OffReason, State, Trubrics};
    ///
    /// let client = Trubrics::builder("key")
    ///     .disabled(true)
    /// #   .transport(trubrics::transport_fn(|_| Ok(trubrics::Response::new(200))))
    ///     .build()?;
    /// assert_eq!(client.state(), State::Off(OffReason::Setting));
    /// assert_eq!(client.state().to_string(), "off: the program disabled the client");
    /// # Ok::<(), trubrics::ConfigError>(())
    /// ```
    pub fn state(&self) -> State {
        match &self.inner {
            Ok(inner) => match inner.intake().consent.get() {
                Consent::Granted => State::On,
                Consent::Undecided => State::Undecided,
                Consent::Withdrawn => State::Off(OffReason::Withdrawn),
            },
            Err(state) => State::clone(state),
        }
    }

    pub(crate) fn running(
        parts: ClientParts,
        thread: JoinHandle<()>,
        running: Receiver<Infallible>,
    ) -> Self {
        let inner = Inner::new(parts, thread, running);
        Self {
            inner: Ok(Arc::new(inner)),
        }
    }

    /// Takes a record for delivery and returns at once; it does not touch the network, and never fails or panics.
    ///
    /// When the queue is full the record is dropped, or with [`Overflow::Block`](crate::Overflow::Block) this waits for
    /// room. A record is also dropped if it is invalid, if a setting or the consent leaves it out, or after a close.
    /// Each drop is counted in [`stats`](Self::stats) and reported to [`on_drop`](crate::TrubricsBuilder::on_drop).
    #[doc(alias = "capture")]
    #[doc(alias = "send")]
    #[doc(alias = "log")]
    pub fn track(&self, record: impl Into<Record>) {
        if let Ok(inner) = &self.inner {
            inner.intake().track(record.into());
        }
    }

    /// Takes a record for delivery like [`track`](Self::track), or gives it back; it never waits, whatever
    /// [`Overflow`](crate::Overflow) says.
    ///
    /// A record that [`before_send`](crate::TrubricsBuilder::before_send) refuses is dropped and counted, and this
    /// succeeds. The same holds for one whose redaction panics, and for one that
    /// [`sample`](crate::TrubricsBuilder::sample) or [`at_most`](crate::TrubricsBuilder::at_most) leaves out.
    ///
    /// # Errors
    ///
    /// When the queue is full, other callers wait for room in it, the client is closed, the consent does not permit the
    /// record or the record is invalid. It is then not counted in [`stats`](Self::stats): it is the caller's again.
    pub fn try_track(&self, record: impl Into<Record>) -> Result<(), TrackError> {
        match &self.inner {
            Ok(inner) => inner.intake().try_track(record.into()),
            Err(_) => Ok(()),
        }
    }

    /// Delivers a record on the calling thread, past the queue, and waits for the answer: one attempt, for as long as
    /// [`request_timeout`](crate::TrubricsBuilder::request_timeout) allows.
    ///
    /// # Errors
    ///
    /// When the record is invalid, refused or [left out](DeliveryError::left_out), the server does not answer, the
    /// consent is not granted, or the client is closed; [`is_transient`](DeliveryError::is_transient) says whether to
    /// try again. The record is then not counted in [`stats`](Self::stats). If there was no answer, the server may have
    /// the record. A call from a hook or a transport of this client returns an error at once, and so does any call
    /// with [`hand_off`](crate::TrubricsBuilder::hand_off) and the default transport.
    pub fn track_sync(&self, record: impl Into<Record>) -> Result<(), DeliveryError> {
        match &self.inner {
            Ok(inner) => inner.track_sync(record.into()).map_err(DeliveryError::new),
            Err(_) => Ok(()),
        }
    }

    /// Makes an event `Feedback` of a user about a generation, as [`Event::feedback`] does. Add to it, and give it to
    /// [`track`](Self::track).
    #[doc(alias = "thumbs")]
    #[doc(alias = "rating")]
    pub fn feedback(&self, user_id: impl Into<String>, generation_id: impl Into<String>) -> Event {
        Event::feedback(user_id, generation_id)
    }

    /// Delivers many records on the calling thread, past the queue, and returns the outcome of each in the order given.
    /// With it, an import knows exactly how far it has come.
    ///
    /// Records of both kinds go out in full requests, one request at a time. Bad records are found and left out, and
    /// failed requests are sent again, all as the worker does. The order within a kind is kept, until a request fails
    /// twice in a row: then later requests may go first. A record that makes the server fail is isolated, and is tried
    /// for [`give_up_after`](crate::TrubricsBuilder::give_up_after).
    ///
    /// `before_send` and the content rules apply. [`on_drop`](crate::TrubricsBuilder::on_drop) does not see these
    /// records, and the queue's bounds do not count them.
    ///
    /// Blocks until all records are settled, at most for `timeout`: it is one deadline for the whole call, and the last
    /// attempt is made as late as it can still succeed. Only a connection that is being made, or a transport that does
    /// not respect the deadline of its request, may take longer. Several threads may call this at once. For each of
    /// them to keep its connection, [`max_concurrent_requests`](crate::TrubricsBuilder::max_concurrent_requests) must
    /// not be lower than their number.
    ///
    /// All records of a call are in memory, as JSON. Call it for one chunk after the other: 100 records of a kind fill
    /// a request, and 1,000 records are enough for a chunk.
    ///
    /// # Errors
    ///
    /// Each record has its own: it is invalid, a hook refused it, or the server did, with its status and words. The
    /// other records are delivered. Four events end the call, and leave the other records unsent:
    /// - The time is over: they are [not reached](DeliveryError::is_not_reached).
    /// - The server refuses the key: the records of that request have its status, and later ones are not reached.
    /// - The consent is withdrawn, by this process or another one: they [lack consent](DeliveryError::lacks_consent). A
    ///   request in flight is broken off. The server may have its records.
    /// - Another thread closes the client: they are [closed](DeliveryError::is_closed). A request in flight goes on for
    ///   as long as the close allows.
    ///
    /// While the consent is undecided or withdrawn, all records lack it, and no hook sees them. In a forked process all
    /// records are closed. A call from a hook or a transport gives each record an error
    /// [at once](DeliveryError::is_in_hook), and so does any call with [`hand_off`](crate::TrubricsBuilder::hand_off)
    /// and the default transport. A [disabled](Self::is_disabled) client sends nothing, and succeeds. Delivered records
    /// are counted in [`stats`](Self::stats). Records with an error are not: they are the caller's.
    ///
    /// ```
    /// use std::time::Duration;
    /// use trubrics::{Record, Trubrics};
    ///
    /// # let recorder = trubrics::testing::Recorder::new();
    /// # let client = Trubrics::builder("test-key").transport(recorder.clone()).build()?;
    /// let lines = [r#"{"user_id":"user_123","event":"Sign up","timestamp":"2024-10-09T13:21:46.182Z"}"#];
    /// let records: Vec<Record> = lines.into_iter().map(Record::from_json).collect::<Result<_, _>>()?;
    /// for (line, outcome) in lines.iter().zip(client.deliver(records, Duration::from_secs(60))) {
    ///     if let Err(error) = outcome {
    ///         eprintln!("{line}: {error}");
    ///     }
    /// }
    /// # assert_eq!(recorder.events().len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "import")]
    #[doc(alias = "backfill")]
    pub fn deliver<R: Into<Record>>(
        &self,
        records: impl IntoIterator<Item = R>,
        timeout: Duration,
    ) -> Vec<Result<(), DeliveryError>> {
        let records = records.into_iter().map(Into::into);
        let Ok(inner) = &self.inner else {
            return records.map(|_| Ok(())).collect();
        };
        let delivered = inner.deliver(records, timeout).into_iter();
        delivered
            .map(|result| result.map_err(DeliveryError::new))
            .collect()
    }

    /// Waits until all records that were tracked before the call are delivered or dropped, at most for `timeout`.
    ///
    /// One attempt is made at once, even in a back-off, but not against a `Retry-After` of the server. After a failure,
    /// further attempts are spread over the time that is left. With `Duration::ZERO` this does not wait: all records
    /// are sent as soon as possible, and the call succeeds. A client with
    /// [`hand_off`](crate::TrubricsBuilder::hand_off) delivers nothing itself: it waits until the records are on disk.
    ///
    /// # Errors
    ///
    /// When time ran out, or records of any caller were dropped during the call. Records outside the
    /// [`sample`](crate::TrubricsBuilder::sample) do not count. The error says how many are pending and how many were
    /// dropped, and its source says why the last request failed, if it did. Earlier drops are in
    /// [`stats`](Self::stats), and in the error of [`close`](Self::close).
    ///
    /// Some calls return an error at once: while records wait and the consent is undecided, in a forked process, and
    /// from a hook, a transport, or a logger that the client's own threads call.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        match &self.inner {
            Ok(inner) => inner.flush(timeout),
            Err(_) => Ok(()),
        }
    }

    /// Delivers what it can within `timeout`, and ends the worker thread; returns in time whatever the network does.
    /// The requests of [`track_sync`](Self::track_sync) and [`deliver`](Self::deliver) on other threads have the same
    /// time.
    ///
    /// Attempts go on until shortly before the deadline. The call returns early if a `Retry-After` of the server leaves
    /// no attempt. Records that are not delivered by then are dropped as
    /// [`DropReason::CloseTimeout`](crate::DropReason::CloseTimeout), and the request in flight is interrupted. If it
    /// cannot be interrupted (a connection that is being made, a transport without
    /// [`interrupt`](crate::Transport::interrupt)), its thread is detached; records held by a detached worker stay
    /// pending. Later records are dropped as [`DropReason::Closed`](crate::DropReason::Closed). A second call waits for
    /// the same close. Its deadline holds if it is later and the request is not interrupted yet. The drop of the last
    /// handle waits no longer. `Duration::ZERO` gives up all records at once.
    ///
    /// With a [`spool`](crate::TrubricsBuilder::spool), records that are not delivered by then stay there for the next
    /// run. Only those for which the spool has no room, or that the disk does not take, are dropped. Once all records
    /// are on disk, the first attempt that fails ends the call. With `Duration::ZERO` this returns when they are on
    /// disk. If the disk hangs, it returns after `timeout`, or after a second where that is more. In the time that is
    /// left, records of earlier runs are delivered too.
    ///
    /// # Errors
    ///
    /// When records are pending, or the client dropped any record since it was built: the error counts all of them,
    /// except for those outside the [`sample`](crate::TrubricsBuilder::sample). A
    /// call from a hook, a transport, or a logger that the client's own threads call returns an error at once.
    #[doc(alias = "shutdown")]
    #[doc(alias = "stop")]
    pub fn close(&self, timeout: Duration) -> Result<(), FlushError> {
        match &self.inner {
            Ok(inner) => inner.close(timeout),
            Err(_) => Ok(()),
        }
    }

    /// Withdraws the consent: forgets every record that is not delivered, and takes no other before
    /// [`grant`](Self::grant).
    ///
    /// Records that wait, are in flight or are in the [`spool`](crate::TrubricsBuilder::spool) are dropped as
    /// [`DropReason::Withdrawn`](crate::DropReason::Withdrawn), and so is every record that is tracked later. Requests
    /// in flight are broken off. The project's files are removed from the spool, also those that other processes left
    /// or hold; other files stay. [`privacy`](crate::_docs::privacy) says all of it on a page.
    ///
    /// As soon as it is called, no request begins and no record is accepted. The call returns when nothing is left and
    /// no request is under way, usually after some milliseconds, and at most after 5 s. It waits for a connection that
    /// is being made, up to [`connect_timeout`](crate::TrubricsBuilder::connect_timeout): its request sends nothing. A
    /// transport without [`cancel`](crate::Transport::cancel) cannot break off its request, which may still reach the
    /// server. A [disabled](Self::disabled) client does nothing.
    ///
    /// # Errors
    ///
    /// When the disk fails, a request goes on, the worker does not answer in time, or a hook or a transport makes the
    /// call. The client sends nothing all the same. If the disk failed, the client tries again each minute
    /// and in a close.
    #[doc(alias = "opt_out")]
    #[doc(alias = "forget")]
    #[doc(alias = "gdpr")]
    pub fn withdraw(&self) -> io::Result<()> {
        match &self.inner {
            Ok(inner) => inner.withdraw(),
            Err(_) => Ok(()),
        }
    }

    /// Grants the consent: records are taken and delivered from here on. Those that waited for a decision are sent with
    /// the timestamps that they have. Withdrawn records do not come back.
    ///
    /// It waits for the worker, usually less than a millisecond, and at most 5 s. A withdrawal that begins during the
    /// call prevails. A [disabled](Self::disabled) client does nothing.
    ///
    /// # Errors
    ///
    /// When the disk fails, or the worker does not answer in time: the consent is then as before. In a forked process.
    /// From a hook or a transport: the grant takes effect when that returns, because the call cannot wait.
    #[doc(alias = "opt_in")]
    pub fn grant(&self) -> io::Result<()> {
        match &self.inner {
            Ok(inner) => inner.grant(),
            Err(_) => Ok(()),
        }
    }

    /// Whether the consent is granted, undecided or withdrawn; takes no lock. A [disabled](Self::disabled) client takes
    /// no records, and this returns [`Consent::Withdrawn`], or [`Consent::Undecided`] if its [`state`](Self::state) is
    /// that.
    pub fn consent(&self) -> Consent {
        match &self.inner {
            Ok(inner) => inner.intake().consent.get(),
            Err(state) if **state == State::Undecided => Consent::Undecided,
            Err(_) => Consent::Withdrawn,
        }
    }

    /// Whether this client may send, by what other processes noted of the consent, too. Reads it from the disk.
    pub(crate) fn may_send(&self) -> bool {
        (self.inner.as_ref()).is_ok_and(|inner| inner.agreement().is_some())
    }

    /// Closes the client as the drop of its last handle does.
    pub(crate) fn close_in_time(&self) {
        if let Ok(inner) = &self.inner {
            inner.close_in_time();
        }
    }

    /// Says how the client is at this moment: records that wait, the last success and the last failure, the spool, the
    /// worker and the key.
    ///
    /// It returns at once. It makes no request and reads no disk, and takes no lock that is held during either. Numbers
    /// that only the worker knows are those of its last step. They are read one after the other, so a record that is on
    /// the move may be in two of them or in none.
    #[doc(alias = "healthz")]
    #[doc(alias = "status")]
    pub fn health(&self) -> Health {
        match &self.inner {
            Ok(inner) => inner.health(),
            Err(_) => Health {
                disabled: true,
                ..Health::default()
            },
        }
    }

    /// Counts what became of all the records so far; takes no lock.
    pub fn stats(&self) -> Stats {
        self.inner
            .as_ref()
            .map(|inner| inner.accounting().stats())
            .unwrap_or_default()
    }
}

impl fmt::Debug for Trubrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut client = f.debug_struct("Trubrics");
        match &self.inner {
            Ok(inner) => client.field("stats", &inner.accounting().stats()),
            Err(state) => client.field("state", state),
        };
        client.finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(trubrics_loom)]
mod models;
