//! Every setting of a client, with its default and its bounds; all are checked once, in `build`.

mod api_key;
mod assemble;
mod guard;
mod hand_off;

#[cfg(feature = "http")]
mod http;

use std::{env, fmt, path::PathBuf, sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    client::Trubrics,
    consent::{Consent, WhileUndecided},
    content::Content,
    defaults,
    error::ConfigError,
    gate::Gate,
    hooks::{BeforeSend, Dropped, OnDrop},
    host::check_host,
    process_facts::ProcessFacts,
    queue::Overflow,
    record::{EventError, Properties, Record},
    redaction::Redaction,
    settings::{
        ConsentSettings, ContentSettings, GuardSettings, HandOffSettings, HttpOptions,
        QueueSettings, SpoolOptions, WorkerSettings,
    },
    transport::Transport,
};

/// Settings for a client; from [`Trubrics::builder`]. Nothing is checked before [`build`](Self::build). `Debug` shows
/// neither the key nor the properties. Clones share the hooks and the transport.
///
/// ```
/// use std::time::Duration;
/// use trubrics::Trubrics;
///
/// let client = Trubrics::builder("key")
///     .flush_interval(Duration::from_secs(2))
///     .default_property("app_version", "1.4.0")
/// #   .transport(trubrics::transport_fn(|_| Ok(trubrics::Response::new(200))))
///     .build()?;
/// # let _ = client;
/// # Ok::<(), trubrics::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until build() is called"]
pub struct TrubricsBuilder {
    api_key: String,
    host: String,
    queue: QueueSettings,
    worker: WorkerSettings,
    content: ContentSettings,
    guard: GuardSettings,
    spool: SpoolOptions,
    hand_off: HandOffSettings,
    consent: ConsentSettings,
    http: HttpOptions,
    transport: Option<Arc<dyn Transport>>,
    shutdown_timeout: Duration,
    defaults: Properties,
    default_error: Option<EventError>,
    before_send: Option<BeforeSend>,
    on_drop: Option<OnDrop>,
    disabled: bool,
    respect_opt_out: bool,
    gates: Vec<Gate>,
}

// Its setters take the builder by value: a panic in one leaves no builder behind.
impl std::panic::UnwindSafe for TrubricsBuilder {}
impl std::panic::RefUnwindSafe for TrubricsBuilder {}

impl TrubricsBuilder {
    pub(crate) fn new(api_key: String) -> Self {
        Self {
            api_key,
            host: defaults::HOST.into(),
            queue: QueueSettings::default(),
            worker: WorkerSettings::default(),
            content: ContentSettings::default(),
            guard: GuardSettings::default(),
            spool: SpoolOptions::default(),
            hand_off: HandOffSettings::default(),
            consent: ConsentSettings::default(),
            http: HttpOptions::default(),
            transport: None,
            shutdown_timeout: defaults::SHUTDOWN_TIMEOUT,
            defaults: Properties::default(),
            default_error: None,
            before_send: None,
            on_drop: None,
            disabled: false,
            respect_opt_out: false,
            gates: Vec::new(),
        }
    }

    /// Returns the settings of a client with the key in `TRUBRICS_API_KEY`, and the host in `TRUBRICS_HOST` if that is
    /// set. A variable of blanks alone counts as not set. [`Trubrics::from_env`] makes a client of them as they are.
    ///
    /// # Errors
    ///
    /// When `TRUBRICS_API_KEY` is not set, or one of the two is not Unicode.
    pub fn from_env() -> Result<Self, ConfigError> {
        let api_key = variable("TRUBRICS_API_KEY")?.ok_or_else(|| {
            ConfigError::new(
                "TRUBRICS_API_KEY",
                "is not set: it must hold the API key from the settings page of your project",
            )
        })?;
        let builder = Self::new(api_key);
        Ok(match variable("TRUBRICS_HOST")? {
            Some(host) => builder.host(host),
            None => builder,
        })
    }

