//! The properties of an LLM event that describe its generation.

use super::*;

fn llm_event() -> LlmEvent {
    LlmEvent::new("user", "p", "g")
}

#[test]
fn each_property_of_a_generation_has_its_name_on_the_wire() {
    let usage = Usage::new(u64::MAX, 0)
        .cache_read_tokens(1)
        .cache_write_tokens(2)
        .reasoning_tokens(3);
    let expected = json!({
        "$prompt_id": "prompt-1", "$generation_id": "generation-1", "gen_ai.provider.name": "openai",
        "gen_ai.prompt.name": "support-answer", "gen_ai.prompt.version": "7",
        "gen_ai.response.model": "gpt-4o-2024-11-20", "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.usage.input_tokens": u64::MAX, "gen_ai.usage.output_tokens": 0,
        "gen_ai.usage.cache_read.input_tokens": 1, "gen_ai.usage.cache_write.input_tokens": 2,
        "gen_ai.usage.reasoning.output_tokens": 3, "cost.amount": 0.0012, "cost.currency": "EUR",
        "gen_ai.response.finish_reasons": ["stop"], "gen_ai.response.time_to_first_chunk": 0.25,
        "error.type": "timeout"
    });
    let on_the_way = llm_event()
        .prompt_id("prompt-1")
        .generation_id("generation-1")
        .provider("openai")
        .prompt_name("support-answer")
        .prompt_version("7")
        .response_model("gpt-4o-2024-11-20")
        .response_id("chatcmpl-1")
        .usage(usage)
        .cost(Cost::new(0.0012, "EUR"))
        .finish_reason("stop")
        .time_to_first_token(Duration::from_millis(250))
        .error_type("timeout");
    let mut in_place = llm_event();
    in_place.set_prompt_id("prompt-1");
    in_place.set_generation_id("generation-1");
    in_place.set_provider("openai");
    in_place.set_prompt_name("support-answer");
    in_place.set_prompt_version("7");
    in_place.set_response_model("gpt-4o-2024-11-20");
    in_place.set_response_id("chatcmpl-1");
    in_place.set_usage(usage);
    in_place.set_cost(Cost::new(0.0012, "EUR"));
    in_place.set_finish_reason("stop");
    in_place.set_time_to_first_token(Duration::from_millis(250));
    in_place.set_error_type("timeout");
    assert_eq!(in_place, on_the_way);
    assert_eq!(json_of(on_the_way)["properties"], expected);
}

#[test]
fn the_ids_of_a_generation_are_read_if_they_are_texts() {
    let mut event = llm_event().prompt_id("p").generation_id("g");
    assert_eq!(event.get_prompt_id().as_deref(), Some("p"));
    assert_eq!(event.get_generation_id().as_deref(), Some("g"));
    event.set_property("$prompt_id", 1);
    event.set_generation_id(None);
    assert_eq!(event.get_prompt_id(), None);
    assert_eq!(event.get_generation_id(), None);
}

#[test]
fn none_clears_every_text_that_describes_a_generation() {
    let full = llm_event()
        .prompt_id("a")
        .generation_id("b")
        .provider("c")
        .prompt_name("d")
        .prompt_version("e")
        .response_model("f")
        .response_id("g")
        .finish_reason("h")
        .error_type("i");
    let cleared = full
        .prompt_id(None)
        .generation_id(None)
        .provider(None)
        .prompt_name(None)
        .prompt_version(None)
        .response_model(None)
        .response_id(None)
        .finish_reason(None)
        .error_type(None);
    assert_eq!(json_of(cleared), json_of(llm_event()));
}

#[test]
fn a_later_usage_completes_an_earlier_one() {
    let start = Usage::with_uncached_input(10, 100, 5, 1);
    let end = Usage {
        output_tokens: Some(42),
        ..Usage::default()
    };
    let event = llm_event().usage(start).usage(end).usage(Usage::default());
    assert_eq!(
        json_of(event)["properties"],
        json!({
            "gen_ai.usage.input_tokens": 115, "gen_ai.usage.output_tokens": 42,
            "gen_ai.usage.cache_read.input_tokens": 100, "gen_ai.usage.cache_write.input_tokens": 5
        })
    );
}

#[test]
fn a_count_of_tokens_sets_one_total() {
    let event = llm_event()
        .usage(Usage::new(1, 2))
        .input_tokens(3)
        .output_tokens(4);
    assert_eq!(
        event,
        llm_event().usage(Usage::new(3, 4)),
        "the last call wins"
    );
}

#[test]
fn an_event_does_not_grow_with_each_chunk_that_has_usage() {
    let mut event = llm_event();
    event.set_usage(Usage::new(100, 100));
    event.set_finish_reason("stop");
    let length = event.text_length();
    for tokens in 100..200 {
        event.set_usage(Usage::new(100, tokens));
        event.set_finish_reason("stop");
    }
    assert_eq!(event.text_length(), length);
}

#[test]
fn an_input_without_its_cached_part_is_added_up() {
    let usage = Usage::with_uncached_input(50, 1000, 200, 42);
    let total = Usage::new(1250, 42)
        .cache_read_tokens(1000)
        .cache_write_tokens(200);
    assert_eq!(usage, total);
    let huge = Usage::with_uncached_input(u64::MAX, 1, u64::MAX, 0);
    assert_eq!(huge.input_tokens, Some(u64::MAX));
}

#[test]
fn a_cost_is_an_amount_and_the_code_of_its_currency() {
    for cost in [Cost::usd(0.0), Cost::new(1e9, "JPY"), Cost::new(0.5, "XXX")] {
        assert!(encode(llm_event().cost(cost)).is_ok(), "{cost:?}");
    }
    for amount in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(
            error_of(llm_event().cost(Cost::usd(amount))),
            "cost is not a finite amount"
        );
    }
    assert_eq!(
        error_of(llm_event().cost(Cost::usd(-0.01))),
        "cost is negative"
    );
    for currency in ["", "usd", "US", "USDT", "Usd", "U$D", "€", "ÄB", "dollars"] {
        assert_eq!(
            error_of(llm_event().cost(Cost::new(0.5, currency))),
            "cost has no valid currency: the three capital letters of ISO 4217 are needed, such as USD",
            "{currency}"
        );
    }
}

#[test]
fn a_later_cost_replaces_an_earlier_one_with_its_currency() {
    let event = llm_event().cost(Cost::usd(1.0)).cost(Cost::new(2.0, "EUR"));
    assert_eq!(event, llm_event().cost(Cost::new(2.0, "EUR")));
}

#[test]
fn debug_shows_a_cost_as_it_is_sent() {
    let shown = format!("{:?} {:?}", Cost::usd(0.5), Cost::new(0.5, "dollars"));
    let expected =
        "Cost { amount: 0.5, currency: Some(\"USD\") } Cost { amount: 0.5, currency: None }";
    assert_eq!(shown, expected);
}
