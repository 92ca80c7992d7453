use super::*;
use crate::{Response, transport_fn};

fn builder() -> TrubricsBuilder {
    Trubrics::builder("key").transport(transport_fn(|_| Ok(Response::new(200))))
}

#[track_caller]
fn problem(builder: TrubricsBuilder) -> String {
    builder.build().expect_err("a bad setting").to_string()
}

#[test]
fn every_bad_setting_is_refused_in_words_that_name_it_and_what_is_allowed() {
    let cases = [
        (
            problem(Trubrics::builder("")),
            "api_key is empty: the project's API key is needed",
        ),
        (
            problem(Trubrics::builder(" \n")),
            "api_key is empty: the project's API key is needed",
        ),
        (
            problem(Trubrics::builder("a\nb")),
            "api_key has a character that no HTTP header may carry: printable ASCII is allowed",
        ),
        (
            problem(Trubrics::builder("clé")),
            "api_key has a character that no HTTP header may carry: printable ASCII is allowed",
        ),
        (
            problem(builder().host("")),
            "host must be a URL that begins with https:// or http://",
        ),
        (
            problem(builder().host("ftp://example.com")),
            "host must be a URL that begins with https:// or http://",
        ),
        (
            problem(builder().host("https://")),
            "host must be a valid URL with a host name and, if any, a port up to 65535",
        ),
        (
            problem(builder().flush_interval(Duration::from_millis(999))),
            "flush_interval is 999ms: at least 1s is allowed",
        ),
        (
            problem(builder().flush_batch_size(0)),
            "flush_batch_size is 0: 1 to 100 is allowed",
        ),
        (
            problem(builder().flush_batch_size(101)),
            "flush_batch_size is 101: 1 to 100 is allowed",
        ),
        (
            problem(builder().max_batch_size(0)),
            "max_batch_size is 0: 1 to 100 is allowed",
        ),
        (
            problem(builder().max_batch_size(101)),
            "max_batch_size is 101: 1 to 100 is allowed",
        ),
        (
            problem(builder().max_concurrent_requests(0)),
            "max_concurrent_requests is 0: 1 to 64 is allowed",
        ),
        (
            problem(builder().max_concurrent_requests(65)),
            "max_concurrent_requests is 65: 1 to 64 is allowed",
        ),
        (
            problem(builder().max_batch_bytes(0)),
            "max_batch_bytes is 0: at least 1 is allowed",
        ),
        (
            problem(builder().max_text_bytes(0)),
            "max_text_bytes is 0: at least 1 is allowed",
        ),
        (
            problem(builder().queue_capacity(0)),
            "queue_capacity is 0: at least 1 is allowed",
        ),
        (
            problem(builder().queue_bytes(0)),
            "queue_bytes is 0: at least 1 is allowed",
        ),
        (
            problem(TrubricsBuilder::new("k".repeat(4_097))),
            "api_key is 4097 bytes long: 4096 are allowed",
        ),
        (
            problem(builder().request_timeout(Duration::ZERO)),
            "request_timeout is 0: more than zero is allowed",
        ),
        (
            problem(builder().initial_backoff(Duration::ZERO)),
            "initial_backoff is 0ns: at least 1ms is allowed",
        ),
        (
            problem(builder().max_backoff(Duration::from_millis(1))),
            "max_backoff is 1ms: at least initial_backoff, 250ms, is allowed",
        ),
        (
            problem(builder().default_property("score", f64::NAN)),
            "default_property is unusable: property `score` cannot be sent: NaN and infinities are not JSON numbers",
        ),
    ];
    for (found, expected) in cases {
        assert_eq!(found, expected);
    }
}

