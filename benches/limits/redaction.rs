//! What the presets of a redaction cost in texts without a finding, with many, and that were made to be slow to search.

use std::{hint::black_box, time::Instant};

use trubrics::Redaction;

use crate::{
    limits,
    table::{Unit::Nanoseconds, compare},
};

const TURNS: usize = 15;
const BYTES: usize = 1 << 20;

pub(crate) fn run() {
    let redaction = Redaction::all();
    for (name, text) in texts() {
        compare(
            &format!("redaction of 1 MB: {name}"),
            Nanoseconds,
            TURNS,
            &mut || time(|| drop(black_box(redaction.apply(&text)))),
            &mut [("a checksum of its bytes", &mut || {
                time(|| {
                    let _ = black_box(checksum(&text));
                })
            })],
        );
    }
}

/// One multiplication a byte (FNV-1a): a pass that looks at each byte.
fn checksum(text: &str) -> u64 {
    let step = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

fn time(call: impl FnOnce()) -> f64 {
    let start = Instant::now();
    call();
    start.elapsed().as_nanos() as f64
}

fn texts() -> Vec<(&'static str, String)> {
    let repeat = |piece: &str| piece.chars().cycle().take(BYTES).collect::<String>();
    vec![
        ("prose", limits::prose(BYTES)),
        (
            "code",
            repeat("let total: u32 = a[64].b(\"c\", d == 1)?; // e@f\n"),
        ),
        ("secrets", repeat("password=hunter2 ada@example.org ")),
        ("names without a value", repeat("password:password")),
        ("addresses without an end", repeat("a@1.")),
        ("groups of digits", repeat("4111 ")),
        ("equals signs", repeat("=")),
    ]
}
