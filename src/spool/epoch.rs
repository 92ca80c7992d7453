//! The time between two changes of the consent, as a random number.

use super::random::unique;

/// A part of the random digits in the name of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch([u8; EPOCH_DIGITS]);

pub(super) const EPOCH_DIGITS: usize = 12;

impl Epoch {
    pub(super) fn random() -> Self {
        let text = unique().simple().to_string();
        let digits = text.as_bytes().last_chunk();
        Self(digits.copied().unwrap_or([b'0'; EPOCH_DIGITS]))
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        let digits: [u8; EPOCH_DIGITS] = text.as_bytes().try_into().ok()?;
        digits.iter().all(is_digit).then_some(Self(digits))
    }

    pub(super) fn as_str(&self) -> &str {
        // They are digits.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}
