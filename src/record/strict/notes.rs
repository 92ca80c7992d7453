//! The notes that are taken while a value is written, and the writer that hashes its keys.

use std::{cell::Cell, io};

use serde::ser::Error;

pub(super) const HALF_WRITTEN: &str = "its Serialize left a list or an object half-written";
pub(super) const NOT_FINITE: &str = "NaN and infinities are not JSON numbers";

#[derive(Default)]
pub(super) struct Notes {
    pub(super) not_finite: Cell<bool>,
    /// The number of parts of lists and objects that were begun and not finished. A failure or a panic inside a part
    /// leaves it here for good, even if the `Serialize` around it goes on.
    pub(super) unfinished: Cell<usize>,
    /// Two keys of one object share a bit, and may be equal.
    pub(super) may_repeat: Cell<bool>,
    pub(super) is_in_key: Cell<bool>,
    pub(super) key_hash: Cell<u8>,
}

impl Notes {
    pub(super) fn begin(&self) {
        self.unfinished.set(self.unfinished.get() + 1);
    }

    pub(super) fn finish(&self) {
        self.unfinished.set(self.unfinished.get() - 1);
    }

    /// Takes note of a key of an object whose earlier keys have these bits.
    pub(super) fn add_key(&self, keys: &mut u128, bit: u128) {
        if *keys & bit != 0 {
            self.may_repeat.set(true);
        }
        *keys |= bit;
    }

    /// Refuses a value without a key, for good.
    pub(super) fn refuse_order<E: Error>(&self) -> E {
        self.begin();
        E::custom(HALF_WRITTEN)
    }

    pub(super) fn refuse_number<E: Error>(&self) -> E {
        self.not_finite.set(true);
        E::custom(NOT_FINITE)
    }
}

/// Appends the text, and hashes keys on their way.
pub(super) struct Out<'a> {
    pub(super) json: &'a mut Vec<u8>,
    pub(super) notes: &'a Notes,
}

impl io::Write for Out<'_> {
    #[inline]
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.write_all(text)?;
        Ok(text.len())
    }

    #[inline]
    fn write_all(&mut self, text: &[u8]) -> io::Result<()> {
        if self.notes.is_in_key.get() {
            let hash = |hash: u8, byte: &u8| hash.wrapping_mul(31).wrapping_add(*byte);
            let before = self.notes.key_hash.get();
            self.notes.key_hash.set(text.iter().fold(before, hash));
        }
        self.json.extend_from_slice(text);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
