//! What a run measured, on one screen: per cell the outcomes and the metrics that decide, then what went wrong.
//!
//! Everything else about a cell is in `show`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lmbench_record::conditions;
use lmbench_record::convergence;
use lmbench_record::metric::{self, format_value};
use lmbench_record::record::{CellRecord, Outcome, Record, Summary};

use super::cell;
use super::page::painted;
use super::table::{table, wrapped};
use super::text::{clean, clean_short, counted};
use super::time;

/// The tables of a run, the legend of their columns, and a line for everything that did not end well.
pub fn summary_text(record: &Record) -> String {
    let mut text = headline(record);
    let shown: Vec<Shown> = record.cells.iter().map(Shown::of).collect();
    let columns: Vec<&Column> = TIMES
        .iter()
        .chain(COSTS)
        .filter(|column| column.has_data(&shown))
        .collect();
    text += &format!("\n{}", cells_table(record, &shown, &columns));
    text += &legend_text(&columns, shown.iter().any(Shown::has_marks));
    let troubles = troubles(record);
    if !troubles.is_empty() {
        text += &format!("\n{troubles}");
    }
    text
}

/// What the columns mean, in a few lines; the exact definitions are in the registry of metrics.
fn legend_text(columns: &[&Column], with_marks: bool) -> String {
    if columns.is_empty() {
        return String::new();
    }
    let words = columns
        .iter()
        .map(|column| format!("{}: {}", column.name, column.meaning))
        .collect::<Vec<_>>()
        .join("; ");
    let medians = "Medians of completed repeats; below, when there are several, smallest–largest.";
    let mut legend = format!("\n{}", wrapped(medians, 0));
    if with_marks {
        legend += &wrapped(
            &format!("{UNFINISHED} of migrations that did not complete."),
            0,
        );
    }
    legend + &wrapped(&(words + "."), 0)
}

/// What did not end well, a line per cell and reason; empty when everything did. Cells that did not converge stand together at the end.
pub(crate) fn troubles(record: &Record) -> String {
    let mut lines: Vec<(String, Vec<u32>)> = Vec::new();
    let mut add =
        |line: String, repeat: u32| match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, repeats)) => repeats.push(repeat),
            None => lines.push((line, vec![repeat])),
        };
    for cell in &record.cells {
        for repeat in &cell.repeats {
            if !matches!(repeat.outcome, Outcome::Completed | Outcome::DidNotConverge) {
                let reason = repeat.reason.as_deref().unwrap_or("no reason recorded");
                add(
                    format!(
                        "{}: {}#: {}",
                        words(repeat.outcome),
                        clean(&cell.id),
                        clean_short(reason, LONGEST_REASON)
                    ),
                    repeat.repeat,
                );
            }
            if repeat.is_unproven() {
                add(
                    format!("{}: {}#: not ranked", conditions::UNPROVEN, clean(&cell.id)),
                    repeat.repeat,
                );
            }
            if repeat
                .integrity
                .as_ref()
                .and_then(|integrity| integrity.memory_intact)
                == Some(false)
            {
                add(
                    format!(
                        "MEMORY DAMAGED: {}#: the destination has other contents than the workload wrote",
                        clean(&cell.id)
                    ),
                    repeat.repeat,
                );
            }
        }
    }
    let numbered = |(line, repeats): &(String, Vec<u32>)| {
        let numbers = repeats
            .iter()
            .map(|repeat| format!("#{repeat}"))
            .collect::<Vec<_>>()
            .join(" ");
        let line = line.replacen("#:", &format!(" {numbers}:"), 1);
        // How it went comes first, and that is ours.
        let (how, rest) = line.split_once(": ").unwrap_or((&line, ""));
        wrapped(&format!("{}: {rest}", painted(how)), 4)
    };
    let others: String = lines.iter().map(numbered).collect();
    let stalled = record.cells.iter().filter_map(stalled);
    let missed = record.cells.iter().map(missed);
    others + &stalled.chain(missed).collect::<String>()
}

/// What a cell's migrations did not get of what was asked, a line each.
fn missed(cell: &CellRecord) -> String {
    let line = |missed: &conditions::Missed<'_>| {
        let numbers: Vec<String> = missed.repeats.iter().map(|n| format!("#{n}")).collect();
        let heading = if missed.deviation.ranked {
            "not as asked"
        } else {
            "not as asked, so not ranked"
        };
        let line = format!(
            "{}: {} {}: {}",
            painted(heading),
            clean(&cell.id),
            numbers.join(" "),
            clean_short(&missed.deviation.words(), LONGEST_REASON)
        );
        wrapped(&line, 4)
    };
    conditions::missed(cell).iter().map(line).collect()
}

