//! `[matrix]`: axes, their values, and the cells they span.
//!
//! A cell is the file with the axes' values put in their places, each value together with its own place in the text. It is then read like
//! any other file, so a value in the matrix is checked by the same code as the same value written by hand.

mod axis;

pub(crate) use axis::{Axis, axes};

use indexmap::IndexMap;
use lmbench_record::cells::plain;

use crate::scenario::tree::{Node, Span, Table, Value};
use crate::scenario::value;

/// Cells at most. A repeat takes tens of seconds: this many are days already.
pub(crate) const CELLS_MAX: usize = 4096;

/// The id of the only cell of a scenario without axes.
const BASE: &str = "base";

/// The file without its matrix; which carrier and policy it names stands beside the tables with their settings.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) root: Table,
    selected: IndexMap<&'static str, Selected>,
}

/// A carrier or policy by name.
#[derive(Debug, Clone)]
pub(crate) struct Selected {
    /// `None` when it is not a name; reported elsewhere.
    pub(crate) name: Option<String>,
    pub(crate) span: Span,
}

/// The keys that select one of several tables.
pub(crate) const SELECTIONS: [&str; 2] = ["carrier", "policy"];

/// One combination of the axes' values.
#[derive(Debug)]
pub(crate) struct Combination {
    pub(crate) id: String,
    pub(crate) parameters: IndexMap<String, serde_json::Value>,
    pub(crate) document: Document,
}

impl Document {
    /// The file, of which `matrix` was taken out.
    pub(crate) fn new(mut root: Table) -> Self {
        let mut selected = IndexMap::new();
        for what in SELECTIONS {
            if root
                .entry(what)
                .is_some_and(|entry| entry.node.table().is_none())
                && let Some(entry) = root.take(what)
            {
                selected.insert(what, Selected::from(&entry.node));
            }
        }
        Self { root, selected }
    }

    /// The carrier or policy that was named.
    pub(crate) fn selected(&self, what: &str) -> Option<&Selected> {
        self.selected.get(what)
    }

    /// The name in use: the one that was named, or the only table with settings.
    pub(crate) fn in_use(&self, what: &str) -> Option<&str> {
        if let Some(selected) = self.selected.get(what) {
            return selected.name.as_deref();
        }
        match &self.root.entry(what)?.node.table()?.entries[..] {
            [only] => Some(&only.key),
            _ => None,
        }
    }

    /// Where a path is already set.
    pub(crate) fn place_of(&self, path: &str) -> Option<Span> {
        if let Some(selected) = self.selected.get(path) {
            return Some(selected.span.clone());
        }
        let segments: Vec<&str> = path.split('.').collect();
        let entry = self.root.at(&segments)?;
        entry
            .node
            .table()
            .is_none()
            .then(|| entry.node.span.clone())
    }

    /// Nobody can know the selection.
    pub(crate) fn unselect(&mut self, what: &'static str, span: &Span) {
        let span = span.clone();
        self.selected.insert(what, Selected { name: None, span });
    }

    fn put(&mut self, axis: &Axis, value: &Node) {
        if let Some(what) = SELECTIONS.iter().find(|what| **what == axis.path) {
            self.selected.insert(what, Selected::from(value));
            return;
        }
        let segments: Vec<&str> = axis.path.split('.').collect();
        self.root.set(&segments, &axis.span, value.clone());
    }
}

impl From<&Node> for Selected {
    fn from(node: &Node) -> Self {
        let name = match &node.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        let span = node.span.clone();
        Self { name, span }
    }
}

/// All combinations, the first axis changing slowest. A carrier's or policy's settings are axes of the cells that use it and of no
/// others, so the cells that differ in nothing else are one.
pub(crate) fn combinations(document: &Document, axes: &[Axis]) -> Vec<Combination> {
    let mut rows: Vec<Vec<&Node>> = vec![Vec::new()];
    for axis in axes {
        rows = rows
            .iter()
            .flat_map(|row| {
                axis.values.iter().map(|value| {
                    let mut longer = row.clone();
                    longer.push(value);
                    longer
                })
            })
            .collect();
    }
    let mut found: IndexMap<String, Combination> = IndexMap::new();
    for row in rows {
        let combination = combine(document, axes, &row);
        found.entry(combination.id.clone()).or_insert(combination);
    }
    found.into_values().collect()
}

fn combine(document: &Document, axes: &[Axis], row: &[&Node]) -> Combination {
    let mut cell = document.clone();
    // Selections first: whether another axis applies depends on them.
    for (axis, value) in axes
        .iter()
        .zip(row)
        .filter(|(axis, _)| SELECTIONS.contains(&axis.path.as_str()))
    {
        cell.put(axis, value);
    }
    let mut parameters = IndexMap::new();
    for (axis, value) in axes.iter().zip(row).filter(|(axis, _)| axis.applies(&cell)) {
        parameters.insert(axis.path.clone(), value::json(value));
    }
    for (axis, value) in axes.iter().zip(row) {
        if parameters.contains_key(&axis.path) {
            cell.put(axis, value);
        }
    }
    Combination {
        id: cell_id(&parameters),
        parameters,
        document: cell,
    }
}

/// `carrier=tcp,network.migration.rate=1Gbit/s`: derived, so that a name cannot say something else than what was measured.
fn cell_id(parameters: &IndexMap<String, serde_json::Value>) -> String {
    if parameters.is_empty() {
        return BASE.to_owned();
    }
    let parts: Vec<String> = parameters
        .iter()
        .map(|(path, value)| format!("{path}={}", plain(value)))
        .collect();
    parts.join(",")
}
