//! Pages to read: from the first event to what survives a power cut.

#[doc = include_str!("_docs/durability.md")]
pub mod durability {}

#[doc = include_str!("_docs/guide.md")]
#[cfg_attr(
    not(feature = "testing"),
    doc = "

[`testing`]: https://docs.rs/trubrics/latest/trubrics/testing/
[`testing::Recorder`]: https://docs.rs/trubrics/latest/trubrics/testing/struct.Recorder.html
[`testing::Server`]: https://docs.rs/trubrics/latest/trubrics/testing/struct.Server.html"
)]
pub mod guide {}

#[doc = include_str!("_docs/recipes.md")]
pub mod recipes {}