/// How many of a cell's migrations did not converge, why, and how the first of them was given up.
fn stalled(cell: &CellRecord) -> Option<String> {
    let (why, repeats) = convergence::of_cell(cell)?;
    let numbers: Vec<String> = repeats
        .iter()
        .map(|repeat| format!("#{}", repeat.repeat))
        .collect();
    let reason = repeats.first().and_then(|repeat| repeat.reason.as_deref());
    let reason = clean_short(reason.unwrap_or_default(), LONGEST_REASON);
    let reason = match numbers.as_slice() {
        [_] => reason,
        [first, ..] => format!("{first} {reason}"),
        [] => return None,
    };
    let line = format!(
        "{}: {} {}: {reason}{}",
        painted(words(Outcome::DidNotConverge)),
        clean(&cell.id),
        numbers.join(" "),
        why.after("; ")
    );
    Some(wrapped(&line, 4))
}

/// An outcome in a sentence.
pub fn words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::DidNotConverge => "did not converge",
        other => other.name(),
    }
}

/// `2 completed, 1 failed`, or `nothing yet`.
pub fn outcomes(counts: &BTreeMap<Outcome, usize>) -> String {
    if counts.is_empty() {
        return "nothing yet".to_owned();
    }
    counts
        .iter()
        .map(|(outcome, count)| format!("{count} {}", words(*outcome)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn headline(record: &Record) -> String {
    let mut text = format!(
        "{}: {}",
        clean_short(&record.scenario.name, LONGEST_NAME),
        counted(record.cells.len(), "cell")
    );
    if let Some(repeats) = record.planned_repeats {
        let most = if record.cells.iter().any(|cell| cell.settled) {
            "at most "
        } else {
            ""
        };
        text += &format!(" of {most}{}", counted(repeats as usize, "repeat"));
    }
    text += &format!(", {}", outcomes(&record.outcomes()));
    if let Some(took) = record
        .finished
        .as_ref()
        .and_then(|finished| time::between(&record.started, finished))
    {
        text += &format!(", in {}", time::duration(took));
    }
    text += &format!(
        "; {}, QEMU {}, seed {}",
        clean(&record.environment.accelerator),
        clean_short(version(&record.environment.qemu), 20),
        record.seed
    );
    let mut text = wrapped(&text, 4);
    if let Some(common) = cell::common(record) {
        text += &wrapped(&format!("all cells: {common}"), 4);
    }
    if let Some(planned) = record.planned().filter(|planned| *planned > record.done()) {
        let left = counted(planned - record.done(), "migration");
        text += &wrapped(
            &format!(
                "{left} of {planned} not done; `lmbench run … --resume {}` continues",
                clean(&record.run_id)
            ),
            4,
        );
    }
    text
}

/// QEMU's version without its packager's.
fn version(qemu: &str) -> &str {
    qemu.split_whitespace().next().unwrap_or(qemu)
}

/// A cell with the figures that are shown of it: of its completed migrations, or if there are none of the others, marked.
struct Shown<'a> {
    cell: &'a CellRecord,
    summary: Cow<'a, BTreeMap<String, Summary>>,
    unfinished: bool,
}

impl<'a> Shown<'a> {
    fn of(cell: &'a CellRecord) -> Self {
        let unfinished = cell.completed().next().is_none();
        let summary = if unfinished {
            Cow::Owned(cell.unfinished_summary())
        } else {
            Cow::Borrowed(&cell.summary)
        };
        Shown {
            cell,
            summary,
            unfinished,
        }
    }

    fn has_marks(&self) -> bool {
        self.unfinished && !self.summary.is_empty()
    }
}

fn cells_table(record: &Record, cells: &[Shown<'_>], columns: &[&Column]) -> String {
    let header: Vec<&str> = ["cell", "outcome"]
        .into_iter()
        .chain(columns.iter().map(|column| column.header))
        .collect();
    let varied = cell::varied(&record.cells);
    let row = |shown: &Shown<'_>| {
        let mut row = vec![
            cell::lines(shown.cell, &varied).join("\n"),
            outcomes(&shown.cell.outcomes()).replace(", ", "\n"),
        ];
        row.extend(columns.iter().map(|column| column.text(shown)));
        row
    };
    let rows = cells.iter().map(row).collect();
    table(&header, &[0, 1], &[0, 1], rows)
}

/// A column of the summary: one metric with its range, or two as source over destination.
struct Column {
    name: &'static str,
    /// For the legend.
    meaning: &'static str,
    header: &'static str,
    ids: &'static [&'static str],
    /// The metric that says it better, in records that have it.
    better: Option<&'static str>,
}

impl Column {
    fn has_data(&self, cells: &[Shown<'_>]) -> bool {
        let has = |id: &str| cells.iter().any(|cell| cell.summary.contains_key(id));
        self.ids.iter().any(|id| has(id)) && !self.better.is_some_and(has)
    }

    fn text(&self, cell: &Shown<'_>) -> String {
        let text = self.unmarked(cell);
        if !cell.unfinished || text == "-" {
            return text;
        }
        match text.split_once('\n') {
            Some((first, rest)) => format!("{first}{UNFINISHED}\n{rest}"),
            None => text + UNFINISHED,
        }
    }

    fn unmarked(&self, cell: &Shown<'_>) -> String {
        let values: Vec<Option<&Summary>> =
            self.ids.iter().map(|id| cell.summary.get(*id)).collect();
        match values.as_slice() {
            [None] | [None, None] => "-".to_owned(),
            [Some(only)] => with_range(self.ids[0], only),
            _ => {
                let number = |value: Option<&Summary>| {
                    value.map_or("-".to_owned(), |value| {
                        without_unit(self.ids[0], value.median)
                    })
                };
                format!("src {}\ndst {}", number(values[0]), number(values[1]))
            }
        }
    }
}

fn with_range(id: &str, summary: &Summary) -> String {
    let median = format_value(id, summary.median);
    if summary.n < 2 {
        return median;
    }
    let unit = metric::metric(id).map_or(metric::Unit::Count, |metric| metric.unit);
    format!(
        "{median}\n{}",
        unit.format_range_beside(summary.median, summary.min, summary.max)
    )
}

/// Seconds per GiB, whose unit stands in the header.
fn without_unit(id: &str, value: f64) -> String {
    format_value(id, value)
        .trim_end_matches(" s/GiB")
        .to_owned()
}

const fn one(name: &'static str, meaning: &'static str, ids: &'static [&'static str]) -> Column {
    Column {
        name,
        meaning,
        header: name,
        ids,
        better: None,
    }
}

/// CPU time per GiB of the source and of the destination.
const fn cpu(
    name: &'static str,
    header: &'static str,
    meaning: &'static str,
    ids: &'static [&'static str],
    better: Option<&'static str>,
) -> Column {
    Column {
        name,
        meaning,
        header,
        ids,
        better,
    }
}

