use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{API_KEY, Reply, Server};

/// Far more than any step needs; only a test that fails waits so long.
const LONG: Duration = Duration::from_secs(20);

/// What "at once" may take on a machine that is busy with other tests.
const PROMPT: Duration = Duration::from_secs(5);

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

    /// What is left until the server closes.
    fn rest(mut self) -> Vec<u8> {
        // A reset is an end too.
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

/// The `loc` and `type` of the only complaint about a body.
#[track_caller]
fn complaint(endpoint: &str, body: &Value) -> (Value, String) {
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

fn says(loc: Value, kind: &str) -> (Value, String) {
    (loc, kind.to_owned())
}

mod acceptance {
    use super::*;

    #[test]
    fn records_in_order_are_accepted_and_kept_in_order_of_arrival() {
        let server = Server::start().unwrap();
        let mut client = Client::connect(&server);
        let first = json!([
            event("a"),
            with(event("b"), "properties", json!({ "n": [1, null] }))
        ]);
        let answer = client.post("publish_events", &first);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json(), json!({ "status": "success" }));
        client.post("publish_llm_events", &json!([llm_event("p")]));
        client.post("publish_events", &json!([event("c")]));

        assert_eq!(
            Value::from(server.events()),
            json!([first[0], first[1], event("c")])
        );
        assert_eq!(Value::from(server.llm_events()), json!([llm_event("p")]));
        assert_eq!(server.accepted(), 4);
    }

    #[test]
    fn an_llm_event_with_every_field_is_accepted() {
        let server = Server::start().unwrap();
        let full = json!([{
            "user_id": "u", "prompt": "p\n\"q\"", "generation": "g", "assistant_id": "gpt",
            "thread_id": "t", "latency": 1.5, "timestamp": "2024-10-09T13:21:46+02:00",
            "prompt_event_name": "Ask", "generation_event_name": "Reply", "properties": {},
        }, { "user_id": "u", "prompt": "", "generation": "", "latency": 2 }]);
        let answer = Client::connect(&server).post("publish_llm_events", &full);
        assert_eq!(answer.status, 200);
        assert_eq!(Value::from(server.llm_events()), full);
    }

    #[test]
    fn only_its_own_key_is_accepted() {
        let server = Server::with_api_key("other").unwrap();
        assert_eq!(server.api_key(), "other");
        let mut client = Client::connect(&server);
        let answer = client.post("publish_events", &json!([event("a")]));
        assert_eq!(answer.status, 401);
        assert_eq!(answer.json(), json!({ "detail": "Invalid API key" }));
        client.send(
            post("publish_events", &json!([event("a")]).to_string()).replace(API_KEY, "other"),
        );
        assert_eq!(client.answer().status, 200);
    }

    #[test]
    fn a_missing_key_wrong_path_method_or_type_has_its_own_status() {
        let server = Server::start().unwrap();
        let mut client = Client::connect(&server);
        let good = post("publish_events", &json!([event("a")]).to_string());
        for (from, to, status) in [
            ("x-api-key", "x-other", 401),
            ("/publish_events", "/publish_event", 404),
            ("/publish_events", "//publish_events", 404),
            ("POST", "PUT", 405),
            ("application/json", "text/plain", 415),
            ("content-type", "x-type", 415),
            ("application/json", "Application/JSON; charset=utf-8", 200),
            ("publish_events", "publish_events?a=b", 200),
        ] {
            client.send(good.replace(from, to));
            assert_eq!(client.answer().status, status, "{from} -> {to}");
        }
        let statuses: Vec<_> = server.requests().iter().map(|r| r.status()).collect();
        assert_eq!(statuses.len(), 8);
        assert_eq!(statuses[0], Some(401));
        assert_eq!(server.accepted(), 2);
    }

    #[test]
    fn requests_tell_what_came_and_over_which_connection() {
        let server = Server::start().unwrap();
        let body = json!([event("a")]);
        Client::connect(&server).post("publish_events", &body);
        Client::connect(&server).post("publish_events", &body);
        let requests = server.requests();
        assert_eq!(requests[0].method(), "POST");
        assert_eq!(requests[0].path(), "/api/ingestion/publish_events");
        assert_eq!(requests[0].header("X-Api-Key"), Some(API_KEY));
        assert_eq!(requests[0].header("x-none"), None);
        assert_eq!(requests[0].body(), body.to_string().as_bytes());
        assert_ne!(requests[0].connection(), requests[1].connection());
        assert!(!format!("{requests:?} {server:?}").contains(API_KEY));
    }
}

mod refusal {
    use super::*;

    #[test]
    fn a_record_out_of_order_is_named_by_index_and_field() {
        let event = event("a");
        for (bad, field, kind) in [
            (without(event.clone(), "user_id"), "user_id", "missing"),
            (
                with(event.clone(), "user_id", json!("")),
                "user_id",
                "string_too_short",
            ),
            (
                with(event.clone(), "event", json!("")),
                "event",
                "string_too_short",
            ),
            (
                with(event.clone(), "event", json!(1)),
                "event",
                "string_type",
            ),
            (without(event.clone(), "timestamp"), "timestamp", "missing"),
            (
                with(event.clone(), "timestamp", json!("today")),
                "timestamp",
                "datetime_parsing",
            ),
            (
                with(event.clone(), "timestamp", json!(1)),
                "timestamp",
                "datetime_type",
            ),
            (
                with(event.clone(), "properties", json!(null)),
                "properties",
                "dict_type",
            ),
            (
                with(event.clone(), "properties", json!([])),
                "properties",
                "dict_type",
            ),
            (
                with(event.clone(), "prompt", json!("p")),
                "prompt",
                "extra_forbidden",
            ),
        ] {
            let found = complaint("publish_events", &json!([event, event, bad]));
            assert_eq!(found, says(json!(["body", 2, field]), kind), "{bad}");
        }
    }

    #[test]
    fn an_llm_event_out_of_order_is_named_by_index_and_field() {
        let event = llm_event("p");
        for (bad, field, kind) in [
            (without(event.clone(), "prompt"), "prompt", "missing"),
            (
                without(event.clone(), "generation"),
                "generation",
                "missing",
            ),
            (
                with(event.clone(), "latency", json!("1")),
                "latency",
                "float_type",
            ),
            (
                with(event.clone(), "latency", json!({ "s": 1 })),
                "latency",
                "float_type",
            ),
            (
                with(event.clone(), "latency", json!(null)),
                "latency",
                "float_type",
            ),
            (
                with(event.clone(), "thread_id", json!(null)),
                "thread_id",
                "string_type",
            ),
            (
                with(event.clone(), "timestamp", json!("2024-10-09")),
                "timestamp",
                "datetime_parsing",
            ),
            (
                with(event.clone(), "event", json!("e")),
                "event",
                "extra_forbidden",
            ),
        ] {
            let found = complaint("publish_llm_events", &json!([bad]));
            assert_eq!(found, says(json!(["body", 0, field]), kind), "{bad}");
        }
    }

    #[test]
    fn every_bad_record_of_an_array_is_named() {
        let server = Server::start().unwrap();
        let body = json!([{}, event("a"), 7]);
        let detail = Client::connect(&server)
            .post("publish_events", &body)
            .json();
        assert_eq!(
            detail["detail"],
            json!([
                { "loc": ["body", 0, "user_id"], "msg": "Field required", "type": "missing" },
                { "loc": ["body", 0, "event"], "msg": "Field required", "type": "missing" },
                { "loc": ["body", 0, "timestamp"], "msg": "Field required", "type": "missing" },
                {
                    "loc": ["body", 2],
                    "msg": "Input should be a valid dictionary or object to extract fields from",
                    "type": "model_attributes_type",
                },
            ])
        );
    }

    #[test]
    fn a_body_that_is_no_array_of_1_to_100_is_refused() {
        let array = says(json!(["body"]), "list_type");
        assert_eq!(complaint("publish_events", &event("a")), array);
        assert_eq!(complaint("publish_events", &json!(null)), array);
        assert_eq!(
            complaint("publish_events", &json!([])),
            says(json!(["body"]), "too_short")
        );
        let many = Value::from(vec![event("a"); 101]);
        assert_eq!(
            complaint("publish_events", &many),
            says(json!(["body"]), "too_long")
        );
        let server = Server::start().unwrap();
        let full = Value::from(vec![event("a"); 100]);
        assert_eq!(
            Client::connect(&server)
                .post("publish_events", &full)
                .status,
            200
        );
        assert_eq!(server.accepted(), 100);
    }

    #[test]
    fn a_body_that_is_no_json_is_refused_with_the_offset_of_the_fault() {
        let server = Server::start().unwrap();
        let mut client = Client::connect(&server);
        let deep = "[".repeat(100_000);
        for body in [
            "",
            "[{]",
            "[\n\n {]",
            "[1] 2",
            "[1e999]",
            r#"["\ud800"]"#,
            &deep,
        ] {
            client.send(post("publish_events", body));
            let answer = client.answer();
            assert_eq!(answer.status, 422, "{body}");
            assert_eq!(answer.json()["detail"][0]["type"], "json_invalid");
            assert!(answer.json()["detail"][0]["loc"][1].is_u64());
        }
        client.send(post("publish_events", "[\n\n {]"));
        assert_eq!(
            client.answer().json()["detail"][0]["loc"],
            json!(["body", 5])
        );
    }

    #[test]
    fn of_a_field_given_twice_the_last_value_counts() {
        let server = Server::start().unwrap();
        let mut client = Client::connect(&server);
        let rest = r#""event":"e","timestamp":"2024-10-09T13:21:46Z""#;
        client.send(post(
            "publish_events",
            &format!(r#"[{{"user_id":1,"user_id":"a",{rest}}}]"#),
        ));
        assert_eq!(client.answer().status, 200);
        client.send(post(
            "publish_events",
            &format!(r#"[{{"user_id":"a","user_id":1,{rest}}}]"#),
        ));
        assert_eq!(client.answer().status, 422);
    }

    #[test]
    fn refuse_takes_the_whole_array_down_and_names_the_bad_records() {
        let server = Server::start().unwrap();
        server.refuse(|record| record["user_id"] == "bad");
        let mut client = Client::connect(&server);
        let body = json!([event("a"), event("bad"), event("b"), event("bad")]);
        let answer = client.post("publish_events", &body);
        assert_eq!(answer.status, 422);
        let detail = answer.json()["detail"].clone();
        assert_eq!(detail[0]["loc"], json!(["body", 1]));
        assert_eq!(detail[1]["loc"], json!(["body", 3]));
        assert_eq!(server.accepted(), 0);

        server.name_indexes(false);
        let answer = client.post("publish_events", &body);
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (422, &b"Unprocessable"[..])
        );

        assert_eq!(
            client.post("publish_events", &json!([event("a")])).status,
            200
        );
        server.refuse(|_| false);
        assert_eq!(client.post("publish_events", &body).status, 200);
    }

    #[test]
    fn a_body_over_the_limit_is_read_to_its_end_and_refused() {
        let server = Server::start().unwrap();
        server.body_limit(1000);
        let mut client = Client::connect(&server);
        client.send(post("publish_events", &"x".repeat(3_000_000)));
        assert_eq!(client.answer().status, 413);
        let chunks = format!("400\r\n{}\r\n0\r\n\r\n", "x".repeat(0x400));
        client.send(chunked(&chunks));
        assert_eq!(client.answer().status, 413);
        assert_eq!(
            client.post("publish_events", &json!([event("a")])).status,
            200
        );
        assert_eq!(server.requests()[0].body(), b"");
    }
}

fn chunked(chunks: &str) -> String {
    post("publish_events", "").replace("content-length: 0", "transfer-encoding: chunked") + chunks
}

mod scripts {
    use super::*;

    #[test]
    fn replies_come_in_order_and_then_the_server_judges_again() {
        let server = Server::start().unwrap();
        server.script([
            Reply::status(503).header("retry-after", "7"),
            Reply::accept(),
        ]);
        server.script([Reply::status(429).body("slow down")]);
        let mut client = Client::connect(&server);
        let body = json!([event("a")]);
        let first = client.post("publish_events", &body);
        assert_eq!(
            (first.status, first.header("retry-after")),
            (503, Some("7"))
        );
        assert_eq!(client.post("publish_events", &body).status, 200);
        let third = client.post("publish_events", &body);
        assert_eq!(
            (third.status, third.body.as_slice()),
            (429, &b"slow down"[..])
        );
        assert_eq!(client.post("publish_events", &body).status, 200);
        assert_eq!(server.accepted(), 2);
    }

    #[test]
    fn an_accepting_reply_still_checks_the_request() {
        let server = Server::start().unwrap();
        server.script([Reply::accept().header("x-mark", "1"), Reply::accept()]);
        let mut client = Client::connect(&server);
        let answer = client.post("publish_events", &json!([{}]));
        assert_eq!((answer.status, answer.header("x-mark")), (422, Some("1")));
    }

    #[test]
    fn only_a_2xx_status_accepts_records() {
        let server = Server::start().unwrap();
        server.script([202, 204, 302, 401, 500].map(Reply::status));
        let mut client = Client::connect(&server);
        for status in [202, 204, 302, 401, 500] {
            let answer = client.post("publish_events", &json!([event("a"), {}]));
            assert_eq!(answer.status, status);
        }
        assert_eq!(server.accepted(), 4);
        assert_eq!(server.events().len(), 4);
    }

    #[test]
    fn an_unavailable_server_answers_503_and_keeps_the_script() {
        let server = Server::start().unwrap();
        server.script([Reply::status(418)]);
        server.set_unavailable(true);
        let mut client = Client::connect(&server);
        assert_eq!(
            client.post("publish_events", &json!([event("a")])).status,
            503
        );
        server.set_unavailable(false);
        assert_eq!(
            client.post("publish_events", &json!([event("a")])).status,
            418
        );
        assert_eq!(
            client.post("publish_events", &json!([event("a")])).status,
            200
        );
    }

    #[test]
    fn a_closed_request_gets_no_byte_and_is_listed_without_a_status() {
        let server = Server::start().unwrap();
        server.script([Reply::close()]);
        let mut client = Client::connect(&server);
        client.send(post("publish_events", &json!([event("a")]).to_string()));
        assert_eq!(client.rest(), b"");
        let requests = server.requests();
        assert_eq!((requests.len(), requests[0].status()), (1, None));
        assert_eq!(server.accepted(), 0);
    }

    #[test]
    fn a_reply_can_be_followed_by_an_unannounced_close() {
        let server = Server::start().unwrap();
        server.script([Reply::accept().close_after()]);
        let mut client = Client::connect(&server);
        let answer = client.post("publish_events", &json!([event("a")]));
        assert_eq!((answer.status, answer.header("connection")), (200, None));
        assert_eq!(client.rest(), b"");
    }

    #[test]
    fn raw_bytes_are_sent_as_they_are() {
        let server = Server::start().unwrap();
        server.script([Reply::raw("garbage\0").close_after()]);
        let mut client = Client::connect(&server);
        client.send(post("publish_events", "[]"));
        assert_eq!(client.rest(), b"garbage\0");
    }

    #[test]
    fn a_dripped_answer_arrives_whole() {
        let server = Server::start().unwrap();
        server.script([Reply::accept().drip(Duration::from_micros(10))]);
        let mut client = Client::connect(&server);
        let answer = client.post("publish_events", &json!([event("a")]));
        assert_eq!(answer.json(), json!({ "status": "success" }));
    }

    #[test]
    fn latency_and_delay_add_up() {
        let server = Server::start().unwrap();
        server.latency(Duration::from_millis(20));
        server.script([Reply::accept().delay(Duration::from_millis(30))]);
        let begin = Instant::now();
        Client::connect(&server).post("publish_events", &json!([event("a")]));
        assert!(begin.elapsed() >= Duration::from_millis(50));
    }
}

mod endings {
    use super::*;

    #[track_caller]
    fn drops_promptly(server: Server) {
        let begin = Instant::now();
        drop(server);
        assert!(begin.elapsed() < PROMPT, "{:?}", begin.elapsed());
    }

    #[test]
    fn a_drop_is_prompt_with_idle_and_half_sent_connections() {
        let server = Server::start().unwrap();
        let idle = Client::connect(&server);
        let mut used = Client::connect(&server);
        used.post("publish_events", &json!([event("a")]));
        let mut half = Client::connect(&server);
        half.send("POST /api");
        drops_promptly(server);
        assert_eq!(idle.rest(), b"");
        assert_eq!(used.rest(), b"");
    }

    #[test]
    fn a_drop_is_prompt_while_replies_hang_drip_or_are_delayed() {
        let server = Server::start().unwrap();
        server.script([
            Reply::hang(),
            Reply::accept().delay(Duration::MAX),
            Reply::accept().drip(Duration::MAX),
            Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{"),
        ]);
        let clients = [(); 4].map(|()| {
            let mut client = Client::connect(&server);
            client.send(post("publish_events", &json!([event("a")]).to_string()));
            client
        });
        let requests = server.wait_for_requests(4, LONG).unwrap();
        let unanswered = requests.iter().filter(|r| r.status().is_none());
        assert_eq!(unanswered.count(), 2);
        drops_promptly(server);
        for client in clients {
            assert!(client.rest().len() < 50);
        }
    }

    #[test]
    fn a_drop_is_prompt_while_a_client_reads_nothing() {
        let server = Server::start().unwrap();
        server.script([Reply::status(200).body(vec![b'x'; 50_000_000])]);
        let mut client = Client::connect(&server);
        client.send(post("publish_events", "[]"));
        server.wait_for_requests(1, LONG).unwrap();
        drops_promptly(server);
    }

    #[test]
    fn a_hanging_reply_ends_when_the_client_goes_away() {
        let server = Server::start().unwrap();
        server.script([Reply::hang()]);
        let mut client = Client::connect(&server);
        client.send(post("publish_events", "[]"));
        client.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.rest(), b"");
    }

    #[test]
    fn a_wait_returns_once_enough_records_were_accepted() {
        let server = Server::start().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = Client::connect(&server);
                client.post("publish_events", &json!([event("a")]));
                client.post(
                    "publish_llm_events",
                    &json!([llm_event("p"), llm_event("q")]),
                );
            });
            let records = server.wait_for(3, LONG).unwrap();
            let all = json!([event("a"), llm_event("p"), llm_event("q")]);
            assert_eq!(Value::from(records), all);
        });
    }

    #[test]
    fn a_wait_that_is_over_says_how_many_there_were() {
        let server = Server::start().unwrap();
        Client::connect(&server).post("publish_events", &json!([event("a")]));
        let error = server.wait_for(3, Duration::from_millis(5)).unwrap_err();
        assert_eq!(error.arrived(), 1);
        assert_eq!(error.to_string(), "waited 5ms for 3 records, 1 arrived");
        let error = server.wait_for_requests(2, Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "waited 0ns for 2 requests, 1 arrived");
    }
}

