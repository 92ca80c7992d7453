//! The tests of an application that uses `trubrics`, as its own authors would write them with the feature `testing`.
#![cfg(feature = "http")]

use std::time::Duration;

use trubrics::{
    Content, DropReason, Event, Trubrics,
    testing::{API_KEY, Recorder, Reply, Server},
};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(30);

/// The application: an assistant that answers, and is told what its answers are worth.
struct Assistant {
    analytics: Trubrics,
}

/// What it asks; `None` stands for a model that breaks off.
type Model = [Option<&'static str>];

impl Assistant {
    fn new(analytics: Trubrics) -> Self {
        Self { analytics }
    }

    fn answer(&self, user_id: &str, question: &str, model: &Model) -> Result<String, String> {
        let chat = self.analytics.for_user(user_id).assistant_id("gpt-4o");
        let chunks = model
            .iter()
            .map(|chunk| chunk.ok_or_else(|| "connection reset".to_owned()));
        chat.llm_call(question)
            .provider("openai")
            .try_stream(chunks)
            .collect()
    }

    fn rate(&self, user_id: &str, stars: u8) {
        let rating = Event::new(user_id, "Answer rated").property("stars", stars);
        self.analytics.track(rating);
    }
}

/// Most tests need no server: a recorder keeps what would have been sent.
fn assistant() -> (Assistant, Recorder) {
    let recorder = Recorder::new();
    let analytics = Trubrics::builder(API_KEY)
        .transport(recorder.clone())
        .build()
        .expect("good settings");
    (Assistant::new(analytics), recorder)
}

#[test]
fn an_answer_is_tracked_with_its_question_and_how_long_it_took() {
    let (assistant, recorder) = assistant();
    let answer = assistant.answer("ada", "2 + 2?", &[Some("It is "), Some("4.")]);
    assert_eq!(answer.as_deref(), Ok("It is 4."));
    assistant.analytics.flush(LONG).expect("delivered");

    let event = &recorder.llm_events_of("ada")[0];
    assert_eq!(event["prompt"], "2 + 2?");
    assert_eq!(event["generation"], "It is 4.");
    assert_eq!(event["assistant_id"], "gpt-4o");
    assert!(event["latency"].is_number());
    assert_eq!(event["properties"]["gen_ai.provider.name"], "openai");
}

#[test]
fn a_model_that_breaks_off_is_tracked_as_a_failure() {
    let (assistant, recorder) = assistant();
    let answer = assistant.answer("ada", "2 + 2?", &[Some("It is "), None]);
    assert_eq!(answer, Err("connection reset".to_owned()));
    assistant.analytics.flush(LONG).expect("delivered");

    let event = &recorder.llm_events_of("ada")[0];
    assert_eq!(event["generation"], "It is ");
    assert_eq!(event["properties"]["outcome"], "failed");
    assert_eq!(event["properties"]["error_message"], "connection reset");
}

#[test]
fn a_rating_is_tracked_for_the_one_who_gave_it() {
    let (assistant, recorder) = assistant();
    assistant.rate("ada", 5);
    assistant.rate("grace", 3);
    assistant.analytics.flush(LONG).expect("delivered");

    assert_eq!(recorder.events_named("Answer rated").len(), 2);
    assert_eq!(recorder.events_of("grace")[0]["properties"]["stars"], 3);
}

#[test]
fn an_outage_of_the_service_costs_nothing() {
    let server = Server::start().expect("a free port on loopback");
    server.script([Reply::close(), Reply::status(503), Reply::accept()]);
    let analytics = Trubrics::builder(server.api_key())
        .host(server.url())
        .flush_batch_size(1)
        .initial_backoff(Duration::from_millis(1))
        .build()
        .expect("good settings");
    let assistant = Assistant::new(analytics);

    assistant.rate("ada", 5);
    server.wait_for(1, LONG).expect("the third attempt");
    assert_eq!(server.requests().len(), 3);
    assert_eq!(server.events_of("ada").len(), 1);
}

#[test]
fn no_word_of_a_user_leaves_the_machine_when_content_is_off() {
    let recorder = Recorder::new();
    let analytics = Trubrics::builder(API_KEY)
        .llm_content(Content::Off)
        .transport(recorder.clone())
        .build()
        .expect("good settings");
    let assistant = Assistant::new(analytics);
    let _ = assistant.answer("ada", "Is Grace ill?", &[Some("I cannot say.")]);
    assistant.analytics.flush(LONG).expect("delivered");

    let body = &recorder.requests()[0];
    let body = String::from_utf8_lossy(body.body());
    assert!(!body.contains("Grace") && !body.contains("cannot"));
    assert!(body.contains(r#""prompt_length":13"#));
}

#[test]
fn a_rating_that_the_service_refuses_is_counted() {
    let (assistant, recorder) = assistant();
    recorder.set_refusal(|record| record["properties"]["stars"] == 6);
    assistant.rate("ada", 6);
    assistant.rate("grace", 5);
    let error = assistant.analytics.flush(LONG).expect_err("one is refused");
    assert_eq!(error.dropped(), 1);

    assert_eq!(recorder.accepted(), 1);
    let stats = assistant.analytics.stats();
    assert_eq!(stats.dropped_for(DropReason::Rejected), 1);
}
