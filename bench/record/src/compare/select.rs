//! Which cells of a run, and which cell of one run is compared with which of the other.

use std::collections::{BTreeMap, BTreeSet};

use super::Side;
use crate::cells::{Selector, listed, plain};
use crate::nearest::nearest;
use crate::record::{CellRecord, Record};

/// Some cells of a run: all, the one of an id, or those whose parameters have certain values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    text: Option<String>,
}

/// Why nothing can be compared. Texts of records are as they stand there, so whoever prints this cleans it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// No such cell.
    #[error("run {run_id} has no cell `{choice}`\nhint: {hint}")]
    NoCell {
        /// The run.
        run_id: String,
        /// What was asked for.
        choice: String,
        /// What there is.
        hint: String,
    },
    /// Both have cells, and none the same.
    #[error(
        "runs {base} and {candidate} have no cell in common\nhint: name a cell of each, RUN:CELL; base has {base_cells}; candidate has {candidate_cells}"
    )]
    NothingInCommon {
        /// The base.
        base: String,
        /// The candidate.
        candidate: String,
        /// The base's cells.
        base_cells: String,
        /// The candidate's cells.
        candidate_cells: String,
    },
    /// A part of the selection leaves several cells that nothing tells apart.
    #[error(
        "several cells of run {run_id} would be compared with the same cell: {cells}\nhint: name one of them, RUN:CELL"
    )]
    Ambiguous {
        /// The run.
        run_id: String,
        /// The cells.
        cells: String,
    },
}

/// Cells by partner.
pub(super) struct Matched<'a> {
    pub(super) both: Vec<(&'a CellRecord, &'a CellRecord)>,
    pub(super) only_base: Vec<String>,
    pub(super) only_candidate: Vec<String>,
}

impl Choice {
    /// Every cell.
    pub const fn all() -> Self {
        Choice { text: None }
    }

    /// A cell's id, or `KEY=VALUE,…` that its parameters must have.
    pub fn cells(text: impl Into<String>) -> Self {
        Choice {
            text: Some(text.into()),
        }
    }

    /// What was asked for, if not all.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    fn chosen<'a>(&self, record: &'a Record) -> Result<Chosen<'a>, SelectError> {
        let Some(text) = &self.text else {
            return Ok(Chosen {
                cells: record.cells.iter().collect(),
                keys: BTreeSet::new(),
            });
        };
        if let Some(cell) = record.cells.iter().find(|cell| cell.id == *text) {
            return Ok(Chosen {
                cells: vec![cell],
                keys: cell.parameters.keys().cloned().collect(),
            });
        }
        let selector = Selector::from(text.as_str());
        let has = |cell: &&CellRecord| selector.takes(&cell.id, &cell.parameters);
        let cells: Vec<&CellRecord> = record.cells.iter().filter(has).collect();
        if cells.is_empty() || text.trim().is_empty() {
            return Err(no_cell(record, text));
        }
        Ok(Chosen {
            cells,
            keys: selector.keys(),
        })
    }
}

struct Chosen<'a> {
    cells: Vec<&'a CellRecord>,
    /// Parameters that the choice has named: in these both sides may differ.
    keys: BTreeSet<String>,
}

fn no_cell(record: &Record, choice: &str) -> SelectError {
    let ids: Vec<&str> = record.cells.iter().map(|cell| cell.id.as_str()).collect();
    let near = nearest(choice, ids.iter().copied());
    let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    SelectError::NoCell {
        run_id: record.run_id.clone(),
        choice: choice.to_owned(),
        hint: format!("{near}its cells are {}", listed(&ids)),
    }
}

/// Finds each cell's partner: the one whose parameters are the same, apart from those that either choice names.
pub(super) fn matched<'a>(base: Side<'a>, candidate: Side<'a>) -> Result<Matched<'a>, SelectError> {
    let (one, other) = (
        base.choice.chosen(base.record)?,
        candidate.choice.chosen(candidate.record)?,
    );
    if let ([one], [other]) = (one.cells.as_slice(), other.cells.as_slice()) {
        return Ok(Matched {
            both: vec![(one, other)],
            only_base: Vec::new(),
            only_candidate: Vec::new(),
        });
    }
    let keys: BTreeSet<String> = one.keys.union(&other.keys).cloned().collect();
    let key = |cell: &CellRecord| -> BTreeMap<String, String> {
        if keys.is_empty() && cell.parameters.is_empty() {
            return BTreeMap::from([(String::new(), cell.id.clone())]);
        }
        cell.parameters
            .iter()
            .filter(|(key, _)| !keys.contains(*key))
            .map(|(key, value)| (key.clone(), plain(value)))
            .collect()
    };
    let mut partners: BTreeMap<_, Vec<&CellRecord>> = BTreeMap::new();
    for cell in &other.cells {
        partners.entry(key(cell)).or_default().push(cell);
    }
    let mut taken: BTreeMap<_, &str> = BTreeMap::new();
    let (mut both, mut only_base) = (Vec::new(), Vec::new());
    for cell in &one.cells {
        let key = key(cell);
        match partners.get(&key).map(Vec::as_slice) {
            None | Some([]) => only_base.push(cell.id.clone()),
            Some([partner]) => {
                if let Some(earlier) = taken.insert(key, &cell.id) {
                    return Err(ambiguous(base.record, &[earlier, &cell.id]));
                }
                both.push((*cell, *partner));
            }
            Some(several) => {
                let ids: Vec<&str> = several.iter().map(|cell| cell.id.as_str()).collect();
                return Err(ambiguous(candidate.record, &ids));
            }
        }
    }
    if both.is_empty() {
        let ids = |cells: &[&CellRecord]| {
            listed(
                &cells
                    .iter()
                    .map(|cell| cell.id.as_str())
                    .collect::<Vec<_>>(),
            )
        };
        return Err(SelectError::NothingInCommon {
            base: base.record.run_id.clone(),
            candidate: candidate.record.run_id.clone(),
            base_cells: ids(&one.cells),
            candidate_cells: ids(&other.cells),
        });
    }
    let only_candidate = other
        .cells
        .iter()
        .filter(|cell| !taken.contains_key(&key(cell)))
        .map(|cell| cell.id.clone())
        .collect();
    Ok(Matched {
        both,
        only_base,
        only_candidate,
    })
}

fn ambiguous(record: &Record, ids: &[&str]) -> SelectError {
    SelectError::Ambiguous {
        run_id: record.run_id.clone(),
        cells: listed(ids),
    }
}
