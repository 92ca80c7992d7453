//! Whom to trust: the operating system's certificates, the bundled ones where it has none, or exactly those given.

#[cfg(any(
    feature = "rustls",
    feature = "rustls-no-provider",
    feature = "native-tls"
))]
#[path = "tls/present.rs"]
mod trust;

#[cfg(not(any(
    feature = "rustls",
    feature = "rustls-no-provider",
    feature = "native-tls"
)))]
#[path = "tls/absent.rs"]
mod trust;

pub(super) use trust::{Trust, connector};

use crate::error::ConfigError;

/// Whether `https` can be spoken at all.
pub(super) const AVAILABLE: bool = cfg!(feature = "native-tls") || BY_RUSTLS;

/// It is preferred where both are there.
const BY_RUSTLS: bool = cfg!(feature = "rustls") || cfg!(feature = "rustls-no-provider");

/// Whether a read that finds no input leaves the connection intact. OpenSSL takes it for a failure.
pub(super) const CAN_POLL: bool = BY_RUSTLS;

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
