use serde_json::json;

use super::*;
use crate::record::Event;

#[test]
fn a_prefix_ends_where_a_character_ends() {
    let cases = [
        ("", 3, ""),
        ("a", 1, "a"),
        ("ab", 1, "a"),
        ("é", 1, ""),
        ("é", 2, "é"),
        ("aé", 2, "a"),
        ("日本", 5, "日"),
        ("日本", 6, "日本"),
        ("👩‍🔬", 5, "👩"),
    ];
    for (text, max, expected) in cases {
        assert_eq!(prefix(text, max), expected, "{text} {max}");
    }
}

#[test]
fn debug_says_how_much_is_sent() {
    let content = [
        Content::Full,
        Content::redacted(str::to_owned),
        Content::Off,
    ];
    assert_eq!(
        format!("{content:?}"),
        "[Full, Redacted(Redaction(..)), Off]"
    );
}

#[test]
fn a_client_that_sends_everything_has_no_rules() {
    let new = |content, max_bytes, send_media| {
        let (off, mut defaults) = (PropertyRedaction::default(), Properties::default());
        ContentRules::new(content, max_bytes, send_media, off, &mut defaults)
    };
    assert!(new(Content::Full, None, true).is_none());
    assert!(new(Content::Full, None, false).is_some());
    assert!(new(Content::Off, None, true).is_some());
    assert!(new(Content::Full, Some(1), true).is_some());
}

const IMAGE: &str = "data:image/png;base64,iVBORw0KGgo=";
const NOTE: &str = "[image/png, 8 B]";

fn rules(content: Content, max_bytes: Option<usize>, send_media: bool) -> ContentRules {
    let (off, mut defaults) = (PropertyRedaction::default(), Properties::default());
    let rules = ContentRules::new(content, max_bytes, send_media, off, &mut defaults);
    rules.expect("not everything is sent")
}

fn applied(rules: &ContentRules, record: impl Into<Record>) -> Record {
    let record = rules.apply(ClientId::MIN, &record.into());
    record.expect("no redaction panics")
}

fn texts(record: &Record) -> (&str, &str) {
    match record {
        Record::LlmEvent(event) => (event.get_prompt(), event.get_generation()),
        Record::Event(_) => panic!("not an LLM event"),
    }
}

#[test]
fn without_content_only_lengths_are_sent() {
    let rules = rules(Content::Off, None, false);
    let llm_event = LlmEvent::new("u", "Zoë", "words").property(TEXT, IMAGE);
    let record = applied(&rules, llm_event);
    assert_eq!(texts(&record), ("", ""));
    for (key, value) in [
        (PROMPT_LENGTH, 3),
        (GENERATION_LENGTH, 5),
        ("text_length", IMAGE.len()),
    ] {
        assert_eq!(record.get_property(key), Some(json!(value)), "{key}");
    }
    for key in [TEXT, TRUNCATED, gen_ai::MEDIA_OMITTED] {
        assert_eq!(record.get_property(key), None, "{key}");
    }
}

#[test]
fn a_long_text_is_cut_and_its_length_is_sent() {
    let rules = rules(Content::Full, Some(4), true);
    let record = applied(&rules, LlmEvent::new("u", "four", "fives"));
    assert_eq!(texts(&record), ("four", "five"));
    assert_eq!(record.get_property(PROMPT_LENGTH), None);
    assert_eq!(record.get_property(GENERATION_LENGTH), Some(json!(5)));
    assert_eq!(record.get_property(TRUNCATED), Some(json!(true)));
    let record = applied(&rules, Event::new("u", "n").property(TEXT, "fives"));
    assert_eq!(record.get_property(TEXT), Some(json!("five")));
    let record = applied(&rules, Event::new("u", "n").property(TEXT, "four"));
    assert_eq!(record.get_property(TRUNCATED), None);
}

