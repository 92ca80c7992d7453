//! The settings that only the default transport knows, and that transport made from them.

use std::{fmt, sync::Arc, time::Duration};

use super::TrubricsBuilder;
use crate::{
    defaults,
    error::ConfigError,
    http::{HttpSettings, HttpTransport},
    settings::check::more_than_zero,
    transport::Transport,
};

/// The settings of the default transport.
#[derive(Clone)]
pub(super) struct HttpOptions {
    connect_timeout: Duration,
    proxy: Option<String>,
    root_certificates: Option<Vec<u8>>,
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
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        more_than_zero("connect_timeout", self.connect_timeout)
    }

    /// Makes the default transport for this host.
    pub(super) fn transport(
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

/// Settings of the default transport, with the feature `http`.
impl TrubricsBuilder {
    /// Limits how long the lookup of the host's name may take, and after it the connection including TLS.
    ///
    /// It must be more than zero. Default: [`defaults::CONNECT_TIMEOUT`].
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.http.connect_timeout = limit;
        self
    }

    /// Connects to the host through this proxy.
    ///
    /// The URL begins with `http://`, `https://`, `socks4://`, `socks4a://` or `socks5://`, and has `user:password@`
    /// before the proxy's host if the proxy asks for them. A loopback host is never reached through a proxy. Default:
    /// the proxy of the environment, unless `NO_PROXY` names the host.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.http.proxy = Some(url.into());
        self
    }

    /// Trusts the certificates in this PEM text and no others.
    ///
    /// Default: those of the operating system, or those bundled at compile time if it has none.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.http.root_certificates = Some(pem.into());
        self
    }
}
