//! Everything about one run: what it ran on, every metric of every cell, every repeat.

use std::collections::BTreeMap;

use lmbench_record::metric::{self, ALL, format_value};
use lmbench_record::record::{CellRecord, Event, Outcome, Record, Repeat, Summary};
use serde_json::Value;

use super::summary::{outcomes, troubles, words};
use super::table::{table, wrapped};
use super::text::{clean, clean_short, counted, plain};
use super::time;

/// Environment, then per cell the table of its metrics (without the details, unless `all` are wanted) and the list of its repeats.
pub fn show_text(record: &Record, all: bool) -> String {
    let mut text = environment(record);
    for cell in &record.cells {
        text += &format!("\n{}: {}\n", clean(&cell.id), outcomes(&cell.outcomes()));
        let completed = cell.completed().count();
        if !cell.summary.is_empty() {
            text += &format!("\n{}", metrics_table(&cell.summary, completed, all));
        }
        let unfinished = cell.unfinished_summary();
        if !unfinished.is_empty() && (all || completed == 0) {
            let number = cell.unfinished().count();
            text += &format!(
                "\nof {} that did not complete:\n{}",
                counted(number, "migration"),
                metrics_table(&unfinished, number, all)
            );
        }
        if !cell.repeats.is_empty() {
            text += &format!("\n{}", repeats_table(cell));
        }
    }
    let troubles = troubles(record);
    if troubles.is_empty() {
        text
    } else {
        format!("{text}\n{troubles}")
    }
}

/// What happened in each repeat, on the run's clock.
pub fn events_text(record: &Record) -> String {
    let mut text = String::new();
    for cell in &record.cells {
        for repeat in cell
            .repeats
            .iter()
            .filter(|repeat| !repeat.events.is_empty())
        {
            text += &format!("events of {} #{}\n", clean(&cell.id), repeat.repeat);
            for event in &repeat.events {
                text += &wrapped(&event_line(event), 40);
            }
            text.push('\n');
        }
    }
    if text.is_empty() {
        "no events\n".to_owned()
    } else {
        text
    }
}

fn environment(record: &Record) -> String {
    let environment = &record.environment;
    let mut accelerator = clean(&environment.accelerator);
    if let Some(reason) = &environment.accelerator_reason {
        accelerator += &format!(" ({})", clean_short(reason, 200));
    }
    let mut rows: Vec<(&str, String)> = vec![
        ("run", clean(&record.run_id)),
        (
            "scenario",
            format!(
                "{} (sha256 {})",
                clean(&record.scenario.name),
                clean_short(&record.scenario.sha256, 13)
            ),
        ),
        ("started", format!("{} UTC", time::moment(&record.started))),
    ];
    if let Some(finished) = &record.finished {
        let took = time::between(&record.started, finished).map_or(String::new(), |took| {
            format!(", after {}", time::duration(took))
        });
        rows.push((
            "last repeat",
            format!("{} UTC{took}", time::moment(finished)),
        ));
    }
    let planned = record
        .planned()
        .map_or(String::new(), |planned| format!(" of {planned}"));
    rows.extend([
        (
            "migrations",
            format!(
                "{}{planned}: {}",
                record.done(),
                outcomes(&record.outcomes())
            ),
        ),
        ("seed", record.seed.to_string()),
        ("lmbench", clean(&environment.lmbench)),
        ("QEMU", clean(&environment.qemu)),
        ("kernel", clean(&environment.kernel)),
        ("accelerator", accelerator),
        (
            "CPU",
            match environment.cores {
                // Of imported runs nobody knows.
                0 => clean(&environment.cpu),
                cores => format!("{} ({cores} online)", clean(&environment.cpu)),
            },
        ),
    ]);
    for (name, value) in &environment.hosts {
        rows.push((name, host(value, &environment.qemu)));
    }
    for (name, value) in &environment.details {
        rows.push((name, detail(value)));
    }
    rows.iter()
        .map(|(name, value)| wrapped(&format!("{:<12} {value}", clean(name)), 13))
        .collect()
}

/// A host in a line: what tells it from others. Everything else about it is in the record.
fn host(host: &Value, qemu: &str) -> String {
    let text = |pointer: &str| Some(clean_short(host.pointer(pointer)?.as_str()?, 60));
    let mut parts: Vec<String> = text("/name").into_iter().collect();
    if let Some(bytes) = host.pointer("/info/memory_bytes").and_then(Value::as_f64) {
        parts.push(format!("{} of memory", metric::Unit::Byte.format(bytes)));
    }
    let named = [
        ("/info/congestion_control", "TCP "),
        ("/info/huge_pages", "transparent huge pages "),
    ];
    parts.extend(
        named
            .into_iter()
            .filter_map(|(pointer, name)| Some(format!("{name}{}", text(pointer)?))),
    );
    if let Some(other) = text("/qemu").filter(|other| *other != clean_short(qemu, 60)) {
        parts.push(format!("QEMU {other}"));
    }
    let bound = host.pointer("/clock/bound_ns").and_then(Value::as_f64);
    parts.extend(bound.map(|bound_ns| match bound_ns {
        0.0 => "the controller's clock".to_owned(),
        _ => format!(
            "clock within ±{}",
            metric::Unit::Microsecond.format(bound_ns / 1e3)
        ),
    }));
    if parts.is_empty() {
        detail(host)
    } else {
        parts.join(", ")
    }
}

