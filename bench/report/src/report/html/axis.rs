//! A scale from values to places, with ticks at round values.

use lmbench_record::metric::Unit;

use crate::report::model::Range;

/// From 0 to 1 between two values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    unit: Unit,
    /// Parts that ticks divide it into, about.
    most: u32,
}

impl Axis {
    /// For points: not from zero, unless that is near; logarithmic if the values differ much.
    pub(super) fn of_points(range: Range, unit: Unit) -> Axis {
        let Range { low, high } = range;
        if low > 0.0 && high / low > WIDE {
            return Axis {
                low: (low / 1.1).max(f64::MIN_POSITIVE),
                high: (high * 1.1).min(f64::MAX),
                logarithmic: true,
                unit,
                most: WIDE_AXIS,
            };
        }
        let width = (high - low)
            .max(high.abs().max(low.abs()) * 0.02)
            .max(f64::MIN_POSITIVE);
        let from_zero = low >= 0.0 && low < high * 0.5;
        Axis {
            low: if from_zero { 0.0 } else { low - width * 0.05 },
            high: high + width * 0.05,
            logarithmic: false,
            unit,
            most: WIDE_AXIS,
        }
    }

    /// For bars: from zero.
    pub(super) fn from_zero(high: f64, unit: Unit) -> Axis {
        Axis {
            low: 0.0,
            high: high.max(f64::MIN_POSITIVE),
            logarithmic: false,
            unit,
            most: WIDE_AXIS,
        }
    }

    /// For time: from edge to edge.
    pub(super) fn of_points_exactly(range: Range) -> Axis {
        Axis {
            low: range.low,
            high: range.high,
            logarithmic: false,
            unit: Unit::Millisecond,
            most: WIDE_AXIS,
        }
    }

    /// For ratios: logarithmic, with 1 in it.
    pub(super) fn of_ratios(range: Range) -> Axis {
        let reach = (1.0 / range.low.max(1e-3))
            .max(range.high.min(1e3))
            .max(1.25)
            * 1.05;
        Axis {
            low: range.low.clamp(1.0 / reach, 0.95) / 1.02,
            high: range.high.clamp(1.05, reach) * 1.02,
            logarithmic: true,
            unit: Unit::Ratio,
            most: WIDE_AXIS,
        }
    }

    /// For bars in a narrow column: from zero to a round value, with a number or two on the way.
    pub(super) fn narrow(top: f64, unit: Unit) -> Axis {
        let axis = Axis {
            most: NARROW_AXIS,
            ..Axis::from_zero(top, unit)
        };
        axis.to_a_step().to_a_step()
    }

    /// For the height of a panel: from zero to a round value, or logarithmic from the lowest value.
    pub(super) fn short(top: f64, bottom: Option<f64>, unit: Unit) -> Axis {
        let axis = Axis {
            low: bottom.unwrap_or(0.0),
            high: top.max(f64::MIN_POSITIVE),
            logarithmic: bottom.is_some(),
            unit,
            most: SHORT_AXIS,
        };
        if axis.logarithmic {
            return axis;
        }
        // What is rounded up may be read in the next unit, in which other values are round.
        axis.to_a_step().to_a_step()
    }

    fn to_a_step(self) -> Axis {
        let round = self.step();
        let round = round.map(|(step, base)| (self.high / base / step).ceil() * step * base);
        Axis {
            high: round.filter(|round| round.is_finite()).unwrap_or(self.high),
            ..self
        }
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    /// Where a value lies, from 0 to 1; what is outside lies at the edge.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if place.is_finite() {
            place.clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// Round values on the axis, six at most, with their texts: of a linear one all in the same unit.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let values = if self.logarithmic {
            self.decades()
        } else {
            self.steps()
        };
        values
            .into_iter()
            .filter(|value| (self.low..=self.high).contains(value))
            .map(|value| (self.place(value), self.text(value)))
            .collect()
    }

    fn text(&self, value: f64) -> String {
        if self.logarithmic {
            return self.unit.format(value);
        }
        if value == 0.0 {
            return "0".to_owned();
        }
        let greatest = self.high.abs().max(self.low.abs());
        // 1000 MiB are round, and 0.977 GiB are not.
        let like = match self.unit {
            Unit::Byte | Unit::BytePerSecond => base(self.unit, greatest),
            _ => greatest,
        };
        self.unit.format_like(like, value)
    }

    fn steps(&self) -> Vec<f64> {
        let Some((step, base)) = self.step() else {
            return Vec::new();
        };
        let first = (self.low / base / step).ceil();
        (0..7)
            .map(|index| (first + f64::from(index)) * step * base)
            .collect()
    }

    /// The distance of ticks, in multiples of what they are rounded to.
    fn step(&self) -> Option<(f64, f64)> {
        let base = base(self.unit, self.high.abs().max(self.low.abs()));
        let raw = (self.high / base - self.low / base) / f64::from(self.most);
        let power = 10f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * power)
            .into_iter()
            .find(|step| *step >= raw)
            .unwrap_or(raw);
        let first = self.low / base / step;
        (first.is_finite() && step > 0.0).then_some((step, base))
    }

    fn decades(&self) -> Vec<f64> {
        let decades = (self.low.log10().floor() as i32)..=(self.high.log10().ceil() as i32);
        let all = |factors: &[f64]| -> Vec<f64> {
            let decades = decades.clone();
            let values =
                decades.flat_map(|power| factors.iter().map(move |f| f * 10f64.powi(power)));
            values
                .filter(|value| (self.low..=self.high).contains(value))
                .collect()
        };
        let choices: [&[f64]; 5] = [
            &[
                1.0, 1.1, 1.2, 1.3, 1.5, 1.7, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0,
            ],
            &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
            &[1.0, 2.0, 5.0],
            &[1.0, 3.0],
            &[1.0],
        ];
        let fitting = choices
            .into_iter()
            .map(all)
            .find(|values| values.len() <= 6);
        fitting.unwrap_or_else(|| {
            let values = all(&[1.0]);
            let step = values.len().div_ceil(6).max(3);
            values.into_iter().step_by(step).collect()
        })
    }
}

