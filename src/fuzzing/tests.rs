//! The targets hold for their seeds, and for a few inputs that are made of these. The crate as a package has no seeds.

use std::{fs, path::Path};

use proptest::{prelude::*, sample::Index, test_runner::TestRunner};

use super::*;

type Target = fn(&[u8]);

#[cfg(feature = "http")]
fn answers(bytes: &[u8]) {
    deliver(bytes);
    status(bytes.get(3..).unwrap_or_default());
}

#[cfg(feature = "http")]
fn three_lines(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let [host, proxy, no_proxy] = [(); 3].map(|()| lines.next().unwrap_or_default());
    urls(host, proxy, no_proxy);
}

fn record(bytes: &[u8]) {
    read_record(&String::from_utf8_lossy(bytes));
}

const TARGETS: &[(&str, Target)] = &[
    #[cfg(feature = "http")]
    ("answers", answers),
    #[cfg(feature = "http")]
    ("urls", three_lines),
    ("events", read_events),
    ("records", record),
    ("redaction", redact),
    ("segment", read_segment),
];

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let Ok(files) = fs::read_dir(folder.join(target)) else {
        return Vec::new();
    };
    let read = |file: std::io::Result<fs::DirEntry>| fs::read(file.ok()?.path()).ok();
    files.filter_map(read).collect()
}

/// The beginning of one seed, the end of another, and bytes that are changed.
fn mixture(seeds: &[Vec<u8>], parts: &[(Index, Index); 2], changes: &[(Index, u8)]) -> Vec<u8> {
    let [first, second] = parts.each_ref().map(|(seed, cut)| {
        let seed = seed.get(seeds);
        seed.split_at(cut.index(seed.len() + 1))
    });
    let mut bytes = [first.0, second.1].concat();
    if bytes.is_empty() {
        return bytes;
    }
    for (place, byte) in changes {
        let place = place.index(bytes.len());
        bytes[place] = *byte;
    }
    bytes
}

#[test]
fn the_targets_hold_for_their_seeds_and_what_is_made_of_them() {
    for (target, run) in TARGETS {
        let seeds = seeds(target);
        if seeds.is_empty() {
            continue;
        }
        seeds.iter().for_each(|seed| run(seed));
        let changes = prop::collection::vec(any::<(Index, u8)>(), 0..4);
        let strategy = (any::<[(Index, Index); 2]>(), changes);
        let mut runner = TestRunner::new(ProptestConfig::with_cases(200));
        let outcome = runner.run(&strategy, |(parts, changes)| {
            run(&mixture(&seeds, &parts, &changes));
            Ok(())
        });
        assert!(outcome.is_ok(), "{target}: {outcome:?}");
    }
}

#[test]
fn values_are_written_as_serde_json_writes_them() {
    for json in ["null", "1.5", "[]", r#"{"a":{"b":"\n"}}"#] {
        let value: serde_json::Value = serde_json::from_str(json).expect("JSON");
        let (one, whole) = write_properties("key", &value);
        let expected = format!(r#"{{"before":1,"key":{json}}}"#);
        assert_eq!(one.expect("a property"), expected.into_bytes());
        assert_eq!(
            whole.is_ok(),
            value.is_object() || value.is_null(),
            "{json}"
        );
    }
}
