//! The address of the server: what may stand in the `host` setting, and what it says.

use std::net::IpAddr;

use ureq::http::Uri;

use crate::error::ConfigError;

/// The host setting without blanks and slashes around it, when requests can be sent there.
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

/// Where a URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) https: bool,
    /// A name or an IP address, in lower case, without brackets.
    pub(super) name: String,
    pub(super) port: u16,
}

impl Target {
    pub(super) fn of(url: &str) -> Option<Self> {
        let url: Uri = url.parse().ok()?;
        let https = match url.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = url.authority()?;
        let name = bare(authority.host()).to_ascii_lowercase();
        if name.is_empty() {
            return None;
        }
        // The parser takes any digits for a port, and ignores those that are none.
        let port = match authority.as_str().rsplit_once(':') {
            Some((_, port)) if !port.ends_with(']') => port.parse().ok()?,
            _ if https => 443,
            _ => 80,
        };
        Some(Self { https, name, port })
    }

    /// Whether the server is this machine, by its name or address alone.
    pub(super) fn is_loopback(&self) -> bool {
        let name = self.name.trim_end_matches('.');
        match name.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

/// A host as URLs write it, without the brackets around an IPv6 address.
pub(super) fn bare(host: &str) -> &str {
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
            ("http://exa mple.com", "valid URL"),
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
