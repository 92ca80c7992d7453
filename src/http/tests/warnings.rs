//! Settings that work, but not as they may be meant, are warned of once.

use super::{super::HttpTransport, child, settings};

fn warnings(log: &child::Log) -> Vec<String> {
    let mut lines = log.lines();
    let ours = lines.drain(..).filter(|line| line.contains(" trubrics "));
    ours.collect()
}

#[test]
fn a_host_in_clear_text_is_warned_of_unless_it_is_this_machine() {
    let name = "a_host_in_clear_text_is_warned_of_unless_it_is_this_machine";
    if !child::is_this(module_path!(), name, &[]) {
        return;
    }
    let log = child::start_logging();
    HttpTransport::new(&settings("http://example.org/api")).expect("usable settings");
    assert_eq!(
        warnings(log),
        [
            "WARN trubrics the host example.org is reached without TLS: the API key and all records travel in clear text"
        ]
    );
    for host in [
        "http://localhost:8000",
        "http://127.0.0.1",
        "http://[::1]:80",
    ] {
        HttpTransport::new(&settings(host)).expect("usable settings");
        assert_eq!(warnings(log), [""; 0], "{host}");
    }
}

#[test]
fn an_unusable_proxy_of_the_environment_is_warned_of_without_its_url() {
    let name = "an_unusable_proxy_of_the_environment_is_warned_of_without_its_url";
    let variables = [("http_proxy", "http://user:hunter2#x@proxy:3128")];
    if !child::is_this(module_path!(), name, &variables) {
        return;
    }
    let log = child::start_logging();
    let settings = settings("http://example.org");
    HttpTransport::new(&settings).expect("usable settings");
    let lines = warnings(log);
    assert_eq!(lines.len(), 2, "{lines:?}");
    let line = lines.last().expect("a warning");
    let beginning = "WARN trubrics the proxy of the environment is not used: it must be the URL";
    assert!(line.starts_with(beginning), "{line}");
    assert!(
        !line.contains("hunter2") && !line.contains("3128"),
        "{line}"
    );
}
