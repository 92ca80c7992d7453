//! What the README says of settings, beside the constants that they are, and where its links lead.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use trubrics::{Overflow, defaults};

use crate::support::files_in;

const README: &str = include_str!("../../README.md");
const BUILDER: &str = concat!(
    include_str!("../../src/builder.rs"),
    include_str!("../../src/builder/guard.rs"),
    include_str!("../../src/builder/http.rs")
);

#[test]
fn the_readme_has_every_default_as_its_constant_is() {
    let time = |time: Duration| match time.as_millis() {
        millis if millis % 86_400_000 == 0 => format!("{} d", millis / 86_400_000),
        millis if millis % 60_000 == 0 => format!("{} min", millis / 60_000),
        millis if millis % 1_000 == 0 => format!("{} s", millis / 1_000),
        millis => format!("{millis} ms"),
    };
    let mebibytes = |bytes: u64| format!("{} MiB", bytes / (1024 * 1024));
    let defaults = [
        ("host", format!("`{}`", defaults::HOST)),
        ("flush_interval", time(defaults::FLUSH_INTERVAL)),
        ("flush_batch_size", defaults::FLUSH_BATCH_SIZE.to_string()),
        ("max_batch_size", defaults::MAX_BATCH_SIZE.to_string()),
        (
            "max_batch_bytes",
            mebibytes(defaults::MAX_BATCH_BYTES as u64),
        ),
        ("queue_capacity", defaults::QUEUE_CAPACITY.to_string()),
        ("queue_bytes", mebibytes(defaults::QUEUE_BYTES as u64)),
        ("overflow", format!("`{:?}`", Overflow::default())),
        (
            "max_concurrent_requests",
            defaults::MAX_CONCURRENT_REQUESTS.to_string(),
        ),
        ("request_timeout", time(defaults::REQUEST_TIMEOUT)),
        ("connect_timeout", time(defaults::CONNECT_TIMEOUT)),
        ("give_up_after", time(defaults::GIVE_UP_AFTER)),
        ("initial_backoff", time(defaults::INITIAL_BACKOFF)),
        ("max_backoff", time(defaults::MAX_BACKOFF)),
        ("shutdown_timeout", time(defaults::SHUTDOWN_TIMEOUT)),
        ("spool_max_bytes", mebibytes(defaults::SPOOL_MAX_BYTES)),
        ("spool_max_age", time(defaults::SPOOL_MAX_AGE)),
        ("hand_off_interval", time(defaults::HAND_OFF_INTERVAL)),
    ];
    for (setting, default) in &defaults {
        let row = format!("| `{setting}` | {default} |");
        assert!(README.contains(&row), "the README has no row {row}");
    }
    for row in README.lines().filter(|row| row.contains("| `defaults::")) {
        let setting = row.split('`').nth(1);
        let is_held = defaults.iter().any(|(held, _)| setting == Some(*held));
        assert!(is_held, "the default of this row is not held here: {row}");
    }
}

#[test]
fn the_readme_has_every_setting_of_the_builder() {
    // A setting takes the builder and gives it back.
    let settings: Vec<_> = BUILDER
        .split("    pub fn ")
        .skip(1)
        .filter_map(|method| method.split_once('('))
        .filter(|(_, arguments)| arguments.trim_start().starts_with("mut self"))
        .map(|(name, _)| name)
        .collect();
    assert!(
        settings.contains(&"host"),
        "settings are found: {settings:?}"
    );
    for setting in settings {
        assert!(
            README.contains(&format!("| `{setting}` | ")),
            "the README has no row for {setting}"
        );
    }
}

#[test]
fn the_readme_asks_for_the_rust_that_the_package_declares() {
    let version = env!("CARGO_PKG_RUST_VERSION");
    assert!(README.contains(&format!("Rust {version} or later")));
}

/// Packaging strips the dev-dependency that switches `testing` on.
#[test]
fn examples_that_use_the_test_server_say_that_they_need_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let needs = |name: &str| {
        let section = manifest
            .split("[[example]]")
            .find(|section| section.contains(&format!("name = \"{name}\"\n")));
        section.is_some_and(|section| section.contains("required-features = [\"testing\"]"))
    };
    let mut found = 0;
    for entry in fs::read_dir(root.join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let files = if path.is_dir() {
            files_in(&path)
        } else {
            vec![path.clone()]
        };
        let uses = |file: &PathBuf| {
            let code = fs::read_to_string(file).unwrap();
            code.lines()
                .any(|line| !line.trim().starts_with("//") && line.contains("testing"))
        };
        if files.iter().any(uses) {
            assert!(needs(name), "{name} does not say that it needs `testing`");
            found += 1;
        }
    }
    assert!(found > 5, "examples are found: {found}");
    assert!(README.contains("`cargo install trubrics --example watch --features testing`"));
}

/// The anchor that a heading gets where Markdown is shown.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn each_link_of_the_readme_leads_to_a_file_and_a_heading_of_the_repository() {
    let links: Vec<_> = README
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.starts_with("https://"))
        .collect();
    assert!(links.len() > 5, "links are found: {links:?}");
    for link in links {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let file = if file.is_empty() { "README.md" } else { file };
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        assert!(path.exists(), "{link} leads to no file");
        if heading.is_empty() {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let mut headings = text
            .lines()
            .filter(|line| line.starts_with('#') && line.contains("# "))
            .map(|line| anchor(line.trim_start_matches('#').trim()));
        assert!(
            headings.any(|found| found == heading),
            "{link} leads to no heading"
        );
    }
}
