//! Bounds of limits: a number with the unit that the metric's values can be written in.

use super::RuleError;
use crate::metric::{Metric, Unit};
use crate::units::{Rate, Size, Time, UnitError};

/// The bound that `text` names, in the metric's own unit.
pub(super) fn bound(metric: &Metric, text: &str) -> Result<f64, RuleError> {
    let id = metric.id;
    let wrong = |label: String, hint: String| {
        RuleError::new(format!("`{id}` has no limit that can be read"), label, hint)
    };
    let of_unit = |error: &UnitError| wrong(error.to_string(), error.hint().to_owned());
    let plain = |text: &str| {
        number(text).ok_or_else(|| {
            wrong(
                format!("`{text}` is not {}", what(metric.unit)),
                format!("write for example \"<= {}\"", example(metric)),
            )
        })
    };
    let without = |endings: &[&str]| {
        let ending = endings.iter().find_map(|ending| text.strip_suffix(ending));
        plain(ending.unwrap_or(text).trim_end())
    };
    match metric.unit {
        Unit::Millisecond | Unit::Microsecond | Unit::Second => {
            let time: Time = text.parse().map_err(|error| of_unit(&error))?;
            let nanos = time.nanos() as f64;
            Ok(match metric.unit {
                Unit::Microsecond => nanos / 1e3,
                Unit::Millisecond => nanos / 1e6,
                _ => nanos / 1e9,
            })
        }
        Unit::Byte => {
            let size: Size = text.parse().map_err(|error| of_unit(&error))?;
            Ok(size.bytes() as f64)
        }
        Unit::BitPerSecond | Unit::BytePerSecond => {
            let rate: Rate = text.parse().map_err(|error| of_unit(&error))?;
            let bits = rate.bits_per_second().ok_or_else(|| {
                wrong(
                    "`unbounded` bounds nothing".to_owned(),
                    format!("write a rate, for example \"{}\"", example(metric)),
                )
            })?;
            Ok(match metric.unit {
                Unit::BytePerSecond => bits as f64 / 8.0,
                _ => bits as f64,
            })
        }
        Unit::Share | Unit::Percent => {
            let share = percent(text).map_err(|problem| {
                wrong(
                    format!("`{text}` {problem}"),
                    "write percent: a tenth is \"<= 10 %\"".to_owned(),
                )
            })?;
            Ok(if metric.unit == Unit::Percent {
                share * 100.0
            } else {
                share
            })
        }
        Unit::SecondPerGib => {
            let number = text.strip_suffix("s/GiB").ok_or_else(|| {
                wrong(
                    format!("`{text}` is not {}", what(metric.unit)),
                    format!(
                        "write CPU seconds per GiB, for example \"<= {}\"",
                        example(metric)
                    ),
                )
            })?;
            plain(number.trim_end())
        }
        Unit::CountPerGib => without(&["1/GiB", "/GiB"]),
        Unit::Ratio => without(&["×", "x"]),
        Unit::Count => plain(text),
    }
}

/// `"10 %"` as 0.1; an error continues "`10` …".
pub(in crate::gate) fn percent(text: &str) -> Result<f64, &'static str> {
    let text = text.trim();
    let Some(digits) = text.strip_suffix('%') else {
        return Err(match number(text) {
            // Not "write 0.3 %": who writes 0.3 may mean 30 %, and a wrong guess would be copied.
            Some(_) => "has no unit",
            None => "is not a number with a percent sign",
        });
    };
    number(digits.trim_end())
        .map(|percent| percent / 100.0)
        .ok_or("is not a number with a percent sign")
}

/// Digits, and perhaps a point and more digits: no signs, no exponents, no `inf`.
fn number(text: &str) -> Option<f64> {
    let plain = |c: char| c.is_ascii_digit() || c == '.';
    if text.is_empty() || text.len() > DIGITS_MAX || !text.chars().all(plain) {
        return None;
    }
    if text.starts_with('.') || text.ends_with('.') {
        return None;
    }
    text.parse().ok()
}

/// A value as one writes it, for hints.
pub(super) fn example(metric: &Metric) -> &'static str {
    match metric.unit {
        Unit::Millisecond => "300 ms",
        Unit::Microsecond => "500 us",
        Unit::Second => "20 s",
        Unit::Byte => "2 GiB",
        Unit::BitPerSecond => "800 Mbit/s",
        Unit::BytePerSecond => "100 MiB/s",
        Unit::SecondPerGib => "0.5 s/GiB",
        Unit::CountPerGib => "1000 /GiB",
        Unit::Ratio => "1.5",
        Unit::Share | Unit::Percent => "10 %",
        Unit::Count => "5",
    }
}

fn what(unit: Unit) -> &'static str {
    match unit {
        Unit::SecondPerGib => "a number of CPU seconds per GiB",
        Unit::CountPerGib => "a number of things per GiB",
        Unit::Ratio => "a factor",
        _ => "a number",
    }
}

/// More digits than a double holds say nothing.
const DIGITS_MAX: usize = 18;
