//! How much the levels of runs of the same differ, and what that does to the effect of one more.
//!
//! Repeats of one run share whatever was peculiar to it, so however many there are they can't tell how far the next run will be from it. That
//! is seen between runs only, each of which counts as one value: its level, with k - 1 degrees of freedom of k runs. The effect of a
//! run over theirs then has the variance of the repeats and that of the levels, and degrees of freedom by Satterthwaite ("An approximate
//! distribution of estimates of variance components", 1946). The variance of the levels is taken whole, though the repeats' scatter is in it
//! too: what would be left of a few runs without it is zero in half of all cases.
//!
//! Machines wander: levels a month apart differ by more than those of one week. The variance therefore grows with time, from the span in which
//! it was seen: as its power of 2/3, between levels that keep (0) and a random walk (1). With that, of 21 series of benchmarks on cloud machines
//! on which nothing was changed for a year ("Azure VM Noise", 2024), 0.2 % of runs one day after the baseline's look changed and 1.1 % of those
//! 30 days after it, for baselines of five runs of 8 values a day apart: `cargo bench --bench judging -- --series FILE`. For three to ten runs
//! of 6 to 16 values over 2 to 28 days it was at most 0.5 and 2.9 %, with a power of 1/2 up to 3.3 %.

use super::Interval;
use super::distribution::{normal_quantile, student_p, student_t};
use super::effect::{Effect, logarithms};
use super::ordered::Differences;
use super::shift::MISSED;
use super::{mean_and_variance, sorted};

/// Runs of the same thing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Levels {
    /// Logarithms of what they show, and when, in days.
    runs: Vec<(f64, Option<f64>)>,
}

/// How far the level of one more run will be from theirs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Between {
    /// Of the difference's logarithm.
    variance: f64,
    freedom: usize,
}

impl Levels {
    /// A run more: its values, and the day on which they were measured, counted from any.
    pub fn add(&mut self, values: &[f64], day: Option<f64>) {
        let positive: Vec<f64> = values
            .iter()
            .copied()
            .filter(|value| *value > 0.0)
            .collect();
        let logarithms = sorted(&logarithms(&positive));
        if !logarithms.is_empty() {
            let level = Differences::Pairs(logarithms).middle();
            self.runs.push((level, day.filter(|day| day.is_finite())));
        }
    }

    /// How many runs there are.
    pub fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Of a run on the given day beside the middle of these runs' values, or with `one_of_them` beside one of them. `None` of fewer than two.
    pub fn apart(&self, day: Option<f64>, one_of_them: bool) -> Option<Between> {
        let k = self.runs.len();
        if k < 2 {
            return None;
        }
        let levels: Vec<f64> = self.runs.iter().map(|(level, _)| *level).collect();
        let theirs = if one_of_them {
            1.0
        } else {
            MEDIAN_OVER_MEAN / k as f64
        };
        let variance = mean_and_variance(&levels).1 * (1.0 + theirs) * self.wander(day);
        Some(Between {
            variance,
            freedom: k - 1,
        })
    }

    /// By how much the variance has grown, from how many times as long ago these runs were as they lasted, all together.
    fn wander(&self, day: Option<f64>) -> f64 {
        let days: Option<Vec<f64>> = self.runs.iter().map(|(_, day)| *day).collect();
        let (Some(day), Some(days)) = (day.filter(|day| day.is_finite()), days) else {
            return 1.0;
        };
        let days = sorted(&days);
        let (first, last) = (days[0], days[days.len() - 1]);
        let middle = days.iter().sum::<f64>() / days.len() as f64;
        let ago = (day - middle).abs() / (last - first).max(SPAN_MIN);
        ago.clamp(1.0, AGO_MAX).powf(WANDER)
    }
}

