//! A build without the default transport: the feature `http` is off.

use std::sync::Arc;

use super::WorkerSettings;
use crate::{error::ConfigError, transport::Transport};

#[derive(Debug, Clone, Default)]
pub(crate) struct HttpOptions {}

impl HttpOptions {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        Ok(())
    }

    pub(crate) fn transport(
        &self,
        _host: &str,
        _worker: &WorkerSettings,
    ) -> Result<Arc<dyn Transport>, ConfigError> {
        Err(ConfigError::new(
            "transport",
            "is not set: give one to the builder, or switch on the feature http for the default one",
        ))
    }

    pub(crate) fn check_transport(
        &self,
        host: &str,
        worker: &WorkerSettings,
    ) -> Result<(), ConfigError> {
        self.transport(host, worker).map(drop)
    }
}
