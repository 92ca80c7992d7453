//! The list in `NO_PROXY`: servers that are reached without the proxy.

use std::net::IpAddr;

use crate::host::{Target, bare};

/// Whether one of the comma-separated entries means this server.
pub(super) fn contain(list: &str, target: &Target) -> bool {
    let mut entries = list
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    entries.any(|entry| means(entry, target))
}

fn means(entry: &str, target: &Target) -> bool {
    let (host, port) = split_port(entry);
    if port.is_some_and(|port| port != target.port) {
        return false;
    }
    if host == "*" {
        return true;
    }
    match target.name.parse::<IpAddr>() {
        Ok(address) => covers(host, address.to_canonical()),
        Err(_) => is_domain_of(host, &target.name),
    }
}

fn split_port(entry: &str) -> (&str, Option<u16>) {
    let is_bare_ipv6 = !entry.starts_with('[') && entry.matches(':').count() > 1;
    match entry.rsplit_once(':') {
        Some((host, port)) if !is_bare_ipv6 && !port.ends_with(']') => match port.parse() {
            Ok(port) => (bare(host), Some(port)),
            Err(_) => (entry, None),
        },
        _ => (bare(entry), None),
    }
}

/// Whether the entry means the domain of this name or one above it. `example.com`, `.example.com` and `*.example.com`
/// are the same.
fn is_domain_of(entry: &str, name: &str) -> bool {
    let entry = entry.strip_prefix('*').unwrap_or(entry);
    let entry = entry.trim_matches('.').to_ascii_lowercase();
    let name = name.trim_end_matches('.');
    match name.strip_suffix(entry.as_str()) {
        Some(before) => !entry.is_empty() && (before.is_empty() || before.ends_with('.')),
        None => false,
    }
}

/// Whether the entry is this address, or a network such as `10.0.0.0/8` that contains it.
fn covers(entry: &str, address: IpAddr) -> bool {
    let Some((network, length)) = entry.split_once('/') else {
        return entry.parse::<IpAddr>().map(|it| it.to_canonical()) == Ok(address);
    };
    let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else {
        return false;
    };
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) if length <= 32 => {
            let differ = u32::from(network) ^ u32::from(address);
            differ.leading_zeros() >= length
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if length <= 128 => {
            let differ = u128::from(network) ^ u128::from(address);
            differ.leading_zeros() >= length
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_means_its_host_and_what_is_below_it() {
        for (list, url, expected) in [
            ("*", "https://example.com", true),
            ("", "https://example.com", false),
            (" , ,", "https://example.com", false),
            ("example.com", "https://example.com", true),
            ("Example.COM", "https://example.com", true),
            ("example.com", "https://EXAMPLE.com", true),
            ("example.com", "https://sub.example.com", true),
            (".example.com", "https://sub.example.com", true),
            (".example.com", "https://example.com", true),
            ("*.example.com", "https://sub.example.com", true),
            ("example.com", "https://notexample.com", false),
            ("sub.example.com", "https://example.com", false),
            ("a.com , example.com", "https://example.com", true),
            ("example.com:443", "https://example.com", true),
            ("example.com:8443", "https://example.com", false),
            ("example.com:8443", "https://example.com:8443", true),
            ("*:8443", "https://example.com:8443", true),
            ("10.1.2.3", "http://10.1.2.3", true),
            ("10.1.2.3:80", "http://10.1.2.3", true),
            ("10.1.2.3:81", "http://10.1.2.3", false),
            ("1.2.3", "http://10.1.2.3", false),
            ("10.0.0.0/8", "http://10.1.2.3", true),
            ("10.0.0.0/16", "http://10.1.2.3", false),
            ("0.0.0.0/0", "http://10.1.2.3", true),
            ("10.1.2.3/32", "http://10.1.2.3", true),
            ("10.1.2.3/33", "http://10.1.2.3", false),
            ("10.1.2.3/x", "http://10.1.2.3", false),
            ("fd00::/8", "http://[fd12::1]", true),
            ("fd00::/8", "http://[fe12::1]", false),
            ("fd12::1", "http://[fd12::1]", true),
            ("[fd12::1]", "http://[fd12::1]", true),
            ("[fd12::1]:80", "http://[fd12::1]", true),
            ("[fd12::1]:81", "http://[fd12::1]", false),
        ] {
            let target = Target::of(url).expect(url);
            assert_eq!(contain(list, &target), expected, "{list} {url}");
        }
    }
}
