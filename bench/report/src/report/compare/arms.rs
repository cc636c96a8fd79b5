//! What is compared with each other, with the chances of all of it, and which cells stand out of a run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use lmbench_record::compare::{self, MetricComparison};
use lmbench_record::conditions;
use lmbench_record::judge::{ByArm, Family, RULE, Verdict};
use lmbench_record::record::{CellRecord, Record};
use lmbench_record::statistics::median;

use super::super::label::{self, Axis};
use super::super::values::of_cell;
use super::{METRICS, sign};

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
    let names = cells.iter().map(ToString::to_string).collect();
    let of_cell = |cell: &usize| vec![&record.cells[*cell]];
    let arms = Arms::new(
        names,
        cells.iter().map(of_cell).collect(),
        None,
        families(record),
    );
    let of = |&id: &&'static str| {
        let standing = standing(&arms, id).unwrap_or_default();
        Standing {
            best: standing.best.map(|arm| cells[arm]),
            ..standing
        }
    };
    METRICS.iter().map(of).collect()
}

fn standing(arms: &Arms<'_>, id: &'static str) -> Option<Standing> {
    let sign = sign(id)?;
    let middle = |arm: usize| {
        let values: Vec<f64> = of_cell(arms.cells[arm][0], id).into_values().collect();
        Some((sign * median(&values)?, arm))
    };
    let mut ranked: Vec<(f64, usize)> = (0..arms.cells.len()).filter_map(middle).collect();
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ((_, leader), others) = ranked.split_first()?;
    let is_worse = |(_, other): &(f64, usize)| arms.is_worse(id, *leader, *other);
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
    cells: Vec<Vec<&'a CellRecord>>,
    /// The parameter that tells them apart; none of cells.
    axis: Option<&'a Axis>,
    /// All that is asked of them.
    family: Family,
    /// How many such families are asked of the run.
    families: usize,
    /// What `compare` says of two of them, where it was asked.
    known: RefCell<Compared>,
}

/// Pairs of arms with what is told of each.
type Compared = BTreeMap<(usize, usize), Rc<Vec<MetricComparison>>>;

impl<'a> Arms<'a> {
    pub(super) fn new(
        names: Vec<String>,
        cells: Vec<Vec<&'a CellRecord>>,
        axis: Option<&'a Axis>,
        families: usize,
    ) -> Self {
        Arms {
            family: family(&cells, axis),
            names,
            cells,
            axis,
            families,
            known: RefCell::default(),
        }
    }

    /// What `compare` says of two of them: of the cells that differ in nothing else.
    pub(super) fn compared(&self, one: usize, other: usize) -> Rc<Vec<MetricComparison>> {
        let mut known = self.known.borrow_mut();
        let found = known.entry((one, other)).or_insert_with(|| {
            let sibling = |cell: &&'a CellRecord| {
                let wanted = settings(cell, self.axis);
                let mut others = self.cells[other].iter();
                let found = others.find(|other| settings(other, self.axis) == wanted)?;
                Some((*cell, *found))
            };
            let cells: Vec<_> = self.cells[one].iter().filter_map(sibling).collect();
            Rc::new(compare::of_one_run(&cells))
        });
        Rc::clone(found)
    }

    /// The same of one metric.
    pub(super) fn told(&self, id: &str, one: usize, other: usize) -> Option<MetricComparison> {
        let all = self.compared(one, other);
        all.iter().find(|told| told.id == id).cloned()
    }

    /// Whether chance shows a difference as clear anywhere in what is asked of the run in no more than 1 of 100 runs.
    pub(super) fn stands_out(&self, id: &str, one: usize, other: usize) -> bool {
        let metric = METRICS.iter().position(|known| *known == id);
        let p = metric.map_or(1.0, |metric| self.family.p(metric, one, other));
        p * self.families as f64 <= RULE.alpha
    }

    /// Whether the other one is worse than the first, by `compare`, and stands out.
    pub(super) fn is_worse(&self, id: &str, one: usize, other: usize) -> bool {
        let is_worse = |told: MetricComparison| told.verdict == Some(Verdict::Worse);
        self.stands_out(id, one, other) && self.told(id, one, other).is_some_and(is_worse)
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

/// What a cell has in common with its partners: all settings but the one that is compared, and nothing of cells.
fn settings(cell: &CellRecord, axis: Option<&Axis>) -> Vec<String> {
    let Some(axis) = axis else {
        return Vec::new();
    };
    let others = cell.parameters.iter().filter(|(key, _)| **key != axis.key);
    others
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}

/// All metrics of all arms, in blocks of repeats with the same number and the same settings but of `axis`.
fn family(cells: &[Vec<&CellRecord>], axis: Option<&Axis>) -> Family {
    let mut blocks: Vec<(Vec<String>, u32)> = Vec::new();
    for cell in cells.iter().flatten() {
        let settings = settings(cell, axis);
        let numbers = cell
            .completed()
            .map(|repeat| (settings.clone(), repeat.repeat));
        blocks.extend(numbers);
    }
    blocks.sort();
    blocks.dedup();
    blocks.truncate(BLOCKS);
    let metric = |&id: &&'static str| -> ByArm {
        let arm = |cells: &Vec<&CellRecord>| {
            let mut row = vec![None; blocks.len()];
            for cell in cells {
                let settings = settings(cell, axis);
                for (repeat, value) in of_cell(cell, id) {
                    if let Ok(place) = blocks.binary_search(&(settings.clone(), repeat)) {
                        row[place] = Some(value);
                    }
                }
            }
            row
        };
        cells.iter().map(arm).collect()
    };
    Family::new(&METRICS.iter().map(metric).collect::<Vec<_>>())
}

/// How many families of questions a run's part of a report asks: of each axis, and of the cells where these are not those of the axis.
pub(super) fn families(record: &Record) -> usize {
    match label::axes(record).len() {
        0 | 1 => 1,
        axes => axes + 1,
    }
}

/// Cells beyond which none is starred or coloured: every two of them are compared.
pub(in crate::report) const STARRED: usize = 24;
/// Blocks of repeats beyond which the chances would take too long; `compare` counts all.
const BLOCKS: usize = 200;
