//! One record of a MaxMind-format database as a tree of values, whatever its schema, read without assuming types.
//!
//! Typed decoding by the crate is strict: asking for a double where a file has a float is an error. Here numbers come as
//! they are, so that every schema reads alike.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// How deep a record is read; what lies deeper becomes [`Value::Deep`]. Known schemas need 4 levels; the bound keeps a
/// hostile file from exhausting the stack.
const MAX_DEPTH: u8 = 16;

/// A value of a record; texts are borrowed from the file.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// UTF-8 text.
    Text(&'a str),
    /// A 32-bit float, kept apart so that it prints as short as it was written.
    Single(f32),
    /// A 64-bit float.
    Double(f64),
    /// An integer of any width that fits.
    Whole(i128),
    /// A truth value.
    Flag(bool),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A map, in file order.
    Map(Vec<(&'a str, Value<'a>)>),
    /// A list.
    List(Vec<Value<'a>>),
    /// Something deeper than is read.
    Deep,
}

impl<'a> Value<'a> {
    /// The value at a path: map keys, and decimal numbers as indices of lists.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |value, step| match value {
            Self::Map(entries) => entries.iter().find(|(key, _)| key == step).map(|(_, value)| value),
            Self::List(items) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => None,
        })
    }

    /// The text, if it is one and not blank.
    pub fn text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            _ => None,
        }
    }

    /// The number, from a float, a double, an integer or numeric text.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Single(number) => Some(f64::from(*number)),
            Self::Double(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "coordinates and AS numbers are small")]
            Self::Whole(number) => Some(*number as f64),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
        .filter(|number: &f64| number.is_finite())
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Seed(0).deserialize(deserializer)
    }
}

/// Reads a value that lies this deep.
struct Seed(u8);

impl<'de> DeserializeSeed<'de> for Seed {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        if self.0 > MAX_DEPTH {
            return IgnoredAny::deserialize(deserializer).map(|_| Value::Deep);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(text))
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Value<'de>, E> {
        Ok(Value::Bytes(bytes))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value<'de>, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_f32<E>(self, number: f32) -> Result<Value<'de>, E> {
        Ok(Value::Single(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'de>, E> {
        Ok(Value::Double(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Whole(i128::from(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Whole(i128::from(number)))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Value<'de>, E> {
        #[expect(clippy::cast_precision_loss, reason = "too large for an integer of ours; shown only")]
        Ok(i128::try_from(number).map_or(Value::Double(number as f64), Value::Whole))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Seed(self.0 + 1))? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value<'de>, A::Error> {
        let mut map = Vec::with_capacity(entries.size_hint().unwrap_or(0).min(16));
        while let Some(key) = entries.next_key::<&'de str>()? {
            map.push((key, entries.next_value_seed(Seed(self.0 + 1))?));
        }
        Ok(Value::Map(map))
    }
}

/// For `--json`: bytes become a list of numbers, what is too deep `null`.
impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Single(number) => serializer.serialize_f32(*number),
            Self::Double(number) => serializer.serialize_f64(*number),
            Self::Whole(number) => match i64::try_from(*number) {
                Ok(number) => serializer.serialize_i64(number),
                Err(_) => serializer.serialize_str(&number.to_string()),
            },
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Bytes(bytes) => serializer.collect_seq(bytes.iter()),
            Self::Map(entries) => serializer.collect_map(entries.iter().map(|(key, value)| (key, value))),
            Self::List(items) => serializer.collect_seq(items),
            Self::Deep => serializer.serialize_none(),
        }
    }
}

/// In one line, for people: JSON without quotes around keys.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Single(number) => write!(f, "{number}"),
            Self::Double(number) => write!(f, "{number}"),
            Self::Whole(number) => write!(f, "{number}"),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Bytes(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Map(entries) => {
                f.write_str("{")?;
                for (index, (key, value)) in entries.iter().enumerate() {
                    write!(f, "{}{key}: {value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
            Self::List(items) => {
                f.write_str("[")?;
                for (index, value) in items.iter().enumerate() {
                    write!(f, "{}{value}", if index == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Self::Deep => f.write_str("…"),
        }
    }
}
