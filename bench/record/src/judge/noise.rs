//! The noise floor: how much two measurements of the same thing differ. A change that is smaller says nothing, however sure it is.
//!
//! Runs of the same tell it best (A/A): every two medians of a cell are compared, and the floor of a metric is what 95 % of these ratios
//! stay below, of fewer than 20 the greatest. They also tell how sure an effect between runs is, see [`crate::statistics::Levels`].
//!
//! One run has only its own repeats, which can't know what changes from run to run; but they know whether something drifted while they were
//! measured: then their first and their second half differ as surely as the rule asks of any difference, and by so much two measurements of
//! the same do. Of pairs it is the ratio of the partners that has to drift, as what both share is not in it. What the halves differ by without
//! being sure is their scatter, which interval and chance know already.
//!
//! No floor is below a step of the clock that measured: half of the values of 3.95 and 4.05 ms are the same whole number of them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::RULE;
use crate::metric::{Direction, metric};
use crate::record::Record;
use crate::statistics::{Between, Levels, Pairing, effect, median};

/// Where floors come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseSource {
    /// Other runs of the base, by their ids.
    Runs(Vec<String>),
    /// Halves of the base's own repeats.
    Halves,
}

/// Knows the floors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NoiseFloor {
    /// By metric id.
    between_runs: BTreeMap<String, f64>,
    /// By cell id and metric id.
    levels: BTreeMap<(String, String), Levels>,
}

impl NoiseFloor {
    /// Nothing is known but the base's own repeats.
    pub fn of_repeats() -> Self {
        NoiseFloor::default()
    }

    /// From runs of the same, of which there are at least two; without, as [`NoiseFloor::of_repeats`].
    pub fn of_runs(runs: &[&Record]) -> Self {
        if runs.len() < 2 {
            return NoiseFloor::of_repeats();
        }
        let mut medians: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
        for cell in runs.iter().flat_map(|run| &run.cells) {
            for (id, values) in cell.values_by_metric() {
                if has_direction(id)
                    && let Some(median) = median(&values).filter(|median| *median > 0.0)
                {
                    medians.entry((&cell.id, id)).or_default().push(median);
                }
            }
        }
        let mut floors: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for ((_, id), medians) in &medians {
            for (index, one) in medians.iter().enumerate() {
                let others = medians[index + 1..].iter();
                let apart = others.filter_map(|other| apart(*one, *other));
                floors.entry(id).or_default().extend(apart);
            }
        }
        let floors = floors.into_iter();
        NoiseFloor {
            between_runs: floors
                .filter_map(|(id, apart)| Some((id.to_owned(), greatest_but_odd(apart)?)))
                .collect(),
            levels: levels(runs),
        }
    }

    /// From what a file says of the noise between runs.
    pub fn known(between_runs: &BTreeMap<String, f64>) -> Self {
        let sound = |floor: &f64| floor.is_finite() && *floor >= 0.0;
        let known = between_runs.iter().filter(|(_, floor)| sound(floor));
        NoiseFloor {
            between_runs: known.map(|(id, floor)| (id.clone(), *floor)).collect(),
            levels: BTreeMap::new(),
        }
    }

    /// What is known of the noise between runs, by metric id.
    pub fn between_runs(&self) -> &BTreeMap<String, f64> {
        &self.between_runs
    }

    /// The floor of a metric as a share, 0.02 is 2 %, where these are the values in the order of the repeats. `None` where nothing can say it:
    /// then the rule's own holds.
    pub fn of(&self, id: &str, base: &[f64], candidate: &[f64], pairing: Pairing) -> Option<f64> {
        let measured = match pairing {
            Pairing::Pairs => drift(&ratios(base, candidate)),
            Pairing::Independent => self.between_runs.get(id).copied().or_else(|| drift(base)),
        };
        match (measured, clock(id, base, candidate)) {
            (Some(measured), Some(clock)) => Some(measured.max(clock)),
            (measured, clock) => measured.or(clock),
        }
    }

