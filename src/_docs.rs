//! The documentation as a book: from the first event to the faults that a record survives.
//!
//! | Page | It answers |
//! |---|---|
//! | [Start](start) | How do I track my first event, and then a whole program? |
//! | [Measuring AI](measuring_ai) | Which records does an AI feature need? |
//! | [Command-line tools](command_line_tools) | How does a tool count its runs, and how can its user opt out? |
//! | [Services](services) | How does a service use one client, and why does no record arrive? |
//! | [Settings](settings) | Which settings and features are there? |
//! | [Privacy](privacy) | What leaves the machine, and what does a withdrawal forget? |
//! | [Redaction](redaction) | What do the presets hide, and what do they miss? |
//! | [Delivery](delivery) | What does each fault cost, and what is on disk when? |
//! | [Testing](mod@testing) | How do I test what my program tracks? |
//! | [Moving](moving) | How do I move from Python or JavaScript? |
//! | [Recipes](recipes) | What do I do before my program ends, and in an async program? |
//! | [Performance](performance) | What does it cost? |
//! | [Architecture](architecture) | How is the crate built? |
//! | [Promises](promises) | What holds each promise? |

#[doc = include_str!("_docs/start.md")]
#[expect(
    clippy::test_attr_in_doctest,
    reason = "the page shows the tests of the example start, which run with the integration tests"
)]
pub mod start {}

#[doc = include_str!("_docs/measuring_ai.md")]
pub mod measuring_ai {}

#[doc = include_str!("_docs/command_line_tools.md")]
pub mod command_line_tools {}

#[doc = include_str!("_docs/services.md")]
pub mod services {}

#[doc = include_str!("_docs/settings.md")]
pub mod settings {}

#[doc = include_str!("_docs/privacy.md")]
pub mod privacy {}

#[doc = include_str!("_docs/redaction.md")]
pub mod redaction {}

#[doc = include_str!("_docs/delivery.md")]
pub mod delivery {}

#[cfg_attr(
    feature = "testing",
    doc = include_str!("_docs/testing.md"),
    doc = "

[`testing::Recorder`]: crate::testing::Recorder
[`testing::Server`]: crate::testing::Server
[`testing::with_global`]: crate::testing::with_global"
)]
#[cfg_attr(
    not(feature = "testing"),
    doc = "This page needs the feature `testing`: `cargo add trubrics --dev --features testing`."
)]
pub mod testing {}

#[doc = include_str!("_docs/moving.md")]
pub mod moving {}

#[doc = include_str!("_docs/recipes.md")]
pub mod recipes {}

#[doc = include_str!("_docs/performance.md")]
pub mod performance {}

#[doc = include_str!("_docs/architecture.md")]
pub mod architecture {}

#[doc = include_str!("_docs/promises.md")]
pub mod promises {}
