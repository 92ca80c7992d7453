//! The settings of the default transport, which the feature `http` brings.

use std::time::Duration;

use super::TrubricsBuilder;

/// Settings of the default transport, with the feature `http`.
impl TrubricsBuilder {
    /// Limits how long the lookup of the host's name may take, and after it the connection including TLS.
    ///
    /// It must be more than zero. Default: 3 s, [`defaults::CONNECT_TIMEOUT`](crate::defaults::CONNECT_TIMEOUT).
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.http.connect_timeout = limit;
        self
    }

    /// Connects to the host through this proxy.
    ///
    /// The URL begins with `http://`, `https://`, `socks4://`, `socks4a://` or `socks5://`, and has `user:password@`
    /// before the proxy's host if the proxy asks for them. `build` fails for any other URL. A loopback host is never
    /// reached through a proxy, and `NO_PROXY` does not count. Default: the proxy in `HTTPS_PROXY`, or `HTTP_PROXY` for
    /// an `http` host, or else `ALL_PROXY`, unless `NO_PROXY` names the host. The names in lower case count too. If
    /// such a variable cannot be used, one `warn` line says so, and no proxy is used.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.http.proxy = Some(url.into());
        self
    }

    /// Trusts the certificates in this PEM text and no others.
    ///
    /// `build` fails if there is none in it. Default: those of the operating system, or those bundled at compile time
    /// if it has none.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.http.root_certificates = Some(pem.into());
        self
    }
}
