use std::error::Error as _;

use serde_json::{Value, json};

use super::{notes::NOT_FINITE, *};
use crate::{catch_panic::catch_panic, record::Properties};

/// Types whose `Serialize` does not keep to the rules.
#[derive(Debug, Clone, Copy)]
enum Broken {
    KeyAtTheEnd,
    TwoKeys,
    KeyBeforeAnEntry,
    ValueAlone,
    TwoValues,
    FailureInAList,
    FailureInATuple,
    FailureInAnEntry,
    FailureInAKey,
    ValueAfterAFailureInAKey,
    FailureInAStruct,
    FailureInAVariant,
    FailureFarInside,
    PanicInAList,
}

impl Broken {
    const ALL: [Self; 14] = [
        Self::KeyAtTheEnd,
        Self::TwoKeys,
        Self::KeyBeforeAnEntry,
        Self::ValueAlone,
        Self::TwoValues,
        Self::FailureInAList,
        Self::FailureInATuple,
        Self::FailureInAnEntry,
        Self::FailureInAKey,
        Self::ValueAfterAFailureInAKey,
        Self::FailureInAStruct,
        Self::FailureInAVariant,
        Self::FailureFarInside,
        Self::PanicInAList,
    ];
}

impl Broken {
    /// Whether it is a NaN that it ignores.
    fn has_nan(self) -> bool {
        use Broken::*;
        matches!(
            self,
            FailureInAList
                | FailureInATuple
                | FailureInAnEntry
                | FailureInAStruct
                | FailureInAVariant
        )
    }
}

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::KeyAtTheEnd => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("a", &1)?;
                map.serialize_key("b")?;
                map.end()
            }
            Self::TwoKeys => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_key("a")?;
                map.serialize_key("b")?;
                map.serialize_value(&1)?;
                map.end()
            }
            Self::KeyBeforeAnEntry => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_key("a")?;
                map.serialize_entry("b", &1)?;
                map.end()
            }
            Self::ValueAlone => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_value(&1)?;
                map.end()
            }
            Self::TwoValues => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("a", &1)?;
                map.serialize_value(&2)?;
                map.end()
            }
            Self::FailureInAList => {
                let mut list = serializer.serialize_seq(None)?;
                let _ = list.serialize_element(&f64::NAN);
                list.serialize_element(&1)?;
                list.end()
            }
            Self::FailureInATuple => {
                let mut tuple = serializer.serialize_tuple(2)?;
                tuple.serialize_element(&1)?;
                let _ = tuple.serialize_element(&f64::NAN);
                tuple.end()
            }
            Self::FailureInAnEntry => {
                let mut map = serializer.serialize_map(None)?;
                let _ = map.serialize_entry("a", &f64::NAN);
                map.end()
            }
            Self::FailureInAKey => {
                let mut map = serializer.serialize_map(None)?;
                let _ = map.serialize_entry(&[1], &1);
                map.end()
            }
            Self::ValueAfterAFailureInAKey => {
                let mut map = serializer.serialize_map(None)?;
                let _ = map.serialize_key(&[1]);
                let _ = map.serialize_value(&1);
                map.end()
            }
            Self::FailureInAStruct => {
                let mut fields = serializer.serialize_struct("Struct", 1)?;
                let _ = fields.serialize_field("a", &f64::NAN);
                fields.end()
            }
            Self::FailureInAVariant => {
                let mut fields = serializer.serialize_struct_variant("Enum", 0, "A", 1)?;
                let _ = fields.serialize_field("a", &f64::NAN);
                fields.end()
            }
            Self::FailureFarInside => {
                let mut list = serializer.serialize_seq(None)?;
                let _ = list.serialize_element(&[("a", Self::TwoKeys)]);
                list.end()
            }
            Self::PanicInAList => {
                let mut list = serializer.serialize_seq(None)?;
                let _ = catch_panic(|| list.serialize_element(&Panicking));
                list.end()
            }
        }
    }
}

struct Panicking;

impl Serialize for Panicking {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_seq(None)?;
        panic!("on purpose")
    }
}

/// Says that it has no parts, and has some.
struct Longer<'a>(&'a str);

