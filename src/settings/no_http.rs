//! A build without the default transport: the feature `http` is off.

use std::{sync::Arc, time::Duration};

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
        _connections: usize,
        _request_timeout: Duration,
    ) -> Result<Arc<dyn Transport>, ConfigError> {
        Err(ConfigError::new(
            "transport",
            "is not set: give one to the builder, or switch on the feature http for the default one",
        ))
    }
}
