//! Which carrier and which policy a cell used: an axis of the matrix says so, else the scenario's text does.
//!
//! The text comes from a record, so it may be anything; what is no scenario chooses nothing.

use std::collections::HashMap;

use crate::record::{CellRecord, Record};
use crate::tree::{self, Value};

/// What the texts seen so far choose: most runs share a few.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<String, Chosen>);

#[derive(Debug, Clone, Default)]
struct Chosen {
    carrier: Option<String>,
    policy: Option<String>,
}

impl Known {
    /// The carriers and the policies of a run, each sorted and once.
    pub(super) fn of(&mut self, record: &Record) -> (Vec<String>, Vec<String>) {
        let text = &record.scenario.text;
        if !self.0.contains_key(text) {
            self.0.insert(text.clone(), chosen(text));
        }
        let chosen = &self.0[text];
        (
            names(record, "carrier", chosen.carrier.as_deref()),
            names(record, "policy", chosen.policy.as_deref()),
        )
    }
}

fn names(record: &Record, axis: &str, chosen: Option<&str>) -> Vec<String> {
    let of_cell = |cell: &CellRecord| match cell.parameters.get(axis) {
        Some(value) => value.as_str().map(str::to_owned),
        None => chosen.map(str::to_owned),
    };
    let mut names: Vec<String> = record.cells.iter().filter_map(of_cell).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// As `scenario` reads it: a name, the only table with settings, or the default.
fn chosen(text: &str) -> Chosen {
    // A text that long is no scenario, and an error on each of its lines would take the parser minutes.
    if text.len() > LONGEST_TEXT {
        return Chosen::default();
    }
    let Ok(table) = tree::parse(text) else {
        return Chosen::default();
    };
    let choose = |what: &str, default: &str| match table.entry(what).map(|entry| &entry.node.value)
    {
        None => Some(default.to_owned()),
        Some(Value::Text(name)) => Some(name.clone()),
        Some(Value::Table(tables)) => match tables.entries.as_slice() {
            [] => Some(default.to_owned()),
            [only] => Some(only.key.clone()),
            _ => None,
        },
        Some(_) => None,
    };
    Chosen {
        carrier: choose("carrier", "native-tcp"),
        policy: choose("policy", "static"),
    }
}

const LONGEST_TEXT: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{ScenarioText, example};

    #[test]
    fn an_axis_comes_before_the_text_and_the_text_before_the_default() {
        let mut axes = example::empty("axes", 1, 6);
        axes.scenario = ScenarioText::new("axes", "carrier = \"ssh\"");
        let mut fixed = example::empty("fixed", 1, 1);
        fixed.cells[0].parameters.clear();
        let of = |text: &str, record: &mut Record| {
            record.scenario = ScenarioText::new("x", text);
            Known::default().of(record)
        };
        let names = |names: &[&str]| {
            names
                .iter()
                .map(|name| (*name).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of("carrier = \"ssh\"", &mut axes),
            (
                names(&["native-tcp", "quic", "ssh", "tcp", "tls"]),
                names(&["auto-converge", "static"])
            )
        );
        for (text, carriers, policies) in [
            ("", &["native-tcp"][..], &["static"][..]),
            ("carrier = \"ssh\"", &["ssh"], &["static"]),
            (
                "[carrier.quic]\nconnections = \"shared\"\n[policy.nova]",
                &["quic"],
                &["nova"],
            ),
            ("[carrier.quic]\n[carrier.tls]", &[], &["static"]),
            ("carrier = 7\n", &[], &["static"]),
            ("no = toml = at all", &[], &[]),
        ] {
            assert_eq!(
                of(text, &mut fixed),
                (names(carriers), names(policies)),
                "{text}"
            );
        }
        let long = format!("#{}", "x".repeat(LONGEST_TEXT));
        assert_eq!(of(&long, &mut fixed), (vec![], vec![]));
    }
}
