//! The default transport, on `ureq`. No type of `ureq` leaves this folder.
//!
//! One agent serves a client. It keeps as many idle connections as requests may be in flight. A request is made on
//! the thread that calls, and ends by its deadline. Redirects are not followed. Only a request whose connection was
//! stale is sent again here; all other attempts are the worker's.
//!
//! Each file that uses `ureq::unversioned`, which changes with each minor version of `ureq`, names the promise that it
//! serves: [`connect`], [`dns_cache`], [`exchange`], [`keep_reading`] and [`socket`]. [`agent`] and [`tls`] put them
//! together.

mod addresses;
mod agent;
mod api_key;
mod connect;
mod dns_cache;
mod exchange;
mod failure;
mod head;
mod keep_reading;
mod limits;
mod proxy;
mod socket;
mod tls;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
#[cfg(test)]
mod tests;

use std::{
    env, fmt,
    io::Read,
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use log::warn;
use ureq::{Agent, Error, Timeout, http};

use self::{
    agent::AgentConfig,
    dns_cache::DnsCache,
    limits::{LONGEST, MAX_RESPONSE_BODY},
    tls::Trust,
};
use crate::{
    error::ConfigError,
    host::Target,
    logging::{TARGET, logging},
    transport::{Request, Response, Transport, TransportError},
};

/// A request with nearly the whole time left gets the whole time. A time-out of its own would cost it the TLS set-up
/// of the agent.
const SLACK: Duration = Duration::from_millis(10);

/// The settings of the transport.
pub(crate) struct HttpSettings<'a> {
    /// As [`check_host`](crate::host::check_host) returns it.
    pub(crate) host: &'a str,
    /// The maximum of requests at a time, and of idle connections.
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
    agent: Mutex<CurrentAgent>,
    is_interrupted: AtomicBool,
}

/// The agent for the next request. A clone of it is the same agent.
struct CurrentAgent {
    agent: Agent,
    /// The operating system turned out to have no certificates, and the bundled ones are trusted.
    bundled: Option<Trust>,
    /// How often the requests under way were cancelled.
    cancellations: u64,
}

impl HttpTransport {
    pub(crate) fn new(settings: &HttpSettings<'_>) -> Result<Self, ConfigError> {
        let connect_timeout = settings.connect_timeout.min(LONGEST);
        Self::with_dns(settings, DnsCache::new(connect_timeout))
    }

    /// Checks the settings, and makes nothing of them.
    pub(crate) fn check(settings: &HttpSettings<'_>) -> Result<(), ConfigError> {
        let dns = DnsCache::new(settings.connect_timeout);
        Self::config(settings, dns).map(drop)
    }

    fn with_dns(settings: &HttpSettings<'_>, dns: DnsCache) -> Result<Self, ConfigError> {
        let config = Self::config(settings, dns)?;
        Ok(Self {
            agent: Mutex::new(CurrentAgent {
                agent: config.agent(&config.trust),
                bundled: None,
                cancellations: 0,
            }),
            config,
            is_interrupted: AtomicBool::new(false),
        })
    }

    fn config(settings: &HttpSettings<'_>, dns: DnsCache) -> Result<AgentConfig, ConfigError> {
        let target = Target::of(settings.host)
            .ok_or_else(|| ConfigError::new("host", "must be a valid URL with a host name"))?;
        if target.https && !tls::AVAILABLE {
            let problem = "needs TLS for https: switch on the feature rustls, rustls-no-provider or native-tls";
            return Err(ConfigError::new("host", problem));
        }
        if !target.https && !target.is_loopback() {
            logging(|| {
                warn!(
                    target: TARGET,
                    "the host {} is reached without TLS: the API key and all records travel in clear text", target.name
                );
            });
        }
        let variable = |name: &str| env::var(name).ok();
        let proxy = proxy::choose(&target, settings.proxy, variable)?;
        let has_tls_proxy = proxy.as_ref().is_some_and(proxy::speaks_tls);
        if target.https || has_tls_proxy {
            tls::check_provider()?;
        }

        Ok(AgentConfig {
            connections: settings.connections,
            connect_timeout: settings.connect_timeout.min(LONGEST),
            request_timeout: settings.request_timeout.min(LONGEST),
            proxy,
            trust: Trust::new(settings.root_certificates)?,
            dns,
        })
    }

