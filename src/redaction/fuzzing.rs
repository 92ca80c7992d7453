//! The entry point of the target `redaction` in `fuzz/`.

use std::borrow::Cow;

use serde_json::Value;

use super::{PropertyRedaction, REDACTED, Redaction, keys::is_last_of, scan::STEPS};

/// The most looks at each byte, as in the test of the time that texts take, and for short texts.
const MOST_LOOKS: usize = 40;
const LOOKS_AT_ONCE: usize = 1_000;

/// Has a letter and a digit, and no beginning of a word.
const SECRET: &str = "q7Zx81LwPv3Nf5Rk29Ty6Bm4";

/// Forms that a preset promises to find, with `{}` for the secret. Each is a line of its own.
const FORMS: [&str; 24] = [
    "password={}",
    "my password is {}",
    "--token {}",
    "\"apiKey\": \"{}\"",
    "'client_secret': '{}'",
    "<password>{}</password>",
    "Authorization: Bearer {}",
    "authorization: Basic {}",
    "Cookie: session={}",
    "Bearer {}",
    "token => {}",
    "secret := {}",
    "export API_KEY={}",
    "ghp_{}{}",
    "sk-proj-{}",
    "glpat-{}",
    "-----BEGIN PRIVATE KEY-----{}-----END PRIVATE KEY-----",
    "https://ada:{}@example.org/",
    "https://{}@example.org/",
    "https://example.org/?token={}",
    "https://example.org/?a=b&sig={}",
    "https://example.org/#access_token={}",
    "{}@example.org",
    "ada@{}.example.org",
];

/// Redacts a text by the presets that the first byte chooses, and plants a secret in its middle in the form that the
/// second byte chooses. If the text is JSON, redacts it as properties, too.
///
/// # Panics
/// If a second redaction changes something, the bytes are looked at too often, a secret survives, or JSON is broken.
pub fn redact(bytes: &[u8]) {
    let Some(([presets, form], text)) = bytes.split_first_chunk() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let redaction = Redaction {
        credentials: presets & 1 != 0,
        emails: presets & 2 != 0,
        cards: presets & 4 != 0,
        url_secrets: presets & 8 != 0,
        functions: Vec::new(),
    };
    check_text(&redaction, text);
    check_planted(text, FORMS[usize::from(*form) % FORMS.len()]);
    check_card(text);
    check_properties(text);
}

fn check_text(redaction: &Redaction, text: &str) -> String {
    STEPS.set(0);
    let once = redaction.apply(text);
    let looks = STEPS.get();
    let most = MOST_LOOKS * text.len() + LOOKS_AT_ONCE;
    assert!(looks <= most, "{looks} looks at {} bytes", text.len());
    let once = once.into_owned();
    let twice = redaction.apply(&once);
    assert_eq!(twice, once, "{redaction:?}");
    assert!(matches!(twice, Cow::Borrowed(_)), "{once}");
    once
}

/// The secret is on a line of its own, because what stands before it on its line may change its meaning.
fn check_planted(text: &str, form: &str) {
    // A fuzzer learns it, and puts it into other forms.
    if text.contains(SECRET) {
        return;
    }
    let (before, after) = halves(text);
    let planted = form.replace("{}", SECRET);
    let text = format!("{before}\n\n{planted}\n\n{after}");
    let redacted = check_text(&Redaction::all(), &text);
    assert!(!redacted.contains(SECRET), "{redacted}");
}

fn check_card(text: &str) {
    const CARD: &str = "4111111111111111";
    let (before, after) = halves(text);
    let text = format!("{before}\n\n{CARD}\n\n{after}");
    let lines = |text: &str| text.lines().filter(|line| *line == CARD).count();
    let own = lines(before) + lines(after);
    let redacted = Redaction::new().cards().apply(&text);
    assert!(own > 0 || lines(&redacted) == 0, "{redacted}");
}

fn halves(text: &str) -> (&str, &str) {
    let middle = (text.len() / 2..).find(|at| text.is_char_boundary(*at));
    text.split_at(middle.unwrap_or_default())
}

fn check_properties(json: &str) {
    let mut redaction = PropertyRedaction::default();
    redaction.set_texts(Redaction::all());
    redaction.add_keys(Redaction::SECRET_KEYS);
    if serde_json::from_str::<serde::de::IgnoredAny>(json).is_err() {
        return;
    }
    let redacted = redaction.apply(json.as_bytes()).unwrap_or(json.into());
    let text = std::str::from_utf8(&redacted).expect("a text");
    serde_json::from_str::<serde::de::IgnoredAny>(text).expect("JSON");
    let again = redaction.apply(&redacted);
    assert!(again.is_none_or(|again| again == redacted), "{text}");
    if let Ok(value) = serde_json::from_str::<Value>(json) {
        // Of equal keys, the last one counts.
        let expected = redact_value(value);
        assert_eq!(
            serde_json::from_str::<Value>(text).ok(),
            Some(expected),
            "{text}"
        );
    }
}

/// The same, over a parsed value.
fn redact_value(value: Value) -> Value {
    match value {
        Value::String(text) => Redaction::all().apply(&text).into(),
        Value::Array(values) => values.into_iter().map(redact_value).collect(),
        Value::Object(map) => {
            let is_secret = |key: &str| {
                let mut secrets = Redaction::SECRET_KEYS.iter();
                secrets.any(|secret| is_last_of(key, secret))
            };
            let entry = |(key, value): (String, Value)| match is_secret(&key) {
                true => (key, REDACTED.into()),
                false => (key, redact_value(value)),
            };
            Value::Object(map.into_iter().map(entry).collect())
        }
        other => other,
    }
}