#[test]
fn bad_settings_of_spool_sample_and_hand_off_are_refused() {
    let spooled = || builder().spool(env::temp_dir());
    let handed_off = |arguments: &[&str]| spooled().hand_off(arguments);
    let at_most = |events, per| builder().at_most("Scroll", events, per);
    let second = Duration::from_secs(1);
    let cases = [
        (
            builder().spool(""),
            "spool is empty: the path of a folder is needed",
        ),
        (
            builder().spool(env::current_exe().expect("a file")),
            "spool is the path of something that is not a folder",
        ),
        (
            spooled().spool_max_bytes(4_095),
            "spool_max_bytes is 4095: at least 4096 is allowed",
        ),
        (
            spooled().spool_max_age(Duration::ZERO),
            "spool_max_age is 0: more than zero is allowed",
        ),
        (builder().sample(1.5), "sample is 1.5: 0 to 1 is allowed"),
        (
            at_most((1 << 24) + 1, second),
            "at_most is 16777217 events: 0 to 16777215 is allowed",
        ),
        (
            at_most(1 << 24, second),
            "at_most is 16777216 events: 0 to 16777215 is allowed",
        ),
        (
            at_most(1, Duration::ZERO),
            "at_most is 0ns: at least 1ms is allowed",
        ),
        (
            handed_off(&[]),
            "hand_off has no arguments: the program needs one to know the process that delivers",
        ),
        (
            handed_off(&["a", "b\0"]),
            "hand_off has an argument with a NUL",
        ),
        (
            handed_off(&["a"]).overflow(Overflow::Block),
            "hand_off does not work with Overflow::Block: this process makes no room by sending",
        ),
        (
            builder().hand_off(["a"]),
            "hand_off needs a spool: set its folder with spool",
        ),
        (
            builder().spool("relative").hand_off(["a"]),
            "hand_off needs an absolute path in spool",
        ),
        (
            handed_off(&["a"]).hand_off_interval(Duration::from_millis(999)),
            "hand_off_interval is 999ms: at least 1s is allowed",
        ),
    ];
    for (builder, expected) in cases {
        assert_eq!(problem(builder), expected);
    }
    for builder in [
        at_most((1 << 24) - 1, second),
        builder().sample(0.5),
        handed_off(&["a"]).disabled(true),
    ] {
        drop(builder.build().expect("good settings"));
    }
}

#[test]
fn a_bad_setting_is_refused_even_for_a_disabled_client() {
    assert_eq!(
        problem(builder().disabled(true).max_batch_size(0)),
        "max_batch_size is 0: 1 to 100 is allowed"
    );
}

#[test]
fn a_client_is_off_by_the_program_then_the_user_then_its_gates() {
    let gated = || builder().off_if(Gate::ci()).off_if(Gate::variable("QUIET"));
    let all = || gated().respect_opt_out(true).disabled(true);
    let everything = [("DO_NOT_TRACK", "1"), ("QUIET", "1"), ("CI", "1")];
    let cases: [(_, &[_], _); 7] = [
        (builder(), &everything, "on"),
        (all(), &everything, "off: the program disabled the client"),
        (
            all().disabled(false),
            &everything,
            "off: DO_NOT_TRACK is set",
        ),
        (gated(), &everything, "off: this is CI, because CI is set"),
        (gated(), &everything[..2], "off: QUIET is set"),
        (gated(), &[("DO_NOT_TRACK", "1")], "on"),
        (all().disabled(false), &[], "on"),
    ];
    for (builder, variables, expected) in cases {
        let state = builder.state(&crate::environment::of(variables));
        assert_eq!(state.to_string(), expected, "{variables:?}");
    }
}

#[test]
fn the_error_knows_the_name_of_the_setting() {
    let error = builder().queue_bytes(0).build().expect_err("a bad setting");
    assert_eq!(error.setting(), Some("queue_bytes"));
}

#[test]
fn every_bound_itself_is_allowed() {
    let all = builder()
        .flush_interval(Duration::from_secs(1))
        .flush_batch_size(100)
        .max_batch_size(1)
        .max_batch_bytes(1)
        .queue_capacity(1)
        .queue_bytes(1)
        .request_timeout(Duration::from_nanos(1))
        .give_up_after(Duration::ZERO)
        .initial_backoff(Duration::from_millis(1))
        .max_backoff(Duration::from_millis(1))
        .shutdown_timeout(Duration::ZERO)
        .build();
    assert!(all.is_ok());
    let endless = builder()
        .flush_interval(Duration::MAX)
        .max_batch_bytes(usize::MAX)
        .queue_capacity(usize::MAX)
        .queue_bytes(usize::MAX)
        .request_timeout(Duration::MAX)
        .give_up_after(Duration::MAX)
        .max_backoff(Duration::MAX)
        .shutdown_timeout(Duration::MAX)
        .build();
    assert!(endless.is_ok());
}