    /// How far a run on the given [`day`] lies from one of those that this knows, in the same cell; `None` where fewer than two are known.
    pub fn between(&self, cell: &str, id: &str, day: Option<f64>) -> Option<Between> {
        let levels = self.levels.get(&(cell.to_owned(), id.to_owned()))?;
        levels.apart(day, true)
    }
}

/// When a run started, in days since 1970.
pub fn day(started: &str) -> Option<f64> {
    let moment: jiff::Timestamp = started.parse().ok()?;
    Some(moment.as_second() as f64 / SECONDS_OF_A_DAY)
}

fn levels(runs: &[&Record]) -> BTreeMap<(String, String), Levels> {
    let mut levels: BTreeMap<(String, String), Levels> = BTreeMap::new();
    for run in runs {
        for cell in &run.cells {
            for (id, values) in cell.values_by_metric() {
                let of = levels.entry((cell.id.clone(), id.to_owned())).or_default();
                of.add(&values, day(&run.started));
            }
        }
    }
    levels
}

/// By how much the second half of the values differs from the first, if it surely does.
fn drift(values: &[f64]) -> Option<f64> {
    let (early, late) = values.split_at(values.len() / 2);
    let effect = effect(early, late, Pairing::Independent)?;
    (effect.p <= RULE.alpha).then(|| effect.ratio.ln().abs().exp_m1())
}

fn ratios(base: &[f64], candidate: &[f64]) -> Vec<f64> {
    let pairs = base.iter().zip(candidate);
    pairs.map(|(base, candidate)| candidate / base).collect()
}

/// A step of the metric's clock as a share of what is measured.
fn clock(id: &str, base: &[f64], candidate: &[f64]) -> Option<f64> {
    let least = median(base)?.min(median(candidate)?);
    let step = metric(id)?.resolution(least);
    (step > 0.0 && least > 0.0).then(|| step / least)
}

/// By how much the greater is above the smaller.
fn apart(a: f64, b: f64) -> Option<f64> {
    if a.total_cmp(&b).is_eq() {
        return Some(0.0);
    }
    let apart = a.max(b) / a.min(b) - 1.0;
    (a.min(b) > 0.0 && apart.is_finite()).then_some(apart)
}

/// What 95 % stay below, by nearest rank.
fn greatest_but_odd(mut apart: Vec<f64>) -> Option<f64> {
    apart.sort_by(f64::total_cmp);
    let rank = (apart.len() * 95).div_ceil(100);
    apart.get(rank.checked_sub(1)?).copied()
}

/// Only what has a better way can get worse.
fn has_direction(id: &str) -> bool {
    metric(id).is_some_and(|metric| metric.direction != Direction::Informational)
}

