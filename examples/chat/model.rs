//! A client of a model that speaks OpenAI's protocol for streamed chat completions.

use std::{env, io};

use serde_json::{Value, json};
use trubrics::ServerSentEvents;

use crate::{Result, server};

/// A model, and the conversation with it so far.
pub(crate) struct Model {
    url: String,
    messages: Vec<Value>,
}

/// A part of a streamed answer.
pub(crate) struct Chunk(pub(crate) Value);

/// An answer, put together from its chunks.
#[derive(Default)]
pub(crate) struct Answer {
    text: String,
    pub(crate) tools: Vec<Tool>,
}

/// A tool that the model asks for.
pub(crate) struct Tool {
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON.
    pub(crate) arguments: String,
}

impl Model {
    pub(crate) fn new() -> io::Result<Self> {
        let url = match env::var("OPENAI_BASE_URL") {
            Ok(url) => url,
            Err(_) => server::start()?,
        };
        Ok(Self {
            url,
            messages: Vec::new(),
        })
    }

    pub(crate) fn add_question(&mut self, question: &str) {
        self.messages
            .push(json!({ "role": "user", "content": question }));
    }

    /// Adds an answer with the results of its tools.
    pub(crate) fn add_answer(&mut self, answer: Answer, results: Vec<String>) {
        let call = |tool: &Tool| {
            let function = json!({ "name": tool.name, "arguments": tool.arguments });
            json!({ "id": tool.id, "type": "function", "function": function })
        };
        let calls: Vec<_> = answer.tools.iter().map(call).collect();
        let mut message = json!({ "role": "assistant", "content": answer.text });
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        self.messages.push(message);
        for (tool, result) in answer.tools.into_iter().zip(results) {
            self.messages
                .push(json!({ "role": "tool", "tool_call_id": tool.id, "content": result }));
        }
    }

    /// Asks for an answer to the conversation.
    pub(crate) fn ask(&self) -> Result<impl Iterator<Item = io::Result<Chunk>> + use<>> {
        let body = json!({
            "model": "gpt-4o",
            "messages": self.messages,
            "stream": true,
            "stream_options": { "include_usage": true },
            "tools": [server::tool()],
        });
        let key = env::var("OPENAI_API_KEY").unwrap_or_default();
        let response = ureq::post(format!("{}/chat/completions", self.url))
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .send(body.to_string())
            .map_err(|error| format!("no answer from the model: {error}"))?;
        let events = ServerSentEvents::new(response.into_body().into_reader());
        Ok(events.map(|event| read_chunk(&event?)))
    }
}

fn read_chunk(event: &str) -> io::Result<Chunk> {
    let Ok(chunk) = serde_json::from_str::<Value>(event) else {
        return Err(io::Error::other(format!("not JSON of a model: {event}")));
    };
    match chunk["error"]["message"].as_str() {
        Some(message) => Err(io::Error::other(format!("the model failed: {message}"))),
        None => Ok(Chunk(chunk)),
    }
}

impl Chunk {
    pub(crate) fn text(&self) -> &str {
        self.delta()["content"].as_str().unwrap_or_default()
    }

    pub(crate) fn has_tool_call(&self) -> bool {
        self.delta()["tool_calls"].is_array()
    }

    pub(crate) fn finish_reason(&self) -> Option<&str> {
        self.0["choices"][0]["finish_reason"].as_str()
    }

    pub(crate) fn model(&self) -> Option<String> {
        self.0["model"].as_str().map(str::to_owned)
    }

    fn delta(&self) -> &Value {
        &self.0["choices"][0]["delta"]
    }
}

impl Answer {
    pub(crate) fn add(&mut self, chunk: &Chunk) {
        self.text.push_str(chunk.text());
        for call in chunk.delta()["tool_calls"].as_array().into_iter().flatten() {
            let index = call["index"].as_u64().unwrap_or_default() as usize;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let function = &call["function"];
            match self.tools.get_mut(index) {
                Some(tool) => tool.arguments.push_str(&text(&function["arguments"])),
                None => self.tools.push(Tool {
                    id: text(&call["id"]),
                    name: text(&function["name"]),
                    arguments: text(&function["arguments"]),
                }),
            }
        }
    }
}
