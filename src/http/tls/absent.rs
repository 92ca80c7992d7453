//! A build that cannot speak TLS.

use ureq::{config::ConfigBuilder, typestate::AgentScope};

use crate::error::ConfigError;

#[derive(Debug)]
pub(in crate::http) struct Trust;

impl Trust {
    pub(in crate::http) fn new(root_certificates: Option<&[u8]>) -> Result<Self, ConfigError> {
        match root_certificates {
            None => Ok(Self),
            Some(_) => Err(ConfigError::new(
                "root_certificates",
                "needs TLS: switch on the feature rustls, rustls-no-provider or native-tls",
            )),
        }
    }

    pub(in crate::http) fn apply(
        &self,
        config: ConfigBuilder<AgentScope>,
    ) -> ConfigBuilder<AgentScope> {
        config
    }

    pub(in crate::http) fn instead(&self, _: &ureq::Error) -> Option<Self> {
        None
    }
}
