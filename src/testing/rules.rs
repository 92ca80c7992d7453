//! Judges a request, with the order of checks and the error bodies of the real service.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Value, json};

use super::{
    ReceivedRequest,
    endpoint::Endpoint,
    service::Settings,
    validation::{ValidationError, parse, validate},
};

/// The records that an answer accepts.
#[derive(Clone, Copy)]
pub(super) struct Accepted {
    pub(super) endpoint: Endpoint,
    pub(super) records: usize,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
    pub(super) accepted: Option<Accepted>,
}

impl Answer {
    pub(super) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            accepted: None,
        }
    }

    /// An error with a body as FastAPI writes it.
    pub(super) fn detail(status: u16, detail: impl Into<Value>) -> Self {
        let body = json!({ "detail": detail.into() }).to_string().into_bytes();
        Self {
            body,
            ..Self::empty(status)
        }
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Returns the answer to a request that is not scripted.
pub(super) fn judge(request: &ReceivedRequest, api_key: &str, settings: &Settings) -> Answer {
    let Some(endpoint) = Endpoint::of(request.head.path()) else {
        return Answer::detail(404, "Not Found");
    };
    if request.method() != "POST" {
        return Answer::detail(405, "Method Not Allowed").header("allow", "POST");
    }
    if !is_json(request.header("content-type")) {
        return Answer::detail(415, "Unsupported Media Type");
    }
    let key_fits = request
        .header("x-api-key")
        .is_some_and(|key| key == api_key || (settings.any_api_key && !key.is_empty()));
    if !key_fits {
        return Answer::detail(401, "Invalid API key");
    }
    let records = match validate(endpoint, request.body()) {
        Ok(records) => records,
        Err(errors) => return unprocessable(&errors, settings),
    };
    if let Some(is_bad) = &settings.is_bad {
        // A panic of the test's own condition costs this request, not the connection.
        match catch_unwind(AssertUnwindSafe(|| refused(&records, &**is_bad))) {
            Ok(errors) if errors.is_empty() => {}
            Ok(errors) => return unprocessable(&errors, settings),
            Err(_) => return Answer::detail(500, "Internal Server Error"),
        }
    }
    Answer {
        body: br#"{"status":"success"}"#.to_vec(),
        accepted: Some(Accepted {
            endpoint,
            records: records.len(),
        }),
        ..Answer::empty(200)
    }
}

/// Returns the answer to a request whose body is longer than the limit.
pub(super) fn too_large() -> Answer {
    Answer::detail(413, "Request body too large")
}

/// Returns the answer with a scripted status. A 2xx accepts the records without further checks.
pub(super) fn scripted(request: &ReceivedRequest, status: u16) -> Answer {
    let mut answer = Answer::empty(status);
    if let (200..300, Some(endpoint), Ok(Value::Array(records))) = (
        status,
        Endpoint::of(request.head.path()),
        parse(request.body()),
    ) {
        answer.accepted = Some(Accepted {
            endpoint,
            records: records.len(),
        });
    }
    answer
}

fn is_json(content_type: Option<&str>) -> bool {
    content_type
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn refused(records: &[Value], is_bad: &dyn Fn(&Value) -> bool) -> Vec<ValidationError> {
    let bad = records
        .iter()
        .enumerate()
        .filter(|(_, record)| is_bad(record));
    bad.map(|(index, _)| {
        let loc = json!(["body", index]);
        ValidationError::new(loc, "Value error, refused by the test", "value_error")
    })
    .collect()
}

fn unprocessable(errors: &[ValidationError], settings: &Settings) -> Answer {
    if settings.hides_details {
        return Answer {
            body: b"Unprocessable".to_vec(),
            ..Answer::empty(422).header("content-type", "text/plain")
        };
    }
    let detail: Vec<Value> = errors.iter().map(ValidationError::to_json).collect();
    Answer::detail(422, detail)
}
