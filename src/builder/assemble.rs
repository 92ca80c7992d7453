//! Makes a client and its worker from checked settings.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use log::warn;

use super::{TrubricsBuilder, api_key::check_api_key};
use crate::{
    accounting::{Accounting, Budget},
    client::{ClientParts, Trubrics},
    clock,
    consent::{Consent, ConsentCell, WhileUndecided},
    content::ContentRules,
    control::WorkerHandle,
    environment::{self, Environment},
    error::ConfigError,
    exchange::Exchange,
    gate::{Gate, state_of},
    health::Published,
    hooks::{self, ClientId},
    host::check_host,
    intake::Intake,
    lifecycle::Lifecycle,
    logging::{TARGET, logging},
    opt_out,
    queue::{Queue, WakeLimits},
    settings::{ContentSettings, Duty, QueueSettings, WorkerSettings},
    spool::{Fingerprint, Notice, ProjectFolder, Spool},
    state::{OffReason, State},
    sync::{
        channel::{bounded, unbounded},
        thread,
    },
    transport::{Transport, TransportError, transport_fn},
    worker::{Worker, WorkerParts},
};

/// Tells clients apart, so that hooks know their own.
static NEXT_CLIENT: AtomicU32 = AtomicU32::new(0);

impl TrubricsBuilder {
    /// Checks all settings and starts the worker thread.
    pub(super) fn start(self) -> Result<Trubrics, ConfigError> {
        let (client, worker) = match self.prepare()? {
            Ok(parts) => parts,
            Err(state) => return Ok(Trubrics::inactive(state)),
        };
        let (alive, running) = bounded::<Infallible>(0);
        let thread = thread::Builder::new()
            .name("trubrics-worker".into())
            .spawn(move || worker.run(alive))
            .map_err(ConfigError::not_started)?;
        Ok(Trubrics::running(client, thread, running))
    }

    /// Checks all settings and makes a client and its worker, or the state of a client that has none.
    pub(crate) fn prepare(mut self) -> Result<Result<(ClientParts, Worker), State>, ConfigError> {
        let api_key = check_api_key(&self.api_key)?;
        let host = check_host(&self.host)?;
        self.check()?;
        if self.hand_off.arguments.is_some() && self.worker.duty == Duty::All {
            self.worker.duty = Duty::Store;
        }
        let is_handed_off = self.transport.is_none() && self.worker.duty == Duty::Store;
        let transport = match self.transport.take() {
            Some(transport) => transport,
            None if is_handed_off => {
                self.http.check_transport(&host, &self.worker)?;
                Arc::new(transport_fn(|_| Err(TransportError::new("hand_off"))))
            }
            None => self.http.transport(&host, &self.worker)?,
        };
        match self.state(&environment::of_process) {
            State::On => self
                .assemble(api_key, &host, transport, is_handed_off)
                .map(Ok),
            state => {
                if self.is_opted_out(&environment::of_process) {
                    self.forget_spool(&api_key, &host, &*transport)?;
                }
                Ok(Err(state))
            }
        }
    }

    /// The state of the client in this environment.
    pub(super) fn state(&self, environment: Environment<'_>) -> State {
        if self.disabled {
            return State::Off(OffReason::Setting);
        }
        let opt_out = self.respect_opt_out.then(|| opt_out::variable(environment));
        match opt_out.flatten() {
            Some(name) => State::Off(OffReason::Variable(name.into())),
            None => state_of(&self.gates, environment),
        }
    }

    /// Whether a variable or the stored choice says that the person at the machine does not want to be tracked, also if
    /// the client is off for another reason.
    fn is_opted_out(&self, environment: Environment<'_>) -> bool {
        self.respect_opt_out && opt_out::variable(environment).is_some()
            || self.gates.iter().any(|gate| gate.opts_out(environment))
    }

