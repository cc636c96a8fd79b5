//! Settings of carriers and policies that no cell uses: whoever wrote them expects them to matter.

use std::collections::BTreeSet;

use crate::scenario::matrix::{Axis, Combination, Document, SELECTIONS};
use crate::scenario::problem::{Problem, Problems};

/// Reports tables and axes of carriers and policies that no cell uses.
pub(crate) fn unused(
    document: &Document,
    axes: &[Axis],
    cells: &[Combination],
    problems: &mut Problems,
) {
    for what in SELECTIONS {
        if cells
            .iter()
            .any(|cell| cell.document.in_use(what).is_none() && has_choice(&cell.document, what))
        {
            // Nobody can know what is used; that itself is reported.
            continue;
        }
        let used: BTreeSet<&str> = cells
            .iter()
            .filter_map(|cell| cell.document.in_use(what))
            .collect();
        let tables = document
            .root
            .entry(what)
            .and_then(|entry| entry.node.table());
        for entry in tables.map_or(&[][..], |table| &table.entries) {
            if !used.contains(entry.key.as_str()) {
                problems.push(
                    Problem::at(
                        &entry.key_span,
                        format!("settings of the {what} `{}`, which no cell uses", entry.key),
                    )
                    .label("changes nothing")
                    .hint(format!(
                        "remove it, or use it: {what} = \"{}\" under [matrix] or at the top",
                        entry.key
                    )),
                );
            }
        }
    }
    for axis in axes {
        if !cells
            .iter()
            .any(|cell| cell.parameters.contains_key(&axis.path))
        {
            problems.push(
                Problem::at(
                    &axis.span,
                    format!("the axis `{}` changes nothing", axis.path),
                )
                .label("no cell uses what it sets")
                .hint("remove the axis, or add the carrier or policy that it belongs to"),
            );
        }
    }
}

fn has_choice(document: &Document, what: &str) -> bool {
    document.selected(what).is_some() || document.root.entry(what).is_some()
}
