//! A handle for one user, with presets for a series of records.

use std::{fmt, sync::Arc};

use serde::Serialize;

use crate::{
    client::Trubrics,
    llm_call::LlmCall,
    record::{Event, IntoText, LlmEvent, Properties, Record, TypedEvent, feedback},
    step::Step,
};

impl Trubrics {
    /// Returns a handle that fills in this user and other presets: see [`Scope`].
    #[doc(alias = "identify")]
    pub fn for_user(&self, user_id: impl Into<String>) -> Scope {
        Scope {
            client: self.clone(),
            presets: Arc::new(Presets {
                user_id: user_id.into(),
                thread_id: None,
                assistant_id: None,
                properties: Properties::default(),
            }),
        }
    }
}

/// A client with presets for the records of one user or conversation; from [`Trubrics::for_user`].
///
/// Cheap to clone. A preset applies to records that are made later from the same scope, not from its clones. A value
/// that a record sets itself replaces a preset of the same key.
///
/// A chat loop that tracks every answer with its latency, its time to first token, and how it ended:
///
/// ```
/// # let recorder = trubrics::testing::Recorder::new();
/// # let client = trubrics::Trubrics::builder("test-key").transport(recorder.clone()).build()?;
/// # let questions = ["What is a cohort?", "And a funnel?"];
/// # fn ask_model(_: &str) -> impl Iterator<Item = &'static str> { ["It ", "is ..."].into_iter() }
/// # fn show(_: &str) {}
/// let chat = client.for_user("user_123").thread_id("thread_7").assistant_id("gpt-4o");
/// for question in questions {
///     for chunk in chat.llm_call(question).stream(ask_model(question)) {
///         show(chunk);
///     }
/// }
/// # client.flush(std::time::Duration::from_secs(5))?;
/// # assert_eq!(recorder.llm_events().len(), 2);
/// # assert_eq!(recorder.llm_events()[1]["thread_id"], "thread_7");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The same with the official Python SDK, which does not track calls that fail or are interrupted:
///
/// ```python
/// for question in questions:
///     started = time.monotonic()
///     first_token = None
///     answer = ""
///     for chunk in ask_model(question):
///         if first_token is None:
///             first_token = time.monotonic() - started
///         answer += chunk
///         show(chunk)
///     trubrics.track_llm(
///         user_id="user_123",
///         prompt=question,
///         generation=answer,
///         assistant_id="gpt-4o",
///         thread_id="thread_7",
///         latency=time.monotonic() - started,
///         properties={"gen_ai.response.time_to_first_chunk": first_token},
///     )
/// ```
#[derive(Clone)]
#[must_use = "a scope does nothing until something is tracked with it"]
pub struct Scope {
    client: Trubrics,
    presets: Arc<Presets>,
}

#[derive(Clone)]
struct Presets {
    user_id: String,
    thread_id: Option<String>,
    assistant_id: Option<String>,
    properties: Properties,
}

impl Scope {
    /// Presets the conversation: `$thread_id` of an [`Event`], `thread_id` of an [`LlmEvent`]; `None` clears it.
    pub fn thread_id(mut self, thread_id: impl IntoText) -> Self {
        self.presets_mut().thread_id = thread_id.into_text();
        self
    }

    /// Presets the assistant: `$assistant_id` of an [`Event`], `assistant_id` of an [`LlmEvent`]; `None` clears it.
    pub fn assistant_id(mut self, assistant_id: impl IntoText) -> Self {
        self.presets_mut().assistant_id = assistant_id.into_text();
        self
    }

    /// Presets one property, as [`Event::property`] does. A value that cannot be sent makes every record of this scope
    /// invalid.
    pub fn property(mut self, key: impl AsRef<str>, value: impl Serialize) -> Self {
        self.presets_mut().properties.set(key.as_ref(), &value);
        self
    }

