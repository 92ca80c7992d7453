//! The transport against servers of the test's own.

mod addresses;
mod child;
mod dns_cache;
mod early_answers;
mod interrupts;
mod keep_alive;
mod proxies;
mod secrets;
mod server;
mod stale_connections;
mod strange_answers;
mod time_outs;
mod warnings;

#[cfg(any(
    feature = "rustls",
    feature = "rustls-no-provider",
    feature = "native-tls"
))]
mod certificates;

use std::time::{Duration, Instant};

use super::{HttpSettings, HttpTransport, dns_cache::DnsCache};
use crate::transport::{Request, Response, Transport, TransportError};

const KEY: &str = "QQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQ";

/// What a test may take when nothing goes wrong, on a busy machine.
const AMPLE: Duration = Duration::from_secs(20);

fn settings(host: &str) -> HttpSettings<'_> {
    HttpSettings {
        host,
        connections: 1,
        connect_timeout: AMPLE,
        request_timeout: AMPLE,
        proxy: None,
        root_certificates: None,
    }
}

fn transport(host: &str) -> HttpTransport {
    HttpTransport::new(&settings(host)).expect("usable settings")
}

/// Asks a made-up name server, which says that every name is this machine.
fn transport_with_dns(host: &str) -> HttpTransport {
    let dns = DnsCache::asking(AMPLE, |_, port| Ok(vec![([127, 0, 0, 1], port).into()]));
    HttpTransport::with_dns(&settings(host), dns).expect("usable settings")
}

fn post(transport: &HttpTransport, url: &str) -> Result<Response, TransportError> {
    post_within(transport, url, b"[]", AMPLE)
}

fn post_within(
    transport: &HttpTransport,
    url: &str,
    body: &[u8],
    time: Duration,
) -> Result<Response, TransportError> {
    let url = format!("{url}/publish_events");
    let request = Request::new(&url, body).with_api_key(KEY);
    transport.send(&request.with_deadline(Instant::now() + time))
}

/// The cause of a failure, in words.
#[track_caller]
fn cause(outcome: Result<Response, TransportError>) -> String {
    let error = outcome.expect_err("a failure");
    let cause = std::error::Error::source(&error).expect("a cause");
    let words = cause.to_string();
    assert!(!words.contains(KEY), "{words}");
    words
}

proptest::proptest! {
    #[test]
    fn a_host_that_is_accepted_makes_a_url_for_ureq(host in "https?://[!-~é ]{1,40}") {
        if let Ok(host) = crate::host::check_host(&host) {
            let url: ureq::http::Uri = format!("{host}/publish_events").parse().expect("a URL");
            let target = crate::host::Target::of(&host).expect("a host");
            proptest::prop_assert_eq!(url.host().map(str::to_ascii_lowercase), Some(
                if target.name.contains(':') { format!("[{}]", target.name) } else { target.name }
            ));
        }
    }
}
