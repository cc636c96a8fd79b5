//! `--only KEY=VALUE`: some cells of a scenario.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::PlanError;
use crate::scenario::matrix::plain;
use crate::scenario::{Cell, Scenario, nearest};

/// Keeps the cells in which an axis has a value. Several on one axis are alternatives; several axes must all match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    /// Path of the axis.
    pub key: String,
    /// Its value, with or without the spaces of the file.
    pub value: String,
}

impl FromStr for Only {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` is not KEY=VALUE; write for example carrier=tcp"))?;
        Ok(Self {
            key: key.trim().to_owned(),
            value: value.trim().to_owned(),
        })
    }
}

impl Only {
    fn wanted(&self) -> String {
        self.value.split_whitespace().collect()
    }

    fn matches(&self, cell: &Cell) -> bool {
        cell.parameters
            .get(&self.key)
            .is_some_and(|value| plain(value) == self.wanted())
    }
}

/// The cells that all filters keep.
pub(super) fn filter(scenario: &Scenario, only: &[Only]) -> Result<Vec<Cell>, PlanError> {
    for filter in only {
        check(scenario, filter)?;
    }
    let keys: BTreeSet<&str> = only.iter().map(|filter| filter.key.as_str()).collect();
    let kept = |cell: &&Cell| {
        keys.iter().all(|key| {
            only.iter()
                .filter(|filter| filter.key == *key)
                .any(|filter| filter.matches(cell))
        })
    };
    let cells: Vec<Cell> = scenario.cells.iter().filter(kept).cloned().collect();
    if cells.is_empty() {
        let filters: Vec<String> = only
            .iter()
            .map(|filter| format!("{}={}", filter.key, filter.value))
            .collect();
        return Err(PlanError::NothingLeft {
            filters: filters.join(" and "),
        });
    }
    Ok(cells)
}

fn check(scenario: &Scenario, filter: &Only) -> Result<(), PlanError> {
    let values: Vec<String> = distinct(
        scenario
            .cells
            .iter()
            .filter_map(|cell| cell.parameters.get(&filter.key))
            .map(plain),
    );
    if values.is_empty() {
        let axes = distinct(
            scenario
                .cells
                .iter()
                .flat_map(|cell| cell.parameters.keys().cloned()),
        );
        return Err(PlanError::UnknownAxis {
            key: filter.key.clone(),
            scenario: scenario.name.clone(),
            hint: if axes.is_empty() {
                "the scenario has no matrix, hence nothing to choose from".to_owned()
            } else {
                format!(
                    "{}its axes are {}",
                    did_you_mean(&filter.key, &axes),
                    axes.join(", ")
                )
            },
        });
    }
    if !values.contains(&filter.wanted()) {
        return Err(PlanError::UnknownValue {
            key: filter.key.clone(),
            value: filter.value.clone(),
            hint: format!(
                "{}its values are {}",
                did_you_mean(&filter.wanted(), &values),
                values.join(", ")
            ),
        });
    }
    Ok(())
}

fn did_you_mean(name: &str, names: &[String]) -> String {
    nearest(name, names.iter().map(String::as_str))
        .map_or_else(String::new, |near| format!("did you mean `{near}`? "))
}

/// Each once, in the order of their first appearance.
fn distinct(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    texts.filter(|text| seen.insert(text.clone())).collect()
}
