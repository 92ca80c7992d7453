use serde_json::json;

use super::*;

/// Input, output, read from the cache, written to it, and reasoning.
type Counts = [Option<u64>; 5];

fn counts(report: &Value) -> Option<Counts> {
    let usage = Usage::from_json(report)?;
    Some([
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
    ])
}

fn all(counts: [u64; 5]) -> Option<Counts> {
    Some(counts.map(Some))
}

#[test]
fn chat_completions_and_responses_count_the_cache_as_input() {
    let chat = json!({
        "prompt_tokens": 100, "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 5},
    });
    assert_eq!(counts(&chat), all([100, 20, 30, 4, 5]));
    let responses = json!({
        "input_tokens": 100, "output_tokens": 20,
        "input_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 5},
    });
    assert_eq!(counts(&responses), all([100, 20, 30, 4, 5]));
}

#[test]
fn anthropic_counts_the_cache_apart() {
    let total = json!({
        "input_tokens": 100, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 4,
        "output_tokens": 20, "output_tokens_details": {"thinking_tokens": 5},
    });
    assert_eq!(counts(&total), all([134, 20, 30, 4, 5]));
    let by_lifetime = json!({
        "input_tokens": 100, "cache_read_input_tokens": 30, "output_tokens": 20,
        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2},
        "output_tokens_details": {"thinking_tokens": 5},
    });
    assert_eq!(counts(&by_lifetime), all([133, 20, 30, 3, 5]));
}

#[test]
fn a_report_of_either_form_is_read_as_what_both_have() {
    let either = |details: &Value| {
        let report =
            json!({"input_tokens": 1, "output_tokens": 20, "output_tokens_details": details});
        counts(&report)
    };
    let expected = Some([Some(1), Some(20), None, None, Some(5)]);
    assert_eq!(either(&json!({"reasoning_tokens": 5})), expected);
    assert_eq!(either(&json!({"thinking_tokens": 5})), expected);
}

#[test]
fn gemini_counts_tools_and_thoughts_apart() {
    let report = json!({
        "promptTokenCount": 100, "toolUsePromptTokenCount": 7, "candidatesTokenCount": 20,
        "thoughtsTokenCount": 5, "cachedContentTokenCount": 30,
    });
    let expected = Some([Some(107), Some(25), Some(30), None, Some(5)]);
    assert_eq!(counts(&report), expected);
}

#[test]
fn ollama_counts_input_and_output() {
    let report = json!({"prompt_eval_count": 26, "eval_count": 298});
    assert_eq!(
        counts(&report),
        Some([Some(26), Some(298), None, None, None])
    );
}

#[test]
fn a_report_is_found_in_each_of_its_places() {
    let usage = json!({"prompt_eval_count": 1, "eval_count": 2});
    let expected = Some([Some(1), Some(2), None, None, None]);
    for place in [
        json!({"usage": usage}),
        json!({"usageMetadata": usage}),
        json!({"response": {"usage": usage}}),
        json!({"message": {"usage": usage}}),
    ] {
        assert_eq!(counts(&place), expected);
    }
    assert_eq!(counts(&json!({"other": usage})), None);
}

#[test]
fn parts_that_are_absent_null_or_no_counts_have_no_value() {
    let report = json!({"prompt_tokens": null, "completion_tokens": 3});
    assert_eq!(counts(&report), None, "no form has these fields");
    let report = json!({"prompt_tokens": -1, "completion_tokens": 3});
    assert_eq!(counts(&report), Some([None, Some(3), None, None, None]));
    let report = json!({"prompt_tokens": 0.5});
    assert_eq!(counts(&report), None, "there is no count");
    let report = json!({"promptTokenCount": 1, "toolUsePromptTokenCount": "7"});
    assert_eq!(counts(&report), None, "a part of the sum is not a count");
    let report = json!({"output_tokens": 3, "cache_read_input_tokens": 4});
    let expected = Some([None, Some(3), Some(4), None, None]);
    assert_eq!(
        counts(&report),
        expected,
        "the rest of the input is unknown"
    );
}