    /// Makes an event of the user with the presets. Add to it, and give it to [`track`](Self::track).
    ///
    /// ```
    /// # let recorder = trubrics::testing::Recorder::new();
    /// # let client = trubrics::Trubrics::builder("test-key").transport(recorder.clone()).build()?;
    /// let user = client.for_user("user_123").property("plan", "team");
    /// user.track(user.event("Chart exported").property("format", "svg"));
    /// # client.flush(std::time::Duration::from_secs(5))?;
    /// # let event = &recorder.events()[0];
    /// # assert_eq!(event["user_id"], "user_123");
    /// # assert_eq!(event["properties"], serde_json::json!({"plan": "team", "format": "svg"}));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn event(&self, name: impl Into<String>) -> Event {
        let presets = &*self.presets;
        let mut event =
            Event::new(presets.user_id.as_str(), name).preset(presets.properties.clone());
        if let Some(thread_id) = &presets.thread_id {
            event.set_thread_id(thread_id);
        }
        if let Some(assistant_id) = &presets.assistant_id {
            event.set_assistant_id(assistant_id);
        }
        event
    }

    /// Makes an event of the user with the presets from a value whose type declares its name, as [`Event::of`] does.
    /// Give it to [`track`](Self::track).
    pub fn event_of<T: TypedEvent>(&self, value: &T) -> Event {
        self.event(T::NAME).properties(value)
    }

    /// Makes an event of a prompt of the user and its generation with the presets. Add to it, and give it to
    /// [`track`](Self::track).
    pub fn llm_event(&self, prompt: impl Into<String>, generation: impl Into<String>) -> LlmEvent {
        let presets = &*self.presets;
        LlmEvent::new(presets.user_id.as_str(), prompt, generation)
            .preset(presets.properties.clone())
            .thread_id(presets.thread_id.clone())
            .assistant_id(presets.assistant_id.clone())
    }

    /// Begins a call to a model with the presets, as [`Trubrics::llm_call`] does.
    pub fn llm_call(&self, prompt: impl Into<String>) -> LlmCall {
        LlmCall::start(&self.client, || {
            (self.llm_event(prompt, ""), self.event(""))
        })
    }

    /// Begins a step with the presets, which is tracked as an event of this name: see [`Step`].
    ///
    /// ```
    /// # let client = trubrics::Trubrics::disabled();
    /// # fn export() -> Result<(), std::io::Error> { Ok(()) }
    /// let user = client.for_user("user_123").property("plan", "team");
    /// let step = user.timed("Export");
    /// match export() {
    ///     Ok(()) => step.finish(),
    ///     Err(error) => step.fail(error),
    /// }
    /// ```
    pub fn timed(&self, name: impl Into<String>) -> Step {
        Step::start(&self.client, || self.event(name))
    }

    /// Begins the run of a tool with the presets, which is tracked as an event `Tool call`: see [`Step`].
    ///
    /// [`LlmCall::tool`] is the same for a tool that a model asked for.
    pub fn tool(&self, name: impl Into<String>) -> Step {
        Step::tool(&self.client, name, |event| self.event(event))
    }

    /// Begins a search for documents with the presets, which is tracked as an event `Retrieval`: see [`Step`].
    ///
    /// The name is that of the source, such as an index. [`Step::results`] sets how many documents it found.
    pub fn retrieval(&self, name: impl Into<String>) -> Step {
        Step::retrieval(&self.client, name, |event| self.event(event))
    }

    /// Makes an event `Feedback` of the user about a generation with the presets, as [`Event::feedback`] does. Add to
    /// it, and give it to [`track`](Self::track).
    ///
    /// ```
    /// # let recorder = trubrics::testing::Recorder::new();
    /// # let client = trubrics::Trubrics::builder("test-key").transport(recorder.clone()).build()?;
    /// # let generation_id = "generation_1";
    /// let user = client.for_user("user_123").thread_id("thread_7");
    /// user.track(user.feedback(generation_id).thumbs_up().text("Just what I needed."));
    /// # client.flush(std::time::Duration::from_secs(5))?;
    /// # let properties = &recorder.events_named("Feedback")[0]["properties"];
    /// # assert_eq!(properties["$thread_id"], "thread_7");
    /// # assert_eq!(properties["$generation_id"], "generation_1");
    /// # assert_eq!(properties["$text"], "Just what I needed.");
    /// # assert_eq!(properties["feedback.thumb"], "up");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn feedback(&self, generation_id: impl Into<String>) -> Event {
        feedback::about(self.event(feedback::NAME), generation_id)
    }

    /// Tracks a record, as [`Trubrics::track`]. The record gets no presets, so make it with [`event`](Self::event),
    /// [`llm_event`](Self::llm_event) or [`feedback`](Self::feedback).
    pub fn track(&self, record: impl Into<Record>) {
        self.client.track(record);
    }

    /// Returns the client of the scope.
    pub fn client(&self) -> &Trubrics {
        &self.client
    }

    fn presets_mut(&mut self) -> &mut Presets {
        Arc::make_mut(&mut self.presets)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
