//! A host that is accepted can be requested, and is the one that the crate `url` reads; no secret is shown.
//!
//! The lines of the input are the host, the proxy and the exceptions. The crate `url` differs on purpose where it
//! follows browsers: it decodes names, takes `0x7f.1` for an address, and refuses names that are not valid.
#![no_main]

use libfuzzer_sys::fuzz_target;
use url::{Host, Url};

fuzz_target!(|text: &str| {
    let mut lines = text.split('\n');
    let [host, proxy, no_proxy] = [(); 3].map(|()| lines.next().unwrap_or_default());
    let (target, is_proxy) = trubrics::fuzzing::urls(host, proxy, no_proxy);
    if let Some((is_https, name, port)) = target
        && let Ok(url) = Url::parse(host.trim())
    {
        assert_eq!(url.scheme() == "https", is_https, "{host}");
        assert_eq!(url.port_or_known_default(), Some(port), "{host}");
        match url.host() {
            Some(Host::Domain(domain)) => assert_eq!(domain, name),
            Some(Host::Ipv4(address)) if name.parse() == Ok(address) => {}
            Some(Host::Ipv4(_)) => assert!(name.contains(|char: char| char.is_ascii_digit())),
            Some(Host::Ipv6(address)) => assert_eq!(name.parse(), Ok(address)),
            None => panic!("no host in {host}"),
        }
    }
    if is_proxy {
        assert!(!proxy.trim().is_empty());
    }
});