#[test]
fn blanks_around_the_key_and_the_host_are_not_part_of_them() {
    let client = Trubrics::builder(" key\n")
        .host(" http://localhost/x/ ")
        .transport(transport_fn(|request| {
            assert_eq!(request.url(), "http://localhost/x/publish_events");
            assert!(
                request
                    .headers()
                    .any(|header| header == ("x-api-key", "key"))
            );
            Ok(Response::new(200))
        }))
        .build()
        .expect("good settings");
    assert!(client.track_sync(crate::Event::new("u", "e")).is_ok());
}

#[test]
fn debug_shows_neither_the_key_nor_the_properties() {
    let builder = Trubrics::builder("secret-key").default_property("secret-name", "secret-value");
    let client =
        Trubrics::builder("secret-key").transport(transport_fn(|_| Ok(Response::new(200))));
    let client = client.build().expect("good settings");
    let shown = format!("{builder:?} {client:?}");
    assert!(!shown.contains("secret"), "{shown}");
}

#[test]
fn a_host_that_cannot_be_used_is_not_shown_for_it_may_hold_a_password() {
    let shown = format!("{:?}", builder().host("http://ada:secret@example.com"));
    assert!(!shown.contains("secret"), "{shown}");
}

#[cfg(feature = "http")]
mod default_transport {
    use super::*;

    /// Needs no TLS, so that it can be built with any features.
    fn builder() -> TrubricsBuilder {
        Trubrics::builder("key").host("http://example.com")
    }

    /// Those of a client that makes requests, and of one that leaves them to another process.
    fn problems(builder: TrubricsBuilder) -> [String; 2] {
        let handed_off = builder.clone().spool(env::temp_dir()).hand_off(["a"]);
        [problem(builder), problem(handed_off)]
    }

    #[test]
    fn its_settings_are_refused_in_words() {
        let cases = [
            (
                problems(builder().connect_timeout(Duration::ZERO)),
                "connect_timeout is 0: more than zero is allowed",
            ),
            (
                problems(builder().proxy("ftp://proxy")),
                "proxy must be the URL of a proxy that begins with http://, https://, socks4://, socks4a:// or socks5://",
            ),
            (
                problems(builder().root_certificates("no PEM")),
                if cfg!(any(
                    feature = "rustls",
                    feature = "rustls-no-provider",
                    feature = "native-tls"
                )) {
                    "root_certificates must contain at least one certificate in PEM form"
                } else {
                    "root_certificates needs TLS: switch on the feature rustls, rustls-no-provider or native-tls"
                },
            ),
        ];
        for (found, expected) in cases {
            assert_eq!(found, [expected; 2]);
        }
    }

    #[test]
    fn its_bounds_are_allowed() {
        let builder = builder().connect_timeout(Duration::MAX);
        assert!(builder.build().is_ok());
    }

    #[test]
    fn debug_does_not_show_the_password_of_the_proxy() {
        let builder = Trubrics::builder("key").proxy("http://ada:secret@proxy");
        let shown = format!("{builder:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[test]
fn a_clone_of_a_builder_makes_a_client_of_its_own() {
    let first = builder();
    let second = first.clone().build().expect("a client");
    let first = first.build().expect("a client");
    first.track(crate::Event::new("u", "e"));
    assert_eq!((first.stats().tracked, second.stats().tracked), (1, 0));
}

#[test]
fn debug_shows_the_settings_of_each_group() {
    let builder = builder()
        .spool("waiting")
        .spool_max_bytes(5_000)
        .max_text_bytes(70);
    let shown = format!("{builder:?}");
    for part in ["waiting", "5000", "70", "flush_interval", "DropNewest"] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    assert!(!shown.contains("\"key\""), "{shown}");
}

#[cfg(not(feature = "http"))]
mod no_default_transport {
    use super::*;

    #[test]
    fn a_client_without_a_transport_is_refused_in_words() {
        let error = Trubrics::builder("key").build().expect_err("no transport");
        assert_eq!(error.setting(), Some("transport"));
        assert_eq!(
            error.to_string(),
            "transport is not set: give one to the builder, or switch on the feature http for the default one"
        );
    }

    #[test]
    fn a_transport_is_all_that_a_client_needs() {
        let client = builder().build().expect("a client");
        assert!(client.track_sync(crate::Event::new("u", "e")).is_ok());
    }
}
