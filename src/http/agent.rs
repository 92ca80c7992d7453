//! The agent of `ureq`, and the chain of connectors that it makes connections with.
//!
//! The chain is that of `ureq`'s own default connector, with the layers of this folder between its parts. From the
//! socket up, a connection to the server consists of
//! - a TCP socket ([`socket`](super::socket), made by [`connect`](super::connect)), or that of `ureq` for a SOCKS
//!   proxy,
//! - [`KeepReading`](super::keep_reading),
//! - the tunnel through an HTTP proxy, if any,
//! - TLS, if any,
//! - [`Exchange`](super::exchange).

use std::time::Duration;

use ureq::{
    Agent, Proxy,
    config::Config,
    unversioned::transport::{ConnectProxyConnector, Connector, SocksConnector},
};

use super::{
    connect::TcpConnector,
    dns_cache::DnsCache,
    exchange::ExchangeConnector,
    keep_reading::KeepReadingConnector,
    limits::RESPONSE_BODY_TIMEOUT,
    tls::{self, Trust},
};

/// Load balancers close idle connections after a minute or less. A connection is worth keeping through a burst, and
/// one that is kept longer is likely to be stale when it is needed.
const MAX_IDLE_AGE: Duration = Duration::from_secs(5);

/// A part of a body: large enough for most bodies, and small enough to notice a response soon.
const OUTPUT_BUFFER: usize = 32 * 1024;

const INPUT_BUFFER: usize = 16 * 1024;

/// Everything that an agent is made from.
pub(super) struct AgentConfig {
    pub(super) connections: usize,
    pub(super) connect_timeout: Duration,
    pub(super) request_timeout: Duration,
    pub(super) proxy: Option<Proxy>,
    pub(super) trust: Trust,
    pub(super) dns: DnsCache,
}

impl AgentConfig {
    pub(super) fn agent(&self, trust: &Trust) -> Agent {
        let connector = ()
            .chain(SocksConnector::default())
            .chain(KeepReadingConnector)
            .chain(ConnectProxyConnector::default())
            .chain(TcpConnector {
                dns: self.dns.clone(),
            })
            .chain(tls::connector())
            .chain(self.exchange_connector());
        Agent::with_parts(self.config(trust), connector, self.dns.clone())
    }

    pub(super) fn exchange_connector(&self) -> ExchangeConnector {
        ExchangeConnector {
            has_proxy: self.proxy.is_some(),
            can_poll_tls: tls::CAN_POLL,
        }
    }

    pub(super) fn config(&self, trust: &Trust) -> Config {
        let whole = Some(self.request_timeout);
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The key would travel to another host.
            .max_redirects(0)
            .proxy(self.proxy.clone())
            .max_idle_connections(self.connections)
            .max_idle_connections_per_host(self.connections)
            .max_idle_age(MAX_IDLE_AGE)
            .output_buffer_size(OUTPUT_BUFFER)
            .input_buffer_size(INPUT_BUFFER)
            // Only the headers of the request itself.
            .user_agent("")
            .accept("")
            .accept_encoding("")
            .timeout_global(whole)
            .timeout_connect(Some(self.connect_timeout))
            .timeout_send_body(whole)
            .timeout_recv_response(whole)
            .timeout_recv_body(Some(RESPONSE_BODY_TIMEOUT.min(self.request_timeout)));
        trust.apply(config).build()
    }
}
