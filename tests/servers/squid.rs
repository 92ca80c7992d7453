use std::{error::Error, process::Command, time::Duration};

use trubrics::{
    DropReason,
    testing::{API_KEY, Server},
};

use crate::{
    program::{Folder, Program, free_port, installed, is_listening, wait_until},
    support::{
        LONG, assert_balanced, assert_doubled_by_ends, assert_no_failure, assert_once,
        assert_settled, backend, build, client_of, port_and_path, tell, track, track_under,
    },
};

/// A host that only squid knows.
pub(crate) const HOST: &str = "trubrics.test";

/// The user `ada` with the password `p@ss word`.
const PASSWORDS: &str = "ada:$apr1$trubrics$5POK67nqeqqvssXYKZxpP1\n";

pub(crate) struct Squid {
    folder: Folder,
    pub(crate) port: u16,
    program: Program,
}

impl Squid {
    /// `access` are lines of its configuration, in which FOLDER is its folder.
    pub(crate) fn start(access: &str) -> Option<Self> {
        installed("squid")?;
        let (folder, port) = (Folder::new(), free_port());
        folder.write("hosts", &format!("127.0.0.1 {HOST}\n"));
        folder.write("passwords", PASSWORDS);
        let at = folder.0.display();
        let access = access.replace("FOLDER", &at.to_string());
        let text = format!(
            "http_port 127.0.0.1:{port}\nhosts_file {at}/hosts\nvisible_hostname squid.test\n{access}\n\
             access_log stdio:{at}/access.log\ncache_log {at}/cache.log\npid_filename none\ncache deny all\n\
             cache_mem 0\nmemory_cache_shared off\npinger_enable off\nnetdb_filename none\n\
             shutdown_lifetime 0 seconds\nconnect_timeout 2 seconds\ncoredump_dir none\n"
        );
        folder.write("squid.conf", &text);
        let program = run(&folder, port);
        Some(Self {
            folder,
            port,
            program,
        })
    }

    pub(crate) fn log(&self) -> String {
        self.folder.read("access.log")
    }
}

fn run(folder: &Folder, port: u16) -> Program {
    let mut command = Command::new(installed("squid").expect("it was there"));
    command.arg("-N").arg("-f").arg(folder.path("squid.conf"));
    Program::start(&mut command, folder, port)
}

const ALLOW: &str = "http_access allow all";

const ASK_FOR_PASSWORD: &str =
    "auth_param basic program /usr/lib/squid/basic_ncsa_auth FOLDER/passwords
auth_param basic realm squid
acl known proxy_auth REQUIRED
http_access allow known
http_access deny all";

fn host_of(server: &Server) -> String {
    let (port, path) = port_and_path(server);
    format!("http://{HOST}:{port}{path}")
}

