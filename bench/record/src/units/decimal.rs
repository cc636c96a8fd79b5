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
    pub fn missing_unit(&self, number: &str) -> String {
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
        let guesses: Vec<String> = self
            .guesses(unit)
            .iter()
            .map(|name| format!("\"{number} {name}\""))
            .collect();
        if guesses.is_empty() {
            return format!(
                "write one of {}, for example \"{}\"",
                self.names(),
                self.example
            );
        }
        format!(
            "did you mean {}? (units: {})",
            guesses.join(" or "),
            self.names()
        )
    }

    /// The units that somebody may have meant who wrote `unit`: another spelling, another case, or one cut short. Bits stay bits and
    /// bytes stay bytes; where the text tells neither, it is one of each.
    fn guesses(&self, unit: &str) -> Vec<&'static str> {
        let lower = unit.to_lowercase();
        if let Some((_, name)) = self.spelt.iter().find(|(spelling, _)| *spelling == lower) {
            return vec![*name];
        }
        let width = Width::of(unit);
        let plain = plain(unit);
        let one_of_each = |matches: &dyn Fn(&str) -> bool| {
            let mut found: Vec<&'static str> = Vec::new();
            for (name, _) in self.units {
                let fits = width.is_none() || Width::of(name) == width;
                let is_new = !found.iter().any(|one| Width::of(one) == Width::of(name));
                if fits && is_new && matches(name) {
                    found.push(*name);
                }
            }
            found
        };
        let same = one_of_each(&|name| self::plain(name) == plain);
        if !same.is_empty() {
            return same;
        }
        let begun = one_of_each(&|name| name.starts_with(unit));
        if !begun.is_empty() {
            return begun;
        }
        one_of_each(&|name| self::plain(name).starts_with(&plain))
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.units.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }
}

/// What a unit of data counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Bits,
    Bytes,
}

impl Width {
    /// `b` is a bit and `B` a byte, unless the word is spelt out or all of its letters are of one case and tell nothing; `None` where it
    /// is not known.
    fn of(unit: &str) -> Option<Self> {
        let lower = unit.to_lowercase();
        if lower.contains("bit") || lower.ends_with("bps") && unit.contains("bps") {
            return Some(Width::Bits);
        }
        if lower.contains("byte") {
            return Some(Width::Bytes);
        }
        let goes_on = unit.len() > lower.find('b')? + 1;
        let has_lower = unit.contains(|c: char| c.is_ascii_lowercase());
        let has_upper = unit.contains(|c: char| c.is_ascii_uppercase());
        if unit.contains('B') {
            // `MB/S` tells nothing, `MB` is a size's.
            return (has_lower || !goes_on).then_some(Width::Bytes);
        }
        has_upper.then_some(Width::Bits)
    }
}

/// The unit without what people write differently.
fn plain(unit: &str) -> String {
    unit.to_lowercase()
        .replace("bytes", "b")
        .replace("byte", "b")
        .replace("bits", "b")
        .replace("bit", "b")
        .replace("ps", "/s")
        .replace("/sec", "/s")
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

#[cfg(test)]
mod tests {
    use super::super::{RATE, SIZE, TIME};

    // A hint is copied: one that takes bits for bytes is eight times off.
    #[test]
    fn bits_stay_bits_and_bytes_bytes() {
        for (unit, meant) in [
            ("Gb/s", &["Gbit/s"][..]),
            ("Mb/s", &["Mbit/s"]),
            ("Kb/s", &["kbit/s"]),
            ("kb/s", &["kbit/s", "kB/s"]),
            ("Mb", &["Mbit/s"]),
            ("Gbps", &["Gbit/s"]),
            ("mbps", &["Mbit/s"]),
            ("bps", &["bit/s"]),
            ("GBit/s", &["Gbit/s"]),
            ("Gbits/sec", &["Gbit/s"]),
            ("GBps", &["GB/s"]),
            ("MiBps", &["MiB/s"]),
            ("KB/s", &["kB/s"]),
            ("MB", &["MB/s"]),
            ("MiB", &["MiB/s"]),
            ("Mbytes/s", &["MB/s"]),
            ("b/s", &["bit/s", "B/s"]),
            ("mb/s", &["Mbit/s", "MB/s"]),
            ("MB/S", &["Mbit/s", "MB/s"]),
            ("GBPS", &["Gbit/s", "GB/s"]),
            ("M", &["Mbit/s", "MiB/s"]),
            ("g", &["Gbit/s", "GiB/s"]),
            // No unit here counts 2^30 bits.
            ("Gib/s", &[]),
            ("Gibit/s", &[]),
        ] {
            let mut guesses = RATE.guesses(unit);
            guesses.sort_unstable();
            let mut meant = meant.to_vec();
            meant.sort_unstable();
            assert_eq!(guesses, meant, "{unit}");
        }
        for (unit, meant) in [
            ("gb", &["GB"][..]),
            ("gib", &["GiB"]),
            ("M", &["MiB"]),
            ("Gbyte", &["GB"]),
            ("bytes", &["B"]),
            ("Gb", &[]),
            ("Gbit", &[]),
        ] {
            assert_eq!(SIZE.guesses(unit), meant, "{unit}");
        }
        assert_eq!(TIME.guesses("m"), ["min"]);
        assert_eq!(TIME.guesses("MS"), ["ms"]);
    }

    #[test]
    fn a_hint_offers_both_where_the_text_tells_neither() {
        let hint = RATE.unknown_unit("12", "mb/s");
        assert!(
            hint.starts_with("did you mean \"12 Mbit/s\" or \"12 MB/s\"?"),
            "{hint}"
        );
    }
}
