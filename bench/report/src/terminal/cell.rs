//! What a cell is called where there is little room: its values first, which tell it from the others, then what they are values of.

use std::collections::BTreeSet;

use lmbench_record::record::{CellRecord, Record};
use serde_json::Value;

use super::text::{clean, clean_short, plain};

/// The axes on which a record's cells differ, in its order.
pub fn varied(cells: &[CellRecord]) -> Vec<&str> {
    let mut axes: Vec<&str> = Vec::new();
    for cell in cells {
        for key in cell.parameters.keys() {
            if !axes.contains(&key.as_str()) {
                axes.push(key);
            }
        }
    }
    axes.retain(|axis| {
        let values = cells.iter().map(|cell| cell.parameters.get(*axis));
        let values: BTreeSet<String> = values.flatten().map(plain).collect();
        let lacking = cells
            .iter()
            .any(|cell| !cell.parameters.contains_key(*axis));
        values.len() > 1 || lacking
    });
    axes
}

/// A cell's parameters on these axes, one a line; its id if it has none there.
pub fn lines(cell: &CellRecord, axes: &[&str]) -> Vec<String> {
    let of = axes
        .iter()
        .filter_map(|axis| Some(parameter(axis, cell.parameters.get(*axis)?, axes)));
    let lines: Vec<String> = of.collect();
    if lines.is_empty() {
        vec![clean_short(&cell.id, LONGEST)]
    } else {
        lines
    }
}

/// What all cells have in common, if they have and that is not all they have.
pub(super) fn common(record: &Record) -> Option<String> {
    let varied = varied(&record.cells);
    let first = record.cells.first().filter(|_| !varied.is_empty())?;
    let common: Vec<&str> = first.parameters.keys().map(String::as_str).collect();
    let common: Vec<&str> = common
        .into_iter()
        .filter(|key| !varied.contains(key))
        .collect();
    (!common.is_empty()).then(|| lines(first, &common).join(" · "))
}

/// `125 MiB/s max-bandwidth`; a value that speaks for itself stands alone.
pub(crate) fn parameter(key: &str, value: &Value, among: &[&str]) -> String {
    // Two values may differ anywhere: only a value that nobody typed is cut.
    let shown = clean_short(&plain(value), LONGEST);
    if matches!(key, "carrier" | "policy") && value.is_string() {
        return shown;
    }
    format!("{shown} {}", axis(key, among))
}

/// An axis in words, different from the `others`: `migration.multifd-channels` is `multifd-channels`; what says too little alone keeps two
/// steps.
pub(crate) fn axis(key: &str, others: &[&str]) -> String {
    let steps: Vec<&str> = key.split('.').collect();
    let last = |count: usize| &steps[steps.len().saturating_sub(count)..];
    let vague = matches!(last(1), ["rate" | "rtt" | "loss" | "memory" | "at"]);
    let is_ours = |count: usize| {
        let ends = |other: &&&str| {
            let other: Vec<&str> = other.split('.').collect();
            other.ends_with(last(count))
        };
        let others = others.iter().filter(|other| **other != key);
        others.filter(ends).count() == 0
    };
    let fewest = if vague { 2 } else { 1 };
    let count = (fewest..steps.len()).find(|count| is_ours(*count));
    clean(&last(count.unwrap_or(steps.len())).join(" "))
}

const LONGEST: usize = 200;

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use serde_json::json;

    use super::*;
    use lmbench_record::record::example;

    /// A record whose cells have these parameters.
    fn record(cells: &[&[(&str, Value)]]) -> Record {
        let mut record = example::jvm();
        let template = record.cells[0].clone();
        let cell = |parameters: &&[(&str, Value)]| CellRecord {
            parameters: parameters
                .iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect::<IndexMap<_, _>>(),
            ..template.clone()
        };
        record.cells = cells.iter().map(cell).collect();
        record
    }

    fn names(record: &Record) -> Vec<String> {
        let axes = varied(&record.cells);
        let names = record
            .cells
            .iter()
            .map(|cell| lines(cell, &axes).join(" · "));
        names.collect()
    }

    #[test]
    fn values_come_first_and_what_all_have_is_said_once() {
        let bandwidth = "migration.max-bandwidth";
        let record = record(&[
            &[
                ("policy", json!("static")),
                (bandwidth, json!("12500 MiB/s")),
            ],
            &[("policy", json!("static")), (bandwidth, json!("125 MiB/s"))],
        ]);
        assert_eq!(
            names(&record),
            ["12500 MiB/s max-bandwidth", "125 MiB/s max-bandwidth"]
        );
        assert_eq!(common(&record).as_deref(), Some("static"));
    }

    #[test]
    fn names_of_different_cells_differ() {
        let path = |name: &str| json!(format!("/var/lib/images/{}{name}.qcow2", "x".repeat(60)));
        let record = record(&[
            &[("own.image", path("one")), ("source.cpus", json!(2))],
            &[("own.image", path("two")), ("source.cpus", json!(2))],
            &[("own.image", path("two")), ("destination.cpus", json!(2))],
        ]);
        let names = names(&record);
        let different: BTreeSet<&String> = names.iter().collect();
        assert_eq!(different.len(), 3, "{names:?}");
        assert!(names[1].ends_with("2 source cpus"), "{}", names[1]);
    }

    #[test]
    fn axes_read_as_words() {
        for (key, others, expected) in [
            ("migration.multifd-channels", &[][..], "multifd-channels"),
            ("network.migration.rate", &[], "migration rate"),
            ("a.b.rate", &["c.b.rate"], "a b rate"),
            ("a.x", &["b.x", "a.x"], "a x"),
            ("x", &["a.x"], "x"),
        ] {
            assert_eq!(axis(key, others), expected);
        }
    }
}
