//! Every setting of a client, with its default and its bounds; all are checked once, in `build`.

mod check;

#[cfg_attr(not(feature = "http"), path = "builder/no_http.rs")]
mod http;

use std::{
    convert::Infallible,
    env, fmt, io,
    path::{self, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use crossbeam_channel::{bounded, unbounded};
use serde::Serialize;

use self::{check::check_api_key, http::HttpOptions};
use crate::{
    accounting::{Accounting, Budget},
    batch::BatchLimits,
    client::{ClientParts, Trubrics},
    content::{Content, ContentRules},
    control::WorkerHandle,
    defaults,
    error::ConfigError,
    exchange::Exchange,
    hooks::{BeforeSend, ClientId, Dropped, OnDrop},
    host::check_host,
    intake::Intake,
    lifecycle::Lifecycle,
    opt_out,
    queue::{Overflow, Queue, WakeLimits},
    record::{EventError, Properties, Record},
    spool::{Fingerprint, SpoolSettings},
    transport::Transport,
    worker::{Worker, WorkerParts, WorkerSettings},
};

/// Tells clients apart where hooks have to know their own.
static NEXT_CLIENT: AtomicU32 = AtomicU32::new(0);

/// Settings for a client; from [`Trubrics::builder`]. Nothing is checked before [`build`](Self::build). `Debug` shows
/// neither the key nor the properties.
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
#[must_use = "settings do nothing until build() is called"]
pub struct TrubricsBuilder {
    api_key: String,
    host: String,
    flush_interval: Duration,
    flush_batch_size: usize,
    max_batch_size: usize,
    max_batch_bytes: usize,
    queue_capacity: usize,
    queue_bytes: usize,
    overflow: Overflow,
    max_concurrent_requests: usize,
    request_timeout: Duration,
    give_up_after: Duration,
    initial_backoff: Duration,
    max_backoff: Duration,
    shutdown_timeout: Duration,
    defaults: Properties,
    default_error: Option<EventError>,
    before_send: Option<BeforeSend>,
    content: Content,
    max_text_bytes: Option<usize>,
    on_drop: Option<OnDrop>,
    transport: Option<Box<dyn Transport>>,
    http: HttpOptions,
    spool: Option<PathBuf>,
    spool_max_bytes: u64,
    spool_max_age: Duration,
    spool_sync: bool,
    disabled: bool,
    respect_opt_out: bool,
}

// Its setters take the builder by value: a panic in one leaves no builder behind.
impl std::panic::UnwindSafe for TrubricsBuilder {}
impl std::panic::RefUnwindSafe for TrubricsBuilder {}

impl TrubricsBuilder {
    pub(crate) fn new(api_key: String) -> Self {
        Self {
            api_key,
            host: defaults::HOST.into(),
            flush_interval: defaults::FLUSH_INTERVAL,
            flush_batch_size: defaults::FLUSH_BATCH_SIZE,
            max_batch_size: defaults::MAX_BATCH_SIZE,
            max_batch_bytes: defaults::MAX_BATCH_BYTES,
            queue_capacity: defaults::QUEUE_CAPACITY,
            queue_bytes: defaults::QUEUE_BYTES,
            overflow: Overflow::default(),
            max_concurrent_requests: defaults::MAX_CONCURRENT_REQUESTS,
            request_timeout: defaults::REQUEST_TIMEOUT,
            give_up_after: defaults::GIVE_UP_AFTER,
            initial_backoff: defaults::INITIAL_BACKOFF,
            max_backoff: defaults::MAX_BACKOFF,
            shutdown_timeout: defaults::SHUTDOWN_TIMEOUT,
            defaults: Properties::default(),
            default_error: None,
            before_send: None,
            content: Content::Full,
            max_text_bytes: None,
            on_drop: None,
            transport: None,
            http: HttpOptions::default(),
            spool: None,
            spool_max_bytes: defaults::SPOOL_MAX_BYTES,
            spool_max_age: defaults::SPOOL_MAX_AGE,
            spool_sync: false,
            disabled: false,
            respect_opt_out: false,
        }
    }

    /// Settings for a client with the key in `TRUBRICS_API_KEY`, and the host in `TRUBRICS_HOST` if that is set and not
    /// empty; [`Trubrics::from_env`] makes a client of them as they are.
    ///
    /// # Errors
    ///
    /// When `TRUBRICS_API_KEY` is missing, or one of the two is not Unicode.
    pub fn from_env() -> Result<Self, ConfigError> {
        let api_key = variable("TRUBRICS_API_KEY")?.ok_or_else(|| {
            ConfigError::new(
                "TRUBRICS_API_KEY",
                "is not set: it must hold the project's API key",
            )
        })?;
        let builder = Self::new(api_key);
        Ok(match variable("TRUBRICS_HOST")? {
            Some(host) => builder.host(host),
            None => builder,
        })
    }

    /// The URL before `/publish_events`: `http` or `https`, with or without a slash at its end. `build` logs a warning when
    /// it is `http` and the host is not this machine, because the key then travels in clear text.
    /// Default: [`defaults::HOST`].
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// The longest wait before records are sent that are too few for a batch; at least a second.
    /// Default: [`defaults::FLUSH_INTERVAL`].
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.flush_interval = interval;
        self
    }

    /// So many waiting records are sent at once; 1 to 100. Waiting records of
    /// [`max_batch_bytes`](Self::max_batch_bytes) together are sent at once too, however few they are. For 50 ms after one
    /// such batch, the next ones may wait until then, or for a request of [`max_batch_size`](Self::max_batch_size): where
    /// records are dense, no call has to wake the worker. Default: [`defaults::FLUSH_BATCH_SIZE`].
    pub fn flush_batch_size(mut self, records: usize) -> Self {
        self.flush_batch_size = records;
        self
    }

    /// The most records in one request; 1 to 100. Default: [`defaults::MAX_BATCH_SIZE`].
    pub fn max_batch_size(mut self, records: usize) -> Self {
        self.max_batch_size = records;
        self
    }

    /// The most bytes in the body of one request; a record that is larger goes alone. At least 1.
    /// Default: [`defaults::MAX_BATCH_BYTES`].
    pub fn max_batch_bytes(mut self, bytes: usize) -> Self {
        self.max_batch_bytes = bytes;
        self
    }

    /// The most records that wait or are in flight; at least 1. It costs no memory until it is used.
    /// Default: [`defaults::QUEUE_CAPACITY`].
    pub fn queue_capacity(mut self, records: usize) -> Self {
        self.queue_capacity = records;
        self
    }

    /// The most memory that records which wait or are in flight may take: their JSON, and 48 bytes for each. At least 1.
    /// A record that takes more alone is invalid.
    /// Default: [`defaults::QUEUE_BYTES`].
    pub fn queue_bytes(mut self, bytes: usize) -> Self {
        self.queue_bytes = bytes;
        self
    }

    /// What [`track`](Trubrics::track) does when the queue is full. Default: [`Overflow::DropNewest`].
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// How many requests may be in flight at once; 1 to 64.
    ///
    /// With one, the worker thread makes the requests itself, and records arrive in their order. With more, each has a
    /// thread of its own while the worker batches and decides, and the order holds within a request only: worth it
    /// where the server is far away, since one connection carries [`max_batch_size`](Self::max_batch_size) records for
    /// each round trip. Default: [`defaults::MAX_CONCURRENT_REQUESTS`].
    pub fn max_concurrent_requests(mut self, max_concurrent_requests: usize) -> Self {
        self.max_concurrent_requests = max_concurrent_requests;
        self
    }

    /// The longest that a single request may take, from name lookup to the last byte of the answer; more than zero.
    /// While closing, a request gets the smaller of this and the time that is left.
    /// Default: [`defaults::REQUEST_TIMEOUT`].
    pub fn request_timeout(mut self, limit: Duration) -> Self {
        self.request_timeout = limit;
        self
    }

    /// How long after its first failed attempt a batch is given up, with one attempt at the very end, unless the server
    /// asked for more time; zero for a single attempt. Default: [`defaults::GIVE_UP_AFTER`].
    pub fn give_up_after(mut self, limit: Duration) -> Self {
        self.give_up_after = limit;
        self
    }

    /// The bound of the delay after a first failure, which doubles with each further one; at least a millisecond. The
    /// delay itself is by chance between half of the bound and the whole. Default: [`defaults::INITIAL_BACKOFF`].
    pub fn initial_backoff(mut self, delay: Duration) -> Self {
        self.initial_backoff = delay;
        self
    }

    /// Where the doubling ends; at least [`initial_backoff`](Self::initial_backoff). Default: [`defaults::MAX_BACKOFF`].
    pub fn max_backoff(mut self, delay: Duration) -> Self {
        self.max_backoff = delay;
        self
    }

    /// How long the drop of the last handle may wait for deliveries; zero to wait for none.
    /// Default: [`defaults::SHUTDOWN_TIMEOUT`].
    pub fn shutdown_timeout(mut self, limit: Duration) -> Self {
        self.shutdown_timeout = limit;
        self
    }

    /// A property that every record gets, unless it has one of that key itself. Default: none.
    pub fn default_property(mut self, key: impl AsRef<str>, value: impl Serialize) -> Self {
        if let Err(error) = self.defaults.insert(key.as_ref(), &value) {
            self.default_error.get_or_insert(error);
        }
        self
    }

    /// Sees every record once, before it is encoded, on the thread that tracks it, and may change it or refuse it with
    /// `None`; a refused one is counted as [`DropReason::Hook`](crate::DropReason::Hook). Default: none.
    ///
    /// A panic refuses the record, and so does the hook for records that it tracks itself. It must be quick, for it runs
    /// inside `track`, must not call `flush` or `close`, which return an error there, and must not own a handle of its
    /// client, which would then never be closed by itself. [`Record`] has the readers and setters, and an example that
    /// redacts; for prompts and generations alone there is [`llm_content`](Self::llm_content).
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
        self.before_send = Some(Box::new(hook));
        self
    }

    /// How much is sent of what was said: the prompt and the generation of an [`LlmEvent`](crate::LlmEvent), the `$text`
    /// of an [`Event`](crate::Event), and the property `error.message`, which may quote them. Default:
    /// [`Content::Full`].
    ///
    /// With [`Content::Off`] the prompt and the generation are empty, the two properties are left out, and the
    /// properties `prompt_length`, `generation_length`, `text_length` and `error_length` say how many characters (Unicode
    /// scalar values) there were. All else is sent as ever, other properties too. It goes by what
    /// [`before_send`](Self::before_send) has left; a `$text` that is no text is taken as its JSON, and a
    /// [`default_property`](Self::default_property) of one of the two names as the record's own.
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
        self.content = content;
        self
    }

    /// The most bytes of UTF-8 that are sent of each text that [`llm_content`](Self::llm_content) is about, so that a
    /// very long one is cut instead of refused by the server; at least 1. Default: no limit.
    ///
    /// The cut falls between two characters, and the record gets the property `truncated: true` and the length that the
    /// text had in characters, in `prompt_length` and its like. A redaction comes first: the limit is for what is sent.
    pub fn max_text_bytes(mut self, bytes: usize) -> Self {
        self.max_text_bytes = Some(bytes);
        self
    }

    /// Is told of every drop, where it happens: on the worker thread, or inside `track` for a record that was not
    /// taken. Default: none.
    ///
    /// A panic is swallowed. It must be quick, and must not call `flush` or `close`, which return an error there. What
    /// it drops itself is counted but not reported. It must not own a handle of its client, which would then never be
    /// closed by itself.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use trubrics::{DropReason, Event, Trubrics};
    ///
    /// let (dead_letters, dead) = mpsc::channel();
    /// let client = Trubrics::builder("key")
    ///     .on_drop(move |dropped| {
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
        self.on_drop = Some(Box::new(hook));
        self
    }

    /// Sends the requests with this transport instead of the default one. Without the feature `http` there is no default
    /// one, and [`build`](Self::build) fails unless this is set.
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
        self.transport = Some(Box::new(transport));
        self
    }

    /// Keeps records in this folder until they are delivered, so that neither a kill nor a dead network costs one: a
    /// record is on disk within milliseconds of [`track`](Trubrics::track), and the next process with the same host and
    /// key delivers the rest. Default: none.
    ///
    /// [`close`](Trubrics::close) leaves there what it cannot deliver in time; with `Duration::ZERO` it returns as soon
    /// as everything is on disk. What is on disk is not given up after [`give_up_after`](Self::give_up_after), needs no
    /// place in the queue, and survives the end of the process, but not that of the machine: see
    /// [`spool_sync`](Self::spool_sync). Several processes and projects may share a folder; each record is delivered by
    /// one process of its project.
    /// A process that is killed, or closed, after the server took a batch and before that is written down, doubles that
    /// one batch. The order of records holds within a segment of the spool only. [`durability`](crate::_docs::durability) says
    /// all of it on a page.
    ///
    /// The folder is made with mode 0700 and its files with 0600. When the disk fails or is full, records wait in
    /// memory, which is logged once. The client has one more thread, so that a request does not keep records from the
    /// disk.
    pub fn spool(mut self, folder: impl Into<PathBuf>) -> Self {
        self.spool = Some(folder.into());
        self
    }

    /// How much of the disk the [`spool`](Self::spool) may take for this project; at least 4 KiB. The oldest records are
    /// dropped first, as [`DropReason::SpoolFull`](crate::DropReason::SpoolFull). Each client may exceed it by 64 KiB if
    /// other processes hold everything. Default: [`defaults::SPOOL_MAX_BYTES`].
    pub fn spool_max_bytes(mut self, bytes: u64) -> Self {
        self.spool_max_bytes = bytes;
        self
    }

    /// How old a record in the [`spool`](Self::spool) may get; more than zero. Older records, and no others, are dropped
    /// as [`DropReason::Expired`](crate::DropReason::Expired). Default: [`defaults::SPOOL_MAX_AGE`].
    pub fn spool_max_age(mut self, age: Duration) -> Self {
        self.spool_max_age = age;
        self
    }

    /// Has the disk confirm each write to the [`spool`](Self::spool), so that records survive a power cut too. It costs
    /// the worker milliseconds for each, and callers nothing. Default: false.
    pub fn spool_sync(mut self, sync: bool) -> Self {
        self.spool_sync = sync;
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
    /// Off by default, for these speak for the person at the machine, and a server's events are not about that one. A
    /// program that people run themselves should switch it on. The environment is read in [`build`](Self::build).
    pub fn respect_opt_out(mut self, on: bool) -> Self {
        self.respect_opt_out = on;
        self
    }

    /// Checks all settings and starts the worker thread. It does not connect: that is for the first record.
    ///
    /// # Errors
    ///
    /// When a setting cannot be used, which the error names, or the thread cannot be started.
    pub fn build(self) -> Result<Trubrics, ConfigError> {
        let Some((client, worker)) = self.prepare()? else {
            return Ok(Trubrics::disabled());
        };
        let (alive, running) = bounded::<Infallible>(0);
        let thread = thread::Builder::new()
            .name("trubrics-worker".into())
            .spawn(move || worker.run(alive))
            .map_err(not_started)?;
        Ok(Trubrics::running(client, thread, running))
    }

    /// Checks all settings and makes a client and its worker; none if the client is disabled.
    pub(crate) fn prepare(mut self) -> Result<Option<(ClientParts, Worker)>, ConfigError> {
        let api_key = check_api_key(&self.api_key)?;
        let host = check_host(&self.host)?;
        self.check()?;
        if let Some(error) = self.default_error.take() {
            return Err(ConfigError::new(
                "default_property",
                format!("is unusable: {error}"),
            ));
        }
        let transport = match self.transport.take() {
            Some(transport) => transport,
            None => {
                let connections = self.max_concurrent_requests;
                self.http
                    .transport(&host, connections, self.request_timeout)?
            }
        };
        if self.disabled || (self.respect_opt_out && opt_out::is_asked_for()) {
            return Ok(None);
        }
        self.assemble(api_key, &host, transport).map(Some)
    }

    /// Connects the parts of a client and its worker.
    fn assemble(
        mut self,
        api_key: String,
        host: &str,
        transport: Box<dyn Transport>,
    ) -> Result<(ClientParts, Worker), ConfigError> {
        let client = ClientId::MIN.saturating_add(NEXT_CLIENT.fetch_add(1, Ordering::Relaxed));
        let spool = self.spool_settings(Fingerprint::of(host, &api_key))?;
        let has_spool = spool.is_some();
        let wake_limits = self.wake_limits();
        let budget = Budget::new(self.queue_capacity, self.queue_bytes);
        let accounting = Arc::new(Accounting::new(client, budget, self.on_drop.take()));
        let (queue, records) = Queue::new(wake_limits, self.queue_bytes, accounting.clone());
        let (control, commands) = unbounded();
        let parts = WorkerParts {
            accounting: accounting.clone(),
            queue: Arc::new(queue),
            exchange: Arc::new(Exchange::new(client, transport, api_key, host)),
            handle: Arc::new(WorkerHandle::new(control)),
            wake_limits,
        };
        let worker = Worker::new(
            parts.clone(),
            self.worker_settings(),
            spool,
            commands,
            records,
        )
        .map_err(not_started)?;
        let content = ContentRules::new(self.content, self.max_text_bytes, &mut self.defaults);
        let intake = Intake {
            client,
            accounting,
            queue: parts.queue,
            worker: parts.handle,
            lifecycle: Arc::new(Lifecycle::new()),
            overflow: self.overflow,
            defaults: self.defaults,
            before_send: self.before_send,
            content,
        };
        let client = ClientParts {
            intake,
            exchange: parts.exchange,
            request_timeout: self.request_timeout,
            shutdown_timeout: self.shutdown_timeout,
            has_spool,
        };
        Ok((client, worker))
    }

    fn wake_limits(&self) -> WakeLimits {
        let records = self.flush_batch_size.min(self.queue_capacity);
        let a_request = self.max_batch_size.min(self.queue_capacity.div_ceil(2));
        WakeLimits {
            records,
            bytes: self.max_batch_bytes.min(self.queue_bytes.div_ceil(2)),
            records_while_polling: a_request.max(records),
        }
    }

    fn worker_settings(&self) -> WorkerSettings {
        WorkerSettings {
            flush_interval: self.flush_interval,
            batch: BatchLimits {
                records: self.max_batch_size,
                bytes: self.max_batch_bytes,
            },
            max_concurrent_requests: self.max_concurrent_requests,
            request_timeout: self.request_timeout,
            give_up_after: self.give_up_after,
            initial_backoff: self.initial_backoff,
            max_backoff: self.max_backoff,
        }
    }

    fn spool_settings(&self, project: Fingerprint) -> Result<Option<SpoolSettings>, ConfigError> {
        let Some(folder) = &self.spool else {
            return Ok(None);
        };
        // A program that changes its directory later has its records where it said.
        let folder = path::absolute(folder)
            .map_err(|error| ConfigError::new("spool", "is not a usable path").caused_by(error))?;
        Ok(Some(SpoolSettings {
            folder,
            project,
            max_bytes: self.spool_max_bytes,
            max_age: self.spool_max_age,
            sync: self.spool_sync,
        }))
    }
}

