//! The history of a metric: a line of little bars and a table of levels for each cell and kind of machine.

use lmbench_record::history::{
    CellHistory, Change, Difference, History, Level, Series, Slope, Verdict,
};
use lmbench_record::metric::{self, Unit};
use lmbench_record::store::HistoryPoint;

use super::table::{table, wrapped};
use super::text::{clean, clean_short, counted};
use super::time;

/// The whole history.
pub fn history_text(history: &History) -> String {
    let known = metric::metric(&history.metric);
    let unit = known.map_or(Unit::Count, |metric| metric.unit);
    let mut text = wrapped(
        &format!(
            "{}, the median of each run's completed repeats{}",
            clean(&history.metric),
            match history.better {
                "neither" => String::new(),
                better => format!("; {better} is better"),
            }
        ),
        2,
    );
    if let Some(known) = known {
        text += &wrapped(&format!("  {}", known.definition), 2);
    }
    for cell in &history.cells {
        text += &cell_text(cell, unit);
    }
    text
}

fn cell_text(cell: &CellHistory, unit: Unit) -> String {
    let scenario = cell.scenario.as_deref().unwrap_or("?");
    let mut text = format!(
        "\n{}  {}\n",
        clean_short(scenario, 40),
        clean_short(&cell.cell, 200)
    );
    for series in &cell.series {
        text += &series_text(series, unit);
    }
    let without = cell.without.iter();
    text + &listed(without.map(|point| {
        let tried = counted(point.tried as usize, "migration");
        let run = clean_short(&point.run_id, 60);
        format!("  {run} has no value: none of {tried} completed")
    }))
}

/// A line each, the last ones if there are many.
fn listed(lines: impl ExactSizeIterator<Item = String>) -> String {
    let earlier = lines.len().saturating_sub(MOST_LACKING);
    let mut text: String = lines.skip(earlier).map(|line| wrapped(&line, 4)).collect();
    if earlier > 0 {
        text += &format!("  and {} before it\n", counted(earlier, "run"));
    }
    text
}

fn series_text(series: &Series, unit: Unit) -> String {
    let machine = &series.machine;
    let name = |name: &Option<String>| {
        name.as_deref()
            .map_or("unknown".to_owned(), |name| clean_short(name, 60))
    };
    let mut text = wrapped(
        &format!(
            "  {} · {}{} · QEMU {}",
            name(&machine.accelerator),
            name(&machine.cpu),
            machine.cores.map_or(String::new(), |cores| format!(
                ", {}",
                counted(cores as usize, "CPU")
            )),
            name(&machine.qemu)
        ),
        4,
    );
    if !series.machine_changed.is_empty() {
        let changed = differences(&series.machine_changed);
        text += &wrapped(
            &format!("  another kind of machine, not compared with the one above: {changed}"),
            4,
        );
    }
    let when = |point: Option<&HistoryPoint>| {
        let started = point.and_then(|point| point.started.as_deref());
        started.map_or("?".to_owned(), |started| {
            time::moment(started).chars().take(10).collect()
        })
    };
    text += &format!(
        "  {}  {}, {} to {}\n",
        bars(series),
        counted(series.points.len(), "run"),
        when(series.points.first()),
        when(series.points.last())
    );
    let rows = series.levels.iter().map(|level| row(level, unit)).collect();
    text += &table(
        &["runs", "median", "smallest–largest", "from run", "change"],
        &[3, 4],
        &[],
        rows,
    );
    text += &lacking(series);
    for level in &series.levels {
        text += &level.change.as_ref().map_or(String::new(), |change| {
            wrapped(&with_it(&level.run_id, change), 2)
        });
        text += &level.drift.as_ref().map_or(String::new(), |drift| {
            wrapped(&drift_text(&level.run_id, drift, unit), 2)
        });
    }
    text
}

/// Runs whose median is that of some of their migrations: those that did not complete have no value, and no say.
fn lacking(series: &Series) -> String {
    let lacking: Vec<&HistoryPoint> = series
        .points
        .iter()
        .filter(|point| point.n < point.tried)
        .collect();
    listed(lacking.into_iter().map(|point| {
        let run = clean_short(&point.run_id, 60);
        let of = counted(point.tried as usize, "migration");
        format!("  {run} has the value of {} of {of} only", point.n)
    }))
}

fn row(level: &Level, unit: Unit) -> Vec<String> {
    vec![
        level.runs.to_string(),
        unit.format(level.median),
        unit.format_range_beside(level.median, level.min, level.max),
        clean_short(&level.run_id, 60),
        level.change.as_ref().map_or(String::new(), change_text),
    ]
}

fn verdict_text(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::Different => "different",
    }
}

/// A slope, which has no first run.
fn drift_text(run_id: &str, drift: &Slope, unit: Unit) -> String {
    format!(
        "From {} on it drifts, from about {} to {} ({:+.1} % {}, p {:.3}): slowly, so that no run is the cause.",
        clean_short(run_id, 60),
        unit.format(drift.from),
        unit.format(drift.to),
        (drift.to / drift.from - 1.0) * 100.0,
        verdict_text(drift.verdict),
        drift.p
    )
}

fn change_text(change: &Change) -> String {
    let verdict = verdict_text(change.verdict);
    let how = change.ratio.map_or(String::new(), |ratio| {
        format!("{:+.1} % ", (ratio - 1.0) * 100.0)
    });
    format!("{how}{verdict}, p {:.3}", change.p)
}

/// What need not be the cause, but is all that can be known here.
fn with_it(run_id: &str, change: &Change) -> String {
    let run = clean_short(run_id, 60);
    if change.differences.is_empty() {
        return format!("With {run} nothing else changed that the records know.");
    }
    format!(
        "With {run} also changed: {}",
        differences(&change.differences)
    )
}

fn differences(differences: &[Difference]) -> String {
    differences
        .iter()
        .map(|difference| {
            format!(
                "{} {} → {}",
                difference.what,
                clean_short(&difference.from, 60),
                clean_short(&difference.to, 60)
            )
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// A bar for each of the last runs, from the smallest value to the largest, and a line where a level begins.
fn bars(series: &Series) -> String {
    let first = series.points.len().saturating_sub(MOST_BARS);
    let shown = &series.points[first..];
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for point in shown {
        low = low.min(point.median);
        high = high.max(point.median);
    }
    let mut text = if first > 0 { "…" } else { "" }.to_owned();
    for (index, point) in (first..).zip(shown) {
        if index > first && series.levels.iter().any(|level| level.first == index) {
            text.push('│');
        }
        // Halved first: the difference of two huge values is beyond what a number can hold.
        let height = (point.median / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        let step = if height.is_finite() {
            (height * (BARS.len() - 1) as f64).round() as usize
        } else {
            0
        };
        text.push(BARS[step.min(BARS.len() - 1)]);
    }
    text
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const MOST_LACKING: usize = 5;
const MOST_BARS: usize = 50;

#[cfg(test)]
mod tests;
