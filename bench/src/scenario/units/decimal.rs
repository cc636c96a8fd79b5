//! Exact decimal numbers with a unit behind them, and the search for the unit that was meant.

use super::{Quantity, UnitError};

/// Digits read at most: 10^18 times the largest factor still fits 128 bits.
const DIGITS_MAX: usize = 18;

/// A non-negative decimal number: `mantissa / 10^places`.
#[derive(Debug, Clone, Copy)]
struct Decimal {
    mantissa: u128,
    places: u32,
}

impl Quantity {
    /// The value of `text` in the base unit, rounded to a whole number.
    pub(super) fn parse(&self, text: &str) -> Result<u64, UnitError> {
        let trimmed = text.trim();
        let end = trimmed
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(end);
        let Some(decimal) = Decimal::parse(number) else {
            return Err(UnitError::NotANumber {
                text: text.to_owned(),
                what: self.what,
                hint: format!(
                    "write a number and a unit, for example \"{}\"",
                    self.example
                ),
            });
        };
        let unit = unit.trim();
        if unit.is_empty() {
            return Err(UnitError::NoUnit {
                text: text.to_owned(),
                hint: self.missing_unit(number),
            });
        }
        let Some((_, factor)) = self.units.iter().find(|(name, _)| *name == unit) else {
            return Err(UnitError::UnknownUnit {
                unit: unit.to_owned(),
                what: self.what,
                hint: self.unknown_unit(number, unit),
            });
        };
        decimal.times(*factor).ok_or_else(|| UnitError::OutOfRange {
            text: text.to_owned(),
            hint: format!(
                "write {} that fits 64 bits and is 0 or at least 1 in the smallest unit",
                self.what
            ),
        })
    }

    /// Advice for a bare number. It offers two units rather than one: a guess that happens to be wrong would be copied and measured.
    pub(crate) fn missing_unit(&self, number: &str) -> String {
        if self.usual == ["%"] {
            return "write percent: a tenth is \"10 %\"".to_owned();
        }
        let examples: Vec<String> = self
            .usual
            .iter()
            .map(|unit| format!("\"{number} {unit}\""))
            .collect();
        format!(
            "write the unit as well, such as {} (units: {})",
            examples.join(" or "),
            self.names()
        )
    }

    /// Regular expression of the texts that [`Quantity::parse`] accepts, for JSON schemas.
    pub(super) fn pattern(&self) -> String {
        let units: Vec<&str> = self.units.iter().map(|(name, _)| *name).collect();
        format!("[0-9]+(\\.[0-9]+)? *({})", units.join("|"))
    }

    /// `value` in the unit that makes it shortest, without rounding.
    pub(super) fn display(&self, value: u64, units: &[&str]) -> String {
        let fits = |(name, factor): &&(&str, u128)| {
            units.contains(name) && u128::from(value).is_multiple_of(*factor)
        };
        let best = self
            .units
            .iter()
            .filter(fits)
            .max_by_key(|(_, factor)| *factor)
            .expect("every quantity has a unit of factor 1");
        format!("{} {}", u128::from(value) / best.1, best.0)
    }

    fn unknown_unit(&self, number: &str, unit: &str) -> String {
        match self.guess(unit) {
            Some(name) => format!(
                "did you mean \"{number} {name}\"? (units: {})",
                self.names()
            ),
            None => format!(
                "write one of {}, for example \"{}\"",
                self.names(),
                self.example
            ),
        }
    }

    /// The unit that somebody meant who wrote `unit`: another spelling, another case, or one cut short.
    fn guess(&self, unit: &str) -> Option<&'static str> {
        let lower = unit.to_lowercase();
        let find = |matches: &dyn Fn(&str) -> bool| {
            self.units
                .iter()
                .map(|(name, _)| *name)
                .find(|name| matches(name))
        };
        let spelt = self
            .spelt
            .iter()
            .find(|(spelling, _)| *spelling == lower)
            .map(|(_, name)| *name);
        spelt
            .or_else(|| find(&|name| name.to_lowercase() == lower))
            .or_else(|| find(&|name| name.starts_with(unit)))
            .or_else(|| find(&|name| name.to_lowercase().starts_with(&lower)))
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.units.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

impl Decimal {
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let valid = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !valid(whole) || !valid(fraction) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let digits = format!("{}{fraction}", whole.trim_start_matches('0'));
        if digits.len() > DIGITS_MAX + 2 || fraction.len() > DIGITS_MAX {
            // More digits than any range here holds; the value that overflows says so better than "not a number".
            return Some(Self {
                mantissa: u128::MAX,
                places: 0,
            });
        }
        Some(Self {
            mantissa: if digits.is_empty() {
                0
            } else {
                digits.parse().ok()?
            },
            places: u32::try_from(fraction.len()).ok()?,
        })
    }

    /// The product, rounded half up; `None` beyond 64 bits or when something becomes nothing.
    fn times(self, factor: u128) -> Option<u64> {
        let divisor = 10_u128.pow(self.places);
        let product = self.mantissa.checked_mul(factor)?;
        let rounded = product.checked_add(divisor / 2)? / divisor;
        if rounded == 0 && self.mantissa != 0 {
            return None;
        }
        u64::try_from(rounded).ok()
    }
}
