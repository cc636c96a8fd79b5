//! What is compared with each other, with the chances of all of it, and which cells stand out of a run.

use super::super::label::{self, Axis};
use super::super::values::of_cell;
use super::{Asked, METRICS, PAIRS, STARRED, floor_of, sign};
use crate::conditions;
use crate::judge::{ByArm, Family, RULE};
use crate::record::{CellRecord, Record};
use crate::statistics::{Pairing, median};

/// Which cell leads a metric, and whether its colours say anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::report) struct Standing {
    /// The cell that is really better than every other, and completes no less often.
    pub(in crate::report) best: Option<usize>,
    /// Whether the first and the last are really different.
    pub(in crate::report) differs: bool,
}

/// Of the cells of a run, for each of the headline metrics.
pub(in crate::report) fn standings(record: &Record) -> Vec<Standing> {
    let is_ranked =
        |cell: &CellRecord| cell.completed().next().is_some() && conditions::as_asked(cell);
    let cells: Vec<usize> = (0..record.cells.len())
        .filter(|cell| is_ranked(&record.cells[*cell]))
        .collect();
    if cells.len() < 2 || cells.len() > STARRED {
        return vec![Standing::default(); METRICS.len()];
    }
    let arms = Arms {
        names: cells.iter().map(ToString::to_string).collect(),
        cells: cells
            .iter()
            .map(|cell| vec![&record.cells[*cell]])
            .collect(),
    };
    let family = arms.family(None);
    let families = families(record);
    let of = |&id: &&'static str| {
        let standing = standing(&arms, &family, families, id).unwrap_or_default();
        Standing {
            best: standing.best.map(|arm| cells[arm]),
            ..standing
        }
    };
    METRICS.iter().map(of).collect()
}

fn standing(
    arms: &Arms<'_>,
    family: &Family,
    families: usize,
    id: &'static str,
) -> Option<Standing> {
    let sign = sign(id)?;
    let values = |arm: usize| of_cell(arms.cells[arm][0], id);
    let middle = |arm: usize| {
        let values: Vec<f64> = values(arm).into_values().collect();
        Some((sign * median(&values)?, arm))
    };
    let mut ranked: Vec<(f64, usize)> = (0..arms.cells.len()).filter_map(middle).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ((_, leader), others) = ranked.split_first()?;
    let is_worse = |(_, other): &(f64, usize)| {
        let (base, other_values) = (values(*leader), values(*other));
        let pairs = base
            .iter()
            .filter_map(|(repeat, base)| Some((*base, *other_values.get(repeat)?)));
        let values: (Vec<f64>, Vec<f64>) = pairs.unzip();
        let floor = floor_of(id, &values.0, &values.1, Pairing::Pairs);
        let asked = Asked::new(id, ["", ""], values, Pairing::Pairs, floor);
        let chance = family_p(family, families, id, *leader, *other);
        asked.is_some_and(|asked| asked.is_worse(chance))
    };
    let differs = others.last().is_some_and(is_worse);
    let best = !others.is_empty() && differs && others.iter().all(is_worse);
    Some(Standing {
        best: (best && !arms.completes_less(*leader)).then_some(*leader),
        differs,
    })
}

/// What is compared with each other: values of an axis, or cells.
pub(super) struct Arms<'a> {
    pub(super) names: Vec<String>,
    /// The cells of each.
    pub(super) cells: Vec<Vec<&'a CellRecord>>,
}

impl Arms<'_> {
    /// All metrics of all of them, in blocks of repeats with the same number and the same settings but of `axis`.
    pub(super) fn family(&self, axis: Option<&Axis>) -> Family {
        let others = |cell: &CellRecord| -> Vec<String> {
            let Some(axis) = axis else {
                return Vec::new();
            };
            let others = cell.parameters.iter().filter(|(key, _)| **key != axis.key);
            others
                .map(|(key, value)| format!("{key}={value}"))
                .collect()
        };
        let mut blocks: Vec<(Vec<String>, u32)> = Vec::new();
        for cell in self.cells.iter().flatten() {
            let settings = others(cell);
            let numbers = cell
                .completed()
                .map(|repeat| (settings.clone(), repeat.repeat));
            blocks.extend(numbers);
        }
        blocks.sort();
        blocks.dedup();
        blocks.truncate(PAIRS);
        let metric = |&id: &&'static str| -> ByArm {
            let arm = |cells: &Vec<&CellRecord>| {
                let mut row = vec![None; blocks.len()];
                for cell in cells {
                    let settings = others(cell);
                    for (repeat, value) in of_cell(cell, id) {
                        if let Ok(place) = blocks.binary_search(&(settings.clone(), repeat)) {
                            row[place] = Some(value);
                        }
                    }
                }
                row
            };
            self.cells.iter().map(arm).collect()
        };
        Family::new(&METRICS.iter().map(metric).collect::<Vec<_>>())
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    pub(super) fn tried(&self, arm: usize) -> [usize; 2] {
        let tried = self.cells[arm].iter().map(|cell| cell.tried());
        tried.fold([0, 0], |sum, tried| [sum[0] + tried[0], sum[1] + tried[1]])
    }

    /// Whether fewer of its migrations complete than of another's.
    pub(super) fn completes_less(&self, arm: usize) -> bool {
        let own = self.tried(arm);
        let others = (0..self.cells.len()).map(|other| self.tried(other));
        let mut others = others.filter(|tried| tried[0] > 0);
        others.any(|other| RULE.completions(other, own).0.are_fewer())
    }
}

/// How many families of questions a run's part of a report asks: of each axis, and of the cells where these are not those of the axis.
pub(super) fn families(record: &Record) -> usize {
    match label::axes(record).len() {
        0 | 1 => 1,
        axes => axes + 1,
    }
}

pub(super) fn family_p(
    family: &Family,
    families: usize,
    id: &str,
    one: usize,
    other: usize,
) -> f64 {
    let metric = METRICS.iter().position(|known| *known == id);
    let p = metric.map_or(1.0, |metric| family.p(metric, one, other));
    (p * families as f64).min(1.0)
}