mod wire {
    use super::*;

    #[test]
    fn a_connection_is_kept_until_the_client_asks_for_its_end() {
        let server = Server::start().unwrap();
        let mut client = Client::connect(&server);
        let good = post("publish_events", &json!([event("a")]).to_string());
        client.send(&good);
        assert_eq!(client.answer().header("connection"), None);
        client.send(good.replace("host:", "connection: close\r\nhost:"));
        assert_eq!(client.answer().header("connection"), Some("close"));
        assert_eq!(client.rest(), b"");
        let mut old = Client::connect(&server);
        old.send(good.replace("HTTP/1.1", "HTTP/1.0"));
        assert_eq!(old.answer().header("connection"), Some("close"));
        assert_eq!(old.rest(), b"");
        let requests = server.requests();
        assert_eq!(requests[0].connection(), requests[1].connection());
    }

    #[test]
    fn a_chunked_body_is_put_together() {
        let server = Server::start().unwrap();
        let mut client = Client::connect(&server);
        let body = json!([event("a")]).to_string();
        let (one, two) = body.split_at(11);
        let chunks = format!(
            "b;x=y\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\nx-trailer: 1\r\n\r\n",
            two.len()
        );
        client.send(chunked(&chunks));
        assert_eq!(client.answer().status, 200);
        assert_eq!(server.requests()[0].body(), body.as_bytes());
        assert_eq!(
            client.post("publish_events", &json!([event("b")])).status,
            200
        );
    }

