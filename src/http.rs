//! The default transport, on `ureq`. No type of `ureq` leaves this folder.
//!
//! One agent serves a client, with as many idle connections as requests may be in flight. Requests are made on the thread that asks for them, each within
//! its deadline; redirects are not followed, and nothing is tried again but what was lost with a connection that
//! had gone stale.

mod api_key;
mod dns_cache;
mod failure;
mod proxy;
mod stale;
mod tls;

#[cfg(test)]
mod tests;

use std::{
    env, fmt,
    io::Read,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use log::warn;
use ureq::{
    Agent, Error, Proxy, Timeout, http,
    unversioned::transport::{Connector, DefaultConnector},
};

use self::{dns_cache::DnsCache, stale::DetectStale, tls::Trust};
use crate::transport::{Request, Response, Transport, TransportError};
use crate::{
    error::ConfigError,
    host::Target,
    report::{TARGET, logging},
};

/// Load balancers close idle connections after a minute or less; a connection is worth keeping through a burst, and
/// one kept longer is likely to be dead when it is needed.
const MAX_IDLE_AGE: Duration = Duration::from_secs(5);

/// Bounds by how much a server that reads slowly can stretch a time-out, for each write may wait anew.
const OUTPUT_BUFFER: usize = 32 * 1024;

/// The head of an answer must fit: longer ones are refused by nearly every proxy and server.
const INPUT_BUFFER: usize = 32 * 1024;

/// The most of an answer's body that is read: enough for the reasons of a refused batch.
const MAX_RESPONSE_BODY: u64 = 64 * 1024;

/// The body of an answer may take this long after its head. The status alone decides nearly everything, and events wait
/// meanwhile.
const RESPONSE_BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// A request with all but this much of the full time left gets the full time: a configuration of its own would cost
/// it the agent's TLS set-up.
const SLACK: Duration = Duration::from_millis(10);

/// Keeps instants that are computed from a setting within what a clock can hold.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// What the transport is built from.
pub(crate) struct HttpSettings<'a> {
    /// As [`check_host`](crate::host::check_host) returns it.
    pub(crate) host: &'a str,
    /// How many requests are made at once; so many connections are kept.
    pub(crate) connections: usize,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) proxy: Option<&'a str>,
    /// PEM.
    pub(crate) root_certificates: Option<&'a [u8]>,
}

/// Sends requests with `ureq`.
pub(crate) struct HttpTransport {
    config: AgentConfig,
    agent: Agent,
    /// Takes over for good once the operating system turns out to have no certificates.
    bundled: OnceLock<Agent>,
    is_interrupted: AtomicBool,
}

impl HttpTransport {
    pub(crate) fn new(settings: &HttpSettings<'_>) -> Result<Self, ConfigError> {
        let connect_timeout = settings.connect_timeout.min(LONGEST);
        Self::with_dns(settings, DnsCache::new(connect_timeout))
    }

    fn with_dns(settings: &HttpSettings<'_>, dns: DnsCache) -> Result<Self, ConfigError> {
        let target = Target::of(settings.host)
            .ok_or_else(|| ConfigError::new("host", "must be a valid URL with a host name"))?;
        if target.https && !tls::AVAILABLE {
            let problem = "needs TLS for https: switch on the feature rustls, rustls-no-provider or native-tls";
            return Err(ConfigError::new("host", problem));
        }
        let variable = |name: &str| env::var(name).ok();
        let proxy = proxy::choose(&target, settings.proxy, variable)?;
        let has_tls_proxy = proxy.as_ref().is_some_and(proxy::speaks_tls);
        if target.https || has_tls_proxy {
            tls::check_provider()?;
        }

        let config = AgentConfig {
            connections: settings.connections,
            connect_timeout: settings.connect_timeout.min(LONGEST),
            request_timeout: settings.request_timeout.min(LONGEST),
            proxy,
            trust: Trust::new(settings.root_certificates)?,
            dns,
        };
        Ok(Self {
            agent: config.agent(&config.trust),
            config,
            bundled: OnceLock::new(),
            is_interrupted: AtomicBool::new(false),
        })
    }