impl Effect {
    /// The same effect if runs of the same differ so: never surer than before.
    #[must_use]
    pub fn with(self, between: Between) -> Effect {
        let within =
            (self.interval.high / self.interval.low).ln() / 2.0 / normal_quantile(MISSED / 2.0);
        let (within, between, freedom) = (within * within, between.variance, between.freedom);
        let whole = within + between;
        if !whole.is_finite() || whole <= 0.0 {
            return self;
        }
        // The scatter of the repeats is known well beside that of the runs.
        let freedom = (whole / between).powi(2) * freedom as f64;
        let freedom = freedom.clamp(1.0, FREEDOM_MAX) as usize;
        let center = self.ratio.ln();
        let half = student_t(freedom, MISSED / 2.0) * whole.sqrt();
        let bound = |by: f64| (center + by).exp().clamp(f64::MIN_POSITIVE, f64::MAX);
        Effect {
            interval: Interval {
                low: self.interval.low.min(bound(-half)),
                high: self.interval.high.max(bound(half)),
            },
            p: self.p.max(student_p(freedom, center / whole.sqrt())),
            ..self
        }
    }
}

/// Variance of a median over that of a mean of the same normal values: π/2. Where levels differ by more than repeats scatter, the middle of all
/// values is hardly better than the median of the levels.
const MEDIAN_OVER_MEAN: f64 = std::f64::consts::FRAC_PI_2;
/// A span of hours is no drift's beginning: in days.
const SPAN_MIN: f64 = 0.5;
/// A baseline of one morning, two months old.
const AGO_MAX: f64 = 100.0;
const WANDER: f64 = 2.0 / 3.0;
const FREEDOM_MAX: f64 = 1000.0;

#[cfg(test)]
mod tests {
    use super::super::simulated::Noise;
    use super::super::{Pairing, effect};
    use super::*;

    /// Alarms of 400 runs of eight repeats beside five runs of the same, all of whose levels differ by `cv`; with the levels in mind or without.
    fn alarms(cv: f64, by: f64, known: bool) -> usize {
        let mut noise = Noise::new(21);
        let is_alarm = |_: &u32| {
            let mut run = |by: f64| -> Vec<f64> {
                let level = noise.skewed(cv) * by;
                (0..8).map(|_| level * noise.skewed(0.02)).collect()
            };
            let mut levels = Levels::default();
            let runs: Vec<Vec<f64>> = (0..5).map(|_| run(1.0)).collect();
            for run in &runs {
                levels.add(run, None);
            }
            let seen = effect(&runs.concat(), &run(by), Pairing::Independent).unwrap();
            let seen = match levels.apart(None, false) {
                Some(between) if known => seen.with(between),
                _ => seen,
            };
            seen.p <= 0.01 && !seen.interval.contains(1.0)
        };
        (0..400).filter(is_alarm).count()
    }

    // 1 % of 400 are 4; 10 are three standard errors above.
    #[test]
    fn runs_whose_levels_differ_are_no_alarm() {
        let (blind, known) = (alarms(0.02, 1.0, false), alarms(0.02, 1.0, true));
        assert!(blind > 60 && known <= 10, "{blind} {known}");
        let found = alarms(0.02, 1.2, true);
        assert!(found >= 320, "{found}");
        // Where levels hardly differ it costs little.
        let found = alarms(0.001, 1.1, true);
        assert!(found >= 396, "{found}");
    }

    #[test]
    fn older_runs_tell_less() {
        let mut levels = Levels::default();
        for (value, day) in [(100.0, 0.0), (101.0, 1.0), (99.0, 2.0), (100.5, 4.0)] {
            levels.add(&[value; 3], Some(day));
        }
        let variance = |day| levels.apart(day, false).unwrap().variance;
        assert_eq!(variance(None).to_bits(), variance(Some(5.0)).to_bits());
        assert!((variance(Some(33.75)) / variance(None) - 4.0).abs() < 1e-9);
        assert!((levels.apart(None, true).unwrap().variance / variance(None) - 1.436).abs() < 1e-3);
        let mut one = Levels::default();
        one.add(&[1.0, 2.0], None);
        one.add(&[0.0, f64::NAN], None);
        assert_eq!((one.runs(), one.apart(None, false)), (1, None));
    }
}