    /// The URL before `/publish_events`: `http` or `https`, with or without a slash at its end. `build` logs a warning
    /// when it is `http` and the host is not this machine, because the key then travels in clear text. Default:
    /// [`defaults::HOST`].
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// Sends queued records this long after the first of them, even if they are too few for a batch; at least a second.
    /// Default: 10 s, [`defaults::FLUSH_INTERVAL`].
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.worker.flush_interval = interval;
        self
    }

    /// Sends as soon as this many records are queued; 1 to 100. Waiting records of
    /// [`max_batch_bytes`](Self::max_batch_bytes) together are sent at once too, however few they are. For 50 ms after
    /// a full batch, 2 ms with a [`spool`](Self::spool), callers wake the worker for
    /// [`max_batch_size`](Self::max_batch_size) records only, so a batch may wait that much longer. Default: 20,
    /// [`defaults::FLUSH_BATCH_SIZE`].
    #[doc(alias = "flush_at")]
    pub fn flush_batch_size(mut self, records: usize) -> Self {
        self.worker.flush_batch_size = records;
        self
    }

    /// Sends at most this many records in one request; 1 to 100. Default: 100, [`defaults::MAX_BATCH_SIZE`].
    pub fn max_batch_size(mut self, records: usize) -> Self {
        self.worker.batch.records = records;
        self
    }

    /// Sends at most this many bytes in the body of one request; a record that is larger goes alone. At least 1.
    /// Default: 1 MiB, [`defaults::MAX_BATCH_BYTES`].
    pub fn max_batch_bytes(mut self, bytes: usize) -> Self {
        self.worker.batch.bytes = bytes;
        self
    }

    /// Holds at most this many records that wait or are in flight; at least 1. A number over 67,108,863 counts as that
    /// one. It costs no memory until it is used.
    /// Default: 100,000, [`defaults::QUEUE_CAPACITY`].
    pub fn queue_capacity(mut self, records: usize) -> Self {
        self.queue.capacity = records;
        self
    }

    /// Holds at most this many bytes, 1 or more, of records that wait or are in flight: their JSON, and 48 bytes for
    /// each. A number over 32 GiB counts as 32 GiB. A record that takes more alone is invalid. Default: 32 MiB,
    /// [`defaults::QUEUE_BYTES`].
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue.bytes = bytes;
        self
    }

    /// What [`track`](Trubrics::track) does when the queue is full. Default: [`Overflow::DropNewest`].
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.queue.overflow = overflow;
        self
    }

    /// How many requests may be in flight at once; 1 to 64.
    ///
    /// With one, records arrive in their order. The worker thread makes the requests itself, or with a
    /// [`spool`](Self::spool) a second thread does. With more, the client has as many threads for requests, and the
    /// order holds within a request only. That pays where the server is far away: one connection carries
    /// [`max_batch_size`](Self::max_batch_size) records for each round trip. Default: 1,
    /// [`defaults::MAX_CONCURRENT_REQUESTS`].
    pub fn max_concurrent_requests(mut self, max_concurrent_requests: usize) -> Self {
        self.worker.max_concurrent_requests = max_concurrent_requests;
        self
    }

    /// Limits how long a single request may take, from name lookup to the last byte of the answer; more than zero.
    /// While closing, a request gets the smaller of this and the time that is left.
    /// Default: 10 s, [`defaults::REQUEST_TIMEOUT`].
    pub fn request_timeout(mut self, limit: Duration) -> Self {
        self.worker.request_timeout = limit;
        self
    }

    /// Drops a batch this long after its first failed attempt, with a last attempt at that time; zero for a single
    /// attempt. A longer `Retry-After` of the server is waited for. This limit does not apply to records in a
    /// [`spool`](Self::spool). They are dropped at [`spool_max_age`](Self::spool_max_age). Default: 5 min,
    /// [`defaults::GIVE_UP_AFTER`].
    #[doc(alias = "retry")]
    pub fn give_up_after(mut self, limit: Duration) -> Self {
        self.worker.give_up_after = limit;
        self
    }

    /// Sets the maximum delay after a first failure. It doubles with each further one. The delay itself is random, from
    /// half of the maximum to all of it. At least a millisecond. Default: 250 ms,
    /// [`defaults::INITIAL_BACKOFF`].
    pub fn initial_backoff(mut self, delay: Duration) -> Self {
        self.worker.initial_backoff = delay;
        self
    }

    /// Sets the longest of the doubling delays; at least [`initial_backoff`](Self::initial_backoff). Default: 30 s,
    /// [`defaults::MAX_BACKOFF`].
    pub fn max_backoff(mut self, delay: Duration) -> Self {
        self.worker.max_backoff = delay;
        self
    }

    /// Sets how long the drop of the last handle may wait for deliveries; zero to wait for none. With a
    /// [`spool`](Self::spool) and a disk that hangs, the drop may wait for a second where that is more.
    /// Default: 2 s, [`defaults::SHUTDOWN_TIMEOUT`].
    pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.shutdown_timeout = limit;
        self
    }

    /// A property that every record gets, unless it has one of that key itself. [`build`](Self::build) fails if the
    /// value cannot be serialised. Default: none.
    #[doc(alias = "super_property")]
    pub fn default_property(mut self, key: impl AsRef<str>, value: impl Serialize) -> Self {
        if let Err(error) = self.defaults.insert(key.as_ref(), &value) {
            self.default_error.get_or_insert(error);
        }
        self
    }

    /// Gives every record the facts of the process as default properties: the program's version, the operating system,
    /// and whether a CI system, a terminal or a coding agent runs the program. Default: none.
    ///
    /// [`ProcessFacts`] lists the properties. Of a fact and a [`default_property`](Self::default_property) with equal
    /// keys, the one that is set last counts.
    pub fn process_facts(mut self, facts: ProcessFacts) -> Self {
        for (key, value) in facts.into_properties() {
            self = self.default_property(key, value);
        }
        self
    }

    /// Sees every record once, before it is encoded, on the thread that tracks it, and may change it or refuse it with
    /// `None`; a refused one is counted as [`DropReason::Hook`](crate::DropReason::Hook). Default: none.
    ///
    /// A record whose hook panics is refused, and so is a record that the hook tracks itself. The hook must be quick,
    /// because it runs inside `track`. It must not call `flush` or `close`, which return an error there. It must not
    /// capture the client, because then the client is not closed when the last handle is dropped. [`Record`] has the
    /// readers and setters, and an example that redacts. For prompts and generations alone there is
    /// [`llm_content`](Self::llm_content).
    ///
    /// ```
    /// use trubrics::{Record, Trubrics};
    ///
    /// let client = Trubrics::builder("key")
    ///     .before_send(|record| match record {
    ///         Record::LlmEvent(_) => None, // prompts stay here
    ///         record => Some(record),
    ///     })
    /// #   .transport(trubrics::transport_fn(|_| Ok(trubrics::Response::new(200))))
    ///     .build()?;
    /// # let _ = client;
    /// # Ok::<(), trubrics::ConfigError>(())
    /// ```
    pub fn before_send(
        mut self,
        hook: impl Fn(Record) -> Option<Record> + Send + Sync + 'static,
    ) -> Self {
        self.before_send = Some(Arc::new(hook));
        self
    }

    /// Sets how much is sent of the texts of people and models: the prompt and the generation of an
    /// [`LlmEvent`](crate::LlmEvent), and the properties `$text`, `error_message`, `gen_ai.tool.call.arguments` and
    /// `gen_ai.tool.call.result` of every record. Default: [`Content::Full`].
    ///
    /// With [`Content::Off`] the prompt and the generation are empty, and the properties are left out. The properties
    /// `prompt_length`, `generation_length`, `text_length`, `error_length`, `arguments_length` and `result_length` say
    /// how many characters (Unicode scalar values) there were. Other properties are sent as usual. The rule applies to
    /// the record as [`before_send`](Self::before_send) has left it. A property that is not a text is taken as its
    /// JSON. A [`default_property`](Self::default_property) of one of these names is taken as the record's own.
    ///
    /// ```
    /// use trubrics::{Content, LlmEvent, Trubrics, testing::{API_KEY, Recorder}};
    ///
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder(API_KEY)
    ///     .llm_content(Content::redacted(|text| text.replace("Ada", "[name]")))
    ///     .transport(recorder.clone())
    ///     .build()?;
    /// client.track(LlmEvent::new("user", "I am Ada", "Hello Ada!"));
    /// client.flush(std::time::Duration::from_secs(5))?;
    /// assert_eq!(recorder.llm_events()[0]["prompt"], "I am [name]");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn llm_content(mut self, content: Content) -> Self {
        self.content.content = content;
        self
    }

    /// Redacts the texts in all properties of all records, at any depth: those of a record, default ones, and the
    /// `$text` of an [`Event`](crate::Event). A second call replaces the first. Default: none.
    ///
    /// It runs after [`before_send`](Self::before_send). [`llm_content`](Self::llm_content) then gets the redacted
    /// texts. A text with an escape that is no character, such as `\ud800` alone, becomes `[redacted]`. Numbers and
    /// keys stay as they are, and so do the fields of a record that are not properties, such as its user, its name and
    /// its prompt.
    ///
    /// It runs inside `track`, and takes a time that is linear in the properties. A panic of a function of the program
    /// drops the record, as [`DropReason::Hook`](crate::DropReason::Hook); for a default property, `build` fails.
    ///
    /// ```
    /// use trubrics::{Event, Redaction, Trubrics, testing::{API_KEY, Recorder}};
    ///
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder(API_KEY)
    ///     .redact_properties(Redaction::all())
    ///     .redact_keys(Redaction::SECRET_KEYS)
    ///     .redact_keys(["iban"])
    ///     .transport(recorder.clone())
    ///     .build()?;
    /// client.track(
    ///     Event::new("user", "Signed up")
    ///         .property("note", ["invited by ada@example.org"])
    ///         .property("userPassword", "swordfish")
    ///         .property("IBAN", 12),
    /// );
    /// client.flush(std::time::Duration::from_secs(5))?;
    /// let properties = &recorder.events()[0]["properties"];
    /// assert_eq!(properties["note"][0], "invited by [email]");
    /// assert_eq!(properties["userPassword"], "[redacted]");
    /// assert_eq!(properties["IBAN"], "[redacted]");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn redact_properties(mut self, redaction: Redaction) -> Self {
        self.content.properties.set_texts(redaction);
        self
    }

    /// Replaces the values of these keys by `[redacted]`, in all properties of all records, at any depth, whatever type
    /// the value has. Calls add to each other. Default: none. [`Redaction::SECRET_KEYS`] is a list of usual ones.
    ///
    /// Keys are compared without case, `_`, `-` and other characters that are not letters or digits. A key is also
    /// found as the last words of a longer one: `password` in `userPassword`, `api_key` in `X-API-Key`, but not in
    /// `password_length`. Keys without a letter or digit are ignored. A key with an escape that is no character, such
    /// as `\ud800` alone, counts as one of these. [`redact_properties`](Self::redact_properties) has an example, and
    /// says when this happens.
    pub fn redact_keys(mut self, keys: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        self.content.properties.add_keys(keys);
        self
    }

    /// Cuts each text that [`llm_content`](Self::llm_content) is about to this many bytes of UTF-8, so that the server
    /// does not refuse a very long one; at least 1. Default: no limit.
    ///
    /// The cut falls between two characters, and the record gets the property `truncated: true` and the length that the
    /// text had in characters, in `prompt_length` and its like. A redaction comes first: the limit is for the text that
    /// is sent.
    pub fn max_text_bytes(mut self, bytes: usize) -> Self {
        self.content.max_text_bytes = Some(bytes);
        self
    }

    /// Whether images, recordings and files inside of texts are sent. Default: `false`, and a placeholder with kind
    /// and size is sent instead of each, such as `[image/png, 48 kB]`.
    ///
    /// They are data URLs with base64, and other runs of at least 1,024 characters of base64, in one line or wrapped.
    /// The texts are those that [`llm_content`](Self::llm_content) is about. The property `media_omitted` says how many
    /// placeholders a record has. A text that is JSON stays JSON, and a property that is an object or a list stays one.
    ///
    /// [`before_send`](Self::before_send) sees the record as it was tracked. Then come the placeholders, then
    /// [`Content::Redacted`], and then [`max_text_bytes`](Self::max_text_bytes). With [`Content::Off`] there are no
    /// placeholders: the lengths are those of the texts with their media.
    ///
    /// ```
    /// use trubrics::{LlmEvent, Trubrics, testing::{API_KEY, Recorder}};
    ///
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder(API_KEY).transport(recorder.clone()).build()?;
    /// let prompt = "Which colour is this? data:image/gif;base64,R0lGODlhAQABAAAAACw=";
    /// client.track(LlmEvent::new("user", prompt, "It is black."));
    /// client.flush(std::time::Duration::from_secs(5))?;
    /// let record = &recorder.llm_events()[0];
    /// assert_eq!(record["prompt"], "Which colour is this? [image/gif, 14 B]");
    /// assert_eq!(record["properties"]["media_omitted"], 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_media(mut self, send_media: bool) -> Self {
        self.content.send_media = send_media;
        self
    }

    /// Called for every drop, on the thread that drops: the worker, or the caller of `track` if the record was not
    /// taken. Default: none.
    ///
    /// A program that keeps dropped records has to leave out those of
    /// [`DropReason::Withdrawn`](crate::DropReason::Withdrawn) and
    /// [`DropReason::Undecided`](crate::DropReason::Undecided): the person does not agree to them.
    ///
    /// A panic is caught and ignored. The hook must be quick, and must not call `flush` or `close`, which return an
    /// error there. Records that it drops itself are counted but not reported. It must not capture the client: the
    /// reference cycle would keep it from closing when the last handle is dropped.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use trubrics::{DropReason, Event, Trubrics};
    ///
    /// let (dead_letters, dead) = mpsc::channel();
    /// let client = Trubrics::builder("key")
    ///     .on_drop(move |dropped| {
    ///         if matches!(dropped.reason(), DropReason::Withdrawn | DropReason::Undecided) {
    ///             return;
    ///         }
    ///         for record in dropped.records() {
    ///             let _ = dead_letters.send((dropped.reason(), record.to_owned()));
    ///         }
    ///     })
    /// #   .transport(trubrics::transport_fn(|_| Ok(trubrics::Response::new(200))))
    ///     .build()?;
    /// let _ = client.close(std::time::Duration::from_secs(1));
    /// client.track(Event::new("user", "Too late"));
    ///
    /// let (reason, record) = dead.recv()?;
    /// assert_eq!(reason, DropReason::Closed);
    /// assert!(record.contains("Too late"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_drop(mut self, hook: impl Fn(&Dropped<'_>) + Send + Sync + 'static) -> Self {
        self.on_drop = Some(Arc::new(hook));
        self
    }

    /// Sends the requests with this transport instead of the default one. Without the feature `http` there is no
    /// default one, and [`build`](Self::build) fails unless this is set.
    ///
    /// The settings of the default transport, `connect_timeout`, `proxy` and `root_certificates`, then have no effect.
    /// [`transport_fn`](crate::transport_fn) makes a transport from a closure:
    ///
    /// ```
    /// use trubrics::{Response, Trubrics, transport_fn};
    ///
    /// let client = Trubrics::builder("key")
    ///     .transport(transport_fn(|_| Ok(Response::new(200))))
    ///     .build()?;
    /// # let _ = client;
    /// # Ok::<(), trubrics::ConfigError>(())
    /// ```
    ///
    /// The transport must not own a handle of its client: the cycle would keep the client from closing when the last
    /// other handle is dropped.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Keeps records in this folder until they are delivered, so that neither a kill nor a dead network costs one: a
    /// record is on disk within milliseconds of [`track`](Trubrics::track), and the next process with the same host and
    /// key delivers the rest. Default: none.
    ///
    /// [`close`](Trubrics::close) leaves there what it cannot deliver in time; with `Duration::ZERO` it returns as soon
    /// as everything is on disk. Records on disk are not given up after [`give_up_after`](Self::give_up_after), need
    /// no place in the queue, and survive the end of the process, but not that of the machine: see
    /// [`spool_sync`](Self::spool_sync). Several processes and projects may share a folder; each record is delivered by
    /// one process of its project. A process that is killed, or closed, after the server took a batch and before that
    /// is written down, doubles that one batch. Own records keep their order, and so do those of earlier runs; there is
    /// no order between the two. [`delivery`](crate::_docs::delivery) says all of it on a page.
    ///
    /// A transport that sends nothing, such as [`DebugTransport`](crate::DebugTransport), does not use the folder.
    ///
    /// [`build`](Self::build) fails if the path is empty or is that of a file. A relative path belongs to the folder
    /// that is current then. `build` reads the consent there, and makes nothing. The first record makes the folder,
    /// with mode 0700 and its files with 0600. When the disk fails or is full, records wait in memory, which is logged
    /// once. The client has one more thread, so that a request does not keep records from the disk.
    #[doc(alias = "offline")]
    #[doc(alias = "persistence")]
    #[doc(alias = "disk")]
    pub fn spool(mut self, folder: impl Into<PathBuf>) -> Self {
        self.spool.folder = Some(folder.into());
        self
    }

    /// How much of the disk the [`spool`](Self::spool) may take for this project; at least 4 KiB. The oldest records
    /// are dropped first, as [`DropReason::SpoolFull`](crate::DropReason::SpoolFull). With [`Overflow::Block`], none
    /// are dropped and callers wait. If other processes hold everything, each client may exceed the limit with a small
    /// file for each endpoint: 64 KiB, or a 1024th of the limit where that is more, and a record. Default: 64 MiB,
    /// [`defaults::SPOOL_MAX_BYTES`].
    pub fn spool_max_bytes(mut self, bytes: u64) -> Self {
        self.spool.max_bytes = bytes;
        self
    }

    /// How old a record in the [`spool`](Self::spool) may get; more than zero. Older records, and no others, are
    /// dropped as [`DropReason::Expired`](crate::DropReason::Expired). Default: 7 d, [`defaults::SPOOL_MAX_AGE`].
    pub fn spool_max_age(mut self, age: Duration) -> Self {
        self.spool.max_age = age;
        self
    }

    /// Has the disk confirm each write to the [`spool`](Self::spool), so that records survive a power cut too. It costs
    /// the worker milliseconds for each, and callers nothing. Default: false.
    pub fn spool_sync(mut self, sync: bool) -> Self {
        self.spool.sync = sync;
        self
    }

    /// The consent with which the client starts. Default: [`Consent::Granted`].
    ///
    /// With [`Consent::Undecided`], nothing is stored on disk or sent before [`grant`](Trubrics::grant), a
    /// [`flush`](Trubrics::flush) returns an error at once if records wait, and a close drops them as
    /// [`DropReason::Undecided`](crate::DropReason::Undecided). With [`Consent::Withdrawn`], the client withdraws the
    /// consent when it starts, as [`withdraw`](Trubrics::withdraw) does, and logs errors of the disk.
    ///
    /// ```
    /// use trubrics::{Consent, Event, Trubrics, testing::{API_KEY, Recorder}};
    ///
    /// let recorder = Recorder::new();
    /// let client = Trubrics::builder(API_KEY)
    ///     .consent(Consent::Undecided)
    ///     .transport(recorder.clone())
    ///     .build()?;
    /// client.track(Event::new("user", "Opened"));
    /// // The program asks its user, and the user agrees.
    /// client.grant()?;
    /// client.flush(std::time::Duration::from_secs(5))?;
    /// assert_eq!(recorder.events_named("Opened").len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn consent(mut self, consent: Consent) -> Self {
        self.consent.consent = consent;
        self
    }

    /// What [`track`](Trubrics::track) does while the [`consent`](Self::consent) is undecided. When records wait and
    /// the queue is full, the newest are dropped, also with [`Overflow::Block`]. Default: [`WhileUndecided::Wait`].
    pub fn while_undecided(mut self, while_undecided: WhileUndecided) -> Self {
        self.consent.while_undecided = while_undecided;
        self
    }

    /// Makes a client as from [`Trubrics::disabled`]; the other settings are checked all the same. Default: false.
    pub fn disabled(mut self, disabled: bool) -> Self {
        self.disabled = disabled;
        self
    }

    /// Whether the client is to be disabled when the environment asks for it: when `DO_NOT_TRACK` or
    /// `TRUBRICS_DISABLED` has any value but an empty one, `0` or `false`.
    ///
    /// Off by default, because the variables are the choice of the person at the machine, and a server's events are not
    /// about that person. A program that people run themselves should switch it on. The environment is read in
    /// [`build`](Self::build).
    ///
    /// The records that wait in the [`spool`](Self::spool) are removed, also from the memory of other processes, so
    /// that they are not delivered once the variable is gone. If the disk fails, one `warn` line says so. Later runs
    /// without the variable are not affected.
    #[doc(alias = "do_not_track")]
    #[doc(alias = "opt_out")]
    pub fn respect_opt_out(mut self, on: bool) -> Self {
        self.respect_opt_out = on;
        self
    }

    /// Adds a condition under which the client does nothing, such as [`Gate::ci`]. Default: none.
    ///
    /// It may be called several times. [`build`](Self::build) evaluates the gates once, in their order, up to the first
    /// that is off, which [`Trubrics::state`] names. A client that is off, or undecided, has neither a thread nor a
    /// socket.
    ///
    /// ```
    /// use trubrics::{Gate, Trubrics};
    ///
    /// let client = Trubrics::builder("key")
    ///     .respect_opt_out(true)
    ///     .off_if(Gate::ci())
    ///     .off_if(Gate::variable("MY_TOOL_NO_TELEMETRY"))
    ///     .off_if(Gate::when(cfg!(debug_assertions), "a debug build"))
    /// #   .transport(trubrics::transport_fn(|_| Ok(trubrics::Response::new(200))))
    ///     .build()?;
    /// println!("telemetry: {}", client.state());
    /// # Ok::<(), trubrics::ConfigError>(())
    /// ```
    pub fn off_if(mut self, gate: Gate) -> Self {
        self.gates.push(gate);
        self
    }

    /// Checks all settings and starts the worker thread, and the threads that
    /// [`max_concurrent_requests`](Self::max_concurrent_requests) and the [`spool`](Self::spool) ask for. It does not
    /// connect: that is for the first record. With a spool, it reads the disk.
    ///
    /// The client may be off, if a setting such as [`off_if`](Self::off_if) says so: [`state`](Trubrics::state) tells.
    /// After an opt-out of the person at the machine, this removes the records in the spool.
    ///
    /// # Errors
    ///
    /// When a setting cannot be used, which the error names, or a thread cannot be started.
    pub fn build(self) -> Result<Trubrics, ConfigError> {
        self.start()
    }
}