    #[test]
    fn a_client_that_waits_to_be_told_is_told_to_continue() {
        let server = Server::start().unwrap();
        let mut client = Client::connect(&server);
        let body = json!([event("a")]).to_string();
        let request =
            post("publish_events", &body).replace("host:", "expect: 100-continue\r\nhost:");
        let (head, body) = request.split_at(request.len() - body.len());
        client.send(head);
        assert_eq!(client.answer().status, 100);
        client.send(body);
        assert_eq!(client.answer().status, 200);
    }

    #[test]
    fn requests_sent_in_one_go_are_answered_one_by_one() {
        let server = Server::start().unwrap();
        let mut client = Client::connect(&server);
        let good = post("publish_events", &json!([event("a")]).to_string());
        client.send(format!("{good}\r\n{good}{}", post("publish_events", "[]")));
        let statuses = [(); 3].map(|()| client.answer().status);
        assert_eq!(statuses, [200, 200, 422]);
    }

    #[test]
    fn garbage_gets_a_400_and_the_end_of_the_connection() {
        let server = Server::start().unwrap();
        let good = post("publish_events", &json!([event("a")]).to_string());
        let length = "content-length: ";
        for garbage in [
            "\0\u{1}\u{2}\r\n\r\n".to_owned(),
            "GET\r\n\r\n".to_owned(),
            format!("{good}\u{16}\u{3}\u{1}\n\n{good}"),
            post("publish_events", "").replace("content-length: 0", "content-length: -1"),
            post("publish_events", "").replace("content-length: 0", "content-length: +1"),
            good.replace(length, "content-length: 1\r\ncontent-length: "),
            good.replace(length, "transfer-encoding: chunked\r\ncontent-length: "),
            good.replace(length, "transfer-encoding: gzip\r\nx: "),
            good.replace("host:", "host"),
            chunked("nonsense\r\n"),
            chunked("3\r\nabcd\r\n"),
        ] {
            let mut client = Client::connect(&server);
            client.send(&garbage);
            let mut answer = client.answer();
            if answer.status == 200 {
                answer = client.answer();
            }
            assert_eq!(answer.status, 400, "{garbage:?}");
            assert_eq!(answer.header("connection"), Some("close"));
            assert_eq!(client.rest(), b"");
        }
        let mut client = Client::connect(&server);
        client.send(vec![b'x'; 100_000]);
        assert_eq!(client.answer().status, 431);

        let mut client = Client::connect(&server);
        client.send("POST /api/inge");
        client.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.answer().status, 400);
        assert_eq!(
            Client::connect(&server)
                .post("publish_events", &json!([event("a")]))
                .status,
            200
        );
    }

    #[test]
    fn a_body_that_breaks_off_leaves_no_request() {
        let server = Server::start().unwrap();
        let mut client = Client::connect(&server);
        let good = post("publish_events", &json!([event("a")]).to_string());
        client.send(&good[..good.len() - 1]);
        client.stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.rest(), b"");
        assert_eq!(server.requests().len(), 0);
    }
}
