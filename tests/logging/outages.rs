//! Outages, and refusals of requests.

use super::*;

#[test]
fn an_outage_is_logged_with_its_cause_and_so_is_its_end() {
    let _turn = fresh_log();
    let server = Server::start().expect("a free port");
    server.set_unavailable(true);
    let client = client_of(&server)
        .max_backoff(Duration::from_millis(100))
        .build()
        .expect("good settings");
    client.track(Event::new("u", "e"));
    let is_over = || client.flush(Duration::from_secs(1)).is_ok();
    let begins = "nothing was delivered for ";
    // An outage is noticeable after five seconds.
    for _ in 0..30 {
        if ours(Level::Warn)
            .iter()
            .any(|line| line.starts_with(begins))
        {
            break;
        }
        assert!(!is_over());
    }
    server.set_unavailable(false);
    client.close(LONG).expect("delivered");
    let lines = ours(Level::Warn);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with(begins), "{lines:?}");
    assert!(
        lines[0].ends_with(" s (status 503); records waiting: 1"),
        "{lines:?}"
    );
    assert!(
        lines[1].starts_with("records are delivered again after "),
        "{lines:?}"
    );
}

/// A port of this machine on which no socket listens.
fn closed_port() -> String {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    closed.local_addr().expect("an address").to_string()
}

/// Clients whose server cannot be reached, and words of the reason.
fn unreachable(plain: &Server) -> Vec<(TrubricsBuilder, &'static str)> {
    let to = |host: &str| Trubrics::builder("key").host(host);
    let proxy = format!("http://{}", closed_port());
    let mut all = vec![
        (to(&format!("http://{}", closed_port())), "refused"),
        (to("http://no-such-host.invalid"), "lookup"),
        (to("http://example.org").proxy(proxy), "refused"),
    ];
    if cfg!(any(feature = "rustls", feature = "native-tls")) {
        all.push((to(&plain.url().replace("http://", "https://")), ""));
    }
    all
}

#[test]
#[expect(clippy::print_stdout, reason = "the lines, for those who want them")]
fn the_warning_of_a_drop_has_the_cause() {
    let _turn = fresh_log();
    let plain = Server::start().expect("a free port");
    for (builder, cause) in unreachable(&plain) {
        let before = ours(Level::Warn).len();
        let client = builder.give_up_after(Duration::ZERO).build();
        let client = client.expect("good settings");
        client.track(Event::new("secret-user", "e"));
        let _ = client.close(LONG);
        let begins = "dropping records: the server could not be reached for too long (";
        let lines = ours(Level::Warn).split_off(before);
        let line = lines.iter().find_map(|line| line.strip_prefix(begins));
        let line = line.unwrap_or_else(|| panic!("{cause}: {lines:?}"));
        println!("{line}");
        assert!(line.contains(cause) && line.len() > 5, "{cause}: {line}");
        assert!(!line.contains("secret"), "{line}");
    }
}

/// A folder that is removed at the end.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("trubrics-{}", trubrics::anonymous_id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
#[expect(clippy::print_stdout, reason = "the lines, for those who want them")]
fn an_outage_of_any_kind_is_logged_with_a_spool_too() {
    let _turn = fresh_log();
    let server = Server::start().expect("a free port");
    server.set_unavailable(true);
    let mut outages = unreachable(&server);
    outages.push((Trubrics::builder("key").host(server.url()), "status 503"));
    let folder = Folder::new();
    let start = |(builder, _): (TrubricsBuilder, _)| {
        let builder = builder.max_backoff(Duration::from_millis(250));
        let client = builder.spool(&folder.0).build();
        let client = client.expect("good settings");
        client.track(Event::new("u", "e"));
        let _ = client.flush(Duration::ZERO);
        client
    };
    let causes: Vec<_> = outages.iter().map(|(_, cause)| *cause).collect();
    let clients: Vec<_> = outages.into_iter().map(start).collect();
    let logged = || {
        let mut lines = ours(Level::Warn);
        lines.retain(|line| line.starts_with("nothing was delivered for "));
        lines
    };
    let began = Instant::now();
    while logged().len() < causes.len() {
        assert!(began.elapsed() < LONG, "{:?}", logged());
        let _ = clients[0].flush(Duration::from_millis(100));
    }
    for client in clients {
        client.close(Duration::ZERO).expect("it is in the spool");
    }
    let lines = logged();
    lines.iter().for_each(|line| println!("{line}"));
    assert_eq!(lines.len(), causes.len(), "{lines:?}");
    for cause in causes {
        assert!(
            lines.iter().any(|line| line.contains(cause)),
            "{cause}: {lines:?}"
        );
    }
}

#[test]
fn a_refusal_of_requests_is_one_error_while_records_wait_in_the_spool() {
    let _turn = fresh_log();
    for status in [401, 403, 302, 404, 407] {
        let (server, folder) = (Server::start().expect("a free port"), Folder::new());
        server.script((0..100).map(|_| Reply::status(status)));
        let before = ours(Level::Error).len();
        let client = client_of(&server).spool(&folder.0).build();
        let client = client.expect("good settings");
        for _ in 0..5 {
            client.track(Event::new("u", "e"));
            client
                .flush(Duration::from_millis(50))
                .expect_err("the server refuses");
        }
        client.close(Duration::ZERO).expect("they are in the spool");
        assert_eq!(client.stats().left_in_spool, 5);
        let what = if !(400..=403).contains(&status) {
            "requests"
        } else {
            "the API key"
        };
        let line =
            format!("the server refuses {what} (status {status}): records wait in the spool");
        assert_eq!(ours(Level::Error)[before..], [line]);
        assert_eq!(server.requests().len(), 1, "{status}: tried again rarely");
    }
}
