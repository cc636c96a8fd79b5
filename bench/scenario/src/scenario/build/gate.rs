//! `[gate]`: rules by metric id and outcome, and those of some cells below `[gate.cells."carrier=tls"]`.

use lmbench_record::cells::Selector;
use lmbench_record::gate::{RuleError, RuleSet, Rules};

use crate::scenario::Cell;
use crate::scenario::problem::{Problem, Problems, nearest};
use crate::scenario::tree::{Entry, Node, Table, Value};
use crate::scenario::value::wrong_type;

/// The table below `[gate]` with rules of some cells.
const CELLS: &str = "cells";

/// Reads the rules; what is wrong with them goes to `problems`.
pub(crate) fn gate(entry: Option<&Entry>, problems: &mut Problems) -> Rules {
    let mut rules = Rules::default();
    let Some(entry) = entry else { return rules };
    let Some(table) = inner(entry, "gate", problems) else {
        return rules;
    };
    rules.push(Selector::default(), set(table, "gate", problems));
    let Some(cells) = table.entry(CELLS) else {
        return rules;
    };
    let Some(cells) = inner(cells, "gate.cells", problems) else {
        return rules;
    };
    for entry in &cells.entries {
        let path = format!("gate.cells.\"{}\"", entry.key);
        if let Some(table) = inner(entry, &path, problems) {
            rules.push(
                Selector::from(entry.key.as_str()),
                set(table, &path, problems),
            );
        }
    }
    rules
}

/// Rules of some cells must mean a cell: whoever wrote them expects them to matter.
pub(crate) fn unmatched(entry: Option<&Entry>, cells: &[Cell], problems: &mut Problems) {
    let selected = entry
        .and_then(|entry| entry.node.table()?.entry(CELLS)?.node.table())
        .map_or(&[][..], |table| &table.entries);
    for entry in selected {
        let selector = Selector::from(entry.key.as_str());
        let taken = cells
            .iter()
            .any(|cell| selector.takes(&cell.id, &cell.parameters));
        if taken && !entry.key.trim().is_empty() {
            continue;
        }
        let problem = Problem::at(
            &entry.key_span,
            format!("rules for `{}`, which is no cell", entry.key),
        );
        let ids = cells.iter().map(|cell| cell.id.as_str());
        let problem = match nearest(&entry.key, ids.take(CELLS_COMPARED)) {
            Some(near) => problem.label(format!("did you mean `{near}`?")),
            None => problem.label("no cell has these values"),
        };
        problems.push(problem.hint(
            "write values of axes as they stand in [matrix], such as \"carrier=tls\" or \"carrier=tls,policy=static\"",
        ));
    }
}

fn inner<'a>(entry: &'a Entry, path: &str, problems: &mut Problems) -> Option<&'a Table> {
    let table = entry.node.table();
    if table.is_none() {
        problems.push(wrong_type(
            path,
            &entry.node,
            "a table",
            &format!("write [{path}] and the names below"),
        ));
    }
    table
}

fn set(table: &Table, path: &str, problems: &mut Problems) -> RuleSet {
    let mut rules = RuleSet::default();
    for entry in &table.entries {
        if path == "gate" && entry.key == CELLS {
            continue;
        }
        let Some(text) = text(&entry.node) else {
            problems.push(wrong_type(
                &format!("{path}.{}", entry.key),
                &entry.node,
                "a string",
                "write a rule in quotes, such as \"+10 %\" or \"<= 300 ms\"",
            ));
            continue;
        };
        if let Err(error) = rules.add(&entry.key, text) {
            problems.push(problem(entry, error));
        }
    }
    rules
}

fn text(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Text(text) => Some(text),
        _ => None,
    }
}

fn problem(entry: &Entry, error: RuleError) -> Problem {
    let is_name = error.title.starts_with("unknown");
    let span = if is_name {
        &entry.key_span
    } else {
        &entry.node.span
    };
    Problem::at(span, error.title)
        .label(error.label)
        .hint(error.hint)
}

/// Enough for any matrix that a person names cells of.
const CELLS_COMPARED: usize = 1000;
