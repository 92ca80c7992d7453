//! Chooses the proxy to the server: that of the setting, or else that of the environment, which is read as curl reads
//! it.

mod exceptions;

use log::warn;
use ureq::{Proxy, ProxyProtocol};

use super::tls;
use crate::{
    error::ConfigError,
    host::{Target, is_host, split_port},
    logging::{TARGET, logging},
};

/// Returns the proxy for this server, if any. This machine is never reached through one.
pub(super) fn choose(
    target: &Target,
    setting: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, ConfigError> {
    if let Some(url) = setting {
        let proxy = parse(url).map_err(|problem| ConfigError::new("proxy", problem))?;
        return Ok((!target.is_loopback()).then_some(proxy));
    }
    let Some(url) = from_environment(target, variable) else {
        return Ok(None);
    };
    match parse(&url) {
        Ok(proxy) => Ok(Some(proxy)),
        Err(problem) => {
            logging(
                || warn!(target: TARGET, "the proxy of the environment is not used: it {problem}"),
            );
            Ok(None)
        }
    }
}

/// Returns the URL of the environment's proxy for this server. Tests make up an environment.
fn from_environment(target: &Target, variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    if target.is_loopback() {
        return None;
    }
    let first = |names: &[&str]| {
        let mut values = names.iter().filter_map(|name| variable(name));
        values.find(|value| !value.trim().is_empty())
    };
    if let Some(list) = first(&["no_proxy", "NO_PROXY"])
        && exceptions::contain(&list, target)
    {
        return None;
    }
    // A web server hands the header `Proxy` of a request to a CGI program under this name.
    let is_cgi = variable("REQUEST_METHOD").is_some();
    let own: &[&str] = match (target.https, is_cgi) {
        (true, _) => &["https_proxy", "HTTPS_PROXY"],
        (false, false) => &["http_proxy", "HTTP_PROXY"],
        (false, true) => &["http_proxy"],
    };
    let url = first(own).or_else(|| first(&["all_proxy", "ALL_PROXY"]))?;
    Some(url.trim().to_owned())
}

/// Whether the proxy itself is spoken to over TLS.
pub(super) fn speaks_tls(proxy: &Proxy) -> bool {
    proxy.protocol() == ProxyProtocol::Https
}

const NO_URL: &str = "must be the URL of a proxy that begins with http://, https://, socks4://, socks4a:// or socks5://";
const NO_HOST: &str = "must be the URL of a proxy with a host name";
const NO_PORT: &str = "must be the URL of a proxy whose port, if any, is a number from 1 to 65535";
const NO_END: &str = "must be the URL of a proxy that ends with its host or port; in a user name or a password, write \
    / as %2F, ? as %3F, # as %23 and @ as %40";

/// Checks the URL of a proxy. The problem does not repeat it, because it may contain a password.
///
/// `ureq` takes less care: it ignores a port that is not one, and everything from the first `/`, `?` or `#` on, so
/// that the password of `http://user:p#w@host` becomes the port of a host named `user`.
fn parse(url: &str) -> Result<Proxy, &'static str> {
    let url = url.trim().trim_end_matches('/');
    let address = url.split_once("://").map_or(url, |(_, address)| address);
    if address.contains(['/', '?', '#']) || address.matches('@').count() > 1 {
        return Err(NO_END);
    }
    let authority = address.rsplit_once('@').map_or(address, |(_, after)| after);
    let (host, port) = split_port(authority).ok_or(NO_PORT)?;
    if port == Some(0) {
        return Err(NO_PORT);
    }
    if host.is_empty() {
        return Err(NO_HOST);
    }
    if !is_host(host) {
        return Err(NO_URL);
    }
    let proxy = Proxy::new(url).map_err(|_| NO_URL)?;
    if speaks_tls(&proxy) && !tls::AVAILABLE {
        return Err(
            "needs TLS for https: switch on the feature rustls, rustls-no-provider or native-tls",
        );
    }
    Ok(proxy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::of(url).expect("a usable URL")
    }

    fn environment<'a>(
        pairs: &'a [(&'a str, &'a str)],
    ) -> impl Fn(&str) -> Option<String> + use<'a> {
        move |name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn the_environment_is_read_as_curl_reads_it() {
        let https = "https://app.example.com/api";
        let http = "http://app.example.com/api";
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a str>);
        let table: &[Row<'_>] = &[
            (https, &[], None),
            (https, &[("HTTPS_PROXY", "http://a")], Some("http://a")),
            (https, &[("https_proxy", "http://a")], Some("http://a")),
            (
                https,
                &[("HTTPS_PROXY", "http://a"), ("https_proxy", "http://b")],
                Some("http://b"),
            ),
            (
                https,
                &[("HTTPS_PROXY", "http://a"), ("https_proxy", " ")],
                Some("http://a"),
            ),
            (https, &[("http_proxy", "http://a")], None),
            (http, &[("https_proxy", "http://a")], None),
            (http, &[("http_proxy", "http://a")], Some("http://a")),
            (http, &[("HTTP_PROXY", "http://a")], Some("http://a")),
            (
                http,
                &[("HTTP_PROXY", "http://a"), ("REQUEST_METHOD", "POST")],
                None,
            ),
            (https, &[("ALL_PROXY", "socks5://a")], Some("socks5://a")),
            (http, &[("all_proxy", " http://a ")], Some("http://a")),
            (
                https,
                &[("ALL_PROXY", "http://a"), ("HTTPS_PROXY", "http://b")],
                Some("http://b"),
            ),
            (https, &[("ALL_PROXY", "http://a"), ("NO_PROXY", "*")], None),
            (
                https,
                &[("ALL_PROXY", "http://a"), ("no_proxy", "x, example.com")],
                None,
            ),
            (
                https,
                &[("ALL_PROXY", "http://a"), ("NO_PROXY", "other.com")],
                Some("http://a"),
            ),
            ("http://localhost:1", &[("http_proxy", "http://a")], None),
            ("http://127.0.0.5", &[("ALL_PROXY", "http://a")], None),
            ("https://[::1]:1", &[("ALL_PROXY", "http://a")], None),
        ];
        for (url, pairs, expected) in table {
            let found = from_environment(&target(url), environment(pairs));
            assert_eq!(found.as_deref(), *expected, "{url} {pairs:?}");
        }
    }

    #[test]
    fn the_setting_wins_over_the_environment() {
        let away = target("http://app.example.com");
        let all = [("ALL_PROXY", "http://other:1"), ("NO_PROXY", "*")];
        let proxy = choose(&away, Some("http://mine:2"), environment(&all));
        assert_eq!(proxy.unwrap().expect("a proxy").host(), "mine");
    }

    #[test]
    fn this_machine_is_not_reached_through_a_proxy_of_the_setting() {
        let here = target("http://localhost:8000");
        let proxy = choose(&here, Some("http://mine:2"), environment(&[]));
        assert!(proxy.unwrap().is_none());
    }

    #[test]
    fn every_kind_of_proxy_is_understood() {
        for url in [
            "http://proxy:3128",
            "http://user:pass@proxy:3128/",
            "socks4://proxy",
            "socks4a://proxy:1080",
            "socks5://user:pass@proxy:1080",
            "socks5h://proxy:1080",
            "proxy:3128",
            "proxy",
            "user:pass@proxy:3128",
            "http://user@proxy",
            "http://us%23er:p%40%2Fss@proxy:3128",
            "http://127.0.0.1:65535",
            "http://[::1]:3128",
            "http://[::1]",
        ] {
            assert!(parse(url).is_ok(), "{url}");
        }
        assert_eq!(parse("https://proxy").is_ok(), tls::AVAILABLE);
    }

    #[test]
    fn a_bad_proxy_setting_is_refused_without_its_password() {
        let away = target("http://app.example.com");
        for (url, words) in [
            ("", "a host name"),
            ("a b", "begins with"),
            ("ftp://user:hunter2@proxy", "begins with"),
            ("http://user:hunter2@", "a host name"),
            ("http://user:hunter2@:80", "a host name"),
            ("http://127.0.0.1:abc", "from 1 to 65535"),
            ("http://127.0.0.1:99999", "from 1 to 65535"),
            ("http://127.0.0.1:", "from 1 to 65535"),
            ("http://127.0.0.1:0", "from 1 to 65535"),
            ("http://127.0.0.1:+80", "from 1 to 65535"),
            (":", "from 1 to 65535"),
            ("127.0.0.1:abc", "from 1 to 65535"),
            ("socks5://h:70000", "from 1 to 65535"),
            ("http://[::1]:x", "from 1 to 65535"),
            ("http://[::1", "begins with"),
            ("http://user:hunter2#w@h:3128", "%23"),
            ("http://user:hunter2?w@h:3128", "%3F"),
            ("http://user:12/hunter2@h:3128", "%2F"),
            ("http://user:hunter2@w@h:3128", "%40"),
            ("http://proxy:3128/path", "ends with its host or port"),
            ("http://user:hunter2%ff@proxy", "begins with"),
        ] {
            let error = choose(&away, Some(url), environment(&[])).expect_err(url);
            assert_eq!(error.setting(), Some("proxy"));
            assert!(error.to_string().contains(words), "{url}: {error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn a_bad_proxy_of_the_environment_is_passed_over() {
        let away = target("http://app.example.com");
        for url in [
            "ftp://proxy",
            "http://proxy:abc",
            "http://user:p#w@proxy:3128",
        ] {
            let pairs = [("http_proxy", url)];
            let proxy = choose(&away, None, environment(&pairs));
            assert!(proxy.unwrap().is_none(), "{url}");
        }
    }
}
