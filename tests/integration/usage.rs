//! The usage in the answers of each provider, and what is reported of it.

mod examples;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use trubrics::{LlmEvent, Usage};

use self::examples::Example;

fn counts(usage: Usage) -> [Option<u64>; 5] {
    [
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    ]
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is for the documentation")]
fn usage_is_right_to_the_token_in_each_documented_example() {
    println!("| Provider | Example | Input | Output | Cache read | Cache write | Reasoning |");
    println!("|---|---|---|---|---|---|---|");
    for example in examples::all() {
        let Example { provider, what, .. } = example;
        let found = counts(Usage::from_json(&example.json).unwrap_or_default());
        let shown = found.map(|count| count.map_or("-".to_owned(), |count| count.to_string()));
        println!("| {provider} | {what} | {} |", shown.join(" | "));
        assert_eq!(found, example.expected, "{provider}, {what}");
    }
}

#[test]
fn usage_is_found_alone_and_in_the_answer_around_it() {
    let usage = json!({ "prompt_tokens": 1, "completion_tokens": 2 });
    let expected = Some(Usage::new(1, 2));
    assert_eq!(Usage::from_json(&usage), expected);
    assert_eq!(Usage::from_json(&json!({ "usage": usage })), expected);
    let inside = json!({ "response": { "usage": usage } });
    assert_eq!(Usage::from_json(&inside), expected);
    let elsewhere = json!({ "other": { "usage": usage } });
    assert_eq!(Usage::from_json(&elsewhere), None);
}

#[test]
fn the_events_of_a_stream_complete_each_other() {
    let events = [
        json!({ "type": "message_start", "message": { "usage": {
            "input_tokens": 21, "cache_read_input_tokens": 188_086, "cache_creation_input_tokens": 0, "output_tokens": 1
        }}}),
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "Hello" } }),
        json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 393 } }),
        json!({ "type": "message_stop" }),
    ];
    let mut event = LlmEvent::new("user_123", "Why?", "Hello");
    for usage in events.iter().filter_map(Usage::from_json) {
        event.set_usage(usage);
    }
    let whole = Usage::with_uncached_input(21, 188_086, 0, 393);
    assert_eq!(
        event,
        LlmEvent::new("user_123", "Why?", "Hello").usage(whole)
    );
}

#[test]
fn what_was_written_to_a_cache_counts_without_its_total() {
    let usage = json!({
        "input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 1000, "cache_creation_input_tokens": null,
        "cache_creation": { "ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100 }
    });
    let expected = Usage::with_uncached_input(10, 1000, 248, 1);
    assert_eq!(Usage::from_json(&usage), Some(expected));
}

#[test]
fn a_part_that_is_not_a_count_is_unknown_and_so_is_its_total() {
    let huge: Value = serde_json::from_str("18446744073709551616").expect("JSON");
    for bad in [
        json!(-1),
        json!(1.5),
        json!(1e30),
        json!("12"),
        json!([12]),
        json!({ "a": 1 }),
        huge,
    ] {
        let of_part = json!({
            "input_tokens": 10, "output_tokens": 42, "cache_read_input_tokens": bad, "cache_creation_input_tokens": 5
        });
        let found = counts(Usage::from_json(&of_part).expect("usage"));
        assert_eq!(found, [None, Some(42), None, Some(5), None], "{bad}");
        let of_total = json!({ "prompt_tokens": bad, "completion_tokens": 42 });
        let found = counts(Usage::from_json(&of_total).expect("usage"));
        assert_eq!(found, [None, Some(42), None, None, None], "{bad}");
        assert_eq!(Usage::from_json(&json!({ "usage": bad })), None, "{bad}");
        let alone = json!({ "prompt_tokens": bad });
        assert_eq!(Usage::from_json(&alone), None, "{bad}");
    }
}

/// Keys that mean something, so that values meet them.
const KEYS: [&str; 14] = [
    "usage",
    "usageMetadata",
    "response",
    "message",
    "prompt_tokens",
    "prompt_tokens_details",
    "input_tokens",
    "input_tokens_details",
    "output_tokens",
    "cached_tokens",
    "cache_creation",
    "cache_creation_input_tokens",
    "promptTokenCount",
    "eval_count",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,4}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        let key = prop::sample::select(&KEYS).prop_map(str::to_owned);
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_the_reader_panic(json in any_json()) {
        let usage = Usage::from_json(&json);
        prop_assert_ne!(usage, Some(Usage::default()), "nothing known is no usage");
    }

    #[test]
    fn a_total_is_the_sum_of_what_is_counted_apart(input: u64, read: u64, write: u64, output: u64) {
        let report = json!({
            "input_tokens": input, "cache_read_input_tokens": read, "cache_creation_input_tokens": write,
            "output_tokens": output
        });
        let expected = Usage::with_uncached_input(input, read, write, output);
        prop_assert_eq!(Usage::from_json(&report), Some(expected));
    }
}
