//! What the README and the pages of the documentation say, beside the code, and where their links lead.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use trubrics::{Overflow, defaults};

use crate::support::files_in;

const README: &str = include_str!("../../README.md");
const SETTINGS: &str = include_str!("../../src/_docs/settings.md");
/// Where the pages are once the crate is published.
const PAGES: &str = "https://docs.rs/trubrics/latest/trubrics/_docs/";
const BUILDER: &str = concat!(
    include_str!("../../src/builder.rs"),
    include_str!("../../src/builder/guard.rs"),
    include_str!("../../src/builder/hand_off.rs"),
    include_str!("../../src/builder/http.rs")
);

#[test]
fn the_table_of_settings_has_every_default_as_its_constant_is() {
    let time = |time: Duration| match time.as_millis() {
        millis if millis % 86_400_000 == 0 => format!("{} d", millis / 86_400_000),
        millis if millis % 60_000 == 0 => format!("{} min", millis / 60_000),
        millis if millis % 1_000 == 0 => format!("{} s", millis / 1_000),
        millis => format!("{millis} ms"),
    };
    let thousands = |count: usize| format!("{},{:03}", count / 1_000, count % 1_000);
    let mebibytes = |bytes: u64| format!("{} MiB", bytes / (1024 * 1024));
    let defaults = [
        ("flush_interval", time(defaults::FLUSH_INTERVAL)),
        ("flush_batch_size", defaults::FLUSH_BATCH_SIZE.to_string()),
        ("max_batch_size", defaults::MAX_BATCH_SIZE.to_string()),
        (
            "max_batch_bytes",
            mebibytes(defaults::MAX_BATCH_BYTES as u64),
        ),
        ("queue_capacity", thousands(defaults::QUEUE_CAPACITY)),
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
    let documentation: Vec<_> = BUILDER
        .lines()
        .map(|line| line.trim_start().trim_start_matches("///").trim())
        .collect();
    let documentation = documentation.join(" ");
    for (setting, default) in &defaults {
        let row = format!("| `{setting}` | {default} |");
        assert!(SETTINGS.contains(&row), "the page has no row {row}");
        let constant = setting.to_uppercase();
        let said = format!("Default: {default}, [`defaults::{constant}`]");
        assert!(
            documentation.contains(&said) || *setting == "overflow",
            "the setting {setting} does not say: {said}"
        );
    }
    assert!(SETTINGS.contains(&format!("`{}`", defaults::HOST)));
    let constants = include_str!("../../src/defaults.rs").split("pub const ");
    for constant in constants.skip(1).filter_map(|rest| rest.split(':').next()) {
        let setting = constant.to_lowercase();
        let is_held = defaults.iter().any(|(held, _)| setting == *held);
        assert!(is_held || setting == "host", "{constant} is not held here");
    }
}

#[test]
fn the_table_of_settings_has_every_setting_of_the_builder() {
    // A setting takes the builder and returns it.
    let settings: Vec<_> = BUILDER
        .split("    pub fn ")
        .skip(1)
        .filter_map(|method| method.split_once('('))
        .filter(|(_, rest)| rest.trim_start().starts_with("mut self"))
        .filter(|(_, rest)| {
            rest.split('{')
                .next()
                .is_some_and(|head| head.contains("-> Self"))
        })
        .map(|(name, _)| name)
        .collect();
    assert!(
        settings.contains(&"host"),
        "settings are found: {settings:?}"
    );
    for setting in settings {
        assert!(
            SETTINGS.contains(&format!("| `{setting}` | ")),
            "the page has no row for {setting}"
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

/// The text of a page, and whether it has this heading.
fn has_heading(page: &str, heading: &str) -> bool {
    let headings = page.lines().filter(|line| line.starts_with("# "));
    headings
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .any(|found| found == heading)
}

#[test]
fn each_link_of_the_readme_leads_to_a_page_and_a_heading() {
    let links = README.split("](").skip(1);
    let links: Vec<_> = links.filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 15, "links are found: {links:?}");
    for link in links {
        // Links to files would be dead where a registry shows the README.
        assert!(link.starts_with("https://"), "{link}");
        let Some(page) = link.strip_prefix(PAGES) else {
            continue;
        };
        let (page, heading) = page.split_once('#').unwrap_or((page, ""));
        let Some(name) = page.strip_suffix("/index.html") else {
            assert_eq!(page, "index.html");
            continue;
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let page = root.join("src/_docs").join(format!("{name}.md"));
        let page = fs::read_to_string(page).expect(link);
        assert!(heading.is_empty() || has_heading(&page, heading), "{link}");
    }
}

/// The pages of the documentation with their names.
fn pages() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/_docs");
    let pages = files_in(&folder).into_iter().map(|file| {
        let name = file.file_stem().expect("a name").display().to_string();
        (name, fs::read_to_string(file).expect("text"))
    });
    pages.collect()
}

/// The sentences of a text without its code, its tables and the targets of its links.
fn sentences(text: &str) -> Vec<String> {
    let mut prose = String::new();
    let mut is_code = false;
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        let ends = line.is_empty() || line.starts_with(['#', '-', '|']);
        prose += if ends { ". " } else { " " };
        if !is_code && !line.starts_with(['|', '`', '#']) {
            prose += line.trim_start_matches(['-', ' ']);
        }
    }
    let sentences = prose.split_inclusive(['.', ':', ';', '?']);
    let mut found = vec![String::new()];
    for sentence in sentences {
        let last = found.last_mut().expect("one");
        last.push_str(sentence);
        // A dot in a path or a number ends no sentence.
        if prose[sentence.as_ptr() as usize - prose.as_ptr() as usize + sentence.len()..]
            .starts_with(' ')
        {
            found.push(String::new());
        }
    }
    found
}

#[test]
fn the_readme_is_short_and_so_are_its_sentences() {
    assert!(README.lines().count() < 150);
    for sentence in sentences(README) {
        assert!(sentence.split_whitespace().count() <= 30, "{sentence}");
    }
}

#[test]
fn the_first_screen_of_each_page_has_short_sentences() {
    let pages = pages();
    assert!(pages.len() > 10);
    for (name, page) in pages {
        let screen: Vec<_> = page.lines().take(40).collect();
        for sentence in sentences(&screen.join("\n")) {
            let words = sentence.split_whitespace().count();
            assert!(words <= 30, "{name}: {sentence}");
        }
    }
}

#[test]
fn each_block_of_rust_in_the_pages_is_compiled() {
    let mut pages = pages();
    pages.push(("README".to_owned(), README.to_owned()));
    for (name, page) in pages {
        let fences = page.lines().filter(|line| line.starts_with("```"));
        for fence in fences {
            assert!(!fence.contains("ignore"), "{name}: {fence}");
        }
    }
}

/// About as many columns as fit beside the sidebar in a window of 1280 pixels.
const COLUMNS: usize = 96;

#[test]
fn no_line_of_code_in_the_pages_is_cut_at_its_right() {
    let mut pages = pages();
    pages.push(("README".to_owned(), README.to_owned()));
    for (name, page) in pages {
        let blocks = page.split("\n```").skip(1).step_by(2);
        for line in blocks.flat_map(str::lines) {
            // A record is a line of its own, however long.
            let is_record = line.starts_with("  {");
            let is_hidden = line.starts_with('#');
            let fits = line.chars().count() <= COLUMNS;
            assert!(fits || is_record || is_hidden, "{name}: {line}");
        }
    }
}

#[test]
fn the_diagram_of_the_first_page_fits_a_narrow_window() {
    let page = include_str!("../../src/lib.rs");
    let diagram = page.split("//! ```text").nth(1).expect("a diagram");
    let diagram = diagram.split("//! ```").next().expect("its end");
    for line in diagram.lines() {
        assert!(line.chars().count() <= "//! ".len() + 34, "{line}");
    }
}

/// Whether the sources of the crate have a method or a function of this name.
fn is_public(name: &str) -> bool {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let head = format!("pub fn {name}");
    files_in(&folder).into_iter().any(|file| {
        let code = fs::read_to_string(file).expect("text");
        let mut after = code.split(&head).skip(1);
        after.any(|rest| rest.starts_with(['(', '<']))
    })
}

#[test]
fn a_search_finds_items_by_the_words_of_other_sdks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let sources = files_in(&folder).into_iter();
    let sources: String = sources
        .map(|file| fs::read_to_string(file).expect("text"))
        .collect();
    for word in [
        "shutdown",
        "opt_out",
        "offline",
        "thumbs",
        "retry",
        "track_llm",
        "identify",
        "pii",
        "gdpr",
    ] {
        let alias = format!("#[doc(alias = \"{word}\")]");
        assert!(sources.contains(&alias), "{word}");
    }
    for name in ["feedback", "proxy", "max_batch_size", "request_timeout"] {
        assert!(is_public(name), "{name}");
    }
}

#[test]
fn the_page_moving_names_calls_that_exist() {
    let page = include_str!("../../src/_docs/moving.md");
    let rows = page.lines().filter(|row| row.starts_with("| "));
    let cells = rows.filter_map(|row| row.split(" | ").nth(1));
    let codes = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let mut found = 0;
    for code in codes {
        for call in code.split_inclusive('(').filter(|call| call.ends_with('(')) {
            let mut names = call.trim_end_matches('(').rsplit(['.', ':', '(', ' ']);
            let name = names.find(|name| !name.is_empty()).unwrap_or("");
            let is_std = ["from_secs", "from_millis", "{\"plan\""].contains(&name);
            if !is_std && name.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                assert!(is_public(name), "{name} in {code}");
                found += 1;
            }
        }
    }
    assert!(found > 25, "calls are found: {found}");
}

#[test]
fn each_page_is_in_the_table_of_contents() {
    let contents = include_str!("../../src/_docs.rs");
    for (name, _) in pages() {
        assert!(contents.contains(&format!("{name}) |")), "{name}");
        assert!(contents.contains(&format!("pub mod {name} {{}}")), "{name}");
    }
}
