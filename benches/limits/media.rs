//! What the search for images and files costs in texts that have none, or that were made to be slow to search.

use std::{hint::black_box, time::Instant};

use trubrics::{LlmEvent, Trubrics};

use crate::{
    limits::{self, Quiet},
    table::{Unit::Nanoseconds, compare},
};

const TURNS: usize = 15;
const BYTES: usize = 1 << 20;
const CALLS: u32 = 4;

pub(crate) fn run() {
    let quiet = Quiet::new(|builder| builder);
    let mut target = vec![0; BYTES];
    for (name, text) in texts() {
        let mut event = Some(LlmEvent::new("", &*text, ""));
        compare(
            &format!("search of 1 MB: {name}"),
            Nanoseconds,
            TURNS,
            &mut || time(|| event = event.take().map(|event| search(&quiet.client, event))),
            &mut [("a copy of it", &mut || {
                time(|| black_box(&mut target).copy_from_slice(text.as_bytes()))
            })],
        );
    }
}

/// A record without a user gets through the rules on content, and is then given back before it is encoded.
fn search(client: &Trubrics, event: LlmEvent) -> LlmEvent {
    let refused = client.try_track(event).expect_err("there is no user");
    match refused.into_record() {
        trubrics::Record::LlmEvent(event) => event,
        other => panic!("another record: {other:?}"),
    }
}

fn time(mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..CALLS).for_each(|_| call());
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

/// Texts without media, and the last one with an image.
fn texts() -> Vec<(&'static str, String)> {
    let digits = "iVBORw0KGgo/9j+QmFz";
    let run = |characters: usize| digits.chars().cycle().take(characters).collect::<String>();
    let repeat = |piece: &str| piece.chars().cycle().take(BYTES).collect::<String>();
    let wrapped = format!("{}\n{}\n{}\n.", run(76), run(76), run(77));
    let chinese: String = "这是一个没有空格的句子"
        .chars()
        .cycle()
        .take(BYTES / 3)
        .collect();
    vec![
        ("prose", limits::prose(BYTES)),
        ("code", repeat("let hits = (a[64], \"b6\"); s.6(x)?; ")),
        ("Chinese", chinese + "."),
        ("a run of x", "x".repeat(BYTES)),
        ("runs of 1,023", repeat(&format!("{} ", run(1_023)))),
        (
            "runs of 1,023, shifted",
            repeat(&format!(". {} ", run(1_022))),
        ),
        ("words, a line each", repeat("apple\nBanana\ncherry7\n")),
        ("lines that are nearly wrapped", repeat(&wrapped)),
        ("backslashes", "\\".repeat(BYTES)),
        ("`;base64,` again and again", repeat(";base64,")),
        ("`data:` without an end", repeat("data:image/png;base64")),
        ("`data:` in `data:`", repeat("data:image/png;base64,")),
        (
            "an image",
            format!("data:image/png;base64,{}", run(BYTES - 22)),
        ),
    ]
}
