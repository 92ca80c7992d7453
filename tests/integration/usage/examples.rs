//! Answers and chunks in the forms that the providers document, cut down to what surrounds the usage.
//!
//! The counts are those of the documentation, where it shows any. It shows none for the last chunk of OpenAI chat
//! completions and for the first chunk of Gemini.

use serde_json::{Value, json};

pub(super) struct Example {
    pub(super) provider: &'static str,
    pub(super) what: &'static str,
    pub(super) json: Value,
    /// Input, output, cache read, cache write, reasoning.
    pub(super) expected: [Option<u64>; 5],
}

fn example(
    provider: &'static str,
    what: &'static str,
    expected: [Option<u64>; 5],
    json: Value,
) -> Example {
    Example {
        provider,
        what,
        json,
        expected,
    }
}

const CHAT: &str = "OpenAI chat completions";
const RESPONSES: &str = "OpenAI responses";
const ANTHROPIC: &str = "Anthropic messages";
const GEMINI: &str = "Gemini generateContent";
const OLLAMA: &str = "Ollama chat";

fn chat_examples() -> [Example; 4] {
    [
        example(
            CHAT,
            "answer",
            [Some(19), Some(10), Some(0), None, Some(0)],
            json!({
                "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT", "object": "chat.completion", "model": "gpt-4.1",
                "choices": [{ "index": 0, "message": { "role": "assistant", "content": "Hello!" }, "finish_reason": "stop" }],
                "usage": {
                    "prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29,
                    "prompt_tokens_details": { "cached_tokens": 0, "audio_tokens": 0 },
                    "completion_tokens_details": {
                        "reasoning_tokens": 0, "audio_tokens": 0,
                        "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0
                    }
                },
                "service_tier": "default"
            }),
        ),
        example(
            CHAT,
            "usage, cached",
            [Some(2006), Some(300), Some(1920), Some(0), Some(0)],
            json!({
                "prompt_tokens": 2006, "completion_tokens": 300, "total_tokens": 2306,
                "prompt_tokens_details": { "cached_tokens": 1920, "cache_write_tokens": 0 },
                "completion_tokens_details": { "reasoning_tokens": 0 }
            }),
        ),
        example(
            CHAT,
            "last chunk",
            [Some(19), Some(10), None, None, None],
            json!({
                "id": "chatcmpl-123", "object": "chat.completion.chunk", "choices": [],
                "usage": { "prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29 }
            }),
        ),
        example(
            CHAT,
            "earlier chunk",
            [None; 5],
            json!({
                "id": "chatcmpl-123", "object": "chat.completion.chunk",
                "choices": [{ "index": 0, "delta": { "content": "Hello" }, "finish_reason": null }],
                "usage": null
            }),
        ),
    ]
}

fn responses_examples() -> [Example; 4] {
    [
        example(
            RESPONSES,
            "answer",
            [Some(36), Some(87), Some(0), None, Some(0)],
            json!({
                "id": "resp_67ccd2bed1ec8190b14f964abc054267", "object": "response", "status": "completed",
                "max_output_tokens": null, "model": "gpt-4.1", "reasoning": { "effort": null, "summary": null },
                "usage": {
                    "input_tokens": 36, "input_tokens_details": { "cached_tokens": 0 },
                    "output_tokens": 87, "output_tokens_details": { "reasoning_tokens": 0 },
                    "total_tokens": 123
                }
            }),
        ),
        example(
            RESPONSES,
            "usage, reasoning",
            [Some(75), Some(1186), Some(0), None, Some(1024)],
            json!({
                "input_tokens": 75, "input_tokens_details": { "cached_tokens": 0 },
                "output_tokens": 1186, "output_tokens_details": { "reasoning_tokens": 1024 },
                "total_tokens": 1261
            }),
        ),
        example(
            RESPONSES,
            "`response.completed`",
            [Some(37), Some(11), None, None, Some(0)],
            json!({
                "type": "response.completed",
                "response": {
                    "id": "resp_67c9fdcecf488190bdd9a0409de3a1ec07b8b0ad4e5eb654", "status": "completed",
                    "usage": {
                        "input_tokens": 37, "output_tokens": 11,
                        "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": 48
                    }
                }
            }),
        ),
        example(
            RESPONSES,
            "`response.created`",
            [None; 5],
            json!({ "type": "response.created", "response": { "id": "resp_67c9", "status": "in_progress", "usage": null } }),
        ),
    ]
}

fn anthropic_examples() -> [Example; 6] {
    [
        example(
            ANTHROPIC,
            "answer",
            [Some(6197), Some(503), Some(2051), Some(2051), Some(0)],
            json!({
                "id": "msg_013Zva2CMHLNnXjNJJKqJ2EF", "type": "message", "role": "assistant",
                "usage": {
                    "cache_creation": { "ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": 0 },
                    "cache_creation_input_tokens": 2051, "cache_read_input_tokens": 2051,
                    "input_tokens": 2095, "output_tokens": 503,
                    "output_tokens_details": { "thinking_tokens": 0 },
                    "server_tool_use": { "web_search_requests": 0 }, "service_tier": "standard"
                }
            }),
        ),
        example(
            ANTHROPIC,
            "usage, by lifetime of the cache",
            [Some(4096), Some(503), Some(1800), Some(248), None],
            json!({
                "input_tokens": 2048, "cache_read_input_tokens": 1800, "cache_creation_input_tokens": 248,
                "output_tokens": 503,
                "cache_creation": { "ephemeral_5m_input_tokens": 148, "ephemeral_1h_input_tokens": 100 }
            }),
        ),
        example(
            ANTHROPIC,
            "`message_start`",
            [Some(25), Some(1), None, None, None],
            json!({
                "type": "message_start",
                "message": {
                    "id": "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", "type": "message", "content": [],
                    "usage": { "input_tokens": 25, "output_tokens": 1 }
                }
            }),
        ),
        example(
            ANTHROPIC,
            "`message_delta`",
            [None, Some(15), None, None, None],
            json!({
                "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null },
                "usage": { "output_tokens": 15 }
            }),
        ),
        example(
            ANTHROPIC,
            "`message_delta` after a search",
            [Some(10_682), Some(510), Some(0), Some(0), None],
            json!({
                "type": "message_delta", "delta": { "stop_reason": "end_turn", "stop_sequence": null },
                "usage": {
                    "input_tokens": 10_682, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                    "output_tokens": 510, "server_tool_use": { "web_search_requests": 1 }
                }
            }),
        ),
        example(
            ANTHROPIC,
            "`message_stop`",
            [None; 5],
            json!({ "type": "message_stop" }),
        ),
    ]
}

fn gemini_and_ollama_examples() -> [Example; 5] {
    [
        example(
            GEMINI,
            "answer, thoughts and tools",
            [Some(10_336), Some(76), None, None, Some(31)],
            json!({
                "candidates": [{ "content": { "parts": [{ "text": "Hi" }], "role": "model" }, "finishReason": "STOP" }],
                "usageMetadata": {
                    "candidatesTokenCount": 45, "promptTokenCount": 27,
                    "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": 27 }],
                    "thoughtsTokenCount": 31, "toolUsePromptTokenCount": 10_309,
                    "toolUsePromptTokensDetails": [{ "modality": "TEXT", "tokenCount": 10_309 }],
                    "totalTokenCount": 10_412
                }
            }),
        ),
        example(
            GEMINI,
            "usage, cached",
            [Some(696_219), Some(214), Some(696_190), None, None],
            json!({
                "promptTokenCount": 696_219, "cachedContentTokenCount": 696_190,
                "candidatesTokenCount": 214, "totalTokenCount": 696_433
            }),
        ),
        example(
            GEMINI,
            "first chunk, while it thinks",
            [Some(27), Some(31), None, None, Some(31)],
            json!({
                "candidates": [{ "content": { "parts": [{ "text": "", "thought": true }], "role": "model" } }],
                "usageMetadata": { "promptTokenCount": 27, "thoughtsTokenCount": 31, "totalTokenCount": 58 }
            }),
        ),
        example(
            OLLAMA,
            "last chunk",
            [Some(26), Some(282), None, None, None],
            json!({
                "model": "llama3.2", "created_at": "2023-08-04T19:22:45.499127Z",
                "message": { "role": "assistant", "content": "" }, "done": true,
                "total_duration": 4_883_583_458_u64, "load_duration": 1_334_875,
                "prompt_eval_count": 26, "prompt_eval_duration": 342_546_000,
                "eval_count": 282, "eval_duration": 4_535_599_000_u64
            }),
        ),
        example(
            OLLAMA,
            "earlier chunk",
            [None; 5],
            json!({
                "model": "llama3.2", "message": { "role": "assistant", "content": "The", "images": null },
                "done": false
            }),
        ),
    ]
}

pub(super) fn all() -> impl Iterator<Item = Example> {
    let openai = chat_examples().into_iter().chain(responses_examples());
    openai
        .chain(anthropic_examples())
        .chain(gemini_and_ollama_examples())
}