/// A value of the environment, if it is short enough to read.
fn detail(value: &Value) -> String {
    match value {
        Value::Array(entries) => {
            let entries = counted_entries(entries.len());
            format!("{entries}, see --format json")
        }
        value => clean_short(&plain(value), 200),
    }
}

fn counted_entries(number: usize) -> String {
    if number == 1 {
        "1 entry".to_owned()
    } else {
        format!("{number} entries")
    }
}

fn metrics_table(summaries: &BTreeMap<String, Summary>, repeats: usize, all: bool) -> String {
    let mut rows = Vec::new();
    let mut topic = None;
    // The registry's order first; what a newer program added follows.
    let hidden = |id: &str| !all && metric::metric(id).is_some_and(|metric| metric.detail);
    let left_out = summaries.keys().filter(|id| hidden(id)).count();
    let shown = ALL.iter().filter(|metric| !hidden(metric.id));
    let known = shown.filter_map(|metric| {
        let (id, summary) = summaries.get_key_value(metric.id)?;
        Some((metric.topic.name(), id, summary))
    });
    let unknown = summaries.iter();
    let unknown = unknown.filter(|(id, _)| metric::metric(id).is_none());
    for (heading, id, summary) in known.chain(unknown.map(|(id, summary)| ("others", id, summary)))
    {
        if topic.replace(heading) != Some(heading) {
            rows.push(vec![heading.to_owned()]);
        }
        rows.push(metric_row(id, summary, repeats));
    }
    let several = summaries.values().any(|summary| summary.n > 1);
    let stated = summaries.values().any(|summary| summary.ci95.is_some());
    let header: &[&str] = match (several, stated) {
        (false, _) => &["metric", "value"],
        (true, false) => &["metric", "median", "smallest–largest"],
        (true, true) => &["metric", "median", "smallest–largest", "95 % interval"],
    };
    for row in &mut rows {
        row.resize(header.len(), String::new());
    }
    let table = table(header, &[0], &[], rows);
    if left_out == 0 {
        return table;
    }
    format!("{table}and {} with --all\n", counted(left_out, "detail"))
}

fn metric_row(id: &str, summary: &Summary, repeats: usize) -> Vec<String> {
    let unit = metric::metric(id).map_or(metric::Unit::Count, |metric| metric.unit);
    let beside = |low, high| unit.format_range_beside(summary.median, low, high);
    let mut name = format!("  {}", clean_short(id, 48));
    if repeats != summary.n as usize {
        name += &format!(" (of {})", summary.n);
    }
    vec![
        name,
        unit.format(summary.median),
        beside(summary.min, summary.max),
        summary
            .ci95
            .map_or("-".to_owned(), |[low, high]| beside(low, high)),
    ]
}

fn repeats_table(cell: &CellRecord) -> String {
    let columns = [
        ("total time", "total_time_ms"),
        ("blackout", "blackout_ms"),
        ("downtime", "downtime_ms"),
        ("pause", "guest_pause_ms"),
        ("slowdown", "workload_slowdown"),
        ("sent", "ram_bytes"),
    ];
    let row = |repeat: &Repeat| {
        let value = |(_, id): &(&str, &str)| {
            let value = repeat.metrics.get(*id);
            value.map_or("-".to_owned(), |value| format_value(id, *value))
        };
        let fixed = [
            format!("#{}", repeat.repeat),
            words(repeat.outcome).to_owned(),
            integrity(repeat),
        ];
        fixed
            .into_iter()
            .chain(columns.iter().map(value))
            .collect::<Vec<_>>()
    };
    let header: Vec<&str> = ["repeat", "outcome", "memory"]
        .into_iter()
        .chain(columns.iter().map(|(name, _)| *name))
        .collect();
    let rows = cell.repeats.iter().map(row).collect();
    table(&header, &[0, 1, 2], &[2], rows)
}

/// Whether memory is intact, and where the guest runs if that is not where the outcome says.
fn integrity(repeat: &Repeat) -> String {
    let Some(integrity) = &repeat.integrity else {
        return "not checked".to_owned();
    };
    let memory = match integrity.memory_intact {
        Some(true) => "intact",
        Some(false) => "DAMAGED",
        None if repeat.is_unproven() => "NO SIGN OF LIFE",
        None => "not checked",
    };
    let home = match repeat.outcome {
        Outcome::Completed => "destination",
        Outcome::DidNotConverge | Outcome::Cancelled => "source",
        Outcome::Failed | Outcome::Skipped => "",
    };
    if integrity.running_on == home {
        memory.to_owned()
    } else {
        let runs_on = clean_short(&integrity.running_on, 20);
        format!("{memory}, runs on {runs_on}")
    }
}

fn event_line(event: &Event) -> String {
    let data = match &event.data {
        Value::Null => String::new(),
        Value::Object(map) if map.is_empty() => String::new(),
        data => clean_short(&plain(data), 400),
    };
    let line = format!(
        "{:>12.1} ms  {:<12} {:<24} {data}",
        event.at_ms.clamp(-1e9, 1e9),
        clean_short(&event.host, 12),
        clean_short(&event.name, 60)
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lmbench_record::record::example;

    #[test]
    fn a_run_that_went_well() {
        let mut record = example::wide();
        record.cells.truncate(2);
        insta::assert_snapshot!(show_text(&record, false));
    }

    #[test]
    fn a_run_in_trouble_with_events() {
        insta::assert_snapshot!(format!(
            "{}\n{}",
            show_text(&example::troubled(), true),
            events_text(&example::troubled())
        ));
    }
}
