//! Writes a value as JSON, or refuses what would not arrive as it was meant.
//!
//! `serde_json` writes a NaN or an infinity as `null`. It also trusts the value's `Serialize`: a key without a value,
//! or a failure that the `Serialize` ignores, gives text that is not JSON, and the server refuses the whole batch. So
//! a wrapper around each serialiser passes everything on and takes notes, which are read at the end.

mod notes;

use std::{fmt, mem};

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use self::notes::{HALF_WRITTEN, Notes, Out};
use super::keys::key_bit;

/// Why a value was not written.
#[derive(Debug)]
pub(super) enum WriteError {
    /// There is a NaN or an infinity in it.
    NotFinite,
    /// `serde_json`, or the value's own `Serialize`, refused it.
    Json(serde_json::Error),
}

/// The facts about a value that was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written {
    /// Two keys of one object share a bit, and may be equal.
    pub(super) may_repeat: bool,
}

/// Appends the value. After an error, the text that was appended is not JSON.
pub(super) fn write_value(
    json: &mut Vec<u8>,
    value: &impl Serialize,
) -> Result<Written, WriteError> {
    let notes = Notes::default();
    let out = Out {
        json,
        notes: &notes,
    };
    let result = value.serialize(Strict {
        value: &mut serde_json::Serializer::new(out),
        notes: &notes,
    });
    if notes.not_finite.get() {
        return Err(WriteError::NotFinite);
    }
    result.map_err(WriteError::Json)?;
    if notes.unfinished.get() > 0 {
        return Err(WriteError::Json(Error::custom(HALF_WRITTEN)));
    }
    Ok(Written {
        may_repeat: notes.may_repeat.get(),
    })
}

/// The name under which `serde_json` serialises a `RawValue`. It is JSON already, so its keys are not seen on their
/// way, and may be equal.
const RAW_VALUE: &str = "$serde_json::private::RawValue";

/// Wraps a serialiser, or a value on its way to one.
struct Strict<'n, T> {
    value: T,
    notes: &'n Notes,
}

impl<T: Serialize + ?Sized> Serialize for Strict<'_, &T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Strict {
            value: serializer,
            notes: self.notes,
        })
    }
}

macro_rules! pass_on {
    ($($method:ident($type:ty)),* $(,)?) => {
        $(fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.value.$method(value)
        })*
    };
}

// A length of 0 makes `serde_json` close a list or an object at once, even if parts follow. It ignores every other
// length.
macro_rules! pass_on_parts {
    ($($method:ident($($name:ident: $type:ty),*) -> $part:ident),* $(,)?) => {
        $(fn $method(self, $($name: $type,)* length: usize) -> Result<Self::$part, S::Error> {
            let part = self.value.$method($($name,)* length.max(1))?;
            Ok(Part::new(part, self.notes))
        })*
    };
}

impl<'n, S: Serializer> Serializer for Strict<'n, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Part<'n, S::SerializeSeq>;
    type SerializeTuple = Part<'n, S::SerializeTuple>;
    type SerializeTupleStruct = Part<'n, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Part<'n, S::SerializeTupleVariant>;
    type SerializeMap = MapPart<'n, S::SerializeMap>;
    type SerializeStruct = Part<'n, S::SerializeStruct>;
    type SerializeStructVariant = Part<'n, S::SerializeStructVariant>;

    pass_on! {
        serialize_bool(bool), serialize_char(char), serialize_str(&str), serialize_bytes(&[u8]),
        serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64), serialize_i128(i128),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64), serialize_u128(u128),
        serialize_unit_struct(&'static str),
    }

    pass_on_parts! {
        serialize_tuple() -> SerializeTuple,
        serialize_tuple_struct(name: &'static str) -> SerializeTupleStruct,
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str) -> SerializeTupleVariant,
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str) -> SerializeStructVariant,
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        if !value.is_finite() {
            return Err(self.notes.refuse_number());
        }
        self.value.serialize_f32(value)
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        if !value.is_finite() {
            return Err(self.notes.refuse_number());
        }
        self.value.serialize_f64(value)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.value.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let notes = self.notes;
        self.value.serialize_some(&Strict { value, notes })
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.value.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.value.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let notes = self.notes;
        self.value
            .serialize_newtype_struct(name, &Strict { value, notes })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let notes = self.notes;
        self.value
            .serialize_newtype_variant(name, index, variant, &Strict { value, notes })
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        let part = self.value.serialize_seq(None)?;
        Ok(Part::new(part, self.notes))
    }

    fn serialize_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        if name == RAW_VALUE {
            self.notes.may_repeat.set(true);
        }
        let part = self.value.serialize_struct(name, length.max(1))?;
        Ok(Part::new(part, self.notes))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let part = self.value.serialize_map(None)?;
        Ok(MapPart {
            part,
            notes: self.notes,
            keys: 0,
            is_after_key: false,
        })
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.value.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.value.is_human_readable()
    }
}