impl Trubrics {
    /// Makes a client with default settings that sends to Trubrics.
    ///
    /// # Errors
    ///
    /// When the key is empty or not a valid header value, or the worker thread cannot be started.
    pub fn new(api_key: impl Into<String>) -> Result<Self, ConfigError> {
        Self::builder(api_key).build()
    }

    /// Makes a client with the key in `TRUBRICS_API_KEY`, and the host in `TRUBRICS_HOST` if that is set and not empty.
    ///
    /// # Errors
    ///
    /// When `TRUBRICS_API_KEY` is missing or not Unicode, and as [`new`](Self::new).
    pub fn from_env() -> Result<Self, ConfigError> {
        TrubricsBuilder::from_env()?.build()
    }

    /// Begins the settings of a client.
    pub fn builder(api_key: impl Into<String>) -> TrubricsBuilder {
        TrubricsBuilder::new(api_key.into())
    }
}

fn not_started(error: io::Error) -> ConfigError {
    ConfigError::new("worker", "thread could not be started").caused_by(error)
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
            .field("flush_interval", &self.flush_interval)
            .field("flush_batch_size", &self.flush_batch_size)
            .field("max_batch_size", &self.max_batch_size)
            .field("max_batch_bytes", &self.max_batch_bytes)
            .field("queue_capacity", &self.queue_capacity)
            .field("queue_bytes", &self.queue_bytes)
            .field("overflow", &self.overflow)
            .field("max_concurrent_requests", &self.max_concurrent_requests)
            .field("request_timeout", &self.request_timeout)
            .field("http", &self.http)
            .field("give_up_after", &self.give_up_after)
            .field("initial_backoff", &self.initial_backoff)
            .field("max_backoff", &self.max_backoff)
            .field("shutdown_timeout", &self.shutdown_timeout)
            .field("llm_content", &self.content)
            .field("max_text_bytes", &self.max_text_bytes)
            .field("disabled", &self.disabled)
            .field("respect_opt_out", &self.respect_opt_out)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
