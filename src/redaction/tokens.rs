//! Tokens that can be known without a name in front of them: by their prefix, as a JSON Web Token, or by `Bearer`.

use std::ops::Range;

use super::scan::{byte_at, is_mixed, is_word, run_end};

/// How the text after a prefix is to look.
#[derive(Clone, Copy, PartialEq)]
enum Rest {
    /// At least this many letters, digits, `_` and `-`; only tokens have the prefix.
    Any(usize),
    /// The same, and a run of [`RANDOM_RUN`] letters and digits among them: words have the prefix, too.
    Random(usize),
    /// This many capitals and digits, and nothing else.
    Capitals(usize),
    /// At least this many, with dots among them.
    Dotted(usize),
}

/// The prefixes of services whose tokens are often seen in the texts of developers.
const PREFIXES: [(&str, Rest); 54] = [
    ("sk-", Rest::Random(20)),   // OpenAI, Anthropic, OpenRouter, DeepSeek
    ("sk_live_", Rest::Any(16)), // Stripe
    ("sk_test_", Rest::Any(16)),
    ("rk_live_", Rest::Any(16)),
    ("rk_test_", Rest::Any(16)),
    ("whsec_", Rest::Any(24)),
    ("ghp_", Rest::Any(30)), // GitHub
    ("gho_", Rest::Any(30)),
    ("ghu_", Rest::Any(30)),
    ("ghs_", Rest::Any(30)),
    ("ghr_", Rest::Any(30)),
    ("github_pat_", Rest::Any(30)),
    ("glpat-", Rest::Any(18)), // GitLab
    ("gldt-", Rest::Any(18)),
    ("glrt-", Rest::Any(18)),
    ("glptt-", Rest::Any(18)),
    ("xoxb-", Rest::Any(16)), // Slack
    ("xoxp-", Rest::Any(16)),
    ("xoxa-", Rest::Any(16)),
    ("xoxr-", Rest::Any(16)),
    ("xoxs-", Rest::Any(16)),
    ("xapp-", Rest::Any(16)),
    ("AKIA", Rest::Capitals(16)), // Amazon
    ("ASIA", Rest::Capitals(16)),
    ("ABSK", Rest::Random(40)),
    ("AIza", Rest::Any(30)), // Google
    ("GOCSPX-", Rest::Any(20)),
    ("ya29.", Rest::Dotted(20)),
    ("xai-", Rest::Random(20)),     // xAI
    ("gsk_", Rest::Random(20)),     // Groq
    ("pplx-", Rest::Random(20)),    // Perplexity
    ("nvapi-", Rest::Random(20)),   // NVIDIA
    ("r8_", Rest::Random(20)),      // Replicate
    ("hf_", Rest::Random(20)),      // Hugging Face
    ("tvly-", Rest::Random(16)),    // Tavily
    ("lsv2_pt_", Rest::Random(20)), // LangSmith
    ("sk_lf_", Rest::Random(20)),
    ("pcsk_", Rest::Random(20)),  // Pinecone
    ("npm_", Rest::Random(30)),   // npm
    ("pypi-", Rest::Random(50)),  // PyPI
    ("cio", Rest::Random(32)),    // crates.io
    ("dckr_pat_", Rest::Any(20)), // Docker
    ("dop_v1_", Rest::Any(40)),   // DigitalOcean
    ("shpat_", Rest::Any(24)),    // Shopify
    ("shpss_", Rest::Any(24)),
    ("SG.", Rest::Dotted(40)),           // SendGrid
    ("key-", Rest::Random(32)),          // Mailgun
    ("lin_api_", Rest::Any(30)),         // Linear
    ("glsa_", Rest::Any(30)),            // Grafana
    ("sntrys_", Rest::Any(30)),          // Sentry
    ("hvs.", Rest::Dotted(20)),          // Vault
    ("phx_", Rest::Any(30)),             // PostHog
    ("PMAK-", Rest::Any(30)),            // Postman
    ("AGE-SECRET-KEY-1", Rest::Any(40)), // age
];

/// The shortest run of word bytes that can be a token without a dot: `AKIA` and 16 capitals.
const SHORTEST_RUN: usize = 20;

/// The base64 of `{"`, with which the first part of a JSON Web Token begins.
const WEB_TOKEN: &str = "eyJ";