/// A list, or an object whose keys are names of fields.
struct Part<'n, P> {
    part: P,
    notes: &'n Notes,
    keys: u128,
}

impl<'n, P> Part<'n, P> {
    fn new(part: P, notes: &'n Notes) -> Self {
        Self {
            part,
            notes,
            keys: 0,
        }
    }
}

macro_rules! pass_on_elements {
    ($($part:ident::$method:ident),* $(,)?) => {
        $(impl<P: $part> $part for Part<'_, P> {
            type Ok = P::Ok;
            type Error = P::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
                self.notes.begin();
                self.part.$method(&Strict { value, notes: self.notes })?;
                self.notes.finish();
                Ok(())
            }

            fn end(self) -> Result<P::Ok, P::Error> {
                self.part.end()
            }
        })*
    };
}

pass_on_elements! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

macro_rules! pass_on_fields {
    ($($part:ident),*) => {
        $(impl<P: $part> $part for Part<'_, P> {
            type Ok = P::Ok;
            type Error = P::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), P::Error> {
                self.notes.begin();
                self.notes.add_key(&mut self.keys, key_bit(key.as_bytes()));
                self.part.serialize_field(key, &Strict { value, notes: self.notes })?;
                self.notes.finish();
                Ok(())
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), P::Error> {
                self.part.skip_field(key)
            }

            fn end(self) -> Result<P::Ok, P::Error> {
                self.part.end()
            }
        })*
    };
}

pass_on_fields!(SerializeStruct, SerializeStructVariant);

/// An object of keys and values, which a `Serialize` may also write apart. A part of it is finished with its value.
struct MapPart<'n, P> {
    part: P,
    notes: &'n Notes,
    keys: u128,
    is_after_key: bool,
}

impl<P: SerializeMap> SerializeMap for MapPart<'_, P> {
    type Ok = P::Ok;
    type Error = P::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), P::Error> {
        let notes = self.notes;
        notes.begin();
        self.part
            .serialize_key(&Key(Strict { value: key, notes }))?;
        notes.add_key(&mut self.keys, 1 << (notes.key_hash.get() % 128));
        self.is_after_key = true;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
        let notes = self.notes;
        if !mem::take(&mut self.is_after_key) {
            return Err(notes.refuse_order());
        }
        self.part.serialize_value(&Strict { value, notes })?;
        notes.finish();
        Ok(())
    }

    fn end(self) -> Result<P::Ok, P::Error> {
        self.part.end()
    }
}

/// A key on its way to a serialiser, which may have written a comma before.
struct Key<'n, 'k, K: ?Sized>(Strict<'n, &'k K>);

impl<K: Serialize + ?Sized> Serialize for Key<'_, '_, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let notes = self.0.notes;
        notes.key_hash.set(0);
        notes.is_in_key.set(true);
        let result = self.0.serialize(serializer);
        notes.is_in_key.set(false);
        result
    }
}

#[cfg(test)]
mod tests;
