//! The entry points of the targets in `fuzz/`: the transport over connections in memory, and the URLs that it takes.

mod memory;

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use ureq::{
    Agent, Error,
    config::Config,
    http::Uri,
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::{ConnectProxyConnector, Connector, NextTimeout},
    },
};

pub(crate) use self::memory::Server;
use super::{CurrentAgent, HttpSettings, HttpTransport, api_key, dns_cache::DnsCache, proxy, tls};
use crate::{
    error::ConfigError,
    host::{Target, check_host},
    transport::{Request, Transport},
};

/// The key of every request here. It has a blank, as a key may have.
pub(crate) const KEY: &str = "kEy-0123 456789";

/// The user and the password that are put into the URLs.
const USER: &str = "uSeR-77";
const PASSWORD: &str = "pAsSwOrD-77";

const AMPLE: Duration = Duration::from_secs(60);

/// Makes a transport whose connections all lead to this server.
pub(crate) fn transport_to(
    server: &Server,
    host: &str,
    proxy: Option<&str>,
) -> Result<HttpTransport, ConfigError> {
    let settings = HttpSettings {
        host,
        connections: 1,
        connect_timeout: AMPLE,
        request_timeout: AMPLE,
        proxy,
        root_certificates: None,
    };
    let dns = DnsCache::asking(AMPLE, |_, _| Ok(Vec::new()));
    let mut transport = HttpTransport::with_dns(&settings, dns)?;
    let config = &transport.config;
    let connector =
        ().chain(ConnectProxyConnector::default())
            .chain(server.connector())
            .chain(tls::connector())
            .chain(config.exchange_connector());
    let agent = Agent::with_parts(config.config(&config.trust), connector, OneAddress);
    transport.agent = Mutex::new(CurrentAgent {
        agent,
        bundled: None,
        cancellations: 0,
    });
    Ok(transport)
}

/// Every name has the same address.
#[derive(Debug)]
struct OneAddress;

impl Resolver for OneAddress {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(([192, 0, 2, 1], 80).into());
        Ok(addresses)
    }
}

/// The status that the transport reads from a server that answers with these bytes and closes the connection.
///
/// # Panics
/// If the transport cannot be made.
pub fn status(answer: &[u8]) -> Option<u16> {
    let server = Server::answering_once(answer);
    let transport = transport_to(&server, "http://example.com", None).expect("a usable host");
    let request = Request::new("http://example.com/publish_events", b"[{}]").with_api_key(KEY);
    let answer = transport.send(&request.with_deadline(Instant::now() + AMPLE));
    answer.ok().map(|answer| answer.status())
}

/// Checks the settings of a host and a proxy, and makes a request with them. Returns the server and the URL of the
/// proxy if they were accepted.
///
/// # Panics
/// If settings that were accepted do not make a request to their server, or a secret is shown.
pub fn urls(host: &str, proxy: &str, no_proxy: &str) -> (Option<(bool, String, u16)>, bool) {
    let target = check_host(host).map(|url| {
        let target = Target::of(&url).expect("a server");
        let variable = |name: &str| match name {
            "no_proxy" => Some(no_proxy.to_owned()),
            "all_proxy" => Some(proxy.to_owned()),
            _ => None,
        };
        let _ = proxy::choose(&target, None, variable);
        // There is no TLS here.
        let url = format!("http{}", url.strip_prefix("https").unwrap_or(&url[4..]));
        request(&url, None, &Target::of(&url).expect("a server"));
        target
    });
    let is_proxy = check_proxy(proxy);
    check_secrets(host, proxy);
    let target = target
        .ok()
        .map(|target| (target.https, target.name, target.port));
    (target, is_proxy)
}

/// Makes a request to a server that takes each, perhaps through a proxy.
fn request(host: &str, proxy: Option<&str>, target: &Target) {
    let server = Server::answering_always();
    let transport = transport_to(&server, host, proxy).expect("usable settings");
    let url = format!("{host}/publish_events");
    let request = Request::new(&url, b"[{}]").with_api_key(KEY);
    let answer = transport.send(&request.with_deadline(Instant::now() + AMPLE));
    let status = answer.as_ref().map(|answer| answer.status());
    assert_eq!(status.ok(), Some(200), "{host} {proxy:?}: {answer:?}");
    let sent = server.sent();
    let text = String::from_utf8_lossy(&sent);
    let bare = crate::host::bare(&target.name);
    let authority = text
        .split("\r\n")
        .find_map(|line| line.strip_prefix("host: "));
    let authority = authority.unwrap_or_default().to_ascii_lowercase();
    let (name, port) = crate::host::split_port(&authority).expect("a host");
    assert_eq!(crate::host::bare(name), bare, "{text}");
    assert_eq!(port.unwrap_or(80), target.port, "{text}");
    assert!(
        text.contains(&format!("{}: {KEY}\r\n", api_key::HEADER)),
        "{text}"
    );
}

/// Whether the URL is one of a proxy. A request through it says so.
fn check_proxy(url: &str) -> bool {
    let target = Target::of("http://api.example.com").expect("a server");
    let Ok(Some(chosen)) = proxy::choose(&target, Some(url), |_| None) else {
        return false;
    };
    if chosen.protocol() == ureq::ProxyProtocol::Http {
        request("http://api.example.com", Some(url), &target);
    }
    true
}

/// Secrets in URLs are shown by no error and by no `Debug`.
fn check_secrets(host: &str, proxy: &str) {
    let with_user = |url: &str| {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        format!("{scheme}://{USER}:{PASSWORD}@{rest}")
    };
    let error = check_host(&with_user(host)).expect_err("a user in the URL");
    assert_hidden(&format!("{error} {error:?}"));
    let server = Server::answering_once(b"");
    let url = "http://example.com/publish_events";
    match transport_to(&server, "http://example.com", Some(&with_user(proxy))) {
        Err(error) => assert_hidden(&format!("{error} {error:?}")),
        Ok(transport) => {
            assert_hidden(&format!("{transport:?}"));
            let request = Request::new(url, b"[{}]").with_api_key(KEY);
            let error = transport.send(&request).expect_err("no answer");
            assert_hidden(&format!("{error} {error:?} {}", error.cause_text()));
        }
    }
}

fn assert_hidden(shown: &str) {
    for secret in [USER, PASSWORD, KEY] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
