//! Values of every shape that `serde` has, also those whose `Serialize` does not do what it should.

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::value::RawValue;

#[derive(Debug, Arbitrary)]
pub enum Shape {
    Unit,
    Bool(bool),
    Signed(i64),
    Small(i8),
    Huge(i128),
    HugeUnsigned(u128),
    Unsigned(u64),
    Single(f32),
    Double(f64),
    Char(char),
    Text(String),
    Bytes(Vec<u8>),
    Displayed(String),
    None,
    Some(Box<Shape>),
    UnitStruct,
    UnitVariant(Name),
    NewtypeStruct(Box<Shape>),
    NewtypeVariant(Name, Box<Shape>),
    List(Length, Care, Vec<Shape>),
    Tuple(Vec<Shape>),
    TupleStruct(Care, Vec<Shape>),
    TupleVariant(Name, Vec<Shape>),
    Map(Length, Care, Vec<(Shape, Shape, Order)>),
    TextMap(Vec<(String, Shape)>),
    Struct(Length, Care, Vec<(Name, Shape)>),
    StructVariant(Name, Vec<(Name, Shape)>),
    /// JSON of a value, written on one line or on many.
    Raw(Box<Shape>, bool),
    /// JSON, if the text is.
    RawText(String),
    Fails,
}

/// A name of a field or a variant.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub struct Name(u8);

impl Name {
    fn text(self) -> &'static str {
        const NAMES: [&str; 9] = ["a", "b", "before", "", "\"", "\\u0061", "é", "a\nb", "$serde_json::private::RawValu"];
        NAMES[usize::from(self.0) % NAMES.len()]
    }
}

/// The length that is given before the parts.
#[derive(Debug, Clone, Copy, PartialEq, Arbitrary)]
pub enum Length {
    Right,
    Absent,
    Zero,
    Wrong,
}

impl Length {
    fn of(self, parts: usize) -> Option<usize> {
        match self {
            Self::Right => Some(parts),
            Self::Absent => None,
            Self::Zero => Some(0),
            Self::Wrong => Some(parts + 7),
        }
    }
}

/// Whether errors of parts are passed on.
#[derive(Debug, Clone, Copy, PartialEq, Arbitrary)]
pub enum Care {
    Careful,
    Careless,
}

impl Care {
    fn pass<E>(self, result: Result<(), E>) -> Result<(), E> {
        if self == Self::Careless { Ok(()) } else { result }
    }
}

/// How a key and a value of a map are written.
#[derive(Debug, Clone, Copy, PartialEq, Arbitrary)]
pub enum Order {
    Entry,
    Apart,
    KeyAlone,
    ValueAlone,
}

const NAME: &str = "Shape";

impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unit => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Signed(value) => serializer.serialize_i64(*value),
            Self::Small(value) => serializer.serialize_i8(*value),
            Self::Huge(value) => serializer.serialize_i128(*value),
            Self::HugeUnsigned(value) => serializer.serialize_u128(*value),
            Self::Unsigned(value) => serializer.serialize_u64(*value),
            Self::Single(value) => serializer.serialize_f32(*value),
            Self::Double(value) => serializer.serialize_f64(*value),
            Self::Char(value) => serializer.serialize_char(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::Bytes(value) => serializer.serialize_bytes(value),
            Self::Displayed(value) => serializer.collect_str(value),
            Self::None => serializer.serialize_none(),
            Self::Some(value) => serializer.serialize_some(value),
            Self::UnitStruct => serializer.serialize_unit_struct(NAME),
            Self::UnitVariant(name) => serializer.serialize_unit_variant(NAME, 0, name.text()),
            Self::NewtypeStruct(value) => serializer.serialize_newtype_struct(NAME, value),
            Self::NewtypeVariant(name, value) => {
                serializer.serialize_newtype_variant(NAME, 0, name.text(), value)
            }
            Self::Raw(value, is_pretty) => raw(value, *is_pretty).serialize(serializer),
            Self::RawText(text) => match RawValue::from_string(text.clone()) {
                Ok(raw) => raw.serialize(serializer),
                Err(_) => serializer.serialize_none(),
            },
            Self::Fails => Err(S::Error::custom("on purpose")),
            _ => self.serialize_parts(serializer),
        }
    }
}

fn raw(value: &Shape, is_pretty: bool) -> Option<Box<RawValue>> {
    let facts = Facts::of(value);
    if facts.is_careless || facts.has_zero_length {
        // `to_string_pretty` may panic.
        return None;
    }
    let json = match is_pretty {
        true => serde_json::to_string_pretty(value),
        false => serde_json::to_string(value),
    };
    RawValue::from_string(json.ok()?).ok()
}

