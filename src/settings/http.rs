//! The settings that only the default transport knows, and that transport made from them.

use std::{fmt, sync::Arc, time::Duration};

use super::check::more_than_zero;
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
        connections: usize,
        request_timeout: Duration,
    ) -> Result<Arc<dyn Transport>, ConfigError> {
        Ok(Arc::new(HttpTransport::new(&HttpSettings {
            host,
            connections,
            connect_timeout: self.connect_timeout,
            request_timeout,
            proxy: self.proxy.as_deref(),
            root_certificates: self.root_certificates.as_deref(),
        })?))
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