    /// Removes what earlier runs left in the spool: the person at the machine opted out since.
    fn forget_spool(
        self,
        api_key: &str,
        host: &str,
        transport: &dyn Transport,
    ) -> Result<(), ConfigError> {
        let project = Fingerprint::of(host, api_key);
        let settings = self.spool.for_project(project, self.queue.overflow)?;
        let settings = settings.filter(|_| !transport.is_dry_run());
        let project = settings.as_ref().map(ProjectFolder::of);
        if let Some(Err(error)) = project.map(|project| project.forget()) {
            logging(
                || warn!(target: TARGET, "the spool cannot be emptied after an opt-out: {error}"),
            );
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.queue.check()?;
        self.worker.check()?;
        self.content.check()?;
        self.guard.check()?;
        self.spool.check()?;
        self.hand_off
            .check(self.spool.folder.as_deref(), self.queue.overflow)?;
        self.http.check()?;
        self.gates.iter().try_for_each(Gate::check)?;
        match &self.default_error {
            Some(error) => {
                let problem = format!("is unusable: {error}");
                Err(ConfigError::new("default_property", problem))
            }
            None => Ok(()),
        }
    }

    /// Redacts the default properties once, because each record is sent with them as they are.
    fn redact_defaults(&mut self, client: ClientId) -> Result<(), ConfigError> {
        let redact = || self.content.properties.apply(self.defaults.json());
        let problem = "panicked on a default property";
        let redacted = hooks::redact(client, redact)
            .ok_or_else(|| ConfigError::new("redact_properties", problem))?;
        if let Some(json) = redacted {
            self.defaults.set_values(json);
        }
        Ok(())
    }

    /// Connects the parts of a client and its worker.
    fn assemble(
        mut self,
        api_key: String,
        host: &str,
        transport: Arc<dyn Transport>,
        is_handed_off: bool,
    ) -> Result<(ClientParts, Worker), ConfigError> {
        let client = ClientId::MIN.saturating_add(NEXT_CLIENT.fetch_add(1, Ordering::Relaxed));
        self.redact_defaults(client)?;
        // A transport that sends nothing must not take records out of the spool.
        let spool = match transport.is_dry_run() {
            true => None,
            false => {
                let project = Fingerprint::of(host, &api_key);
                self.spool.for_project(project, self.queue.overflow)?
            }
        };
        if spool.is_none() {
            self.worker.duty = Duty::All;
        }
        let project = spool.as_ref().map(ProjectFolder::of);
        let mut spool = spool.map(Spool::new);
        let mut consent = self.consent.consent;
        // An undecided client does not touch the disk.
        if let (Consent::Granted, Some(spool)) = (consent, &mut spool)
            && let Ok(Notice::Withdrawn) = spool.look()
        {
            consent = Consent::Withdrawn;
        }
        let wake_limits = wake_limits(&self.queue, &self.worker);
        let budget = Budget::new(self.queue.capacity, self.queue.bytes);
        let accounting = Arc::new(Accounting::new(client, budget, self.on_drop));
        let (queue, records) = Queue::new(wake_limits, self.queue.bytes, accounting.clone());
        let takes_records = match consent {
            Consent::Granted => true,
            Consent::Undecided => self.consent.while_undecided == WhileUndecided::Wait,
            Consent::Withdrawn => false,
        };
        if !takes_records {
            queue.pause();
        }
        let consent = Arc::new(ConsentCell::new(consent));
        let (control, commands) = unbounded();
        let parts = WorkerParts {
            accounting: accounting.clone(),
            queue: Arc::new(queue),
            exchange: Arc::new(Exchange::new(
                client,
                accounting.clone(),
                consent.clone(),
                transport,
                api_key,
                host,
            )),
            handle: Arc::new(WorkerHandle::new(control)),
            consent: consent.clone(),
            wake_limits,
            health: Arc::new(Published::new(clock::now())),
        };
        let hand_off = self.hand_off.of_client(self.worker.duty);
        let worker_settings = self.worker.clone();
        let worker = Worker::new(parts.clone(), self.worker, spool, commands, records)
            .map_err(ConfigError::not_started)?;
        let ContentSettings {
            content,
            max_text_bytes,
            send_media,
            properties,
        } = self.content;
        if let Some(rate) = self.guard.shown_rate() {
            self.defaults.set("sample_rate", &rate);
        }
        let content = ContentRules::new(
            content,
            max_text_bytes,
            send_media,
            properties,
            &mut self.defaults,
        );
        let intake = Intake {
            client,
            accounting,
            queue: parts.queue,
            worker: parts.handle,
            lifecycle: Arc::new(Lifecycle::new()),
            consent,
            overflow: self.queue.overflow,
            defaults: self.defaults,
            before_send: self.before_send,
            content,
            guard: self.guard.guard(),
        };
        let client = ClientParts {
            intake,
            exchange: parts.exchange,
            worker: worker_settings,
            health: parts.health,
            shutdown_timeout: self.shutdown_timeout,
            project,
            hand_off,
            is_handed_off,
        };
        Ok((client, worker))
    }
}

/// When callers wake the worker: for a batch, or while it polls for a whole request.
fn wake_limits(queue: &QueueSettings, worker: &WorkerSettings) -> WakeLimits {
    let records = worker.flush_batch_size.min(queue.capacity);
    let a_request = worker.batch.records.min(queue.capacity.div_ceil(2));
    WakeLimits {
        records,
        bytes: worker.batch.bytes.min(queue.bytes.div_ceil(2)),
        records_while_polling: a_request.max(records),
    }
}
