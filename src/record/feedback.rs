//! What a user thinks of a generation, as an event that names the generation by its id.

use std::ops::RangeInclusive;

use super::{Event, EventError, IntoText, gen_ai};

/// The name of the event.
pub(crate) const NAME: &str = "Feedback";

/// The event with the id of the generation that it is about.
pub(crate) fn about(mut event: Event, generation_id: impl Into<String>) -> Event {
    let generation_id = generation_id.into();
    if generation_id.is_empty() {
        let error = EventError::new("generation_id", "is empty: feedback needs the generation's");
        event.properties.remember(Err(error));
    }
    event.generation_id(generation_id)
}

impl Event {
    /// Makes an event `Feedback` of a user about a generation, which it names in `$generation_id`.
    ///
    /// The id is that of the [`LlmEvent`](crate::LlmEvent) or of the [call](crate::LlmCall) that made the generation.
    /// It is all that is needed: the feedback may be given days later, in another process. An empty id makes the event
    /// invalid. A comment of the user goes into [`text`](Self::text).
    ///
    /// The names `feedback.thumb`, `feedback.score`, `feedback.score_min`, `feedback.score_max` and `feedback.label`
    /// are this crate's.
    ///
    /// ```
    /// use trubrics::Event;
    ///
    /// # let generation_id = "generation_1";
    /// let feedback = Event::feedback("user_123", generation_id)
    ///     .thumbs_down()
    ///     .score(2.0, 1.0..=5.0)
    ///     .label("incomplete")
    ///     .text("It forgot the units.");
    /// # let _ = feedback;
    /// ```
    pub fn feedback(user_id: impl Into<String>, generation_id: impl Into<String>) -> Self {
        about(Self::new(user_id, NAME), generation_id)
    }

    /// Sets the property `feedback.thumb` to `up`.
    pub fn thumbs_up(self) -> Self {
        self.property(gen_ai::FEEDBACK_THUMB, "up")
    }

    /// Sets the property `feedback.thumb` to `down`.
    pub fn thumbs_down(self) -> Self {
        self.property(gen_ai::FEEDBACK_THUMB, "down")
    }

    /// Sets the property `feedback.score`, with the ends of its range as `feedback.score_min` and `feedback.score_max`.
    ///
    /// A value that is not finite or not in the range, and a range without finite ends, make the event invalid: the
    /// [`EventError`] is of the field `score`.
    pub fn score(mut self, value: f64, range: RangeInclusive<f64>) -> Self {
        let (min, max) = range.into_inner();
        let problem = if !(min.is_finite() && max.is_finite() && min <= max) {
            "has a range that does not go from one finite number up to another"
        } else if !(min..=max).contains(&value) {
            // A NaN is in no range.
            "is not in its range"
        } else {
            return self
                .property(gen_ai::FEEDBACK_SCORE, value)
                .property(gen_ai::FEEDBACK_SCORE_MIN, min)
                .property(gen_ai::FEEDBACK_SCORE_MAX, max);
        };
        self.properties
            .remember(Err(EventError::new("score", problem)));
        self
    }

    /// Sets the property `feedback.label`: a name out of a small set, such as `incomplete` or `off_topic`, that a
    /// dashboard can group by; `None` clears it.
    pub fn label(mut self, label: impl IntoText) -> Self {
        self.set_text_property(gen_ai::FEEDBACK_LABEL, label);
        self
    }
}