    fn attempt(&self, request: &Request<'_>, connection: Reuse) -> Result<Response, Error> {
        let agent = self.bundled.get().unwrap_or(&self.agent);
        let left = request.timeout();
        if left.is_zero() {
            return Err(Error::Timeout(Timeout::Global));
        }
        // Looked at after the agent is chosen: one that is made meanwhile is shut down by its maker.
        if self.is_interrupted.load(Ordering::SeqCst) {
            return Err(failure::interrupted());
        }

        let (head, _key) = head(request)?;
        let call = head.body(request.body())?;
        let is_hurried = left + SLACK < self.config.request_timeout;
        let call = match connection {
            Reuse::Allowed if !is_hurried => call,
            Reuse::Allowed => {
                let config = agent.configure_request(call);
                config.timeout_global(Some(left.min(LONGEST))).build()
            }
            Reuse::Fresh => {
                let config = agent.configure_request(call);
                let config = config.timeout_global(Some(left.min(self.config.request_timeout)));
                config.max_idle_age(Duration::ZERO).build()
            }
        };
        Ok(read(agent.run(call)?))
    }

    /// Whether the certificates were found to be missing, and others are there to be trusted.
    fn trusts_bundled_after(&self, error: &Error) -> bool {
        let Some(trust) = self.config.trust.instead(error) else {
            return false;
        };
        let agent = self.bundled.get_or_init(|| {
            logging(|| {
                warn!(
                    target: TARGET,
                    "the operating system has no certificates to check servers by: using the bundled ones"
                );
            });
            self.config.agent(&trust)
        });
        if self.is_interrupted.load(Ordering::SeqCst) {
            agent.clone().shutdown();
        }
        true
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        let mut outcome = self.attempt(request, Reuse::Allowed);
        // The certificates are missed before anything is sent.
        if let Err(error) = &outcome
            && self.trusts_bundled_after(error)
        {
            outcome = self.attempt(request, Reuse::Allowed);
        }
        if let Err(error) = &outcome
            && stale::is_stale(error)
        {
            outcome = self.attempt(request, Reuse::Fresh);
        }
        outcome.map_err(|error| {
            self.config.dns.invalidate();
            failure::explain(error)
        })
    }

    fn interrupt(&self) {
        self.is_interrupted.store(true, Ordering::SeqCst);
        self.config.dns.interrupt();
        self.agent.clone().shutdown();
        if let Some(agent) = self.bundled.get() {
            agent.clone().shutdown();
        }
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").finish_non_exhaustive()
    }
}

/// Whether a connection kept from an earlier request may carry this one.
#[derive(Clone, Copy)]
enum Reuse {
    Allowed,
    Fresh,
}

/// All that an agent is made from.
struct AgentConfig {
    connections: usize,
    connect_timeout: Duration,
    request_timeout: Duration,
    proxy: Option<Proxy>,
    trust: Trust,
    dns: DnsCache,
}

impl AgentConfig {
    fn agent(&self, trust: &Trust) -> Agent {
        let whole = Some(self.request_timeout);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(self.proxy.clone())
            .max_idle_connections(self.connections)
            .max_idle_connections_per_host(self.connections)
            .max_idle_age(MAX_IDLE_AGE)
            .output_buffer_size(OUTPUT_BUFFER)
            .input_buffer_size(INPUT_BUFFER)
            .max_response_header_size(INPUT_BUFFER)
            // Only the headers of the request itself.
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .timeout_global(whole)
            .timeout_connect(Some(self.connect_timeout))
            .timeout_send_body(whole)
            .timeout_recv_response(whole)
            .timeout_recv_body(Some(RESPONSE_BODY_TIMEOUT.min(self.request_timeout)));
        let detect = DetectStale {
            through_proxy: self.proxy.is_some(),
        };
        Agent::with_parts(
            trust.apply(config).build(),
            DefaultConnector::new().chain(detect),
            self.dns.clone(),
        )
    }
}

/// The request without its body. The key waits to be put in as long as the second part lives.
fn head(request: &Request<'_>) -> Result<(http::request::Builder, api_key::KeyGuard), Error> {
    let mut head = http::Request::post(request.url());
    let mut key = "";
    for (name, value) in request.headers() {
        if name == api_key::HEADER {
            key = value;
        } else {
            head = head.header(name, value);
        }
    }
    let (placeholder, guard) = api_key::mask_key(key)?;
    Ok((head.header(api_key::HEADER, placeholder), guard))
}

/// Reads the body to its end, or the connection could not be used again. Whatever happens to it, the status stands.
fn read(mut response: http::Response<ureq::Body>) -> Response {
    let mut ours = Response::new(response.status().as_u16());
    for name in ["retry-after", "date"] {
        let value = response.headers().get(name);
        if let Some(value) = value.and_then(|value| value.to_str().ok()) {
            ours = ours.with_header(name, value);
        }
    }
    let mut body = Vec::new();
    let limited = response.body_mut().with_config().limit(MAX_RESPONSE_BODY);
    // What was read before an error is kept.
    let _ = limited.reader().read_to_end(&mut body);
    ours.with_body(body)
}
