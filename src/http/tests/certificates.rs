//! Which servers the transport trusts.

use std::{
    fs,
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::{
    super::HttpTransport,
    AMPLE, cause, child, post, post_within,
    server::{Peer, Server, answer},
    settings,
};
use crate::{error::ConfigError, transport::Transport};

static AUTHORITIES: AtomicUsize = AtomicUsize::new(0);

/// An authority of the test's own, which no system trusts.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A name of its own, because some libraries choose the issuer of a certificate by its name.
        let number = AUTHORITIES.fetch_add(1, Ordering::SeqCst);
        let name = format!("Authority {number}");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server with a certificate of this authority that answers every request.
    fn server(&self) -> Server {
        let config = self.server_config();
        Server::start(move |peer, _| {
            let mut peer = encrypted(peer, &config);
            while peer.request().is_some() {
                peer.write(answer(200, "fine").as_bytes());
            }
        })
    }

    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let names = ["localhost", "127.0.0.1", "api.test"].map(str::to_owned);
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Arc::new(config)
    }
}

/// The other side of a connection, over TLS.
pub(super) fn encrypted(
    peer: Peer<TcpStream>,
    config: &Arc<ServerConfig>,
) -> Peer<StreamOwned<ServerConnection, TcpStream>> {
    let connection = ServerConnection::new(Arc::clone(config)).unwrap();
    Peer::new(StreamOwned::new(connection, peer.into_stream()))
}

fn url(server: &Server) -> String {
    format!("https://localhost:{}", server.port())
}

