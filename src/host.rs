//! The address of the server: checks the `host` setting and takes it apart, with or without the feature `http`.

#[cfg(any(feature = "http", test))]
use std::net::IpAddr;
use std::net::Ipv6Addr;

use crate::error::ConfigError;

/// Returns the `host` setting without blanks and slashes around it, or why requests cannot be sent there.
pub(crate) fn check_host(host: &str) -> Result<String, ConfigError> {
    let host = host.trim();
    let refused = |problem: &str| Err(ConfigError::new("host", problem));

    let Some((scheme, rest)) = host.split_once("://") else {
        return refused("must be a URL that begins with https:// or http://");
    };
    let rest = rest.trim_end_matches('/');
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "https" && scheme != "http" {
        return refused("must be a URL that begins with https:// or http://");
    }
    if rest.contains(['?', '#']) {
        return refused("must end with its path, without a query or a fragment");
    }
    let authority = rest.split('/').next().unwrap_or(rest);
    if authority.contains('@') {
        return refused("must not contain a user name or password");
    }

    let url = format!("{scheme}://{rest}");
    if Target::of(&url).is_none() {
        return refused("must be a valid URL with a host name and, if any, a port up to 65535");
    }
    Ok(url)
}

/// The server that a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) https: bool,
    /// A name or an IP address, in lower case, without brackets.
    pub(crate) name: String,
    pub(crate) port: u16,
}

impl Target {
    /// Takes apart a URL as [`check_host`] returns it.
    pub(crate) fn of(url: &str) -> Option<Self> {
        let (https, rest) = match url.split_once("://")? {
            ("https", rest) => (true, rest),
            ("http", rest) => (false, rest),
            _ => return None,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !path.chars().all(is_path_char) {
            return None;
        }
        let (host, port) = split_port(authority)?;
        if !is_host(host) {
            return None;
        }
        let default_port = if https { 443 } else { 80 };
        Some(Self {
            https,
            name: bare(host).to_ascii_lowercase(),
            port: port.unwrap_or(default_port),
        })
    }

    /// Whether the server is this machine, judged by its name or address alone.
    #[cfg(any(feature = "http", test))]
    pub(crate) fn is_loopback(&self) -> bool {
        let name = self.name.trim_end_matches('.');
        match name.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

/// Splits a port off a host; `None` when there is a colon but no port from 0 to 65535 after it.
pub(crate) fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    match authority.rsplit_once(':') {
        // The colon is a part of an IPv6 address.
        Some((_, after)) if after.ends_with(']') => Some((authority, None)),
        // `parse` would accept a sign.
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((host, Some(port.parse().ok()?)))
        }
        Some(_) => None,
        None => Some((authority, None)),
    }
}

/// Whether this can stand as the host of a URL.
pub(crate) fn is_host(host: &str) -> bool {
    if host.starts_with('[') {
        return host.ends_with(']') && bare(host).parse::<Ipv6Addr>().is_ok();
    }
    let is_allowed = |char: char| char.is_ascii_alphanumeric() || "-._~!$&'()*+,;=".contains(char);
    !host.is_empty() && host.chars().all(is_allowed)
}

fn is_path_char(char: char) -> bool {
    !char.is_ascii_control() && !" \"<>\\^`{|}".contains(char)
}

/// Returns a host as in URLs without the brackets around an IPv6 address.
pub(crate) fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usable_host_is_kept_without_what_surrounds_it() {
        for (given, kept) in [
            ("http://localhost:8000", "http://localhost:8000"),
            (
                " http://example.com/api/ingestion// ",
                "http://example.com/api/ingestion",
            ),
            ("HTTP://Example.com", "http://Example.com"),
            ("http://[::1]:80/x", "http://[::1]:80/x"),
            ("http://[::1]", "http://[::1]"),
            ("http://example.com:65535", "http://example.com:65535"),
            ("http://a_b.example.com/%20~", "http://a_b.example.com/%20~"),
        ] {
            assert_eq!(check_host(given).expect(given), kept);
        }
    }

    #[test]
    fn an_unusable_host_is_refused_in_words() {
        for (given, words) in [
            ("", "begins with https:// or http://"),
            ("example.com", "begins with https:// or http://"),
            ("ftp://example.com", "begins with https:// or http://"),
            ("http://", "valid URL"),
            ("http:///path", "valid URL"),
            ("http://:80", "valid URL"),
            ("http://example.com:", "valid URL"),
            ("http://example.com:70000", "valid URL"),
            ("http://example.com:+80", "valid URL"),
            ("http://example.com:80:80", "valid URL"),
            ("http://::1", "valid URL"),
            ("http://[::1", "valid URL"),
            ("http://[::1]80", "valid URL"),
            ("http://[example.com]", "valid URL"),
            ("http://exa mple.com", "valid URL"),
            ("http://ex%41mple.com", "valid URL"),
            ("http://ex\u{e4}mple.com", "valid URL"),
            ("http://example.com/a b", "valid URL"),
            ("http://example.com/a\tb", "valid URL"),
            ("http://me:secret@example.com", "user name or password"),
            ("http://example.com/?a=b", "query or a fragment"),
            ("http://example.com/#a", "query or a fragment"),
        ] {
            let error = check_host(given).expect_err(given).to_string();
            assert!(error.starts_with("host must "), "{given}: {error}");
            assert!(error.contains(words), "{given}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn this_machine_is_known_by_its_names_and_addresses() {
        for host in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "api.localhost",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            let target = Target::of(&format!("http://{host}:80/")).expect(host);
            assert!(target.is_loopback(), "{host}");
        }
        for host in [
            "example.com",
            "notlocalhost",
            "128.0.0.1",
            "[::2]",
            "0.0.0.0",
        ] {
            let target = Target::of(&format!("http://{host}/")).expect(host);
            assert!(!target.is_loopback(), "{host}");
        }
    }
}
