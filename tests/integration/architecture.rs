//! The files of `src` import each other without a circle, are short, and the page that explains them names real ones.

mod imports;

use std::{collections::BTreeSet, fs, path::Path};

use crate::support::files_in;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The documentation of the settings.
const LONG: [&str; 1] = ["src/builder.rs"];

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    let folders = ["src", "tests", "benches", "examples"].into_iter();
    let long: Vec<_> = folders
        .flat_map(|folder| files_in(&root().join(folder)))
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .filter(|file| !LONG.iter().any(|long| file.ends_with(long)))
        .map(|file| {
            (
                fs::read_to_string(&file).expect("text").lines().count(),
                file,
            )
        })
        .filter(|(lines, _)| *lines > 400)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

/// The files that this page names, in code and without spaces.
fn named(page: &str, is_file: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let mut text = String::new();
    let mut is_code = false;
    for line in page.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            text.push_str(line);
            text.push('\n');
        }
    }
    let names = text.split('`').skip(1).step_by(2);
    names
        .filter(|name| is_file(name))
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_file_that_the_page_of_the_architecture_names_exists() {
    let src = root().join("src");
    let page = fs::read_to_string(src.join("_docs/architecture.md")).expect("a page");
    let files = named(&page, |name| name.ends_with(".rs"));
    assert!(files.len() > 40, "{files:?}");
    let missing: Vec<_> = files
        .iter()
        .filter(|file| !src.join(file).is_file())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn each_path_that_contributors_are_shown_exists() {
    let page = fs::read_to_string(root().join(".github/CONTRIBUTING.md")).expect("a page");
    let folders = ["src/", "tests/", "benches/", ".ci/", "examples/"];
    let is_path = |name: &str| {
        !name.contains([' ', '{']) && folders.iter().any(|folder| name.starts_with(folder))
    };
    let paths = named(&page, is_path);
    assert!(paths.len() > 20, "{paths:?}");
    let missing: Vec<_> = paths
        .iter()
        .filter(|path| !root().join(path).exists())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");

    // The table of the promises names modules of the integration tests.
    let promises = page
        .lines()
        .filter(|line| line.contains("of `tests/integration`"));
    let tests = root().join("tests/integration");
    for line in promises {
        let modules = named(line, |name| !name.contains(['/', '.', ':']));
        for module in modules {
            let file = tests.join(format!("{module}.rs"));
            assert!(file.is_file() || module == "fuzz", "{module} of {line}");
        }
    }
}

/// Everything that the page of the promises names is there.
#[test]
fn each_path_and_test_that_the_page_of_the_promises_names_exists() {
    let page = fs::read_to_string(root().join("src/_docs/promises.md")).expect("a page");
    let paths = named(&page, |name| name.contains('/') && !name.contains(' '));
    assert!(paths.len() > 40, "{paths:?}");
    let missing: Vec<_> = paths
        .iter()
        .filter(|path| !root().join(path).exists())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");

    let tests = named(&page, |name| {
        name.matches('_').count() > 3 && !name.contains('/')
    });
    assert!(tests.len() > 20, "{tests:?}");
    let files = ["src", "tests"].map(|folder| files_in(&root().join(folder)));
    let code: String = files
        .into_iter()
        .flatten()
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| fs::read_to_string(file).expect("text"))
        .collect();
    let missing: Vec<_> = tests
        .iter()
        .filter(|test| !code.contains(&format!("fn {test}()")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
