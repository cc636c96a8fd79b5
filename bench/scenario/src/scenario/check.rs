//! First pass: every key known, every value of its kind. Knows the key table, knows nothing of what the settings mean together.

use std::collections::BTreeSet;

use crate::scenario::keys::{Kind, PATTERNS, Table as Keys};
use crate::scenario::problem::{Problem, Problems, nearest, table_name};
use crate::scenario::tree::{Entry, Node, Table, Value};
use crate::scenario::value::{self, unknown_name, wrong_type};

/// What the first pass found.
#[derive(Debug, Default)]
pub(crate) struct Check {
    /// The problems.
    pub(crate) problems: Problems,
    /// Paths that a misspelt key probably meant: they are not missing as well.
    pub(crate) meant: BTreeSet<String>,
}

impl Check {
    /// Checks a table against its keys; `prefix` is its path with a dot behind, or empty.
    pub(crate) fn table(&mut self, table: &Table, keys: &Keys, prefix: &str) {
        for entry in &table.entries {
            match keys.key(&entry.key) {
                Some(key) => self.entry(entry, &key.kind, &format!("{prefix}{}", entry.key)),
                None => self.unknown(entry, keys, prefix),
            }
        }
    }

    fn entry(&mut self, entry: &Entry, kind: &Kind, path: &str) {
        match kind {
            Kind::Table(keys) => self.inner(entry, keys, path),
            Kind::Selection { options, planned } => {
                self.selection(entry, kind, options, planned, path);
            }
            Kind::Phases(keys) => self.phases(entry, keys, path),
            Kind::Names => self.names(entry, kind, path),
            // The matrix and the gate have readers of their own.
            Kind::Axes | Kind::Limits => {}
            Kind::Planned(what) => self.problems.push(
                Problem::at(&entry.key_span, format!("`{path}` is not in this version"))
                    .label(format!("{what} are planned, and not built yet"))
                    .hint("remove the key"),
            ),
            _ => self.value(kind, path, &entry.node),
        }
    }

    /// Checks one value.
    pub(crate) fn value(&mut self, kind: &Kind, path: &str, node: &Node) {
        if let Err(problem) = value::read(kind, path, node) {
            self.problems.push(problem);
        }
    }

    fn inner(&mut self, entry: &Entry, keys: &Keys, path: &str) {
        match &entry.node.value {
            Value::Table(table) => self.table(table, keys, &format!("{path}.")),
            _ => self.problems.push(wrong_type(
                path,
                &entry.node,
                "a table",
                &format!("write [{path}] and its settings on the lines below"),
            )),
        }
    }

    fn selection(
        &mut self,
        entry: &Entry,
        kind: &Kind,
        options: &Keys,
        planned: &[&str],
        path: &str,
    ) {
        let Value::Table(table) = &entry.node.value else {
            self.value(kind, path, &entry.node);
            return;
        };
        let names: Vec<&str> = options.names().collect();
        for option in &table.entries {
            match options.key(&option.key) {
                Some(key) => self.entry(option, &key.kind, &format!("{path}.{}", option.key)),
                None => self.problems.push(unknown_name(
                    path,
                    &option.key,
                    &option.key_span,
                    &names,
                    planned,
                )),
            }
        }
    }

    fn phases(&mut self, entry: &Entry, keys: &Keys, path: &str) {
        let hint = "write [[workload.phases]] above each phase";
        let Value::List(list) = &entry.node.value else {
            self.problems
                .push(wrong_type(path, &entry.node, "a list of tables", hint));
            return;
        };
        for (index, phase) in list.iter().enumerate() {
            match &phase.value {
                Value::Table(table) => self.table(table, keys, &format!("{path}.{index}.")),
                _ => self
                    .problems
                    .push(wrong_type(path, phase, "a list of tables", hint)),
            }
        }
    }

    fn names(&mut self, entry: &Entry, kind: &Kind, path: &str) {
        let Value::Table(table) = &entry.node.value else {
            self.problems.push(wrong_type(
                path,
                &entry.node,
                "a table",
                &format!("write [{path}] and the names below"),
            ));
            return;
        };
        for entry in &table.entries {
            let path = format!("{path}.{}", entry.key);
            self.value(kind, &path, &entry.node);
        }
    }

    fn unknown(&mut self, entry: &Entry, keys: &Keys, prefix: &str) {
        let place = if prefix.is_empty() {
            "at the top level".to_owned()
        } else {
            format!("in {}", table_name(prefix.trim_end_matches('.')))
        };
        if prefix == "workload." && matches!(entry.node.value, Value::Table(_)) {
            self.problems.push(unknown_name(
                "workload pattern",
                &entry.key,
                &entry.key_span,
                &PATTERNS,
                &[],
            ));
            return;
        }
        let mut problem = Problem::at(
            &entry.key_span,
            format!("unknown key `{}` {place}", entry.key),
        );
        if let Some(near) = nearest(&entry.key, keys.names()) {
            self.meant.insert(format!("{prefix}{near}"));
            problem = problem.label(format!("did you mean `{near}`?"));
        } else {
            problem = problem.label("no such key");
        }
        let names: Vec<&str> = keys.names().collect();
        self.problems.push(problem.hint(if names.is_empty() {
            "there is nothing to set here".to_owned()
        } else {
            format!("the keys here are {}", names.join(", "))
        }));
    }
}
