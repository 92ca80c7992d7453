//! Whether the keys of each object are different.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// None if the text cannot be read, such as one with half a character or with too many levels.
pub fn has_unique_keys(text: &str) -> Option<bool> {
    let Keys { are_unique } = serde_json::from_str(text).ok()?;
    Some(are_unique)
}

struct Keys {
    are_unique: bool,
}

const UNIQUE: Keys = Keys { are_unique: true };

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfValue)
    }
}

struct OfValue;

macro_rules! leaves {
    ($($method:ident($($type:ty)?)),* $(,)?) => {
        $(fn $method<E>(self $(, _: $type)?) -> Result<Keys, E> {
            Ok(UNIQUE)
        })*
    };
}

impl<'de> Visitor<'de> for OfValue {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    leaves! {
        visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str), visit_unit(),
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Keys, A::Error> {
        let mut are_unique = true;
        while let Some(keys) = values.next_element::<Keys>()? {
            are_unique &= keys.are_unique;
        }
        Ok(Keys { are_unique })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Keys, A::Error> {
        let (mut seen, mut are_unique) = (HashSet::new(), true);
        while let Some((key, keys)) = entries.next_entry::<String, Keys>()? {
            are_unique &= seen.insert(key) && keys.are_unique;
        }
        Ok(Keys { are_unique })
    }
}
