//! What stands at a report's end: what the runs ran on, what was asked, every metric's definition, every repeat's values.

use indexmap::IndexSet;
use lmbench_record::metric::{self, ALL, Direction, Unit};
use lmbench_record::record::Record;
use lmbench_record::statistics::median;
use serde_json::Value;

use super::Source;
use super::label::{self, CPU_ALL};
use super::model::{Data, Datum, Definition, RunFacts};
use super::values::{DRAWN, of_cell, value};
use crate::terminal::text::{clean, clean_short, plain};
use crate::terminal::{outcomes, time, words};

/// What a run ran on, and what was asked.
pub(super) fn run(record: &Record, letter: Option<char>) -> RunFacts {
    let environment = &record.environment;
    let short = |text: &str| clean_short(text, 300);
    let mut facts = vec![
        ("scenario", short(&record.scenario.name)),
        (
            "scenario's sha256",
            clean_short(&record.scenario.sha256, 64),
        ),
        ("started", format!("{} UTC", time::moment(&record.started))),
    ];
    if let Some(finished) = &record.finished {
        let took = time::between(&record.started, finished);
        let took = took.map_or(String::new(), |took| {
            format!(", after {}", time::duration(took))
        });
        facts.push((
            "last repeat",
            format!("{} UTC{took}", time::moment(finished)),
        ));
    }
    let accelerator = match &environment.accelerator_reason {
        Some(reason) => format!("{} ({})", short(&environment.accelerator), short(reason)),
        None => short(&environment.accelerator),
    };
    facts.extend([
        ("migrations", outcomes(&record.outcomes())),
        ("seed", record.seed.to_string()),
        ("lmbench", short(&environment.lmbench)),
        ("QEMU", short(&environment.qemu)),
        ("kernel", short(&environment.kernel)),
        ("accelerator", accelerator),
        (
            "CPU",
            match environment.cores {
                // Of imported runs nobody knows.
                0 => short(&environment.cpu),
                cores => format!("{}, {cores} online", short(&environment.cpu)),
            },
        ),
    ]);
    facts.extend(instruments(record).map(|words| ("measuring itself", words)));
    let mut facts: Vec<(String, String)> = facts
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    for (name, host) in &environment.hosts {
        facts.push((clean_short(name, 40), host_words(host)));
    }
    for (name, detail) in environment.details.iter().take(DETAILS) {
        facts.push((
            clean_short(&name.replace('_', " "), 60),
            detail_words(detail),
        ));
    }
    RunFacts {
        letter,
        run_id: clean_short(&record.run_id, 120),
        facts,
        scenario: scenario(&record.scenario.text),
    }
}

