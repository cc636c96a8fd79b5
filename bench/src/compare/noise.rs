//! Noise floors: how much two measurements of the same thing differ, by metric.
//!
//! Either another run of the base says it, which also holds what changes from run to run. Or the base's own repeats do, split in two: it is
//! what a comparison of halves would take for a difference, once as they alternate and once as they follow each other, the greater of both,
//! and over √2 because a half has only half as many values.

use serde::Serialize;

use super::metrics::values;
use crate::record::{CellRecord, Record};
use crate::statistics::median;

/// Where the floors come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoiseFloor {
    /// Another run of the base, by its id.
    Run(String),
    /// Halves of the base's own repeats.
    Halves,
}

/// Knows the floors.
pub(super) struct Noise<'a> {
    base: &'a Record,
    again: Option<&'a Record>,
}

impl<'a> Noise<'a> {
    pub(super) fn new(base: &'a Record, again: Option<&'a Record>) -> Self {
        Noise { base, again }
    }

    pub(super) fn source(&self) -> NoiseFloor {
        self.again.map_or(NoiseFloor::Halves, |again| {
            NoiseFloor::Run(again.run_id.clone())
        })
    }

    /// The floor of a metric in a cell of the base, as a share: 0.02 is 2 %. `None` where nothing can say it.
    ///
    /// A cell that the other run lacks has the greatest floor that any cell has.
    pub(super) fn floor(&self, cell: &CellRecord, id: &str) -> Option<f64> {
        let Some(again) = self.again else {
            return halves(&values(cell, id));
        };
        let of = |cell: &CellRecord| {
            let index = again.cell_index(&cell.id)?;
            difference(&values(cell, id), &values(&again.cells[index], id))
        };
        of(cell).or_else(|| self.base.cells.iter().filter_map(of).max_by(f64::total_cmp))
    }
}

fn halves(values: &[f64]) -> Option<f64> {
    let every_other =
        |first: usize| -> Vec<f64> { values.iter().skip(first).step_by(2).copied().collect() };
    let (early, late) = values.split_at(values.len() / 2);
    if early.len() < HALF_MIN {
        return None;
    }
    let turns = difference(&every_other(0), &every_other(1))?;
    let sides = difference(early, late)?;
    Some(((turns.max(sides) + 1.0).ln() / std::f64::consts::SQRT_2).exp_m1())
}

/// By how much the greater median is above the smaller.
fn difference(a: &[f64], b: &[f64]) -> Option<f64> {
    let (a, b) = (median(a)?, median(b)?);
    if a.total_cmp(&b).is_eq() {
        return Some(0.0);
    }
    let floor = a.max(b) / a.min(b) - 1.0;
    (a.min(b) > 0.0 && floor.is_finite()).then_some(floor)
}

/// Of fewer values a median is one of them, or their mean.
const HALF_MIN: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_see_both_drift_and_scatter() {
        let close = |floor: Option<f64>, expected: f64| {
            let floor = floor.unwrap();
            assert!((floor - expected).abs() < 1e-6, "{floor}");
        };
        let over_root = |ratio: f64| ratio.powf(1.0 / std::f64::consts::SQRT_2) - 1.0;
        close(halves(&[5.0; 8]), 0.0);
        // Slower at the end.
        close(
            halves(&[10.0, 10.0, 10.0, 11.0, 11.0, 11.0]),
            over_root(1.1),
        );
        // Every other one slower.
        close(
            halves(&[10.0, 12.0, 10.0, 12.0, 10.0, 12.0]),
            over_root(1.2),
        );
        assert_eq!(halves(&[1.0; 5]), None);
        assert_eq!(halves(&[0.0, 1.0, 0.0, 1.0, 0.0, 1.0]), None);
    }
}
