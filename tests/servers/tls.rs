use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use trubrics::{DropReason, testing::Server};

use crate::{
    nginx::{Config, Nginx},
    program::Folder,
    squid::{HOST, Squid},
    support::{
        KILOBYTE, LONG, assert_once, assert_settled, backend, build, client_of, port_and_path,
        tell, track, track_under,
    },
};

/// An authority that no system trusts, and the files of a certificate that it has signed.
struct Certificates {
    authority: String,
    folder: Folder,
}

impl Certificates {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let name = "Authority of a test";
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let (key, folder) = (KeyPair::generate().expect("a key"), Folder::new());
        let names = ["127.0.0.1", HOST].map(str::to_owned);
        let params = CertificateParams::new(names).expect("names");
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        folder.write("certificate.pem", &certificate.pem());
        folder.write("key.pem", &key.serialize_pem());
        let authority = authority.pem();
        Self { authority, folder }
    }

    /// nginx' lines about them.
    fn lines(&self, more: &str) -> String {
        let at = self.folder.0.display();
        format!("ssl_certificate {at}/certificate.pem; ssl_certificate_key {at}/key.pem; {more}")
    }

    fn nginx(&self, more: &str, server: &Server) -> Option<(Nginx, String)> {
        let config = Config {
            listen: "ssl",
            server: &self.lines(more),
            ..Config::default()
        };
        let (backend, path) = port_and_path(server);
        Some((Nginx::start(&config, backend)?, path))
    }
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_given_authority_is_trusted_at_each_version_of_tls() {
    for version in ["TLSv1.2", "TLSv1.3"] {
        let (server, certificates) = (backend(), Certificates::new());
        let lines = format!("ssl_protocols {version}; keepalive_requests 2;");
        let Some((nginx, path)) = certificates.nginx(&lines, &server) else {
            return;
        };
        let settings = client_of(format!("https://127.0.0.1:{}{path}", nginx.port));
        let settings = settings.flush_batch_size(5);
        let client = build(settings.root_certificates(certificates.authority.clone()));
        track(&client, 0..200, 200);
        client.flush(LONG).expect("delivered");
        assert_once(&server.events(), 0..200);
        assert_settled(&client, 200, &[]);
    }
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn an_unknown_authority_is_not_trusted() {
    let (server, certificates) = (backend(), Certificates::new());
    let Some((nginx, path)) = certificates.nginx("", &server) else {
        return;
    };
    let host = format!("https://127.0.0.1:{}{path}", nginx.port);
    for other in [None, Some(Certificates::new().authority)] {
        let mut settings = client_of(&host);
        if let Some(other) = other {
            settings = settings.root_certificates(other);
        }
        let client = build(settings);
        track(&client, 0..10, 200);
        let error = client.flush(Duration::from_millis(500));
        assert_eq!(error.expect_err("no trust").pending(), 10);
    }
    assert_eq!(server.requests().len(), 0);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn a_413_over_tls_before_the_body_costs_nothing() {
    for lingering in ["on", "off"] {
        let (server, certificates) = (backend(), Certificates::new());
        let lines = format!("client_max_body_size 100k; lingering_close {lingering};");
        let Some((nginx, path)) = certificates.nginx(&lines, &server) else {
            return;
        };
        let settings = client_of(format!("https://127.0.0.1:{}{path}", nginx.port));
        let settings = settings.flush_batch_size(100);
        let client = build(settings.root_certificates(certificates.authority.clone()));
        track(&client, 0..200, 9 * KILOBYTE);
        client.flush(LONG).expect("delivered");
        assert_once(&server.events(), 0..200);
        assert_settled(&client, 200, &[]);
    }
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn reloads_and_idle_ends_over_tls_lose_and_double_nothing() {
    let (server, certificates) = (backend(), Certificates::new());
    let Some((nginx, path)) = certificates.nginx("keepalive_timeout 20ms;", &server) else {
        return;
    };
    let settings = client_of(format!("https://127.0.0.1:{}{path}", nginx.port));
    let settings = settings.flush_batch_size(20);
    let client = build(settings.root_certificates(certificates.authority.clone()));
    track_under(&client, 0..1500, || nginx.reload());
    client.flush(LONG).expect("delivered");
    assert_once(&server.events(), 0..1500);
    assert_settled(&client, 1500, &[]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn tls_goes_through_a_tunnel_of_squid() {
    let (server, certificates) = (backend(), Certificates::new());
    let Some((nginx, path)) = certificates.nginx("keepalive_requests 3;", &server) else {
        return;
    };
    let Some(squid) = Squid::start("http_access allow all") else {
        return;
    };
    let settings = client_of(format!("https://{HOST}:{}{path}", nginx.port));
    let settings = settings.proxy(format!("http://127.0.0.1:{}", squid.port));
    let settings = settings.flush_batch_size(5);
    let client = build(settings.root_certificates(certificates.authority.clone()));
    track(&client, 0..200, 200);
    client.flush(LONG).expect("delivered");
    assert_once(&server.events(), 0..200);
    assert_settled(&client, 200, &[]);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn tls_to_a_plain_port_is_a_failure_that_passes() {
    let (server, certificates) = (backend(), Certificates::new());
    let Some((nginx, host)) = Nginx::before(&Config::default(), &server) else {
        return;
    };
    let settings = client_of(host.replace("http:", "https:"));
    let settings = settings.give_up_after(Duration::from_millis(300));
    let client = build(settings.root_certificates(certificates.authority.clone()));
    track(&client, 0..10, 200);
    client.flush(LONG).expect_err("not TLS");
    assert_settled(&client, 0, &[(DropReason::GaveUp, 10)]);
    assert_eq!(server.requests().len(), 0);
    drop(nginx);
}

#[test]
#[ignore = "needs servers: run .ci/servers"]
fn clear_text_to_a_port_of_tls_is_refused_by_nginx() {
    let (server, certificates) = (backend(), Certificates::new());
    let Some((nginx, path)) = certificates.nginx("", &server) else {
        return;
    };
    let settings = client_of(format!("http://127.0.0.1:{}{path}", nginx.port));
    let client = build(settings.flush_batch_size(100));
    track(&client, 0..100, 200);
    let _ = client.flush(LONG);
    // A 400 with a page, which says nothing about the records.
    assert_settled(&client, 0, &[(DropReason::RequestRejected, 100)]);
    tell(&format!(
        "clear text to a port of TLS: {} requests",
        nginx.answers().len()
    ));
}
