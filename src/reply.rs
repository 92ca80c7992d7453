//! Judges responses: a response goes in, a [`Verdict`] comes out. It does no I/O.

use std::{fmt, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use crate::transport::Response;

/// What the response means for the records of its request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// The server has accepted them.
    Delivered,
    /// They are to be sent again, not before the time that the server asks for. Without a refusal there was no
    /// response.
    Later {
        after: Option<Duration>,
        refusal: Option<Refusal>,
        body: BodySent,
    },
    /// Some of them are bad, perhaps those at these indexes. The server accepted none.
    Invalid { bad: Vec<usize>, refusal: Refusal },
    /// The body is too large.
    TooLarge { refusal: Refusal },
    /// The key is missing or wrong.
    Unauthorized { refusal: Refusal },
    /// The server refuses the request for another reason, which will not pass.
    Rejected { refusal: Refusal },
}

/// How much of a request's body the server is known to have, if it is to be sent again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum BodySent {
    /// The request may have failed before its body was on its way.
    Unknown,
    /// All of it.
    Whole,
    /// The connection was lost while the body was on its way.
    Lost,
    /// The time ran out while the body was on its way.
    TimedOut,
}

impl Verdict {
    /// The verdict on a request without a response.
    pub(crate) const NO_ANSWER: Self = Self::Later {
        after: None,
        refusal: None,
        body: BodySent::Unknown,
    };

    /// Returns why the server did not accept the records, and what is at fault.
    pub(crate) fn refusal(&self) -> Option<(&Refusal, Fault)> {
        match self {
            Self::Delivered => None,
            Self::Later { refusal, .. } => Some((refusal.as_ref()?, Fault::Moment)),
            Self::Invalid { refusal, .. } | Self::TooLarge { refusal } => {
                Some((refusal, Fault::Record))
            }
            Self::Unauthorized { refusal } | Self::Rejected { refusal } => {
                Some((refusal, Fault::Request))
            }
        }
    }
}

/// What a refusal is due to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// Another attempt may succeed later.
    Moment,
    Record,
    /// The key, the host, or something on the way.
    Request,
}

/// A status other than success, and the server's own words about it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) detail: Option<String>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        match &self.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

/// Long enough to name the problem, short enough for a log line of the caller's own.
const MAX_DETAIL_CHARS: usize = 300;

/// Longer values of `Retry-After` are not parsed: no date and no sensible number is as long.
const MAX_RETRY_AFTER_BYTES: usize = 64;

/// Judges a response.
///
/// `now` serves when the server sends a date to wait for but no date of its own. The `api_key` is removed from the
/// server's words.
pub(crate) fn judge(response: &Response, now: OffsetDateTime, api_key: &str) -> Verdict {
    let status = response.status();
    if (200..300).contains(&status) {
        return Verdict::Delivered;
    }
    let detail: Option<Value> = serde_json::from_slice(response.body())
        .ok()
        .and_then(|body: ErrorBody| body.detail);
    let words = detail
        .as_ref()
        .and_then(words)
        .map(|words| bounded(&words, api_key));
    let refusal = Refusal {
        status,
        detail: words,
    };
    match status {
        408 | 425 | 429 | 500..600 => Verdict::Later {
            after: retry_after(response, now),
            refusal: Some(refusal),
            body: BodySent::Whole,
        },
        400 | 422 if !is_page(response) => Verdict::Invalid {
            bad: detail.as_ref().map(bad_indexes).unwrap_or_default(),
            refusal,
        },
        413 => Verdict::TooLarge { refusal },
        401 | 403 => Verdict::Unauthorized { refusal },
        _ => Verdict::Rejected { refusal },
    }
}

/// Whether the response is a page for a browser. A proxy sends one, and has not read the records.
fn is_page(response: &Response) -> bool {
    let kind = response.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("text/html")
}

#[derive(Default)]
struct ErrorBody {
    detail: Option<Value>,
}

impl<'de> Deserialize<'de> for ErrorBody {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut body = serde_json::Map::deserialize(deserializer)?;
        Ok(Self {
            detail: body.remove("detail"),
        })
    }
}

/// Reads the server's words: a text, or FastAPI's list of `loc` and `msg`. Its `input` is left out because it repeats
/// the user's words.
fn words(detail: &Value) -> Option<String> {
    match detail {
        Value::String(text) => Some(text.clone()),
        Value::Array(problems) => {
            let problems: Vec<_> = problems.iter().filter_map(problem).collect();
            (!problems.is_empty()).then(|| problems.join("; "))
        }
        _ => None,
    }
}

fn problem(problem: &Value) -> Option<String> {
    let message = problem.get("msg")?.as_str()?;
    let place: Vec<_> = match problem.get("loc") {
        Some(Value::Array(path)) => path
            .iter()
            .map(|step| step.to_string().replace('"', ""))
            .collect(),
        _ => Vec::new(),
    };
    Some(if place.is_empty() {
        message.to_owned()
    } else {
        format!("{}: {message}", place.join("."))
    })
}

/// Shorter keys are made up for tests, and are likely to be part of a word.
const LEAST_SECRET: usize = 8;

fn bounded(words: &str, api_key: &str) -> String {
    let mut words = words.replace(char::is_control, " ");
    if api_key.len() >= LEAST_SECRET {
        words = words.replace(api_key, "[api key]");
    }
    if let Some((cut, _)) = words.char_indices().nth(MAX_DETAIL_CHARS) {
        words.truncate(cut);
        words.push('…');
    }
    words
}

/// Reads the indexes of the records that FastAPI names: `loc` is `["body", index, field]`.
fn bad_indexes(detail: &Value) -> Vec<usize> {
    let Value::Array(problems) = detail else {
        return Vec::new();
    };
    let index = |problem: &Value| {
        let place = problem.get("loc")?;
        // If the body as a whole is not JSON, the number is a position in the text.
        let is_record = place.get(0)? == "body"
            && problem
                .get("type")
                .is_none_or(|kind| kind != "json_invalid");
        is_record
            .then(|| usize::try_from(place.get(1)?.as_u64()?).ok())
            .flatten()
    };
    let mut indexes: Vec<_> = problems.iter().filter_map(index).collect();
    indexes.sort_unstable();
    indexes.dedup();
    indexes
}

/// Reads `Retry-After`, which is a number of seconds or an HTTP date. A date is compared with the server's own date if
/// there is one, because the clock of this machine may be wrong.
fn retry_after(response: &Response, now: OffsetDateTime) -> Option<Duration> {
    let value = response.header("retry-after")?.trim();
    if value.len() > MAX_RETRY_AFTER_BYTES {
        return None;
    }
    if let Some(seconds) = seconds(value) {
        return Some(Duration::from_secs(seconds));
    }
    let until = http_date(value)?;
    let now = response.header("date").and_then(http_date).unwrap_or(now);
    Some(Duration::try_from(until - now).unwrap_or_default())
}

/// Reads a decimal number and rounds it up. HTTP allows whole seconds only, but some servers send fractions.
fn seconds(value: &str) -> Option<u64> {
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let whole: u64 = whole.parse().unwrap_or(u64::MAX);
    let has_rest = fraction.bytes().any(|digit| digit != b'0');
    Some(whole.saturating_add(has_rest.into()))
}

fn http_date(value: &str) -> Option<OffsetDateTime> {
    if value.len() > MAX_RETRY_AFTER_BYTES {
        return None;
    }
    OffsetDateTime::parse(value.trim(), &Rfc2822).ok()
}

#[cfg(test)]
mod tests;