impl Serialize for Longer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            "list" => {
                let mut list = serializer.serialize_seq(Some(0))?;
                list.serialize_element(&1)?;
                list.end()
            }
            "tuple" => {
                let mut tuple = serializer.serialize_tuple(0)?;
                tuple.serialize_element(&1)?;
                tuple.end()
            }
            "tuple struct" => {
                let mut fields = serializer.serialize_tuple_struct("Struct", 0)?;
                fields.serialize_field(&1)?;
                fields.end()
            }
            "tuple variant" => {
                let mut fields = serializer.serialize_tuple_variant("Enum", 0, "A", 0)?;
                fields.serialize_field(&1)?;
                fields.end()
            }
            "map" => {
                let mut map = serializer.serialize_map(Some(0))?;
                map.serialize_key("a")?;
                map.serialize_value(&1)?;
                map.end()
            }
            "struct" => {
                let mut fields = serializer.serialize_struct("Struct", 0)?;
                fields.serialize_field("a", &1)?;
                fields.end()
            }
            _ => {
                let mut fields = serializer.serialize_struct_variant("Enum", 0, "A", 0)?;
                fields.serialize_field("a", &1)?;
                fields.end()
            }
        }
    }
}

fn written(value: impl Serialize) -> Result<Vec<u8>, WriteError> {
    let mut json = Vec::new();
    write_value(&mut json, &value)?;
    Ok(json)
}

#[test]
fn what_would_be_left_half_written_is_refused() {
    for broken in Broken::ALL {
        let mut properties = Properties::default();
        let error = properties.insert("x", &broken).expect_err("no JSON");
        let cause = error.source().map(ToString::to_string);
        if broken.has_nan() {
            let expected = "property `x` cannot be sent: NaN and infinities are not JSON numbers";
            assert_eq!(error.to_string(), expected, "{broken:?}");
            assert_eq!(cause, None, "{broken:?}");
        } else {
            let expected = "property `x` cannot be written as JSON";
            assert_eq!(error.to_string(), expected, "{broken:?}");
            assert_eq!(cause.as_deref(), Some(HALF_WRITTEN), "{broken:?}");
        }
        properties.extend(&broken).expect_err("no JSON");
        assert_eq!(properties.length(), 0);
    }
}

#[test]
fn an_error_that_says_what_a_nan_says_is_not_a_nan() {
    struct Impostor;
    impl Serialize for Impostor {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom(NOT_FINITE))
        }
    }
    let error = written(Impostor).expect_err("a failure");
    assert!(matches!(error, WriteError::Json(_)), "{error:?}");
}

#[test]
fn a_length_that_is_not_true_changes_nothing() {
    let cases = [
        ("list", json!([1])),
        ("tuple", json!([1])),
        ("tuple struct", json!([1])),
        ("tuple variant", json!({"A": [1]})),
        ("map", json!({"a": 1})),
        ("struct", json!({"a": 1})),
        ("struct variant", json!({"A": {"a": 1}})),
    ];
    for (what, expected) in cases {
        let json = written([Longer(what), Longer(what)]).expect("no failure");
        let value: Value = serde_json::from_slice(&json).expect(what);
        assert_eq!(value, json!([expected, expected]), "{what}");
    }
}

#[test]
fn what_has_no_parts_is_written_as_serde_json_writes_it() {
    #[derive(serde::Serialize)]
    struct Empty {}
    #[derive(serde::Serialize)]
    struct EmptyTuple();
    #[derive(serde::Serialize)]
    enum Variant {
        Tuple(),
        Struct {},
    }
    let value = (
        Empty {},
        EmptyTuple(),
        [Variant::Tuple(), Variant::Struct {}],
        [0; 0],
        json!([{}, []]),
    );
    assert_eq!(
        written(&value).expect("valid"),
        serde_json::to_vec(&value).expect("valid")
    );
}

/// An object that has a key twice.
struct Twice;

impl Serialize for Twice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([("a", 1), ("b", 2), ("a", 3)])
    }
}

#[test]
fn a_repeated_key_is_noticed_and_the_last_one_counts() {
    let mut properties = Properties::default();
    properties.insert("x", &Twice).expect("valid");
    assert_eq!(properties.json(), br#""x":{"b":2,"a":3}"#);
}

#[test]
fn values_are_written_for_people() {
    let mut properties = Properties::default();
    let address = std::net::Ipv4Addr::LOCALHOST;
    properties.insert("ip", &address).expect("valid");
    assert_eq!(properties.json(), br#""ip":"127.0.0.1""#);
}
