//! A history as CSV, a row for each run of each cell.

use csv::Writer;

use super::History;
use crate::store::HistoryPoint;

/// The whole history; texts are as the records have them.
pub fn to_csv(history: &History) -> Result<Vec<u8>, csv::Error> {
    let mut writer = Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for cell in &history.cells {
        for series in &cell.series {
            for (index, point) in series.points.iter().enumerate() {
                let level = series.levels.iter().rposition(|level| level.first <= index);
                writer.write_record(row(history, level, point))?;
            }
        }
        for point in &cell.without {
            writer.write_record(row(history, None, point))?;
        }
    }
    writer
        .into_inner()
        .map_err(|error| error.into_error().into())
}

/// A run's row; one without a value has empty fields in its place.
fn row(history: &History, level: Option<usize>, point: &HistoryPoint) -> Vec<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let value = |value: f64| {
        if point.n == 0 {
            String::new()
        } else {
            value.to_string()
        }
    };
    let [low, high] = point
        .ci95
        .map_or([String::new(), String::new()], |interval| {
            interval.map(|end| end.to_string())
        });
    vec![
        history.metric.clone(),
        history.unit.unwrap_or_default().to_owned(),
        text(&point.scenario),
        point.cell.clone(),
        text(&point.accelerator),
        text(&point.cpu),
        text(&point.qemu),
        text(&point.lmbench),
        text(&point.kernel),
        point.run_id.clone(),
        text(&point.started),
        point.n.to_string(),
        value(point.median),
        low,
        high,
        value(point.min),
        value(point.max),
        level.map_or(String::new(), |level| (level + 1).to_string()),
        point.cores.map_or(String::new(), |cores| cores.to_string()),
        point.tried.to_string(),
    ]
}

const COLUMNS: [&str; 20] = [
    "metric",
    "unit",
    "scenario",
    "cell",
    "accelerator",
    "cpu",
    "qemu",
    "lmbench",
    "kernel",
    "run",
    "started",
    "n",
    "median",
    "ci95_low",
    "ci95_high",
    "min",
    "max",
    "level",
    "cores",
    "tried",
];
