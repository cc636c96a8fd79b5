//! Units, and how a value is written for people: a scale that fits, three significant digits at most, never `1e9`.

/// Unit of a metric's values in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Millisecond,
    /// Microseconds.
    Microsecond,
    /// Seconds.
    Second,
    /// Bytes; read in binary multiples.
    Byte,
    /// Bits per second; read in decimal multiples, as links are sold.
    BitPerSecond,
    /// Bytes per second; read in binary multiples, as memory is written.
    BytePerSecond,
    /// CPU seconds per GiB.
    SecondPerGib,
    /// A number of things per GiB.
    CountPerGib,
    /// A factor: 1 is "the same".
    Ratio,
    /// A part of a whole from 0 to 1, read as percent.
    Share,
    /// Percent.
    Percent,
    /// A number of things.
    Count,
}

impl Unit {
    /// The word for the unit of the stored value, as in the format's table.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Millisecond => "ms",
            Unit::Microsecond => "us",
            Unit::Second => "s",
            Unit::Byte => "B",
            Unit::BitPerSecond => "bit/s",
            Unit::BytePerSecond => "B/s",
            Unit::SecondPerGib => "s/GiB",
            Unit::CountPerGib => "1/GiB",
            Unit::Ratio | Unit::Share => "ratio",
            Unit::Percent => "%",
            Unit::Count => "count",
        }
    }

    /// A value of this unit as a person reads it: `12.3 s`, `842 ms`, `14.9 Gbit/s`, `1.23 GiB`, `0.45 s/GiB`.
    pub fn format(self, value: f64) -> String {
        if !value.is_finite() {
            return "not a number".to_owned();
        }
        let (factor, scale, zero) = self.scale();
        let (size, name) = if value == 0.0 {
            (1.0, zero)
        } else {
            fitting(value * factor, scale)
        };
        number(value * factor / size) + name
    }

    /// Smallest and largest in one unit, the one that fits the larger: `0.79–1.2 s`.
    pub fn format_range(self, low: f64, high: f64) -> String {
        let greatest = if low.abs() > high.abs() { low } else { high };
        self.format_range_like(greatest, low, high, true)
    }

    /// A range in the unit that [`Unit::format`] gives `value`, for a place beside it; without the unit itself.
    pub fn format_range_beside(self, value: f64, low: f64, high: f64) -> String {
        self.format_range_like(value, low, high, false)
    }

    /// A value in the unit that [`Unit::format`] gives `like`: the numbers of an axis are read in one unit.
    pub fn format_like(self, like: f64, value: f64) -> String {
        self.format_range_like(like, value, value, true)
    }

    fn format_range_like(self, value: f64, low: f64, high: f64, say_unit: bool) -> String {
        if ![value, low, high].iter().all(|number| number.is_finite()) {
            return "not a number".to_owned();
        }
        let (factor, scale, zero) = self.scale();
        let (size, name) = if value == 0.0 {
            fitting(high.abs().max(low.abs()) * factor, scale)
        } else {
            fitting(value * factor, scale)
        };
        let (size, name) = if low == 0.0 && high == 0.0 {
            (1.0, zero)
        } else {
            (size, name)
        };
        let (low, high) = (number(low * factor / size), number(high * factor / size));
        let range = if low == high {
            low
        } else {
            format!("{low}–{high}")
        };
        if say_unit { range + name } else { range }
    }

    /// What a stored value is multiplied with, the units it may then be shown in, and the unit of a zero.
    fn scale(self) -> (f64, &'static [(f64, &'static str)], &'static str) {
        match self {
            Unit::Microsecond => (1e-6, TIME, " µs"),
            Unit::Millisecond => (1e-3, TIME, " ms"),
            Unit::Second => (1.0, TIME, " s"),
            Unit::Byte => (1.0, BYTES, " B"),
            Unit::BytePerSecond => (1.0, BYTES_PER_SECOND, " B/s"),
            Unit::BitPerSecond => (1.0, BITS_PER_SECOND, " bit/s"),
            Unit::Count => (1.0, COUNT, ""),
            Unit::SecondPerGib => (1.0, SECONDS_PER_GIB, " s/GiB"),
            Unit::CountPerGib => (1.0, COUNTS_PER_GIB, " /GiB"),
            Unit::Ratio => (1.0, RATIO, "×"),
            Unit::Share => (100.0, PERCENT, " %"),
            Unit::Percent => (1.0, PERCENT, " %"),
        }
    }
}