pub(super) fn trusting(url: &str, pem: Option<&str>) -> Result<HttpTransport, ConfigError> {
    #[cfg(all(feature = "rustls-no-provider", not(feature = "rustls")))]
    {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let mut settings = settings(url);
    settings.root_certificates = pem.map(str::as_bytes);
    HttpTransport::new(&settings)
}

#[test]
fn a_given_certificate_is_trusted() {
    let authority = Authority::new();
    let server = authority.server();
    let url = url(&server);
    let several = Authority::new().pem() + &authority.pem();
    for pem in [authority.pem(), several] {
        let transport = trusting(&url, Some(&pem)).unwrap();
        for _ in 0..3 {
            assert_eq!(post(&transport, &url).expect("an answer").status(), 200);
        }
    }
    assert_eq!(server.connections(), 2);
}

#[test]
fn no_other_certificate_is_trusted_then() {
    let server = Authority::new().server();
    let url = url(&server);
    let transport = trusting(&url, Some(&Authority::new().pem())).unwrap();
    let words = cause(post(&transport, &url));
    assert!(words.contains("certificate"), "{words}");
}

#[test]
fn a_name_that_is_not_the_server_s_is_not_trusted() {
    let authority = Authority::new();
    let server = authority.server();
    let url = format!("https://other.localhost:{}", server.port());
    let mut settings = settings(&url);
    let pem = authority.pem();
    settings.root_certificates = Some(pem.as_bytes());
    let _ = trusting(&url, None);
    let dns = super::DnsCache::asking(AMPLE, |_, port| Ok(vec![([127, 0, 0, 1], port).into()]));
    let transport = HttpTransport::with_dns(&settings, dns).unwrap();
    let words = cause(post(&transport, &url));
    assert!(words.contains("certificate"), "{words}");
}

#[test]
fn certificates_that_cannot_be_used_are_refused() {
    let pem = Authority::new().pem();
    let body = pem.lines().nth(1).unwrap();
    let broken = pem.replace(body, "AAAA");
    let cut = pem.replace("-----END CERTIFICATE-----", "");
    let key = KeyPair::generate().unwrap().serialize_pem();
    for (text, words) in [
        ("", "at least one certificate"),
        ("not PEM at all", "at least one certificate"),
        (&key, "at least one certificate"),
        (&broken, "whole certificates"),
        (&cut, "whole certificates"),
    ] {
        let error = trusting("https://localhost", Some(text)).expect_err(text);
        assert_eq!(error.setting(), Some("root_certificates"));
        assert!(error.to_string().contains(words), "{text}: {error}");
    }
}

#[test]
fn a_handshake_that_never_ends_is_over_in_time_and_can_be_interrupted() {
    let (sign, there) = mpsc::channel();
    let sign = std::sync::Mutex::new(sign);
    let server = Server::start(move |mut peer, _| {
        let _ = sign.lock().unwrap().send(());
        peer.stay_silent();
    });
    let url = url(&server);
    let pem = Authority::new().pem();
    let transport = trusting(&url, Some(&pem)).unwrap();
    let started = Instant::now();
    let time = Duration::from_millis(300);
    let words = cause(post_within(&transport, &url, b"[]", time));
    assert!(words.starts_with("timed out "), "{words}");
    there.recv().unwrap();

    let mut hasty = settings(&url);
    hasty.connect_timeout = time;
    hasty.root_certificates = Some(pem.as_bytes());
    let hasty = HttpTransport::new(&hasty).unwrap();
    assert_eq!(cause(post(&hasty, &url)), "timed out while connecting");
    there.recv().unwrap();

    std::thread::scope(|scope| {
        let sender = scope.spawn(|| post(&transport, &url));
        there.recv_timeout(AMPLE).expect("a connection");
        transport.interrupt();
        cause(sender.join().expect("no panic"));
    });
    assert!(started.elapsed() < AMPLE / 2);
}

/// A place for a file that goes with the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("trubrics-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).unwrap();
        path.into_os_string().into_string().unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
#[cfg(all(unix, not(target_vendor = "apple")))]
fn the_certificates_of_the_system_are_trusted() {
    let name = "the_certificates_of_the_system_are_trusted";
    let authority = Authority::new();
    let folder = Folder::new(name);
    let store = folder.file("store.pem", &authority.pem());
    let server = authority.server();
    let url = url(&server);
    let variables = [
        ("SSL_CERT_FILE", store.as_str()),
        ("SSL_CERT_DIR", folder.0.to_str().unwrap()),
        ("TRUBRICS_TEST_URL", &url),
    ];
    if !child::is_this(module_path!(), name, &variables) {
        return;
    }
    let url = std::env::var("TRUBRICS_TEST_URL").unwrap();
    let transport = trusting(&url, None).unwrap();
    for _ in 0..2 {
        assert_eq!(post(&transport, &url).expect("an answer").status(), 200);
    }
}

#[test]
#[cfg(all(
    unix,
    not(target_vendor = "apple"),
    any(feature = "rustls", feature = "rustls-no-provider")
))]
fn the_bundled_certificates_serve_where_the_system_has_none() {
    let name = "the_bundled_certificates_serve_where_the_system_has_none";
    let folder = Folder::new(name);
    let empty = folder.file("empty.pem", "");
    let variables = [
        ("SSL_CERT_FILE", empty.as_str()),
        ("SSL_CERT_DIR", "/nonexistent"),
    ];
    if !child::is_this(module_path!(), name, &variables) {
        return;
    }
    let server = Authority::new().server();
    let url = url(&server);
    let transport = trusting(&url, None).unwrap();
    // Our authority is in no bundle: that it is judged at all shows that there is one.
    for _ in 0..2 {
        let words = cause(post(&transport, &url));
        assert!(words.contains("UnknownIssuer"), "{words}");
    }
    // The agent of the system was tried once and never again.
    assert_eq!(server.connections(), 3);

    transport.interrupt();
    let words = cause(post(&transport, &url));
    assert_eq!(words, "interrupted before the answer was there");
}

#[test]
#[cfg(all(feature = "rustls-no-provider", not(feature = "rustls")))]
fn https_without_a_crypto_provider_is_refused() {
    let name = "https_without_a_crypto_provider_is_refused";
    if !child::is_this(module_path!(), name, &[]) {
        return;
    }
    let error = HttpTransport::new(&settings("https://localhost")).expect_err("no provider");
    assert_eq!(error.setting(), Some("host"));
    assert!(error.to_string().contains("crypto provider"), "{error}");
    assert!(HttpTransport::new(&settings("http://localhost")).is_ok());
    assert!(trusting("https://localhost", None).is_ok());
}
