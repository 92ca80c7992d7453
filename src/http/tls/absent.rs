//! A build that cannot speak TLS.

use ureq::{
    Error,
    config::ConfigBuilder,
    typestate::AgentScope,
    unversioned::transport::{ConnectionDetails, Connector, Transport},
};

use crate::error::ConfigError;

/// Makes the connector in the place of TLS.
pub(in crate::http) fn connector() -> NoTls {
    NoTls
}

/// Leaves connections as they are.
#[derive(Debug)]
pub(in crate::http) struct NoTls;

impl<In: Transport> Connector<In> for NoTls {
    type Out = In;

    fn connect(&self, _: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<In>, Error> {
        Ok(chained)
    }
}

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

    pub(in crate::http) fn instead(&self, _: &Error) -> Option<Self> {
        None
    }
}
