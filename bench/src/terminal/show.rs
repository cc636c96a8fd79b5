//! Everything about one run: what it ran on, every metric of every cell, every repeat.

use crate::metric::{self, ALL, format_value};
use crate::record::{CellRecord, Event, Record, Repeat, Summary};

use super::summary::{outcomes, troubles, words};
use super::table::{table, wrapped};
use super::text::{clean, clean_short, plain};
use super::time;

/// Environment, then per cell the table of its metrics and the list of its repeats.
pub fn show_text(record: &Record) -> String {
    let mut text = environment(record);
    for cell in &record.cells {
        text += &format!("\n{}: {}\n", clean(&cell.id), outcomes(&cell.outcomes()));
        if !cell.summary.is_empty() {
            text += &format!("\n{}", metrics_table(cell));
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
    let mut rows = vec![
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
            format!("{} ({} online)", clean(&environment.cpu), environment.cores),
        ),
    ]);
    let mut text: String = rows
        .iter()
        .map(|(name, value)| wrapped(&format!("{name:<12} {value}"), 13))
        .collect();
    for (name, value) in environment.hosts.iter().chain(&environment.details) {
        text += &wrapped(
            &format!("{:<12} {}", clean(name), clean_short(&plain(value), 1000)),
            13,
        );
    }
    text
}

fn metrics_table(cell: &CellRecord) -> String {
    // The registry's order first; what a newer program added follows.
    let known = ALL
        .iter()
        .filter_map(|metric| cell.summary.get_key_value(metric.id));
    let unknown = cell
        .summary
        .iter()
        .filter(|(id, _)| metric::metric(id).is_none());
    let row = |(id, summary): (&String, &Summary)| {
        let interval = summary
            .ci95
            .map_or("-".to_owned(), |[low, high]| range(id, low, high));
        let value = |value| format_value(id, value);
        vec![
            clean_short(id, 40),
            summary.n.to_string(),
            value(summary.median),
            interval,
            value(summary.min),
            value(summary.max),
        ]
    };
    let header = ["metric", "n", "median", "95 % interval", "min", "max"];
    table(&header, &[0], &[3], known.chain(unknown).map(row).collect())
}

fn repeats_table(cell: &CellRecord) -> String {
    let row = |repeat: &Repeat| {
        let value = |id: &str| {
            repeat
                .metrics
                .get(id)
                .map_or("-".to_owned(), |value| format_value(id, *value))
        };
        vec![
            format!("#{}", repeat.repeat),
            words(repeat.outcome).to_owned(),
            integrity(repeat),
            value("total_time_ms"),
            value("blackout_ms"),
            value("downtime_ms"),
        ]
    };
    let header = [
        "repeat",
        "outcome",
        "memory",
        "total time",
        "blackout",
        "downtime",
    ];
    table(
        &header,
        &[0, 1, 2],
        &[2],
        cell.repeats.iter().map(row).collect(),
    )
}

fn integrity(repeat: &Repeat) -> String {
    let Some(integrity) = &repeat.integrity else {
        return "not checked".to_owned();
    };
    let memory = match integrity.memory_intact {
        Some(true) => format!("intact ({} pages)", integrity.pages_checked),
        Some(false) => format!("DAMAGED ({} pages)", integrity.pages_checked),
        None => "not checked".to_owned(),
    };
    format!(
        "{memory}, runs on {}",
        clean_short(&integrity.running_on, 20)
    )
}

fn event_line(event: &Event) -> String {
    let data = match &event.data {
        serde_json::Value::Null => String::new(),
        serde_json::Value::Object(map) if map.is_empty() => String::new(),
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

fn range(id: &str, low: f64, high: f64) -> String {
    metric::metric(id)
        .map_or(metric::Unit::Count, |metric| metric.unit)
        .format_range(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::example;

    #[test]
    fn a_run_that_went_well() {
        let mut record = example::wide();
        record.cells.truncate(2);
        insta::assert_snapshot!(show_text(&record));
    }

    #[test]
    fn a_run_in_trouble_with_events() {
        insta::assert_snapshot!(format!(
            "{}\n{}",
            show_text(&example::troubled()),
            events_text(&example::troubled())
        ));
    }
}
