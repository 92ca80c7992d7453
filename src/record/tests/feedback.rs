//! What a user thinks of a generation.

use super::*;

fn feedback() -> Event {
    Event::feedback("user", "generation-1")
}

#[test]
fn feedback_is_an_event_that_names_its_generation() {
    let event = feedback()
        .thumbs_up()
        .score(4.0, 1.0..=5.0)
        .label("helpful")
        .text("Just what I needed.")
        .timestamp(NOW);
    assert_eq!(
        json_of(event),
        json!({
            "user_id": "user", "event": "Feedback", "timestamp": "1970-01-01T00:00:00.000Z",
            "properties": {
                "$generation_id": "generation-1", "feedback.thumb": "up", "feedback.score": 4.0,
                "feedback.score_min": 1.0, "feedback.score_max": 5.0, "feedback.label": "helpful",
                "$text": "Just what I needed."
            }
        })
    );
}

#[test]
fn a_user_who_changes_their_mind_has_one_opinion() {
    let event = feedback()
        .thumbs_up()
        .score(4.0, 1.0..=5.0)
        .label("helpful")
        .thumbs_down()
        .score(0.25, 0.0..=1.0)
        .label(None);
    assert_eq!(
        json_of(event)["properties"],
        json!({
            "$generation_id": "generation-1", "feedback.thumb": "down", "feedback.score": 0.25,
            "feedback.score_min": 0.0, "feedback.score_max": 1.0
        })
    );
}

#[test]
fn a_score_is_in_its_range_with_both_ends() {
    for (value, range) in [
        (1.0, 1.0..=5.0),
        (5.0, 1.0..=5.0),
        (-0.5, -1.0..=0.0),
        (3.0, 3.0..=3.0),
        (0.0, f64::MIN..=f64::MAX),
    ] {
        assert!(encode(feedback().score(value, range)).is_ok(), "{value}");
    }
    for value in [
        0.9,
        5.1,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MAX,
    ] {
        let error = error_of(feedback().score(value, 1.0..=5.0));
        assert_eq!(error, "score is not in its range", "{value}");
    }
    for (min, max) in [
        (5.0, 1.0),
        (f64::NAN, 5.0),
        (1.0, f64::NAN),
        (1.0, f64::INFINITY),
        (f64::NEG_INFINITY, 5.0),
    ] {
        assert_eq!(
            error_of(feedback().score(3.0, min..=max)),
            "score has a range that does not go from one finite number up to another",
            "{min} {max}"
        );
    }
}
