//! TLS: which library speaks it, and which certificates it trusts. These are those of the operating system, the bundled
//! ones if it has none, or exactly those of the setting.

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

/// Whether the build can speak TLS.
pub(super) const AVAILABLE: bool = cfg!(feature = "native-tls") || BY_RUSTLS;

/// Whether rustls speaks TLS. It is preferred when both libraries are in the build.
const BY_RUSTLS: bool = cfg!(feature = "rustls") || cfg!(feature = "rustls-no-provider");

/// Whether a read that finds no input leaves the connection intact. `ureq` reports it to native TLS as a failure.
pub(super) const CAN_POLL: bool = BY_RUSTLS;

/// Refuses `https` without a crypto provider, because `ureq` would panic at the first request.
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