const TIMES: &[Column] = &[
    one("total time", "migrate to completed", &["total_time_ms"]),
    one(
        "blackout",
        "STOP on the source to RESUME on the destination",
        &["blackout_ms"],
    ),
    one("downtime", "QEMU's word for it", &["downtime_ms"]),
    one(
        "pause",
        "longest gap between the guest's heartbeats",
        &["guest_pause_ms"],
    ),
    one(
        "slowdown",
        "operations that the workload lost",
        &["workload_slowdown"],
    ),
];
const COSTS: &[Column] = &[
    one(
        "throughput",
        "the guest's memory that was sent over the time after setup",
        &["guest_throughput_bps"],
    ),
    Column {
        better: Some("guest_throughput_bps"),
        ..one(
            "throughput",
            "RAM sent over the time after setup",
            &["throughput_bps"],
        )
    },
    one("wire", "bytes on the network", &["wire_bytes"]),
    one("RAM sent", "by QEMU's counter", &["ram_bytes"]),
    one("syncs", "of dirty memory", &["iterations"]),
    one(
        "CPU",
        "time that the migration added on both hosts, QEMU and carrier",
        &["cpu_migration_s"],
    ),
    cpu(
        "carrier CPU",
        "carrier\ns/GiB",
        "the carrier's part of it per GiB sent",
        &[
            "cpu_migration_carrier_source_s_per_gib",
            "cpu_migration_carrier_destination_s_per_gib",
        ],
        None,
    ),
    cpu(
        "QEMU CPU",
        "QEMU\ns/GiB",
        "QEMU's part of it per GiB sent",
        &[
            "cpu_migration_qemu_source_s_per_gib",
            "cpu_migration_qemu_destination_s_per_gib",
        ],
        None,
    ),
    cpu(
        "carrier CPU",
        "carrier\ns/GiB",
        "time per GiB sent",
        &[
            "cpu_carrier_source_s_per_gib",
            "cpu_carrier_destination_s_per_gib",
        ],
        Some("cpu_migration_s"),
    ),
    cpu(
        "QEMU CPU",
        "QEMU\ns/GiB",
        "the same without its vCPUs",
        &[
            "cpu_qemu_without_vcpus_source_s_per_gib",
            "cpu_qemu_without_vcpus_destination_s_per_gib",
        ],
        Some("cpu_migration_s"),
    ),
];
/// Behind figures of migrations that did not complete.
pub(crate) const UNFINISHED: &str = "†";
const LONGEST_NAME: usize = 60;
const LONGEST_REASON: usize = 400;

#[cfg(test)]
mod tests;
