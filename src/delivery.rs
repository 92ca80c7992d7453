//! One batch's fate.

pub(crate) mod transport;