/// What measuring cost and how fine it was, medians over all migrations that completed.
fn instruments(record: &Record) -> Option<String> {
    let median_of = |id: &str| {
        let values = record
            .cells
            .iter()
            .flat_map(|cell| of_cell(cell, id).into_values());
        median(&values.collect::<Vec<f64>>())
    };
    let parts: Vec<String> = INSTRUMENTS
        .iter()
        .filter_map(|(id, before, after)| {
            let value = metric::format_value(id, median_of(id)?);
            Some(format!("{before}{value}{after}"))
        })
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn host_words(host: &Value) -> String {
    let text = |pointer: &str| Some(clean_short(host.pointer(pointer)?.as_str()?, 80));
    let mut parts: Vec<String> = text("/name").into_iter().collect();
    parts.extend(
        host.pointer("/info/memory_bytes")
            .and_then(Value::as_f64)
            .map(|bytes| format!("{} of memory", Unit::Byte.format(bytes))),
    );
    for (pointer, name) in [
        ("/info/kernel", "kernel "),
        ("/info/congestion_control", "TCP "),
        ("/info/huge_pages", "transparent huge pages "),
    ] {
        parts.extend(text(pointer).map(|text| format!("{name}{text}")));
    }
    let bound = host.pointer("/clock/bound_ns").and_then(Value::as_f64);
    parts.extend(bound.map(|ns| match ns {
        0.0 => "one clock".to_owned(),
        _ => format!("clock within ±{}", Unit::Microsecond.format(ns / 1e3)),
    }));
    if parts.is_empty() {
        detail_words(host)
    } else {
        parts.join(", ")
    }
}

/// Commands and the like stand line by line; anything long is cut.
fn detail_words(value: &Value) -> String {
    match value {
        Value::Array(entries) => {
            let mut lines: Vec<String> = entries
                .iter()
                .take(ENTRIES)
                .map(|entry| clean_short(&plain(entry), 300))
                .collect();
            if entries.len() > ENTRIES {
                lines.push(format!("… and {} more", entries.len() - ENTRIES));
            }
            lines.join("\n")
        }
        value => clean_short(&plain(value), 400),
    }
}

fn scenario(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .take(SCENARIO_LINES)
        .map(|line| clean_short(&line.replace('\t', "    "), 400))
        .collect();
    if text.lines().nth(SCENARIO_LINES).is_some() {
        lines.push("… the rest is in the record".to_owned());
    }
    lines
}

/// The metrics that any of the runs has, as the registry defines them.
pub(super) fn definitions(sources: &[Source]) -> Vec<Definition> {
    let known = known_ids(sources);
    ALL.iter()
        .filter(|metric| known.contains(metric.id))
        .map(|metric| Definition {
            topic: metric.topic.name(),
            id: metric.id,
            unit: metric.unit.name(),
            direction: match metric.direction {
                Direction::LowerIsBetter => "lower is better",
                Direction::HigherIsBetter => "higher is better",
                Direction::Informational => "explains others",
            },
            text: metric.definition,
        })
        .collect()
}

fn known_ids(sources: &[Source]) -> IndexSet<&str> {
    let repeats = sources
        .iter()
        .flat_map(|source| &source.record.cells)
        .flat_map(|cell| &cell.repeats);
    let mut known = IndexSet::new();
    for repeat in repeats {
        for id in repeat.metrics.keys() {
            if !known.contains(id.as_str()) {
                known.insert(id.as_str());
            }
        }
    }
    known
}

/// Every repeat with its values: the metrics that are drawn, and the others as long as there is room.
pub(super) fn repeats(sources: &[Source], notes: &mut Vec<String>) -> Data {
    let known = known_ids(sources);
    let done: usize = sources.iter().map(|source| source.record.done()).sum();
    let room = VALUES / done.max(1);
    let drawn = DRAWN
        .iter()
        .copied()
        .filter(|id| *id == CPU_ALL || known.contains(id));
    let others = ALL
        .iter()
        .map(|metric| metric.id)
        .chain(known.iter().copied());
    let ids: IndexSet<&str> = drawn
        .chain(others.filter(|id| known.contains(id)))
        .collect();
    let least = ids.iter().filter(|id| DRAWN.contains(id)).count();
    let shown: Vec<&str> = ids.iter().copied().take(room.max(least)).collect();
    if shown.len() < ids.len() {
        notes.push(format!(
            "The table of all repeats has {} of {} metrics; the record has them all.",
            shown.len(),
            ids.len()
        ));
    }
    let mut columns: Vec<String> = ["run", "cell", "repeat", "outcome", "memory", "reason"]
        .map(str::to_owned)
        .into();
    columns.extend(shown.iter().map(|id| {
        let unit = metric::metric(id).map_or("", |metric| metric.unit.name());
        if unit.is_empty() {
            label::quantity(id).id
        } else {
            format!("{id} ({unit})")
        }
    }));
    let mut rows = Vec::new();
    for source in sources {
        for cell in &source.record.cells {
            for repeat in &cell.repeats {
                let intact = repeat.integrity.as_ref().and_then(|i| i.memory_intact);
                let memory = match intact {
                    Some(true) => Datum::Text("intact".to_owned()),
                    Some(false) => Datum::Text("DAMAGED".to_owned()),
                    None => Datum::Absent,
                };
                let reason = repeat.reason.as_deref().filter(|reason| !reason.is_empty());
                let mut row = vec![
                    Datum::Text(clean_short(&source.record.run_id, 120)),
                    Datum::Text(clean_short(&cell.id, 300)),
                    Datum::Number(f64::from(repeat.repeat)),
                    Datum::Text(words(repeat.outcome).to_owned()),
                    memory,
                    reason.map_or(Datum::Absent, |reason| {
                        Datum::Text(clean_short(reason, 300))
                    }),
                ];
                row.extend(
                    shown
                        .iter()
                        .map(|id| value(repeat, id).map_or(Datum::Absent, Datum::Number)),
                );
                rows.push(row);
            }
        }
    }
    Data { columns, rows }
}

/// What an environment's key says, without anything that moves a cursor.
pub(super) fn title(sources: &[Source]) -> String {
    let names: IndexSet<String> = sources
        .iter()
        .map(|source| clean(&source.record.scenario.name))
        .map(|name| clean_short(&name, 80))
        .collect();
    let mut names: Vec<String> = names.into_iter().collect();
    let more = names.len().saturating_sub(3);
    names.truncate(3);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

const INSTRUMENTS: &[(&str, &str, &str)] = &[
    ("agent_cpu_share", "the agents took ", " of a CPU"),
    ("sample_answer_us_p50", "QEMU answered a reading in ", ""),
    (
        "sample_gap_ms_max",
        "the longest time between readings was ",
        "",
    ),
    ("heartbeat_interval_ms", "heartbeats came every ", ""),
];
const SCENARIO_LINES: usize = 400;
const DETAILS: usize = 40;
const ENTRIES: usize = 60;
/// Values in the table of all repeats, about 3 MB of them.
const VALUES: usize = 250_000;
