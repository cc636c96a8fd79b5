//! What stands at a report's top: the question, when and on what it was measured, and what the runs are called.

use lmbench_record::metric::Unit;
use lmbench_record::record::Record;
use lmbench_record::scenario_text;
use serde_json::Value;

use super::label::{self, Axis};
use super::model::{Head, Named};
use super::{Source, letter};
use crate::terminal::text::{clean_short, counted};
use crate::terminal::time;

pub(super) fn head(sources: &[Source]) -> Head {
    let records: Vec<&Record> = sources.iter().map(|source| &source.record).collect();
    let fact = |name: &'static str, of: fn(&Record) -> String| {
        let of_runs: Vec<String> = records.iter().map(|record| of(record)).collect();
        (name, said(&of_runs))
    };
    let facts = [
        fact("compared", compared),
        fact("measured", measured),
        fact("hosts", hosts),
        fact("guest", guest),
        fact("links", links),
    ];
    let facts = facts.into_iter().filter(|(_, said)| !said.is_empty());
    let questions: Vec<String> = records
        .iter()
        .filter_map(|record| question(record))
        .collect();
    let several = records.len() > 1;
    let runs = records.iter().enumerate();
    Head {
        question: said(&questions),
        facts: facts.collect(),
        runs: runs
            .map(|(index, record)| Named {
                letter: several.then(|| letter(index)),
                run_id: clean_short(&record.run_id, 120),
                scenario: clean_short(&record.scenario.name, 60),
            })
            .collect(),
    }
}

/// What is so in all runs is said once, what differs by their letters.
fn said(of_runs: &[String]) -> String {
    let mut different: Vec<(&String, String)> = Vec::new();
    for (index, text) in of_runs.iter().enumerate() {
        match different.iter_mut().find(|(known, _)| *known == text) {
            Some((_, letters)) => letters.push(letter(index)),
            None => different.push((text, letter(index).to_string())),
        }
    }
    match different.as_slice() {
        [] => String::new(),
        [(only, _)] => (*only).clone(),
        several => {
            let several = several.iter().filter(|(text, _)| !text.is_empty());
            let several = several.map(|(text, letters)| {
                let letters: Vec<String> = letters.chars().map(String::from).collect();
                format!("{}: {text}", letters.join(", "))
            });
            several.collect::<Vec<_>>().join(" · ")
        }
    }
}

/// What the scenario asks at its head, else what it says it is about.
fn question(record: &Record) -> Option<String> {
    let text = &record.scenario.text;
    let asked = Some(scenario_text::question(text)).filter(|asked| !asked.is_empty());
    let asked = asked.or_else(|| scenario_text::about(text))?;
    let mut letters = clean_short(&asked, LONGEST).chars().collect::<Vec<_>>();
    let first = letters.first_mut()?;
    *first = first.to_ascii_uppercase();
    Some(letters.into_iter().collect())
}

/// The axes with their values.
fn compared(record: &Record) -> String {
    let axes = label::axes(record);
    let in_words = |axis: &Axis| {
        let mut values = axis.values.iter().map(|value| clean_short(value, 60));
        let shown: Vec<String> = values.by_ref().take(VALUES).collect();
        let more = match values.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{} {}{more}", label::axis(&axis.key), shown.join(", "))
    };
    axes.iter().map(in_words).collect::<Vec<_>>().join(" · ")
}

fn measured(record: &Record) -> String {
    let mut text = format!("{} UTC", time::moment(&record.started));
    let took = record.finished.as_ref();
    let took = took.and_then(|finished| time::between(&record.started, finished));
    if let Some(took) = took {
        text += ", in ";
        text += &time::duration(took);
    }
    format!(
        "{text}, with lmbench {}",
        clean_short(&record.environment.lmbench, 60)
    )
}

fn hosts(record: &Record) -> String {
    let environment = &record.environment;
    let of = |side: &str, pointer: &str| environment.hosts.get(side)?.pointer(pointer).cloned();
    let name = |side| {
        let name = of(side, "/name")?;
        Some(clean_short(name.as_str()?, 60))
    };
    let mut parts = Vec::new();
    match (name("source"), name("destination")) {
        (Some(source), Some(destination)) => {
            let boots = ["source", "destination"].map(|side| of(side, "/info/boot_id"));
            let one = boots[0].is_some() && boots[0] == boots[1];
            parts.push(if one {
                format!("both ends on {source}")
            } else {
                format!("{source} to {destination}")
            });
        }
        (Some(only), None) | (None, Some(only)) => parts.push(only),
        (None, None) => {}
    }
    parts.push(clean_short(&environment.cpu, 80));
    if environment.cores > 0 {
        parts.push(counted(environment.cores as usize, "CPU"));
    }
    let memory = of("source", "/info/memory_bytes")
        .as_ref()
        .and_then(Value::as_f64);
    parts.extend(memory.map(|bytes| Unit::Byte.format(bytes)));
    parts.push(format!("QEMU {}", version(&environment.qemu)));
    parts.push(clean_short(&environment.accelerator, 20));
    parts.push(format!("Linux {}", clean_short(&environment.kernel, 40)));
    parts.join(", ")
}