/// The smallest unit of `scale` that keeps a value below 1000.
fn fitting(value: f64, scale: &[(f64, &'static str)]) -> (f64, &'static str) {
    let fitting = scale
        .iter()
        .find(|(size, _)| three_digits(value.abs() / size) < 1000.0);
    *fitting.unwrap_or(&scale[scale.len() - 1])
}

/// A number as it stands before its unit.
fn number(value: f64) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    let shown = three_digits(value.abs());
    if shown == 0.0 {
        "0".to_owned()
    } else if shown < SMALLEST {
        // A bare zero would claim that nothing was there.
        format!("{sign}<{SMALLEST}")
    } else if shown > LARGEST {
        format!("{sign}>{LARGEST}")
    } else {
        format!("{sign}{}", digits(shown))
    }
}

/// Rounded to three significant digits; values beyond what is ever written are left alone.
fn three_digits(value: f64) -> f64 {
    if !(SMALLEST / 2.0..=LARGEST * 2.0).contains(&value) {
        return value;
    }
    let step = 10f64.powf(value.log10().floor() - 2.0);
    (value / step).round() * step
}

/// At most three significant digits, without trailing zeros behind the point.
fn digits(value: f64) -> String {
    let decimals = match value {
        value if value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        value if value >= 0.9995 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if decimals == 0 {
        text
    } else {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

const KIB: f64 = 1024.0;
const MIB: f64 = KIB * KIB;
const GIB: f64 = KIB * MIB;
const TIB: f64 = KIB * GIB;
/// Smaller values of the smallest unit are written as "less than".
const SMALLEST: f64 = 0.001;
/// Greater values of the greatest unit are written as "more than".
const LARGEST: f64 = 999_999.0;
const TIME: &[(f64, &str)] = &[
    (1e-6, " µs"),
    (1e-3, " ms"),
    (1.0, " s"),
    (60.0, " min"),
    (3600.0, " h"),
];
const BYTES: &[(f64, &str)] = &[
    (1.0, " B"),
    (KIB, " KiB"),
    (MIB, " MiB"),
    (GIB, " GiB"),
    (TIB, " TiB"),
];
const BYTES_PER_SECOND: &[(f64, &str)] = &[
    (1.0, " B/s"),
    (KIB, " KiB/s"),
    (MIB, " MiB/s"),
    (GIB, " GiB/s"),
    (TIB, " TiB/s"),
];
const BITS_PER_SECOND: &[(f64, &str)] = &[
    (1.0, " bit/s"),
    (1e3, " kbit/s"),
    (1e6, " Mbit/s"),
    (1e9, " Gbit/s"),
    (1e12, " Tbit/s"),
];
const COUNT: &[(f64, &str)] = &[(1.0, ""), (1e3, " k"), (1e6, " M"), (1e9, " G")];
const SECONDS_PER_GIB: &[(f64, &str)] = &[(1.0, " s/GiB")];
const COUNTS_PER_GIB: &[(f64, &str)] = &[(1.0, " /GiB"), (1e3, " k/GiB"), (1e6, " M/GiB")];
const RATIO: &[(f64, &str)] = &[(1.0, "×")];
const PERCENT: &[(f64, &str)] = &[(1.0, " %")];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_read_as_people_write_them() {
        let cases = [
            (Unit::Millisecond, 12_345.0, "12.3 s"),
            (Unit::Millisecond, 842.4, "842 ms"),
            (Unit::Millisecond, 999.6, "1 s"),
            (Unit::Millisecond, 0.0, "0 ms"),
            (Unit::Millisecond, 0.25, "250 µs"),
            (Unit::Second, 4_000.0, "66.7 min"),
            (Unit::Second, 1e6, "278 h"),
            (Unit::BitPerSecond, 14.94e9, "14.9 Gbit/s"),
            (Unit::Byte, 1.23 * GIB, "1.23 GiB"),
            (Unit::Byte, 1010.0 * KIB, "0.986 MiB"),
            (Unit::BytePerSecond, 120.0 * MIB, "120 MiB/s"),
            (Unit::SecondPerGib, 0.45, "0.45 s/GiB"),
            (Unit::SecondPerGib, 1e-9, "<0.001 s/GiB"),
            (Unit::SecondPerGib, 12_345.0, "12300 s/GiB"),
            (Unit::CountPerGib, 12_345.0, "12.3 k/GiB"),
            (Unit::CountPerGib, 0.0, "0 /GiB"),
            (Unit::Share, 0.123, "12.3 %"),
            (Unit::Ratio, 1.8, "1.8×"),
            (Unit::Percent, 99.0, "99 %"),
            (Unit::Count, 12_345.0, "12.3 k"),
            (Unit::Count, -3.0, "-3"),
            (Unit::Byte, 1e300, ">999999 TiB"),
            (Unit::Count, f64::NAN, "not a number"),
        ];
        for (unit, value, text) in cases {
            assert_eq!(unit.format(value), text, "{value} {unit:?}");
        }
    }

    #[test]
    fn a_range_says_a_common_unit_once() {
        assert_eq!(Unit::Millisecond.format_range(790.0, 842.0), "790–842 ms");
        assert_eq!(Unit::Millisecond.format_range(790.0, 1_200.0), "0.79–1.2 s");
        assert_eq!(
            Unit::Millisecond.format_range_beside(842.0, 790.0, 1_200.0),
            "790–1200"
        );
        assert_eq!(Unit::Count.format_range(3.0, 3.0), "3");
    }

    proptest! {
        // Any finite double is short, not scientific, and has at most three significant digits (six for the two bounds).
        #[test]
        fn any_value_is_short_and_plain(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
            for unit in [Unit::Millisecond, Unit::Byte, Unit::Count, Unit::SecondPerGib, Unit::Share, Unit::BitPerSecond] {
                let text = unit.format(value);
                prop_assert!(text.chars().count() <= 16, "{text}");
                let end = text.find(|c: char| !(c.is_ascii_digit() || "-<>.".contains(c))).unwrap_or(text.len());
                let number = &text[..end];
                prop_assert!(!number.contains(['e', 'E']));
                let significant = number.trim_start_matches(['-', '0', '.']).trim_end_matches('0').replace('.', "");
                prop_assert!(significant.len() <= 3 || text.contains(['<', '>']), "{text}");
            }
        }
    }
}
