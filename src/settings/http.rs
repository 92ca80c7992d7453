//! The settings that only the default transport knows, and that transport made from them.

use std::{fmt, sync::Arc, time::Duration};

use super::{WorkerSettings, check::more_than_zero};
use crate::{
    defaults,
    error::ConfigError,
    http::{HttpSettings, HttpTransport},
    transport::Transport,
};

/// The settings of the default transport.
#[derive(Clone)]
pub(crate) struct HttpOptions {
    pub(crate) connect_timeout: Duration,
    pub(crate) proxy: Option<String>,
    pub(crate) root_certificates: Option<Vec<u8>>,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: defaults::CONNECT_TIMEOUT,
            proxy: None,
            root_certificates: None,
        }
    }
}

impl HttpOptions {
    /// Checks each setting that stands for itself.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        more_than_zero("connect_timeout", self.connect_timeout)
    }

    /// Makes the default transport for this host.
    pub(crate) fn transport(
        &self,
        host: &str,
        worker: &WorkerSettings,
    ) -> Result<Arc<dyn Transport>, ConfigError> {
        let settings = self.with_host(host, worker);
        Ok(Arc::new(HttpTransport::new(&settings)?))
    }

    /// Checks whether another process can make the default transport for this host.
    pub(crate) fn check_transport(
        &self,
        host: &str,
        worker: &WorkerSettings,
    ) -> Result<(), ConfigError> {
        HttpTransport::check(&self.with_host(host, worker))
    }

    fn with_host<'a>(&'a self, host: &'a str, worker: &WorkerSettings) -> HttpSettings<'a> {
        HttpSettings {
            host,
            connections: worker.max_concurrent_requests,
            connect_timeout: self.connect_timeout,
            request_timeout: worker.request_timeout,
            proxy: self.proxy.as_deref(),
            root_certificates: self.root_certificates.as_deref(),
        }
    }
}

/// Shows neither the proxy, whose URL may hold a password, nor the certificates.
impl fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpOptions")
            .field("connect_timeout", &self.connect_timeout)
            .finish_non_exhaustive()
    }
}
