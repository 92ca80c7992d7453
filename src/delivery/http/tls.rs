//! Whom to trust: the operating system's certificates, the bundled ones where it has none, or exactly those given.

#[cfg(any(
    feature = "rustls",
    feature = "rustls-no-provider",
    feature = "native-tls"
))]
use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use ureq::{config::ConfigBuilder, typestate::AgentScope};

use crate::error::ConfigError;

/// Whether `https` can be spoken at all.
pub(super) const AVAILABLE: bool = cfg!(feature = "native-tls") || BY_RUSTLS;

const BY_RUSTLS: bool = cfg!(feature = "rustls") || cfg!(feature = "rustls-no-provider");

/// How servers are checked.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    #[cfg(any(
        feature = "rustls",
        feature = "rustls-no-provider",
        feature = "native-tls"
    ))]
    roots: RootCerts,
}

#[cfg(any(
    feature = "rustls",
    feature = "rustls-no-provider",
    feature = "native-tls"
))]
impl Trust {
    /// In the certificates of this PEM text and no others, or else in those of the operating system.
    pub(super) fn new(root_certificates: Option<&[u8]>) -> Result<Self, ConfigError> {
        let roots = match root_certificates {
            None => RootCerts::PlatformVerifier,
            Some(pem) => given(pem)?,
        };
        Ok(Self { roots })
    }

    pub(super) fn apply(&self, config: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
        let provider = if BY_RUSTLS {
            TlsProvider::Rustls
        } else {
            TlsProvider::NativeTls
        };
        let tls = TlsConfig::builder()
            .provider(provider)
            .root_certs(self.roots.clone());
        config.tls_config(tls.build())
    }

    /// What to trust in after this failure: the operating system turned out to have no certificates.
    pub(super) fn instead(&self, error: &ureq::Error) -> Option<Self> {
        #[cfg(any(feature = "rustls", feature = "rustls-no-provider"))]
        if let (RootCerts::PlatformVerifier, ureq::Error::Rustls(_)) = (&self.roots, error) {
            let roots = RootCerts::WebPki;
            return Some(Self { roots });
        }
        let _ = error;
        None
    }
}

#[cfg(any(
    feature = "rustls",
    feature = "rustls-no-provider",
    feature = "native-tls"
))]
fn given(pem: &[u8]) -> Result<RootCerts, ConfigError> {
    let refused = |problem: &str| ConfigError::new("root_certificates", problem);
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) if is_whole(certificate.der()) => {
                certificates.push(certificate);
            }
            // A certificate that cannot be used would be left out in silence.
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

/// Whether the outer length of a DER sequence is that of the bytes at hand.
#[cfg(any(
    feature = "rustls",
    feature = "rustls-no-provider",
    feature = "native-tls"
))]
fn is_whole(der: &[u8]) -> bool {
    let (length, rest) = match der {
        [0x30, short @ 0..=0x7f, rest @ ..] => (usize::from(*short), rest),
        [0x30, 0x81, a, rest @ ..] => (usize::from(*a), rest),
        [0x30, 0x82, a, b, rest @ ..] => (usize::from(u16::from_be_bytes([*a, *b])), rest),
        _ => return false,
    };
    rest.len() == length
}

#[cfg(not(any(
    feature = "rustls",
    feature = "rustls-no-provider",
    feature = "native-tls"
)))]
impl Trust {
    pub(super) fn new(root_certificates: Option<&[u8]>) -> Result<Self, ConfigError> {
        match root_certificates {
            None => Ok(Self {}),
            Some(_) => Err(ConfigError::new(
                "root_certificates",
                "needs TLS: switch on the feature rustls, rustls-no-provider or native-tls",
            )),
        }
    }

    pub(super) fn apply(&self, config: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
        config
    }

    pub(super) fn instead(&self, _: &ureq::Error) -> Option<Self> {
        None
    }
}

/// Refuses `https` while nobody has said which cryptography to use: `ureq` would panic at the first request.
pub(super) fn check_provider() -> Result<(), ConfigError> {
    #[cfg(all(feature = "rustls-no-provider", not(feature = "rustls")))]
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(ConfigError::new(
            "host",
            "needs a crypto provider for https: install one as rustls' process default before the client is built, \
             or switch on the feature rustls",
        ));
    }
    Ok(())
}
