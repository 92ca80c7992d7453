//! What an answer means. Pure: a response goes in, a [`Verdict`] comes out.

use std::{fmt, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use crate::transport::Response;

/// What to do with the records of a request after its answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// The server has them.
    Delivered,
    /// Try again, no sooner than the server asks for; without a refusal, it did not answer.
    Later {
        after: Option<Duration>,
        refusal: Option<Refusal>,
    },
    /// Some of them are bad, perhaps these; the server took none.
    Invalid { bad: Vec<usize>, refusal: Refusal },
    /// Too much in one request.
    TooLarge { refusal: Refusal },
    /// The key is wrong.
    Unauthorized { refusal: Refusal },
    /// Refused for good.
    Rejected { refusal: Refusal },
}

impl Verdict {
    /// What no answer means.
    pub(crate) const NO_ANSWER: Self = Self::Later {
        after: None,
        refusal: None,
    };

    /// Why the server did not take the records, and whether it may later.
    pub(crate) fn refusal(&self) -> Option<(&Refusal, bool)> {
        match self {
            Self::Delivered => None,
            Self::Later { refusal, .. } => refusal.as_ref().map(|refusal| (refusal, true)),
            Self::Invalid { refusal, .. }
            | Self::TooLarge { refusal }
            | Self::Unauthorized { refusal }
            | Self::Rejected { refusal } => Some((refusal, false)),
        }
    }
}

/// A status that is no success, and the server's own words about it.
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

/// Long enough to say what is wrong, short enough for a log line of the caller's own.
const MAX_DETAIL_CHARS: usize = 300;

/// A longer `Retry-After` than any date or number of seconds is no such thing, and is not parsed.
const MAX_RETRY_AFTER_BYTES: usize = 64;

/// Reads an answer. `now` is used where the server sends a date to wait for but no date of its own; `api_key` is cut
/// out of the server's words should they repeat it.
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
        },
        400 | 422 => Verdict::Invalid {
            bad: detail.as_ref().map(bad_indexes).unwrap_or_default(),
            refusal,
        },
        413 => Verdict::TooLarge { refusal },
        401 | 403 => Verdict::Unauthorized { refusal },
        _ => Verdict::Rejected { refusal },
    }
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

/// The server's words: a text, or FastAPI's list of `loc` and `msg`. Its `input` is left out, since it repeats what the
/// user sent.
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

/// A shorter key is one that somebody made up, and likely to be part of a word.
const LEAST_SECRET: usize = 8;

fn bounded(words: &str, api_key: &str) -> String {
    let words = if api_key.len() < LEAST_SECRET {
        words.to_owned()
    } else {
        words.replace(api_key, "[api key]")
    };
    let mut words: String = words
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .collect();
    if let Some((cut, _)) = words.char_indices().nth(MAX_DETAIL_CHARS) {
        words.truncate(cut);
        words.push('…');
    }
    words
}

/// The records that FastAPI names: `loc` is `["body", index, field]`.
fn bad_indexes(detail: &Value) -> Vec<usize> {
    let Value::Array(problems) = detail else {
        return Vec::new();
    };
    let index = |problem: &Value| {
        let place = problem.get("loc")?;
        // Where the body as a whole is no JSON, the number is a position in the text.
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

/// `Retry-After` as seconds or as an HTTP date. A date is taken against the server's own clock where it tells it, since
/// ours may be wrong.
fn retry_after(response: &Response, now: OffsetDateTime) -> Option<Duration> {
    let value = response.header("retry-after")?.trim();
    if value.len() > MAX_RETRY_AFTER_BYTES {
        return None;
    }
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = http_date(value)?;
    let now = response.header("date").and_then(http_date).unwrap_or(now);
    Some(Duration::try_from(until - now).unwrap_or_default())
}

fn http_date(value: &str) -> Option<OffsetDateTime> {
    if value.len() > MAX_RETRY_AFTER_BYTES {
        return None;
    }
    OffsetDateTime::parse(value.trim(), &Rfc2822).ok()
}

#[cfg(test)]
mod tests;
