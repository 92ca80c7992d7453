//! A serialiser that passes everything on, but refuses what would not arrive as it was meant.
//!
//! `serde_json` writes a NaN or an infinity as `null`: a value that was sent would not be the one that arrives. It also
//! relies on a `Serialize` that keeps to the rules: a key without a value, or a failure that is passed over, would be
//! no JSON, and a whole batch be refused for it.

use std::mem;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// The text of the error; it is how the error is known again behind `serde_json`'s own type.
pub(crate) const NOT_FINITE: &str = "cannot be sent: NaN and infinities are not JSON numbers";

const HALF_WRITTEN: &str = "its Serialize left a list or an object half-written";

/// Wraps a serialiser, or a value on its way to one.
pub(super) struct Strict<T>(pub(super) T);

impl<T: Serialize + ?Sized> Serialize for Strict<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Strict(serializer))
    }
}

macro_rules! pass_on {
    ($($method:ident($type:ty)),* $(,)?) => {
        $(fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.0.$method(value)
        })*
    };
}

impl<S: Serializer> Serializer for Strict<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Part<S::SerializeSeq>;
    type SerializeTuple = Part<S::SerializeTuple>;
    type SerializeTupleStruct = Part<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Part<S::SerializeTupleVariant>;
    type SerializeMap = Part<S::SerializeMap>;
    type SerializeStruct = Part<S::SerializeStruct>;
    type SerializeStructVariant = Part<S::SerializeStructVariant>;

    pass_on! {
        serialize_bool(bool), serialize_char(char), serialize_str(&str), serialize_bytes(&[u8]),
        serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64), serialize_i128(i128),
        serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64), serialize_u128(u128),
        serialize_unit_struct(&'static str),
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            self.0.serialize_f32(value)
        } else {
            Err(S::Error::custom(NOT_FINITE))
        }
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        if value.is_finite() {
            self.0.serialize_f64(value)
        } else {
            Err(S::Error::custom(NOT_FINITE))
        }
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Strict(value))
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_struct(name, &Strict(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0
            .serialize_newtype_variant(name, index, variant, &Strict(value))
    }

    // A length of 0 makes `serde_json` close a list or an object at once, whatever comes after. No other length means
    // anything to it.

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.0.serialize_seq(None).map(Part::new)
    }

    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.0.serialize_tuple(length.max(1)).map(Part::new)
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.0
            .serialize_tuple_struct(name, length.max(1))
            .map(Part::new)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.0
            .serialize_tuple_variant(name, index, variant, length.max(1))
            .map(Part::new)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.0.serialize_map(None).map(Part::new)
    }

    fn serialize_struct(
        self,
        name: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStruct, S::Error> {
        self.0.serialize_struct(name, length.max(1)).map(Part::new)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.0
            .serialize_struct_variant(name, index, variant, length.max(1))
            .map(Part::new)
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.collect_str(value)
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

/// A list or an object on its way.
pub(super) struct Part<P> {
    part: P,
    progress: Progress,
}

#[derive(Clone, Copy, PartialEq)]
enum Progress {
    /// It may be ended here, or go on.
    Whole,
    AfterKey,
    /// Something failed. Whoever passes over that shall not reach the end.
    Broken,
}

impl<P> Part<P> {
    fn new(part: P) -> Self {
        Self {
            part,
            progress: Progress::Whole,
        }
    }

    /// Writes what may come at one point and leads to another.
    fn step<E: Error>(
        &mut self,
        from: Progress,
        to: Progress,
        write: impl FnOnce(&mut P) -> Result<(), E>,
    ) -> Result<(), E> {
        if mem::replace(&mut self.progress, Progress::Broken) != from {
            return Err(E::custom(HALF_WRITTEN));
        }
        write(&mut self.part)?;
        self.progress = to;
        Ok(())
    }

    fn whole<E: Error>(self) -> Result<P, E> {
        match self.progress {
            Progress::Whole => Ok(self.part),
            Progress::AfterKey | Progress::Broken => Err(E::custom(HALF_WRITTEN)),
        }
    }
}

macro_rules! pass_on_elements {
    ($($part:ident::$method:ident),* $(,)?) => {
        $(impl<P: $part> $part for Part<P> {
            type Ok = P::Ok;
            type Error = P::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
                self.step(Progress::Whole, Progress::Whole, |part| part.$method(&Strict(value)))
            }

            fn end(self) -> Result<P::Ok, P::Error> {
                self.whole()?.end()
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
        $(impl<P: $part> $part for Part<P> {
            type Ok = P::Ok;
            type Error = P::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), P::Error> {
                self.step(Progress::Whole, Progress::Whole, |part| part.serialize_field(key, &Strict(value)))
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), P::Error> {
                self.part.skip_field(key)
            }

            fn end(self) -> Result<P::Ok, P::Error> {
                self.whole()?.end()
            }
        })*
    };
}

pass_on_fields!(SerializeStruct, SerializeStructVariant);

impl<P: SerializeMap> SerializeMap for Part<P> {
    type Ok = P::Ok;
    type Error = P::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), P::Error> {
        self.step(Progress::Whole, Progress::AfterKey, |part| {
            part.serialize_key(&Strict(key))
        })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
        self.step(Progress::AfterKey, Progress::Whole, |part| {
            part.serialize_value(&Strict(value))
        })
    }

    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<(), P::Error> {
        self.step(Progress::Whole, Progress::Whole, |part| {
            part.serialize_entry(&Strict(key), &Strict(value))
        })
    }

    fn end(self) -> Result<P::Ok, P::Error> {
        self.whole()?.end()
    }
}

#[cfg(test)]
mod tests;