const SECONDS_OF_A_DAY: f64 = 86_400.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Repeat, example};

    fn with_values(values: &[f64]) -> Record {
        let mut record = example::empty("noise", values.len() as u32, 1);
        for (repeat, value) in (1..).zip(values) {
            let metrics = BTreeMap::from([
                ("downtime_ms".to_owned(), *value),
                ("iterations".to_owned(), *value),
                ("nobody_knows".to_owned(), *value),
                ("stalls".to_owned(), 0.0),
            ]);
            record.push(0, Repeat::completed(repeat, 0.0, metrics));
        }
        record
    }

    #[test]
    fn a_sure_drift_counts_and_scatter_does_not() {
        let floor = |values: &[f64]| {
            let alone = NoiseFloor::of_repeats();
            alone.of("total_time_ms", values, values, Pairing::Independent)
        };
        let steps = |late: f64| -> Vec<f64> {
            let step = |repeat: u32| if repeat < 6 { 1000.0 } else { 1000.0 * late };
            (0..12)
                .map(|repeat| step(repeat) + f64::from(repeat))
                .collect()
        };
        assert!((floor(&steps(1.1)).unwrap() - 0.1).abs() < 0.01);
        assert_eq!(
            floor(&[10.0, 12.0, 10.0, 12.0, 10.0, 12.0, 10.0, 12.0, 10.0, 12.0]),
            None
        );
        assert_eq!(floor(&[5.0; 12]), None);
        assert_eq!(floor(&[f64::NAN; 12]), None);
        // What both partners share is no drift of their ratio, and what one has is.
        let alone = NoiseFloor::of_repeats();
        let paired = |base: &[f64], candidate: &[f64]| {
            alone.of("total_time_ms", base, candidate, Pairing::Pairs)
        };
        assert_eq!(paired(&steps(1.5), &steps(1.5)), None);
        assert!((paired(&steps(1.0), &steps(1.1)).unwrap() - 0.1).abs() < 0.01);
    }

    #[test]
    fn a_step_of_the_clock_is_no_change() {
        // 3.95 and 4.05 ms by a clock of whole milliseconds.
        let base = [3.0, 4.0, 3.0, 3.0, 4.0, 3.0, 3.0, 3.0, 4.0, 3.0, 3.0, 3.0];
        let candidate = [4.0; 12];
        let floor = |id: &str, base: &[f64], candidate: &[f64]| {
            let alone = NoiseFloor::of_repeats();
            alone.of(id, base, candidate, Pairing::Independent)
        };
        for (base, candidate) in [(&base, &candidate), (&candidate, &base)] {
            let found = floor("downtime_ms", base, candidate);
            assert!((found.unwrap() - 1.0 / 3.0).abs() < 1e-12);
            let effect = effect(base, candidate, Pairing::Independent).unwrap();
            assert!(!RULE.above(found).is_beyond_noise(&effect), "{effect:?}");
        }
        assert_eq!(floor("blackout_ms", &base, &candidate), None);
        assert_eq!(floor("downtime_ms", &[0.0; 12], &candidate), None);
    }

    #[test]
    fn runs_of_the_same_show_how_much_they_differ() {
        let runs = [[100.0; 3], [104.0; 3], [110.0; 3]].map(|values| with_values(&values));
        let floors = NoiseFloor::of_runs(&runs.iter().collect::<Vec<_>>());
        let known: Vec<&String> = floors.between_runs().keys().collect();
        assert_eq!(known, ["downtime_ms"]);
        let of = |pairing| {
            floors
                .of("downtime_ms", &[5e3; 8], &[5e3; 8], pairing)
                .unwrap()
        };
        assert!((of(Pairing::Independent) - 0.1).abs() < 1e-9);
        // Partners are of one run.
        assert!(of(Pairing::Pairs) < 0.001);
        let between = |id: &str| floors.between(&runs[0].cells[0].id, id, None);
        assert!(between("downtime_ms").is_some() && between("total_time_ms").is_none());
    }

    #[test]
    fn one_run_alone_knows_nothing_of_others() {
        let run = with_values(&[100.0; 3]);
        assert_eq!(NoiseFloor::of_runs(&[&run]), NoiseFloor::of_repeats());
    }

    #[test]
    fn one_odd_comparison_of_many_is_left_out() {
        let mut apart: Vec<f64> = (1..=40).map(|step| f64::from(step) / 1000.0).collect();
        apart.push(9.0);
        assert!(greatest_but_odd(apart).unwrap() < 0.05);
        assert_eq!(greatest_but_odd(Vec::new()), None);
    }

    #[test]
    fn nonsense_in_a_file_is_passed_over() {
        let floors = [
            ("a", f64::NAN),
            ("b", -1.0),
            ("c", f64::INFINITY),
            ("d", 0.2),
        ];
        let floors = floors.map(|(id, floor)| (id.to_owned(), floor)).into();
        let known = NoiseFloor::known(&floors);
        assert_eq!(known.between_runs().keys().collect::<Vec<_>>(), ["d"]);
    }
}
