//! Promise: no thread for each request, and no wait for a dead name server beyond the deadline.
//!
//! The resolver of `ureq` starts a thread for each request and looks the name up each time, even for a live connection.
//! While a name server is dead, these threads pile up. Here one helper thread at a time looks a name up, and the
//! addresses are kept. Callers that need them meanwhile wait for the same lookup.
//!
//! The cache also keeps which address worked last, and puts it first.

use std::{
    collections::HashMap,
    fmt, io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use ureq::{
    Timeout,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::NextTimeout,
    },
};

use crate::host::bare;

/// How long addresses are used without a new lookup. Services that move keep the time-to-live of their records about as
/// short.
const TTL: Duration = Duration::from_secs(60);

/// How long a lookup may take when there are old addresses. They most likely still work, and if not, the attempt fails
/// and is made again.
const STALE_GRACE: Duration = Duration::from_millis(500);

/// `ureq` takes no more.
const MOST_ADDRESSES: usize = 16;

type Lookup = dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// The addresses of names. Clones share them.
#[derive(Clone)]
pub(super) struct DnsCache {
    shared: Arc<Shared>,
    limit: Duration,
}

/// Why there are no addresses.
#[derive(Debug)]
pub(super) enum Unresolved {
    TimedOut,
    Interrupted,
    Failed(io::Error),
}

impl DnsCache {
    /// Makes a cache that asks the operating system, and waits at most this long for each lookup.
    pub(super) fn new(limit: Duration) -> Self {
        Self::asking(limit, |host, port| {
            Ok((host, port).to_socket_addrs()?.collect())
        })
    }

    /// Makes a cache that calls this function, on a thread of its own.
    pub(super) fn asking<F>(limit: Duration, lookup: F) -> Self
    where
        F: Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    {
        Self {
            shared: Arc::new(Shared {
                lookup: Box::new(lookup),
                state: Mutex::default(),
                changed: Condvar::new(),
            }),
            limit,
        }
    }

    /// Returns the addresses of a host. An IP address needs no lookup.
    pub(super) fn find(
        &self,
        host: &str,
        port: u16,
        now: Instant,
        limit: Duration,
    ) -> Result<Vec<SocketAddr>, Unresolved> {
        let host = bare(host);
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let place = (host.to_ascii_lowercase(), port);
        self.shared.find(&place, now, limit.min(self.limit))
    }

    /// Makes the next request look its name up again, because a server that could not be reached may have moved.
    pub(super) fn invalidate(&self) {
        for known in self.shared.lock().known.values_mut() {
            known.is_invalidated = true;
        }
    }

    /// Puts this address first from now on, because a connection to it was made.
    pub(super) fn prefer(&self, address: SocketAddr) {
        for known in self.shared.lock().known.values_mut() {
            if let Some(position) = known.addresses.iter().position(|known| *known == address) {
                known.addresses[..=position].rotate_right(1);
                known.preferred = Some(address);
            }
        }
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.shared.lock().is_interrupted
    }

    /// Ends every wait for a lookup that has begun.
    pub(super) fn cancel(&self) {
        self.shared.lock().cancellations += 1;
        self.shared.changed.notify_all();
    }

    /// Ends every wait for a lookup, now and later.
    pub(super) fn interrupt(&self) {
        self.shared.lock().is_interrupted = true;
        self.shared.changed.notify_all();
    }
}

struct Shared {
    lookup: Box<Lookup>,
    state: Mutex<State>,
    changed: Condvar,
}

type Place = (String, u16);

#[derive(Default)]
struct State {
    known: HashMap<Place, Known>,
    is_looking: bool,
    is_interrupted: bool,
    /// How often the waits were ended.
    cancellations: u64,
}

#[derive(Default)]
struct Known {
    /// The preferred address is the first.
    addresses: Vec<SocketAddr>,
    /// The last one that a connection was made to.
    preferred: Option<SocketAddr>,
    since: Option<Instant>,
    is_invalidated: bool,
    /// The number of failed lookups, and the error of the last one.
    failures: u64,
    failure: Option<(io::ErrorKind, String)>,
}

