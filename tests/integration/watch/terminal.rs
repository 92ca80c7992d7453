use std::time::Duration;

use serde_json::json;
use trubrics::{Cost, Event, LlmEvent, Usage};

use super::Watch;

/// The lines of one entry; another entry comes after them.
#[track_caller]
fn entry(watch: &Watch, event: Event) -> Vec<String> {
    watch.deliver([event, Event::new("ada", "End")]);
    let mut lines = Vec::new();
    loop {
        let line = watch.line();
        if line.ends_with("ada  End") {
            return lines;
        }
        // The greeting ends with an empty line.
        lines.extend(Some(line).filter(|line| !line.is_empty()));
    }
}

#[test]
fn lines_break_between_properties_and_no_name_is_cut() {
    let watch = Watch::start_as_wide_as(60, &[]);
    let long_name = "n".repeat(100);
    let event = Event::new("ada", "Sign up").properties(json!({
        "a_name_of_twenty_five_xyz": 2,
        "another_name_that_is_long": "two words",
        "text": "word ".repeat(100),
        &long_name: "value",
    }));
    let lines = entry(&watch, event);
    assert!(lines[0].ends_with("Z  ada  Sign up  a_name_of_twenty_five_xyz=2"));
    assert_eq!(
        lines[1..],
        [
            r#"    another_name_that_is_long="two words""#,
            &format!("    {}", "n".repeat(56)),
            &format!("    {}=value", "n".repeat(44)),
            r#"    text="word word word word word word word word word wor…""#,
        ]
    );
    let widths = lines.iter().map(|line| line.chars().count());
    assert!(widths.max() <= Some(60), "{lines:?}");
}

#[test]
fn an_entry_that_fits_has_one_line() {
    let watch = Watch::start_as_wide_as(60, &[]);
    let lines = entry(
        &watch,
        Event::new("ada", "Sign up").property("plan", "x".repeat(26)),
    );
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0].chars().count(), 60);
    let lines = entry(
        &watch,
        Event::new("ada", "Sign up").property("plan", "x".repeat(27)),
    );
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn times_are_in_milliseconds_below_a_second_and_in_seconds_above() {
    let watch = Watch::start(&[]);
    let times = [
        (0, "0 ms"),
        (22_540, "0.02 ms"),
        (1_234_567, "1.23 ms"),
        (999_400_000, "999 ms"),
        (999_600_000, "1 s"),
        (1_420_000_000, "1.42 s"),
        (4_000_250_000_000, "4,000 s"),
    ];
    for (nanos, shown) in times {
        watch.deliver([LlmEvent::new("ada", "p", "g").latency(Duration::from_nanos(nanos))]);
        assert_eq!(watch.after("Generation  "), shown);
    }
}

#[test]
fn tokens_cost_and_the_outcome_stand_above_the_texts() {
    let watch = Watch::start_as_wide_as(150, &[]);
    let usage = Usage::new(12_345, 310)
        .cache_read_tokens(10_000)
        .reasoning_tokens(200);
    let event = LlmEvent::new("ada", "Why?", "So.")
        .latency(Duration::from_millis(610))
        .time_to_first_token(Duration::from_millis(82))
        .usage(usage)
        .cost(Cost::usd(0.000_350_000_000_000_000_05))
        .error_type("timeout");
    watch.deliver([event]);
    assert_eq!(
        watch.after("Generation  "),
        "✗ failed  610 ms  first token 82 ms  12,345 (10,000 cached) → 310 (200 reasoning) tokens  0.00035 USD"
    );
    assert_eq!(watch.line(), "    error.type=timeout");
    assert_eq!(watch.line(), "    prompt      Why?");
}

#[test]
fn steps_and_feedback_are_printed_in_words() {
    let watch = Watch::start(&[]);
    let step = Event::new("ada", "Tool call").properties(json!({
        "gen_ai.tool.name": "search", "duration": 0.0123, "outcome": "interrupted",
    }));
    let lines = entry(&watch, step);
    assert!(
        lines[0].ends_with("Tool call  ! interrupted  search  12.3 ms"),
        "{lines:?}"
    );
    let feedback = Event::feedback("ada", "g1")
        .thumbs_down()
        .score(2.0, 1.0..=5.0)
        .label("short");
    let lines = entry(&watch, feedback);
    assert!(
        lines[0].ends_with("Feedback  thumb down  score 2 of 1 to 5  short  $generation_id=g1"),
        "{lines:?}"
    );
    // Without an outcome it is not a step, and its unit is not known.
    let lines = entry(&watch, Event::new("ada", "Played").property("duration", 3));
    assert!(lines[0].ends_with("Played  duration=3"), "{lines:?}");
}
