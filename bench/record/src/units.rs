//! Quantities as people write them: a number and a unit, `"8 GiB"`, `"1 Gbit/s"`, `"300 ms"`, `"10 %"`.
//!
//! A bare number is refused: whoever reads a scenario next year must not guess whether 128 meant MiB/s or Mbit/s. `KiB` is 1024
//! and `kB` is 1000. What a text stands for is exact: decimals are read as decimals, never through a float.

mod decimal;
mod rate;
mod share;
mod size;
mod time;

pub use rate::QUANTITY as RATE;
pub use rate::Rate;
pub use share::QUANTITY as SHARE;
pub use share::Share;
pub use size::QUANTITY as SIZE;
pub use size::Size;
pub use time::QUANTITY as TIME;
pub use time::Time;

/// What is wrong with a quantity's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// It does not begin with a number.
    #[error("`{text}` is not {what}")]
    NotANumber {
        /// The text.
        text: String,
        /// What was wanted, with its article.
        what: &'static str,
        /// What to write.
        hint: String,
    },
    /// The number has no unit.
    #[error("`{text}` has no unit")]
    NoUnit {
        /// The text.
        text: String,
        /// What to write.
        hint: String,
    },
    /// The unit is not one of this quantity's.
    #[error("`{unit}` is not a unit of {what}")]
    UnknownUnit {
        /// The unit.
        unit: String,
        /// What was wanted.
        what: &'static str,
        /// What to write.
        hint: String,
    },
    /// The value is outside what the quantity can hold.
    #[error("`{text}` is out of range")]
    OutOfRange {
        /// The text.
        text: String,
        /// What the range is.
        hint: String,
    },
}

impl UnitError {
    /// The next thing to try.
    pub fn hint(&self) -> &str {
        match self {
            UnitError::NotANumber { hint, .. }
            | UnitError::NoUnit { hint, .. }
            | UnitError::UnknownUnit { hint, .. }
            | UnitError::OutOfRange { hint, .. } => hint,
        }
    }
}

/// A kind of quantity: how it is called, an example, and its units in the order in which they are offered.
pub struct Quantity {
    /// With its article: "a size".
    pub what: &'static str,
    /// A value as one writes it.
    pub example: &'static str,
    /// Name and factor to the base unit.
    pub units: &'static [(&'static str, u128)],
    /// The units to offer for a bare number.
    pub usual: &'static [&'static str],
    /// Other spellings of units, in lower case, that people write.
    pub spelt: &'static [(&'static str, &'static str)],
}

/// Serde and schema of a quantity: its text.
macro_rules! as_text {
    ($type:ty, $name:literal, $description:literal) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <String as serde::Deserialize>::deserialize(deserializer)?;
                text.parse()
                    .map_err(|error: $crate::units::UnitError| {
                        serde::de::Error::custom(format!("{error}; {}", error.hint()))
                    })
            }
        }

        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": $description,
                    "pattern": Self::pattern(),
                    "examples": [QUANTITY.example],
                })
            }
        }
    };
}
pub(crate) use as_text;
