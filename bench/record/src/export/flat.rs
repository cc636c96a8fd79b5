//! What both tables have in common: a cell's parameters as columns, and JSON in pieces.

use serde_json::Value as Json;

use super::{Column, Kind, Run, Value};
use crate::record::CellRecord;

/// Columns of these names.
pub(super) fn named(names: &[(&str, Kind)]) -> Vec<Column> {
    names
        .iter()
        .map(|(name, kind)| Column {
            name: (*name).to_owned(),
            kind: *kind,
        })
        .collect()
}

/// A column for each parameter that any cell of any run has, in the order in which they come up.
pub(super) fn parameters(runs: &[Run]) -> Vec<Column> {
    let mut keys: indexmap::IndexSet<&String> = indexmap::IndexSet::new();
    for run in runs {
        for cell in &run.record.cells {
            keys.extend(cell.parameters.keys());
        }
    }
    keys.into_iter()
        .map(|key| Column {
            name: format!("{PARAMETER}{key}"),
            kind: Kind::Text,
        })
        .collect()
}

/// The cell's values in these columns, those that are for parameters.
pub(super) fn of_cell(cell: &CellRecord, columns: &[Column]) -> Vec<Value> {
    let keys = columns
        .iter()
        .filter_map(|column| column.name.strip_prefix(PARAMETER));
    keys.map(|key| match cell.parameters.get(key) {
        None | Some(Json::Null) => Value::Absent,
        Some(Json::String(text)) => Value::text(text),
        Some(other) => Value::Text(other.to_string()),
    })
    .collect()
}

/// Every number, text and truth value in a JSON value with its way there: `threads.0.cpu_ns`. No depth is too much, since the
/// parser that made the value has a limit.
pub(super) fn leaves(value: &Json, way: &str, take: &mut impl FnMut(&str, &Json)) {
    let below = |key: &str| {
        if way.is_empty() {
            key.to_owned()
        } else {
            format!("{way}.{key}")
        }
    };
    match value {
        Json::Null => {}
        Json::Object(map) => {
            for (key, value) in map {
                leaves(value, &below(key), take);
            }
        }
        Json::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                leaves(value, &below(&index.to_string()), take);
            }
        }
        leaf => take(way, leaf),
    }
}

/// Before a parameter's key: `parameter.carrier`.
const PARAMETER: &str = "parameter.";