impl Trubrics {
    /// Makes a client with default settings that sends to Trubrics. Blanks around the key are removed.
    ///
    /// # Errors
    ///
    /// When the key is empty, has more than 4,096 bytes or a character that is not printable ASCII, or the worker
    /// thread cannot be started.
    pub fn new(api_key: impl Into<String>) -> Result<Self, ConfigError> {
        Self::builder(api_key).build()
    }

    /// Makes a client with the key in `TRUBRICS_API_KEY`, and the host in `TRUBRICS_HOST` if that is set. A variable of
    /// blanks alone counts as not set. It does not read `DO_NOT_TRACK` or `TRUBRICS_DISABLED`:
    /// [`respect_opt_out`](TrubricsBuilder::respect_opt_out) does.
    ///
    /// # Errors
    ///
    /// When `TRUBRICS_API_KEY` is not set, one of the two is not Unicode, the host is not a URL, and as
    /// [`new`](Self::new).
    pub fn from_env() -> Result<Self, ConfigError> {
        TrubricsBuilder::from_env()?.build()
    }

    /// Returns the settings of a client with this key and the defaults. It reads no variable of the environment, and
    /// checks nothing before [`build`](TrubricsBuilder::build).
    pub fn builder(api_key: impl Into<String>) -> TrubricsBuilder {
        TrubricsBuilder::new(api_key.into())
    }
}

/// Reads an environment variable; an empty one is as good as none.
fn variable(name: &'static str) -> Result<Option<String>, ConfigError> {
    match env::var(name) {
        Ok(value) if value.trim().is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        // The error itself would repeat the value.
        Err(env::VarError::NotUnicode(_)) => Err(ConfigError::new(name, "is not valid Unicode")),
    }
}

impl fmt::Debug for TrubricsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrubricsBuilder")
            .field("host", &check_host(&self.host).unwrap_or_default())
            .field("queue", &self.queue)
            .field("worker", &self.worker)
            .field("content", &self.content)
            .field("guard", &self.guard)
            .field("spool", &self.spool)
            .field("hand_off", &self.hand_off)
            .field("consent", &self.consent)
            .field("http", &self.http)
            .field("shutdown_timeout", &self.shutdown_timeout)
            .field("disabled", &self.disabled)
            .field("respect_opt_out", &self.respect_opt_out)
            .field("gates", &self.gates)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
