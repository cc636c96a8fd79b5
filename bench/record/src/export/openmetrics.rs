//! Medians as `OpenMetrics` text, for the textfile collector of Prometheus' node exporter and whoever else reads that format.
//!
//! By the specification (`OpenMetrics` 1.0): base units, the unit at the end of the name, one family after
//! the other, `# EOF` at the end. Everything is a gauge and without a time stamp, because the textfile collector refuses files
//! with time stamps and knows no other type that fits; when the run started is a gauge of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;

use super::Run;
use crate::metric::{self, Metric, Unit};
use crate::record::{CellRecord, Outcome, Record, summarise};

/// The text. Metrics that this lmbench does not know are left out: nobody could tell their unit.
///
/// Cells are told apart by `scenario` and `cell`, so that a graph goes on from one run to the next. Only when several of the runs
/// have the same cell does every sample bear `run`.
pub fn text(runs: &[Run]) -> String {
    let with_run = has_doubles(runs);
    let mut text = String::new();
    environment(runs, &mut text);
    started(runs, with_run, &mut text);
    repeats(runs, with_run, &mut text);
    for metric in metric::ALL {
        family(metric, runs, with_run, &mut text);
    }
    text += "# EOF\n";
    text
}

/// Whether two runs have the same cell of the same scenario.
fn has_doubles(runs: &[Run]) -> bool {
    let mut seen = BTreeSet::new();
    runs.iter().any(|run| {
        let name = run.record.scenario.name.as_str();
        let started = !seen.insert((name, None));
        let cells = run.record.cells.iter();
        cells.fold(started, |double, cell| {
            !seen.insert((name, Some(cell.id.as_str()))) || double
        })
    })
}

fn environment(runs: &[Run], text: &mut String) {
    head(
        "lmbench_run_environment",
        "",
        "What the run ran on; always 1.",
        text,
    );
    for Run { record, .. } in runs {
        let environment = &record.environment;
        let labels = Labels::new()
            .with("scenario", &record.scenario.name)
            .with("run", &record.run_id)
            .with("lmbench", &environment.lmbench)
            .with("qemu", &environment.qemu)
            .with("kernel", &environment.kernel)
            .with("accelerator", &environment.accelerator)
            .with("cpu", &environment.cpu);
        sample("lmbench_run_environment", &labels, 1.0, text);
    }
}

fn started(runs: &[Run], with_run: bool, text: &mut String) {
    let name = "lmbench_run_started_timestamp_seconds";
    head(name, "seconds", "When the run started, Unix time.", text);
    for Run { record, .. } in runs {
        let Ok(started) = record.started.parse::<Timestamp>() else {
            continue;
        };
        let labels = of_run(record, with_run);
        sample(name, &labels, started.as_millisecond() as f64 / 1e3, text);
    }
}

fn repeats(runs: &[Run], with_run: bool, text: &mut String) {
    let name = "lmbench_repeats";
    head(name, "", "Migrations of the cell by how they ended.", text);
    for Run { record, .. } in runs {
        for cell in &record.cells {
            let outcomes = cell.outcomes();
            for outcome in Outcome::ALL {
                let labels = of_cell(record, cell, with_run).with("outcome", outcome.name());
                let number = outcomes.get(&outcome).copied().unwrap_or(0);
                sample(name, &labels, number as f64, text);
            }
        }
    }
}

fn family(metric: &Metric, runs: &[Run], with_run: bool, text: &mut String) {
    let (name, unit, factor) = name_unit_factor(metric);
    let mut samples = String::new();
    for Run { record, .. } in runs {
        for cell in &record.cells {
            let Some(summary) = summarise(&cell.repeats).remove(metric.id) else {
                continue;
            };
            for (statistic, value) in [
                ("median", summary.median),
                ("smallest", summary.min),
                ("largest", summary.max),
            ] {
                let labels = of_cell(record, cell, with_run).with("statistic", statistic);
                sample(&name, &labels, value * factor, &mut samples);
            }
        }
    }
    if !samples.is_empty() {
        head(&name, unit, metric.definition, text);
        *text += &samples;
    }
}

/// The name in base units with the unit at its end, the unit, and what a value is multiplied with.
fn name_unit_factor(metric: &Metric) -> (String, &'static str, f64) {
    let (word, unit, factor) = match metric.unit {
        Unit::Millisecond => ("_ms", "seconds", 1e-3),
        Unit::Microsecond => ("_us", "seconds", 1e-6),
        Unit::Second => ("_s", "seconds", 1.0),
        Unit::Byte => ("_bytes", "bytes", 1.0),
        Unit::BitPerSecond => ("_bps", "bytes_per_second", 1.0 / 8.0),
        Unit::BytePerSecond => ("_bps", "bytes_per_second", 1.0),
        Unit::SecondPerGib => ("_s_per_gib", "seconds_per_gibibyte", 1.0),
        Unit::CountPerGib => ("_per_gib", "per_gibibyte", 1.0),
        Unit::Percent => ("_percent", "ratio", 1e-2),
        Unit::Ratio | Unit::Share => ("", "ratio", 1.0),
        Unit::Count => ("", "", 1.0),
    };
    let stem = metric.id.replacen(word, "", 1);
    let name = if unit.is_empty() {
        format!("lmbench_{stem}")
    } else {
        format!("lmbench_{stem}_{unit}")
    };
    (name, unit, factor)
}

fn head(name: &str, unit: &str, help: &str, text: &mut String) {
    let _ = writeln!(text, "# TYPE {name} gauge");
    if !unit.is_empty() {
        let _ = writeln!(text, "# UNIT {name} {unit}");
    }
    // The older Prometheus text, which the node exporter reads, has no escape for a quote in a help text.
    let help = escaped(&help.replace('"', "'"));
    let _ = writeln!(text, "# HELP {name} {help}");
}

fn sample(name: &str, labels: &Labels, value: f64, text: &mut String) {
    let _ = writeln!(text, "{name}{{{}}} {value}", labels.0);
}

fn of_run(record: &Record, with_run: bool) -> Labels {
    let labels = Labels::new().with("scenario", &record.scenario.name);
    if with_run {
        labels.with("run", &record.run_id)
    } else {
        labels
    }
}

fn of_cell(record: &Record, cell: &CellRecord, with_run: bool) -> Labels {
    let mut labels = of_run(record, with_run).with("cell", &cell.id);
    // First come, first served: two keys may come to the same label.
    let mut parameters = BTreeMap::new();
    for (key, value) in &cell.parameters {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        parameters.entry(label_name(key)).or_insert(value);
    }
    for (name, value) in &parameters {
        labels = labels.with(name, value);
    }
    labels
}

/// `carrier` and `policy` as they are; other parameters are marked, so that none takes the place of another label.
fn label_name(key: &str) -> String {
    if ["carrier", "policy"].contains(&key) {
        return key.to_owned();
    }
    let letter = |letter: char| {
        if letter.is_ascii_alphanumeric() {
            letter
        } else {
            '_'
        }
    };
    format!("parameter_{}", key.chars().map(letter).collect::<String>())
}

struct Labels(String);

impl Labels {
    fn new() -> Self {
        Labels(String::new())
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        let _ = write!(self.0, "{name}=\"{}\"", escaped(value));
        self
    }
}

/// As both formats have it: backslash, quote and line feed.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests;
