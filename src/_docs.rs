//! Pages to read: from the first event to what survives a power cut.

#[doc = include_str!("_docs/architecture.md")]
pub mod architecture {}

#[doc = include_str!("_docs/command_line_tools.md")]
pub mod command_line_tools {}

#[doc = include_str!("_docs/durability.md")]
pub mod durability {}

#[doc = include_str!("_docs/guide.md")]
#[cfg_attr(
    feature = "testing",
    doc = "

[`testing`]: crate::testing
[`testing::Recorder`]: crate::testing::Recorder
[`testing::Server`]: crate::testing::Server"
)]
#[cfg_attr(
    not(feature = "testing"),
    doc = "

[`testing`]: https://docs.rs/trubrics/latest/trubrics/testing/
[`testing::Recorder`]: https://docs.rs/trubrics/latest/trubrics/testing/struct.Recorder.html
[`testing::Server`]: https://docs.rs/trubrics/latest/trubrics/testing/struct.Server.html"
)]
#[cfg_attr(
    feature = "http",
    doc = "

[`proxy`]: crate::TrubricsBuilder::proxy
[`root_certificates`]: crate::TrubricsBuilder::root_certificates"
)]
#[cfg_attr(
    not(feature = "http"),
    doc = "

[`proxy`]: https://docs.rs/trubrics/latest/trubrics/struct.TrubricsBuilder.html#method.proxy
[`root_certificates`]: https://docs.rs/trubrics/latest/trubrics/struct.TrubricsBuilder.html#method.root_certificates"
)]
pub mod guide {}

#[doc = include_str!("_docs/measuring_ai.md")]
pub mod measuring_ai {}

#[doc = include_str!("_docs/recipes.md")]
pub mod recipes {}

#[doc = include_str!("_docs/privacy.md")]
pub mod privacy {}

#[doc = include_str!("_docs/redaction.md")]
pub mod redaction {}