impl Known {
    fn is_fresh(&self, now: Instant) -> bool {
        let age = self.since.map(|since| now.saturating_duration_since(since));
        !self.is_invalidated && age.is_some_and(|age| age < TTL)
    }
}

impl Shared {
    /// A panic while the lock is held would leave the state consistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(
        self: &Arc<Self>,
        place: &Place,
        now: Instant,
        limit: Duration,
    ) -> Result<Vec<SocketAddr>, Unresolved> {
        let started = Instant::now();
        let mut state = self.lock();
        let cancellations = state.cancellations;
        let failures_before = state.known.get(place).map_or(0, |known| known.failures);
        loop {
            if state.is_interrupted || state.cancellations != cancellations {
                return Err(Unresolved::Interrupted);
            }
            let mut old = None;
            if let Some(known) = state.known.get(place) {
                if known.is_fresh(now) {
                    return Ok(known.addresses.clone());
                }
                if !known.addresses.is_empty() {
                    old = Some(known.addresses.clone());
                }
                if known.failures != failures_before {
                    return old.ok_or_else(|| Unresolved::Failed(known.last_failure()));
                }
            }

            if !state.is_looking {
                if let Err(error) = self.begin(place.clone(), now) {
                    return old.ok_or(Unresolved::Failed(error));
                }
                state.is_looking = true;
            }

            let limit = if old.is_some() {
                limit.min(STALE_GRACE)
            } else {
                limit
            };
            let left = limit.saturating_sub(started.elapsed());
            if left.is_zero() {
                return old.ok_or(Unresolved::TimedOut);
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn begin(self: &Arc<Self>, place: Place, now: Instant) -> io::Result<()> {
        let shared = Arc::clone(self);
        let thread = thread::Builder::new().name("trubrics-resolver".to_owned());
        // Not joined, because nothing can end a lookup in the operating system. It gives up by itself.
        thread.spawn(move || {
            let found = (shared.lookup)(&place.0, place.1);
            shared.finish(place, found, now);
        })?;
        Ok(())
    }

    fn finish(&self, place: Place, found: io::Result<Vec<SocketAddr>>, now: Instant) {
        let mut state = self.lock();
        state.is_looking = false;
        let known = state.known.entry(place).or_default();
        match found {
            Ok(mut addresses) if !addresses.is_empty() => {
                // Stable: the others keep their order.
                addresses.sort_by_key(|address| known.preferred != Some(*address));
                known.addresses = addresses;
                known.since = Some(now);
                known.is_invalidated = false;
            }
            Ok(_) => known.fail(
                io::ErrorKind::NotFound,
                "the name has no address".to_owned(),
            ),
            Err(error) => known.fail(error.kind(), error.to_string()),
        }
        drop(state);
        self.changed.notify_all();
    }
}

impl Known {
    fn fail(&mut self, kind: io::ErrorKind, text: String) {
        self.failures += 1;
        self.failure = Some((kind, text));
    }

    fn last_failure(&self) -> io::Error {
        match &self.failure {
            Some((kind, text)) => io::Error::new(*kind, text.clone()),
            None => io::ErrorKind::NotFound.into(),
        }
    }
}

impl Resolver for DnsCache {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
            Some("https") => 443,
            Some("http") | None => 80,
            // The only other schemes are those of SOCKS proxies.
            Some(_) => 1080,
        });
        let found = self.find(host, port, Instant::now(), *timeout.after);
        let found = found.map_err(|unresolved| match unresolved {
            Unresolved::TimedOut => ureq::Error::Timeout(Timeout::Resolve),
            Unresolved::Interrupted => super::failure::interrupted(),
            Unresolved::Failed(error) => ureq::Error::Io(error),
        })?;
        let mut addresses = self.empty();
        for address in found.into_iter().take(MOST_ADDRESSES) {
            addresses.push(address);
        }
        Ok(addresses)
    }
}

impl fmt::Debug for DnsCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DnsCache").finish_non_exhaustive()
    }
}