/// The error and its causes.
fn words(error: &dyn Error) -> String {
    let cause = error.source().map(words).unwrap_or_default();
    format!("{error}; {cause}")
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn records_travel_through_a_tunnel_of_squid() {
    let server = backend();
    let Some(squid) = Squid::start(ALLOW) else {
        return;
    };
    for (number, requests) in [(0, 1), (1, 4)] {
        let settings = client_of(host_of(&server)).flush_batch_size(5);
        let settings = settings.proxy(format!("http://127.0.0.1:{}", squid.port));
        let client = build(settings.max_concurrent_requests(requests));
        track(&client, number * 500..(number + 1) * 500, 200);
        client.flush(LONG).expect("delivered");
        assert_once(&server.events(), 0..(number + 1) * 500);
        assert_settled(&client, 500, &[]);
    }
    // A line for each tunnel that has ended.
    wait_until("the log", || !squid.log().is_empty());
    assert!(squid.log().contains("CONNECT"), "{}", squid.log());
    assert!(!squid.log().contains(API_KEY), "{}", squid.log());
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_password_opens_squid() {
    let server = backend();
    let Some(squid) = Squid::start(ASK_FOR_PASSWORD) else {
        return;
    };
    let proxy = format!("http://ada:p%40ss%20word@127.0.0.1:{}", squid.port);
    let client = build(client_of(host_of(&server)).proxy(proxy));
    track(&client, 0..50, 200);
    client.flush(LONG).expect("delivered");
    assert_once(&server.events(), 0..50);
    assert_settled(&client, 50, &[]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_refusal_of_squid_is_not_one_of_the_server() {
    let server = backend();
    for (access, user, status) in [
        (ASK_FOR_PASSWORD, "", "407"),
        (ASK_FOR_PASSWORD, "ada:wrong@", "407"),
        ("http_access deny all", "", "403"),
    ] {
        let Some(squid) = Squid::start(access) else {
            return;
        };
        let proxy = format!("http://{user}127.0.0.1:{}", squid.port);
        let settings = client_of(host_of(&server)).proxy(proxy);
        let client = build(settings.give_up_after(Duration::from_secs(1)));
        track(&client, 0..10, 200);
        let error = client.flush(Duration::from_millis(500));
        let words = words(&error.expect_err(status));
        assert!(words.contains(status) && words.contains("proxy"), "{words}");
        assert!(!words.contains("wrong"), "{words}");
        client.flush(LONG).expect_err(status);
        assert_settled(&client, 0, &[(DropReason::GaveUp, 10)]);
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_spool_outlives_a_refusal_of_squid() {
    let (server, spool) = (backend(), Folder::new());
    let Some(squid) = Squid::start(ASK_FOR_PASSWORD) else {
        return;
    };
    let settings = |user: &str| {
        let proxy = format!("http://{user}127.0.0.1:{}", squid.port);
        let settings = client_of(host_of(&server)).proxy(proxy);
        build(
            settings
                .spool(spool.path("spool"))
                .give_up_after(Duration::from_millis(100)),
        )
    };
    let refused = settings("");
    track(&refused, 0..50, 200);
    refused.flush(Duration::from_secs(1)).expect_err("a 407");
    let _ = refused.close(LONG);
    assert_balanced(refused.stats());
    assert_eq!(refused.stats().left_in_spool, 50, "{:?}", refused.stats());
    let accepted = settings("ada:p%40ss%20word@");
    accepted.close(LONG).expect("delivered");
    assert_once(&server.events(), 0..50);
    assert_settled(&accepted, 50, &[]);
    assert_eq!(accepted.stats().recovered, 50);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn records_wait_until_the_server_behind_squid_is_there() {
    let port = free_port();
    let Some(squid) = Squid::start(ALLOW) else {
        return;
    };
    let path = port_and_path(&backend()).1;
    let settings = client_of(format!("http://{HOST}:{port}{path}"));
    let client = build(settings.proxy(format!("http://127.0.0.1:{}", squid.port)));
    track(&client, 0..50, 200);
    let error = client.flush(Duration::from_millis(500)).expect_err("a 503");
    assert_eq!(error.pending(), 50);
    assert!(words(&error).contains("503"), "{}", words(&error));
    let server = Server::start_on_port(port, API_KEY).expect("the port");
    client.flush(LONG).expect("delivered");
    assert_once(&server.events(), 0..50);
    assert_settled(&client, 50, &[]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_name_that_squid_does_not_know_is_its_failure() {
    let Some(squid) = Squid::start(ALLOW) else {
        return;
    };
    let settings = client_of("http://unknown.invalid:8000");
    let client = build(settings.proxy(format!("http://127.0.0.1:{}", squid.port)));
    track(&client, 0..10, 200);
    let error = client.flush(Duration::from_secs(5)).expect_err("a 503");
    assert_eq!(error.pending(), 10);
    assert!(words(&error).contains("proxy"), "{}", words(&error));
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn tunnels_that_squid_ends_when_idle_cost_nothing() {
    let server = backend();
    // The only time-out of a tunnel; its clock has steps of a second.
    let Some(squid) = Squid::start("http_access allow all\nread_timeout 1 seconds") else {
        return;
    };
    let settings = client_of(host_of(&server));
    let client = build(settings.proxy(format!("http://127.0.0.1:{}", squid.port)));
    for id in 0..10 {
        track(&client, id..id + 1, 200);
        client.flush(LONG).expect("delivered");
        std::thread::sleep(Duration::from_millis(950 + id % 5 * 50));
    }
    assert_once(&server.events(), 0..10);
    assert_settled(&client, 10, &[]);
    assert_no_failure(&client);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn restarts_and_reloads_of_squid_under_load_lose_nothing() {
    let server = backend();
    let Some(squid) = Squid::start(ALLOW) else {
        return;
    };
    let settings = client_of(host_of(&server)).flush_batch_size(5);
    let client = build(settings.proxy(format!("http://127.0.0.1:{}", squid.port)));
    let Squid {
        folder,
        port,
        program,
    } = squid;
    let mut program = Some(program);
    let (mut turns, mut ends) = (0, 0);
    track_under(&client, 0..1000, || {
        turns += 1;
        if turns % 2 == 0 {
            std::thread::sleep(Duration::from_millis(turns % 5));
            ends += 1;
            program.take().expect("it runs").end("-TERM");
            wait_until("the port", || !is_listening(port));
            program = Some(run(&folder, port));
        } else {
            program.as_ref().expect("it runs").signal("-HUP");
        }
    });
    client.flush(LONG).expect("delivered");
    // At least once: a tunnel may end between a request and its answer.
    let doubled = assert_doubled_by_ends(&server, 0..1000, ends);
    tell(&format!(
        "restarts and reloads of squid: {turns}, with {doubled} doubled batches"
    ));
    assert_settled(&client, 1000, &[]);
}