fn version(qemu: &str) -> String {
    clean_short(qemu.split_whitespace().next().unwrap_or(qemu), 20)
}

fn guest(record: &Record) -> String {
    let of_guest = settings(record, "guest.");
    let load = settings(record, "workload.");
    let all = of_guest.into_iter().chain(load);
    all.collect::<Vec<_>>().join(", ")
}

fn links(record: &Record) -> String {
    let set = settings(record, "network.");
    let axes = label::axes(record);
    if set.is_empty() && !axes.iter().any(|axis| axis.key.starts_with("network.")) {
        return "no limit set".to_owned();
    }
    set.join(", ")
}

/// What the scenario's text sets below a table, `memory 640 MiB` each.
fn settings(record: &Record, table: &str) -> Vec<String> {
    let mut settings = scenario_text::settings(&record.scenario.text).unwrap_or_default();
    // An axis on which all cells have one value compares nothing: it is a setting like the others.
    settings.extend(label::fixed(record));
    let below = settings
        .iter()
        .filter_map(|(path, value)| Some((path.strip_prefix(table)?, value)));
    let said = below.map(|(path, value)| {
        let value = clean_short(value.trim_matches('"'), 60);
        format!("{} {value}", clean_short(&path.replace('.', " "), 60))
    });
    said.take(SETTINGS).collect()
}

const LONGEST: usize = 400;
const VALUES: usize = 12;
const SETTINGS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use lmbench_record::record::example;

    fn asked(text: &str) -> Option<String> {
        let mut record = example::jvm();
        text.clone_into(&mut record.scenario.text);
        question(&record)
    }

    #[test]
    fn the_question_is_the_scenarios_own() {
        for (text, expected) in [
            (
                "# Question: a JVM writes. Which policy\n# gets it across? More of it.\n#\n# Else?\nname = 'x'",
                Some("A JVM writes. Which policy gets it across?"),
            ),
            (
                "# A head.\n#\n# Question: how much\n#\n# no",
                Some("How much"),
            ),
            (
                "name = 'x'\nabout = 'how long it takes'",
                Some("How long it takes"),
            ),
            ("# nothing\nname = 'x'", None),
            ("not = [toml", None),
        ] {
            assert_eq!(asked(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_so_in_all_runs_is_said_once() {
        let said = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            said(&texts)
        };
        assert_eq!(said(&["a", "a"]), "a");
        assert_eq!(said(&["a", "b", "a"]), "A, C: a · B: b");
        assert_eq!(said(&["", "b"]), "B: b");
        assert_eq!(said(&[]), "");
    }

    #[test]
    fn what_an_axis_sets_alike_in_all_cells_is_a_setting() {
        let mut record = example::jvm();
        record.scenario.text = "name = 'x'\n[network.migration]\nrate = '1 Gbit/s'".to_owned();
        for cell in &mut record.cells {
            let rtt = ("network.migration.rtt".to_owned(), "20 ms".into());
            cell.parameters.extend([rtt]);
        }
        let head = head(&[Source::without_samples(record)]);
        let links = head.facts.iter().find(|(name, _)| *name == "links");
        let links = links.map(|(_, links)| links.as_str());
        assert_eq!(links, Some("migration rate 1 Gbit/s, migration rtt 20 ms"));
    }

    #[test]
    fn the_head_names_hosts_guest_links_and_runs() {
        let mut records = [example::jvm(), example::jvm()];
        for record in &mut records {
            record.scenario.text = "name = 'x'\n[guest]\nmemory = '640 MiB'\n[workload.jvm]\nyoung = '160 MiB'\n[network.migration]\nrate = '1 Gbit/s'".to_owned();
        }
        let head = head(&records.map(Source::without_samples));
        let fact = |name: &str| {
            let found = head.facts.iter().find(|(known, _)| *known == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        assert_eq!(fact("guest"), "memory 640 MiB, jvm young 160 MiB");
        assert_eq!(fact("links"), "migration rate 1 Gbit/s");
        assert_eq!(fact("compared"), "carrier native-tcp, tcp, ssh");
        assert!(
            fact("hosts").contains("QEMU 10.0.2, tcg"),
            "{}",
            fact("hosts")
        );
        assert!(fact("measured").starts_with("2026-03-01 12:00:00 UTC"));
        let letters: Vec<_> = head.runs.iter().map(|run| run.letter).collect();
        assert_eq!(letters, [Some('A'), Some('B')]);
    }
}
