//! Stands in for a model and its tool: a server on this machine with canned answers, in OpenAI's protocol.

use std::{
    io::{self, Write},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tiny_http::{Request, Server};

/// Starts the server, and returns the address of its API.
pub(crate) fn start() -> io::Result<String> {
    let server = Server::http("127.0.0.1:0").map_err(io::Error::other)?;
    let address = server.server_addr();
    thread::spawn(move || server.incoming_requests().for_each(respond));
    Ok(format!("http://{address}/v1"))
}

/// The description of the tool, for the model.
pub(crate) fn tool() -> Value {
    let query = json!({ "type": "string" });
    let parameters = json!({ "type": "object", "properties": { "query": query } });
    json!({ "type": "function", "function": { "name": "search_orders", "parameters": parameters } })
}

pub(crate) fn run_tool(name: &str, arguments: &str) -> Result<String, &'static str> {
    match serde_json::from_str::<Value>(arguments) {
        Ok(arguments) if name == "search_orders" && arguments["query"].is_string() => {
            Ok("Order 1 is on its way.".to_owned())
        }
        _ => Err("there is no such tool"),
    }
}

fn respond(mut request: Request) {
    let body: Value = serde_json::from_reader(request.as_reader()).unwrap_or_default();
    let messages = body["messages"].as_array();
    let chunks = messages.and_then(|messages| messages.last()).map(chunks);
    // A client that is gone needs no answer.
    let _ = stream(request.into_writer(), &chunks.unwrap_or_default());
}

/// Writes one event after the other, each a little later.
fn stream(mut writer: impl Write, chunks: &[String]) -> io::Result<()> {
    let head = "content-type: text/event-stream\r\ntransfer-encoding: chunked";
    write!(writer, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n")?;
    for chunk in chunks {
        thread::sleep(Duration::from_millis(20));
        let event = format!("data: {chunk}\n\n");
        write!(writer, "{:x}\r\n{event}\r\n", event.len())?;
        writer.flush()?;
    }
    write!(writer, "0\r\n\r\n")?;
    writer.flush()
}

/// The data of the events that answer a message. A model that breaks off has no end.
fn chunks(message: &Value) -> Vec<String> {
    let asked = message["content"].as_str().unwrap_or_default();
    let mut chunks = vec![delta(&json!({ "role": "assistant", "content": "" }))];
    let text = match message["role"].as_str() {
        Some("tool") => format!("I looked it up. {asked}"),
        _ if asked == "fail" => "I was about to ".to_owned(),
        _ if asked.contains("order") => String::new(),
        _ => "A good question. Open the chart's menu: Export.".to_owned(),
    };
    let words = text.split_inclusive(' ');
    chunks.extend(words.map(|word| delta(&json!({ "content": word }))));
    if asked == "fail" {
        chunks.push(json!({ "error": { "message": "it is overloaded" } }).to_string());
        return chunks;
    }
    if text.is_empty() {
        let begin = json!({ "name": "search_orders", "arguments": "" });
        let begin = json!({ "index": 0, "id": "call_1", "type": "function", "function": begin });
        chunks.push(delta(&json!({ "tool_calls": [begin] })));
        for part in ["{\"query\":", "\"last\"}"] {
            let more = json!({ "index": 0, "function": { "arguments": part } });
            chunks.push(delta(&json!({ "tool_calls": [more] })));
        }
    }
    let reason = match text.is_empty() {
        true => "tool_calls",
        false => "stop",
    };
    let end = json!([{ "index": 0, "delta": {}, "finish_reason": reason }]);
    chunks.push(chunk(&end, &Value::Null));
    let output = chunks.len();
    let usage = json!({
        "prompt_tokens": 120,
        "completion_tokens": output,
        "total_tokens": 120 + output,
        "prompt_tokens_details": { "cached_tokens": 64 },
    });
    chunks.push(chunk(&json!([]), &usage));
    chunks.push("[DONE]".to_owned());
    chunks
}

fn delta(delta: &Value) -> String {
    let choice = json!([{ "index": 0, "delta": delta, "finish_reason": null }]);
    chunk(&choice, &Value::Null)
}

fn chunk(choices: &Value, usage: &Value) -> String {
    let chunk = json!({
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "model": "gpt-4o-2024-11-20",
        "choices": choices,
        "usage": usage,
    });
    chunk.to_string()
}
