use crate::{delivery::transport::*, error::ConfigError};
use std::time::Duration;
pub(crate) struct HttpSettings<'a> {
    pub(crate) host: &'a str,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) proxy: Option<&'a str>,
    pub(crate) root_certificates: Option<&'a [u8]>,
}
pub(crate) struct HttpTransport {}
impl HttpTransport {
    pub(crate) fn new(_: &HttpSettings<'_>) -> Result<Self, ConfigError> {
        Ok(Self {})
    }
}
impl Transport for HttpTransport {
    fn send(&self, _: &Request<'_>) -> Result<Response, TransportError> {
        Err(TransportError::new("stub"))
    }
}
pub(crate) fn check_host(h: &str) -> Result<String, ConfigError> {
    Ok(h.into())
}
