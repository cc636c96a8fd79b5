//! One axis: a path that exists, and values that it accepts, each once.

use std::collections::BTreeSet;

use super::{CELLS_MAX, Document, SELECTIONS};
use crate::scenario::check::Check;
use crate::scenario::keys::{Kind, axis_kind, axis_paths, kind_at};
use crate::scenario::problem::{Problem, nearest};
use crate::scenario::tree::{Entry, Node, Span, Table, Value};
use crate::scenario::value::{self, Scalar, wrong_type};

/// A setting and the values it takes.
#[derive(Debug)]
pub(crate) struct Axis {
    /// Its path.
    pub(crate) path: String,
    /// Where the path stands.
    pub(crate) span: Span,
    /// The values that were sound; at least one.
    pub(crate) values: Vec<Node>,
}

impl Axis {
    /// Whether it changes anything in a cell: settings of a carrier or policy do so only where that is used.
    pub(crate) fn applies(&self, cell: &Document) -> bool {
        for what in SELECTIONS {
            let Some(rest) = self
                .path
                .strip_prefix(what)
                .and_then(|rest| rest.strip_prefix('.'))
            else {
                continue;
            };
            return match cell.selected(what) {
                Some(selected) => selected.name.as_deref() == rest.split('.').next(),
                None => true,
            };
        }
        true
    }
}

/// Reads the axes. What is wrong with one is reported; it then takes part with its sound values, or not at all.
pub(crate) fn axes(matrix: &Entry, document: &mut Document, check: &mut Check) -> Vec<Axis> {
    let Value::Table(table) = &matrix.node.value else {
        let hint = "write [matrix] and the axes on the lines below";
        check
            .problems
            .push(wrong_type("matrix", &matrix.node, "a table", hint));
        return Vec::new();
    };
    let mut lines = Vec::new();
    flatten(table, "", &mut lines);
    if lines.is_empty() {
        check.problems.push(
            Problem::at(&matrix.key_span, "[matrix] has no axes")
                .label("spans no cells")
                .hint("add an axis such as carrier = [\"native-tcp\", \"tcp\"], or remove [matrix] to run the one cell"),
        );
    }
    let mut axes = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, entry) in lines {
        if !seen.insert(path.clone()) {
            check.problems.push(
                Problem::at(
                    &entry.key_span,
                    format!("the axis `{path}` stands here twice"),
                )
                .hint("keep one of them"),
            );
            continue;
        }
        if let Some(found) = axis(&path, entry, document, check) {
            axes.push(found);
            continue;
        }
        if let Some(what) = SELECTIONS.iter().find(|what| **what == path) {
            document.unselect(what, &entry.key_span);
        }
        check.meant.insert(path);
    }
    let count = axes
        .iter()
        .try_fold(1_usize, |count, axis| count.checked_mul(axis.values.len()));
    if count.is_none_or(|count| count > CELLS_MAX) {
        check.problems.push(
            Problem::at(&matrix.key_span, format!("the matrix has more than {CELLS_MAX} cells"))
                .label(count.map_or_else(|| "far too many".to_owned(), |count| format!("{count} combinations")))
                .hint("every cell takes a minute or so: remove axes or values, or split the question into several scenarios"),
        );
        // One value each still shows what is wrong with the rest of the file.
        for axis in &mut axes {
            axis.values.truncate(1);
        }
    }
    axes
}

/// Axes written without quotes arrive as nested tables.
fn flatten<'a>(table: &'a Table, prefix: &str, lines: &mut Vec<(String, &'a Entry)>) {
    for entry in &table.entries {
        let path = format!("{prefix}{}", entry.key);
        match entry.node.table() {
            Some(inner) => flatten(inner, &format!("{path}."), lines),
            None => lines.push((path, entry)),
        }
    }
}

fn axis(path: &str, entry: &Entry, document: &Document, check: &mut Check) -> Option<Axis> {
    let Some(kind) = axis_kind(path) else {
        let near = near(path, check);
        check.problems.push(unknown_axis(path, entry, near));
        return None;
    };
    if let Some(place) = document.place_of(path) {
        check.problems.push(
            Problem::at(
                &entry.key_span,
                format!("`{path}` is set and is an axis as well"),
            )
            .label("takes these values in turn")
            .also(Some(&place), "never used")
            .hint("remove one of the two"),
        );
    }
    let Value::List(list) = &entry.node.value else {
        let hint = "an axis needs the values to compare, in brackets: [\"one\", \"two\"]";
        check
            .problems
            .push(wrong_type(path, &entry.node, "a list of values", hint));
        return None;
    };
    if list.is_empty() {
        check.problems.push(
            Problem::at(&entry.node.span, format!("the axis `{path}` has no values"))
                .label("spans no cells")
                .hint("add values, or remove the axis"),
        );
    }
    let values = values(&kind, path, list, check);
    (!values.is_empty()).then(|| Axis {
        path: path.to_owned(),
        span: entry.key_span.clone(),
        values,
    })
}

fn values(kind: &Kind, path: &str, list: &[Node], check: &mut Check) -> Vec<Node> {
    let mut found: Vec<(Scalar, Node)> = Vec::new();
    for node in list {
        match value::read(kind, path, node) {
            Err(problem) => check.problems.push(problem),
            Ok(scalar) => match found.iter().find(|(earlier, _)| *earlier == scalar) {
                Some((_, earlier)) => check.problems.push(
                    Problem::at(&node.span, format!("the axis `{path}` has a value twice"))
                        .label("the same again")
                        .also(Some(&earlier.span), "the first time")
                        .hint("remove one of them; run.repeats measures a cell more often"),
                ),
                None => found.push((scalar, node.clone())),
            },
        }
    }
    found.into_iter().map(|(_, node)| node).collect()
}

/// The path that was probably meant, which is then not missing.
fn near(path: &str, check: &mut Check) -> Option<String> {
    let paths = axis_paths();
    let near = nearest(path, paths.iter().map(String::as_str)).map(str::to_owned);
    check.meant.extend(near.clone());
    near
}

fn unknown_axis(path: &str, entry: &Entry, near: Option<String>) -> Problem {
    if kind_at(path).is_some() {
        return Problem::at(&entry.key_span, format!("`{path}` cannot be an axis"))
            .label("not a single setting of a migration")
            .hint("axes are settings with one value, such as \"migration.downtime-limit\" or \"network.migration.rate\"");
    }
    if let Some(problem) = planned(path, entry) {
        return problem;
    }
    let problem = Problem::at(&entry.key_span, format!("no setting has the path `{path}`"));
    match near {
        Some(near) => problem.label(format!("did you mean \"{near}\"?")),
        None => problem.label("unknown path"),
    }
    .hint("write the table's path, a dot and the key, in quotes: \"workload.uniform.rate\"; any QMP name as \"migration.qmp.NAME\"")
}

/// Settings of carriers and policies that do not exist yet.
fn planned(path: &str, entry: &Entry) -> Option<Problem> {
    let (what, rest) = path.split_once('.')?;
    let name = rest.split('.').next()?;
    match kind_at(what)? {
        Kind::Selection { options, planned } if planned.contains(&name) => {
            let known: Vec<&str> = options.names().collect();
            Some(value::unknown_name(
                what,
                name,
                &entry.key_span,
                &known,
                planned,
            ))
        }
        _ => None,
    }
}