impl Shape {
    fn serialize_parts<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::List(length, care, parts) => {
                let mut list = serializer.serialize_seq(length.of(parts.len()))?;
                for part in parts {
                    care.pass(list.serialize_element(part))?;
                }
                list.end()
            }
            Self::Tuple(parts) => {
                let mut tuple = serializer.serialize_tuple(parts.len())?;
                parts.iter().try_for_each(|part| tuple.serialize_element(part))?;
                tuple.end()
            }
            Self::TupleStruct(care, parts) => {
                let mut tuple = serializer.serialize_tuple_struct(NAME, parts.len())?;
                for part in parts {
                    care.pass(tuple.serialize_field(part))?;
                }
                tuple.end()
            }
            Self::TupleVariant(name, parts) => {
                let mut tuple = serializer.serialize_tuple_variant(NAME, 0, name.text(), parts.len())?;
                parts.iter().try_for_each(|part| tuple.serialize_field(part))?;
                tuple.end()
            }
            Self::Map(length, care, entries) => {
                let mut map = serializer.serialize_map(length.of(entries.len()))?;
                for (key, value, order) in entries {
                    care.pass(match order {
                        Order::Entry => map.serialize_entry(key, value),
                        Order::Apart => map.serialize_key(key).and_then(|()| map.serialize_value(value)),
                        Order::KeyAlone => map.serialize_key(key),
                        Order::ValueAlone => map.serialize_value(value),
                    })?;
                }
                map.end()
            }
            Self::TextMap(entries) => {
                serializer.collect_map(entries.iter().map(|(key, value)| (key, value)))
            }
            Self::Struct(length, care, fields) => {
                let length = length.of(fields.len()).unwrap_or(1);
                let mut object = serializer.serialize_struct(NAME, length)?;
                for (name, value) in fields {
                    care.pass(object.serialize_field(name.text(), value))?;
                }
                object.end()
            }
            Self::StructVariant(name, fields) => {
                let mut object = serializer.serialize_struct_variant(NAME, 0, name.text(), fields.len())?;
                for (name, value) in fields {
                    object.serialize_field(name.text(), value)?;
                }
                object.end()
            }
            _ => Err(S::Error::custom("a value without parts")),
        }
    }

    /// The parts that are written as values. The parts of raw JSON are not.
    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Some(part) | Self::NewtypeStruct(part) | Self::NewtypeVariant(_, part) => vec![&**part],
            Self::List(.., parts)
            | Self::Tuple(parts)
            | Self::TupleStruct(.., parts)
            | Self::TupleVariant(.., parts) => parts.iter().collect(),
            Self::Map(.., entries) => {
                let parts = entries.iter().flat_map(|(key, value, order)| {
                    let value = (*order != Order::KeyAlone).then_some(value);
                    let key = (*order != Order::ValueAlone).then_some(key);
                    [key, value]
                });
                parts.flatten().collect()
            }
            Self::TextMap(entries) => entries.iter().map(|(_, value)| value).collect(),
            Self::Struct(.., fields) | Self::StructVariant(_, fields) => {
                fields.iter().map(|(_, value)| value).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// What makes a difference.
#[derive(Debug, Default, Clone, Copy)]
pub struct Facts {
    pub depth: usize,
    pub has_nan: bool,
    /// Errors are not passed on, or keys and values are not in pairs.
    pub is_careless: bool,
    pub has_zero_length: bool,
}

impl Facts {
    pub fn of(shape: &Shape) -> Self {
        let mut facts = Self::default();
        facts.add(shape, 1);
        facts
    }

    fn add(&mut self, shape: &Shape, depth: usize) {
        self.depth = self.depth.max(depth);
        match shape {
            Shape::Single(value) => self.has_nan |= !value.is_finite(),
            Shape::Double(value) => self.has_nan |= !value.is_finite(),
            Shape::Raw(inner, _) => {
                let inner = Self::of(inner);
                self.depth = self.depth.max(depth + inner.depth);
            }
            Shape::List(length, care, parts) => self.add_kind(*length, *care, parts.len()),
            Shape::TupleStruct(care, _) => self.is_careless |= *care == Care::Careless,
            Shape::Struct(length, care, fields) => self.add_kind(*length, *care, fields.len()),
            Shape::Map(length, care, entries) => {
                self.add_kind(*length, *care, entries.len());
                let is_odd = |order: Order| matches!(order, Order::KeyAlone | Order::ValueAlone);
                self.is_careless |= entries.iter().any(|(.., order)| is_odd(*order));
            }
            _ => {}
        }
        for part in shape.parts() {
            self.add(part, depth + 1);
        }
    }

    fn add_kind(&mut self, length: Length, care: Care, parts: usize) {
        self.has_zero_length |= length == Length::Zero && parts > 0;
        self.is_careless |= care == Care::Careless;
    }
}
