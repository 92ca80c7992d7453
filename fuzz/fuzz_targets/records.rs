//! A record that is read from JSON has the values that `serde_json` reads, and comes back from its own JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

fuzz_target!(|text: &str| {
    if let Some(own) = trubrics::fuzzing::read_record(text) {
        for json in [text, &own] {
            assert!(serde_json::from_str::<IgnoredAny>(json).is_ok(), "{json}");
        }
    }
});