/// What a value is divided by before round numbers are looked for: bytes are read in powers of 1024, long times in minutes.
fn base(unit: Unit, greatest: f64) -> f64 {
    let bases: &[f64] = match unit {
        Unit::Byte | Unit::BytePerSecond => &[
            1.0,
            1024.0,
            1_048_576.0,
            1_073_741_824.0,
            1_099_511_627_776.0,
        ],
        Unit::Millisecond => &[1.0, 60_000.0, 3_600_000.0],
        Unit::Second => &[1.0, 60.0, 3_600.0],
        _ => &[1.0],
    };
    bases
        .iter()
        .copied()
        .rfind(|base| greatest >= *base)
        .unwrap_or(1.0)
}

/// Parts of an axis as wide as the page, of a short one, and of one that has room for three numbers.
const WIDE_AXIS: u32 = 5;
const SHORT_AXIS: u32 = 3;
const NARROW_AXIS: u32 = 2;
/// Beyond this factor between the greatest and the smallest value the scale is logarithmic.
const WIDE: f64 = 30.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(axis: Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_in_the_unit_that_is_read() {
        let of = |low, high, unit| texts(Axis::of_points(Range { low, high }, unit));
        assert_eq!(of(0.0, 1000.0, Unit::Millisecond), ["0", "0.5 s", "1 s"]);
        assert_eq!(
            of(1e9, 1.2e9, Unit::Byte),
            ["0.95 GiB", "1 GiB", "1.05 GiB", "1.1 GiB"]
        );
        assert_eq!(
            of(1.0, 1000.0, Unit::Millisecond),
            ["1 ms", "10 ms", "100 ms", "1 s"]
        );
    }

    #[test]
    fn heights_end_at_a_round_value_from_zero() {
        let of = |top, unit| texts(Axis::short(top, None, unit));
        for (top, unit, expected) in [
            (941.0, Unit::Millisecond, &["0", "0.5 s", "1 s"][..]),
            (13.0, Unit::Percent, &["0", "5 %", "10 %", "15 %"]),
            (
                1_010.0 * 1_048_576.0,
                Unit::Byte,
                &["0", "0.5 GiB", "1 GiB", "1.5 GiB"],
            ),
        ] {
            assert_eq!(of(top, unit), expected, "{top}");
        }
        // Three numbers side by side, and no more.
        for top in 1..2000 {
            let narrow = texts(Axis::narrow(f64::from(top), Unit::Millisecond));
            assert!((2..=3).contains(&narrow.len()), "{top}: {narrow:?}");
        }
        let decades = texts(Axis::short(5e6, Some(20.0), Unit::Microsecond));
        assert!((2..=6).contains(&decades.len()), "{decades:?}");
    }

    // Logarithms of zero and of infinity would be axes without end.
    #[test]
    fn the_greatest_and_smallest_numbers_have_an_axis() {
        let tiny = f64::from_bits(1);
        for (low, high) in [
            (1.0, f64::MAX),
            (tiny, 1.0),
            (tiny, f64::MAX),
            (f64::MIN, f64::MAX),
        ] {
            let axis = Axis::of_points(Range { low, high }, Unit::Count);
            assert!(axis.ticks().len() <= 7, "{low} {high}");
        }
    }

    proptest! {
        #[test]
        fn any_axis_has_few_ticks_within_it(low in -1e12f64..1e12, width in 0.0f64..1e12) {
            for axis in [
                Axis::of_points(Range { low, high: low + width }, Unit::Count),
                Axis::from_zero(width, Unit::Byte),
                Axis::of_ratios(Range { low: low.abs() / 1e12, high: width }),
            ] {
                let ticks = axis.ticks();
                prop_assert!(ticks.len() <= 7, "{ticks:?}");
                prop_assert!(ticks.iter().all(|(place, _)| (0.0..=1.0).contains(place)));
            }
        }
    }
}