#[test]
fn a_redacted_text_is_cut_after_its_redaction() {
    let content = Content::redacted(|text| text.replace("secret", "***"));
    let rules = rules(content, Some(4), true);
    let record = applied(&rules, LlmEvent::new("u", "secret", "secret: 1"));
    assert_eq!(texts(&record), ("***", "***:"));
    assert_eq!(record.get_property(GENERATION_LENGTH), Some(json!(6)));
    let value = json!({"a": "secret"});
    let record = applied(&rules, Event::new("u", "n").property(TEXT, value));
    assert_eq!(record.get_property(TEXT), Some(json!("{\"a\"")));
}

#[test]
fn each_medium_is_replaced_and_counted() {
    let rules = rules(Content::Full, None, false);
    let value = json!({"image": IMAGE, "n": 1});
    let llm_event = LlmEvent::new("u", IMAGE, format!("{IMAGE} {IMAGE}")).property(TEXT, value);
    let record = applied(&rules, llm_event);
    assert_eq!(texts(&record), (NOTE, &*format!("{NOTE} {NOTE}")));
    let value = json!({"image": NOTE, "n": 1});
    assert_eq!(record.get_property(TEXT), Some(value));
    assert_eq!(record.get_property(gen_ai::MEDIA_OMITTED), Some(json!(4)));
    let record = applied(&rules, Event::new("u", "n").property(TEXT, "words"));
    assert_eq!(record.get_property(gen_ai::MEDIA_OMITTED), None);
}

#[test]
fn records_without_media_stay_as_they_are_if_the_rest_is_sent() {
    let without_media = rules(Content::Full, None, false);
    let concerns = |record: Record| without_media.concern(&record);
    assert!(!concerns(
        Event::new("u", "n").property(TEXT, "words").into()
    ));
    assert!(!concerns(
        Event::new("u", "n").property("other", IMAGE).into()
    ));
    assert!(!concerns(Event::new("u", IMAGE).into()));
    assert!(concerns(Event::new("u", "n").property(TEXT, IMAGE).into()));
    assert!(!concerns(LlmEvent::new("u", "p", "g").into()));
    assert!(concerns(LlmEvent::new("u", IMAGE, "g").into()));
    assert!(concerns(LlmEvent::new("u", "p", IMAGE).into()));
    let cuts = rules(Content::Full, Some(1_000), true);
    assert!(cuts.concern(&LlmEvent::new("u", "p", "g").into()));
}

#[test]
fn default_texts_are_treated_as_own_ones() {
    let properties = || {
        let mut defaults = Properties::default();
        defaults.insert(TEXT, &"fives").expect("valid");
        defaults.insert("other", &1).expect("valid");
        defaults
    };
    let (off, mut defaults) = (PropertyRedaction::default(), properties());
    let rules = ContentRules::new(Content::Full, Some(4), true, off, &mut defaults);
    let rules = rules.expect("texts are cut");
    assert_eq!(defaults.json(), br#""other":1"#);
    let record = applied(&rules, Event::new("u", "n"));
    assert_eq!(record.get_property(TEXT), Some(json!("five")));
    let record = applied(&rules, Event::new("u", "n").property(TEXT, "own"));
    assert_eq!(record.get_property(TEXT), Some(json!("own")));
    let (off, mut defaults) = (PropertyRedaction::default(), properties());
    let rules = ContentRules::new(Content::Full, None, false, off, &mut defaults);
    let rules = rules.expect("media are omitted");
    assert_eq!(defaults.json(), properties().json());
    assert!(!rules.concern(&Event::new("u", "n").into()));
}

#[test]
fn redacted_properties_replace_those_of_the_record() {
    let mut properties = PropertyRedaction::default();
    properties.add_keys(["password"]);
    let mut defaults = Properties::default();
    let rules = ContentRules::new(Content::Full, None, true, properties, &mut defaults);
    let rules = rules.expect("properties are redacted");
    let event = || Event::new("u", "n").property("a", 1);
    assert!(rules.concern(&event().into()));
    assert_eq!(applied(&rules, event()), Record::from(event()));
    let record = applied(&rules, event().property("password", "secret"));
    assert_eq!(record.get_property("a"), Some(json!(1)));
    let password = record.get_property("password").expect("a note");
    assert!(!password.to_string().contains("secret"));
}
