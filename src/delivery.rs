//! One batch's fate.

pub(crate) mod http;
pub(crate) mod transport;
