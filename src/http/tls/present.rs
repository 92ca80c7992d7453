//! A build that can speak TLS.
//!
//! `ureq::unversioned` is used for the connector of `ureq` that does so: see [`agent`](crate::http::agent).

use ureq::{
    config::ConfigBuilder,
    tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem},
    typestate::AgentScope,
};

#[cfg(not(any(feature = "rustls", feature = "rustls-no-provider")))]
use ureq::unversioned::transport::NativeTlsConnector as TlsConnector;
#[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
use ureq::unversioned::transport::RustlsConnector as TlsConnector;

use crate::error::ConfigError;

/// Makes the connector that speaks TLS over the connections of the one before it.
pub(in crate::http) fn connector() -> TlsConnector {
    TlsConnector::default()
}

/// The certificates that servers are checked against.
#[derive(Debug)]
pub(in crate::http) struct Trust {
    roots: RootCerts,
}

impl Trust {
    /// Trusts the certificates of this PEM text and no others, or those of the operating system.
    pub(in crate::http) fn new(root_certificates: Option<&[u8]>) -> Result<Self, ConfigError> {
        let roots = match root_certificates {
            None => RootCerts::PlatformVerifier,
            Some(pem) => given(pem)?,
        };
        Ok(Self { roots })
    }

    pub(in crate::http) fn apply(
        &self,
        config: ConfigBuilder<AgentScope>,
    ) -> ConfigBuilder<AgentScope> {
        let provider = if super::BY_RUSTLS {
            TlsProvider::Rustls
        } else {
            TlsProvider::NativeTls
        };
        let tls = TlsConfig::builder()
            .provider(provider)
            .root_certs(self.roots.clone());
        config.tls_config(tls.build())
    }

    /// Returns the certificates to trust after this error, if it is that the operating system has none. A certificate
    /// that is not trusted is another kind of error.
    #[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
    pub(in crate::http) fn instead(&self, error: &ureq::Error) -> Option<Self> {
        match (&self.roots, error) {
            (RootCerts::PlatformVerifier, ureq::Error::Rustls(_)) => Some(Self {
                roots: RootCerts::WebPki,
            }),
            _ => None,
        }
    }

    /// Native TLS comes with the certificates of the operating system.
    #[cfg(not(any(feature = "rustls", feature = "rustls-no-provider")))]
    pub(in crate::http) fn instead(&self, _: &ureq::Error) -> Option<Self> {
        None
    }
}

fn given(pem: &[u8]) -> Result<RootCerts, ConfigError> {
    let refused = |problem: &str| ConfigError::new("root_certificates", problem);
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) if is_whole(certificate.der()) => {
                certificates.push(certificate);
            }
            // TLS would ignore it without an error.
            Ok(PemItem::Certificate(_)) | Err(_) => {
                return Err(refused("must be whole certificates in PEM form"));
            }
            Ok(_) => {}
        }
    }
    if certificates.is_empty() {
        return Err(refused("must contain at least one certificate in PEM form"));
    }
    Ok(certificates.into())
}

/// Whether the bytes are a DER sequence of exactly their length.
fn is_whole(der: &[u8]) -> bool {
    let (length, rest) = match der {
        [0x30, short @ 0..=0x7f, rest @ ..] => (usize::from(*short), rest),
        [0x30, 0x81, a, rest @ ..] => (usize::from(*a), rest),
        [0x30, 0x82, a, b, rest @ ..] => (usize::from(u16::from_be_bytes([*a, *b])), rest),
        _ => return false,
    };
    rest.len() == length
}
