//! Whatever a file of the spool holds, reading it neither panics nor makes anything up. From the top of the repository:
//!
//! ```sh
//! cargo +nightly fuzz run segment fuzz/seeds/segment -- -max_total_time=600 -dict=fuzz/segment.dict
//! ```
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| trubrics::fuzzing::read_segment(bytes));