/// The shortest first part of a JSON Web Token.
const WEB_TOKEN_HEADER: usize = 12;

/// Words are seldom that long, and have no digits.
const RANDOM_RUN: usize = 12;

/// The shortest token after `Bearer` or `Basic`: the words are also used without one.
const BEARER_TOKEN: usize = 16;

/// The tokens in the text, in order.
pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'\\' {
            // A line break in JSON that is a text: the token in `\nghp_..` has no letter before it.
            at += 1 + usize::from(bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase));
        } else if is_word(*byte) {
            let end = run_end(text, at, is_word);
            let token = token_in(text, at..end);
            at = token.as_ref().map_or(end, |token| token.end);
            found.extend(token);
        } else {
            at += 1;
        }
    }
    found
}

/// The token that begins with this run of word bytes, or after it if the run is `Bearer`.
fn token_in(text: &str, run: Range<usize>) -> Option<Range<usize>> {
    let start = run_end(text, run.start, |byte| matches!(byte, b'-' | b'_')).min(run.end);
    let word = &text[start..run.end];
    match word.as_bytes().first()?.to_ascii_lowercase() {
        b'b' if is_scheme(word) => after_scheme(text, run.end),
        b'e' if word.starts_with(WEB_TOKEN) => web_token(text, start, run.end),
        _ => known(text, start, run.end),
    }
}

fn known(text: &str, start: usize, end: usize) -> Option<Range<usize>> {
    // Most words are out after this.
    if end - start < SHORTEST_RUN && byte_at(text, end) != Some(b'.') {
        return None;
    }
    let rest = &text[start..];
    let (prefix, expected) = PREFIXES
        .iter()
        .find(|(prefix, _)| rest.starts_with(prefix))?;
    let expected = *expected;
    let dotted_end;
    let (end, is_token) = match expected {
        Rest::Dotted(least) => {
            dotted_end = parts_end(text, end);
            (dotted_end, dotted_end >= start + prefix.len() + least)
        }
        Rest::Any(least) => (
            end,
            end >= start + prefix.len() + least && is_mixed(&text[start..end]),
        ),
        Rest::Random(least) => {
            let rest = text.get(start + prefix.len()..end)?;
            (end, rest.len() >= least && has_random_run(rest))
        }
        Rest::Capitals(count) => {
            let is_capital = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
            let token = &text[start..end];
            let is_token = token.len() == prefix.len() + count && token.bytes().all(is_capital);
            (end, is_token)
        }
    };
    is_token.then_some(start..end)
}

fn has_random_run(rest: &str) -> bool {
    rest.split(['-', '_'])
        .any(|run| run.len() >= RANDOM_RUN && is_mixed(run))
}

/// Three parts or five, with dots between them; the last may be empty.
fn web_token(text: &str, start: usize, end: usize) -> Option<Range<usize>> {
    let is_header = end - start >= WEB_TOKEN_HEADER && byte_at(text, end) == Some(b'.');
    let payload_end = run_end(text, (end + 1).min(text.len()), is_word);
    let is_token = is_header && payload_end > end + 1 && byte_at(text, payload_end) == Some(b'.');
    is_token.then(|| start..parts_end(text, payload_end))
}

/// The end of the word bytes from here on, with single dots between them.
fn parts_end(text: &str, start: usize) -> usize {
    let mut end = run_end(text, start, is_word);
    while byte_at(text, end) == Some(b'.') && byte_at(text, end + 1).is_some_and(is_word) {
        end = run_end(text, end + 1, is_word);
    }
    end
}

fn is_scheme(word: &str) -> bool {
    word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic")
}

/// The token after `Bearer` or `Basic`.
fn after_scheme(text: &str, scheme_end: usize) -> Option<Range<usize>> {
    // Without a blank, this is a part of a longer text, which may have many of these words.
    let start = scheme_end + 1;
    if byte_at(text, scheme_end) != Some(b' ') {
        return None;
    }
    let end = run_end(text, start, |byte| {
        is_word(byte) || b".~+/=".contains(&byte)
    });
    let token = text[start..end].trim_end_matches('.');
    let is_token = token.len() >= BEARER_TOKEN && is_mixed(token);
    is_token.then_some(start..start + token.len())
}