    /// Makes a request that began after this many cancellations.
    fn attempt(
        &self,
        request: &Request<'_>,
        connection: Reuse,
        cancellations: u64,
    ) -> Result<Response, Error> {
        let agent = match &*self.current() {
            current if current.cancellations == cancellations => current.agent.clone(),
            _ => return Err(failure::interrupted()),
        };
        let left = request.timeout();
        if left.is_zero() {
            return Err(Error::Timeout(Timeout::Global));
        }
        // Read after the agent is chosen: one that replaces it is not shut down.
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

    /// A panic while the lock is held would leave the agent as it was.
    fn current(&self) -> MutexGuard<'_, CurrentAgent> {
        self.agent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the error is that the operating system has no certificates, and the bundled ones are trusted from now
    /// on.
    fn trusts_bundled_after(&self, error: &Error) -> bool {
        let Some(trust) = self.config.trust.instead(error) else {
            return false;
        };
        let mut current = self.current();
        if current.bundled.is_none() {
            logging(|| {
                warn!(
                    target: TARGET,
                    "the operating system has no certificates to check servers by: using the bundled ones"
                );
            });
            current.agent = self.config.agent(&trust);
            current.bundled = Some(trust);
        }
        true
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: &Request<'_>) -> Result<Response, TransportError> {
        let cancellations = self.current().cancellations;
        let attempt = |connection| self.attempt(request, connection, cancellations);
        let mut outcome = attempt(Reuse::Allowed);
        // This error comes before anything is sent.
        if let Err(error) = &outcome
            && self.trusts_bundled_after(error)
        {
            outcome = attempt(Reuse::Allowed);
        }
        if let Err(error) = &outcome
            && failure::is_stale(error)
        {
            outcome = attempt(Reuse::Fresh);
        }
        outcome.map_err(|error| {
            self.config.dns.invalidate();
            let is_cancelled = self.current().cancellations != cancellations;
            if is_cancelled || self.is_interrupted.load(Ordering::SeqCst) {
                failure::explain_after_interruption(&error)
            } else {
                failure::explain(&error)
            }
        })
    }

    fn interrupt(&self) {
        self.is_interrupted.store(true, Ordering::SeqCst);
        self.config.dns.interrupt();
        self.current().agent.clone().shutdown();
    }

    fn cancel(&self) {
        let mut current = self.current();
        let trust = current.bundled.as_ref().unwrap_or(&self.config.trust);
        let next = self.config.agent(trust);
        current.cancellations += 1;
        let former = mem::replace(&mut current.agent, next);
        drop(current);
        self.config.dns.cancel();
        former.shutdown();
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").finish_non_exhaustive()
    }
}

/// Whether a request may go over an idle connection.
#[derive(Clone, Copy)]
enum Reuse {
    Allowed,
    Fresh,
}

/// Makes the request without its body, and the guard of the key, which must live until the request is sent.
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

/// Reads the body to its end, because the connection could not be used again otherwise. The status stands whatever
/// happens to the body.
fn read(mut response: http::Response<ureq::Body>) -> Response {
    let mut ours = Response::new(response.status().as_u16());
    for (_, name) in head::KEPT {
        let value = response.headers().get(name);
        if let Some(value) = value.and_then(|value| value.to_str().ok()) {
            ours = ours.with_header(name, value);
        }
    }
    let mut body = Vec::new();
    // One byte more, because ureq 3.5.0 looks for the end of a body only below its limit.
    let limited = response
        .body_mut()
        .with_config()
        .limit(MAX_RESPONSE_BODY as u64 + 1);
    // The part that was read before an error is kept.
    let _ = limited.reader().read_to_end(&mut body);
    body.truncate(MAX_RESPONSE_BODY);
    ours.with_body(body)
}
