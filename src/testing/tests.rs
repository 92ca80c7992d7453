mod acceptance;
mod recorder;
mod refusal;

mod endings;
mod promises;
mod scripts;

mod wire;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use serde_json::{Value, json};

use super::{API_KEY, Server};

/// Longer than any step takes; only a test that fails waits this long.
const LONG: Duration = Duration::from_secs(20);

struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Client {
    fn connect(server: &Server) -> Self {
        let address = server
            .url()
            .strip_prefix("http://")
            .and_then(|rest| rest.strip_suffix("/api/ingestion"))
            .unwrap();
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    fn fill(&mut self) -> usize {
        let mut part = [0; 4096];
        let read = self.stream.read(&mut part).unwrap();
        self.unread.extend_from_slice(&part[..read]);
        read
    }

    #[track_caller]
    fn answer(&mut self) -> Answer {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 16];
            let mut response = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(head) = response.parse(&self.unread).unwrap() {
                let mut answer = Answer {
                    status: response.code.unwrap(),
                    headers: response
                        .headers
                        .iter()
                        .map(|header| {
                            let value = String::from_utf8(header.value.to_vec()).unwrap();
                            (header.name.to_owned(), value)
                        })
                        .collect(),
                    body: Vec::new(),
                };
                let length = answer
                    .header("content-length")
                    .map_or(0, |length| length.parse().unwrap());
                while self.unread.len() < head + length {
                    assert_ne!(self.fill(), 0, "the answer broke off in its body");
                }
                answer.body = self.unread[head..head + length].to_vec();
                self.unread.drain(..head + length);
                return answer;
            }
            assert_ne!(self.fill(), 0, "no answer before the end");
        }
    }

    /// Reads the remaining bytes until the server closes the connection.
    fn rest(mut self) -> Vec<u8> {
        // A reset counts as a close.
        let _ = self.stream.read_to_end(&mut self.unread);
        self.unread
    }

    #[track_caller]
    fn post(&mut self, endpoint: &str, body: &Value) -> Answer {
        self.send(post(endpoint, &body.to_string()));
        self.answer()
    }
}

fn post(endpoint: &str, body: &str) -> String {
    format!(
        "POST /api/ingestion/{endpoint} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {API_KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn event(user_id: &str) -> Value {
    json!({ "user_id": user_id, "event": "Sign up", "timestamp": "2024-10-09T13:21:46.182Z" })
}

fn llm_event(prompt: &str) -> Value {
    json!({ "user_id": "u", "prompt": prompt, "generation": "" })
}

fn with(mut record: Value, field: &str, value: Value) -> Value {
    record[field] = value;
    record
}

fn without(mut record: Value, field: &str) -> Value {
    record.as_object_mut().unwrap().remove(field);
    record
}

/// Posts a body with one error, and returns the `loc` and `type` of that error.
#[track_caller]
fn only_error(endpoint: &str, body: &Value) -> (Value, String) {
    let server = Server::start().unwrap();
    let answer = Client::connect(&server).post(endpoint, body);
    assert_eq!(answer.status, 422, "{body}");
    let detail = answer.json()["detail"].clone();
    assert_eq!(detail.as_array().unwrap().len(), 1, "{detail}");
    assert!(detail[0]["msg"].is_string());
    assert_eq!(server.accepted(), 0);
    let kind = detail[0]["type"].as_str().unwrap().to_owned();
    (detail[0]["loc"].clone(), kind)
}

fn an_error(loc: Value, kind: &str) -> (Value, String) {
    (loc, kind.to_owned())
}

fn chunked(chunks: &str) -> String {
    post("publish_events", "").replace("content-length: 0", "transfer-encoding: chunked") + chunks
}
