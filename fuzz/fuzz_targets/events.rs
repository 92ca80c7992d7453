//! However the bytes of a stream arrive, the events are the same, and those of the standard.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| trubrics::fuzzing::read_events(bytes));
