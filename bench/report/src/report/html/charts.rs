//! Charts that need no script: distributions as rows of points, stacked bars.
//!
//! Nothing in them is text that scales: places are shares of the width, so a chart reads the same on a telephone and on paper.

use std::fmt::Write as _;

use lmbench_record::metric::Unit;

use super::axis::Axis;
use super::put;
use super::text::{Coded, Escaped};
use crate::report::model::{Bar, Bars, Data, Datum, Distribution, Report, Spread};

/// A row of points for each cell.
pub(super) fn distribution(page: &mut String, report: &Report, distribution: &Distribution) {
    let axis = Axis::of_points(distribution.range, distribution.quantity.unit);
    put!(
        page,
        "<figure class=\"rows\" data-data=\"repeats\" data-column=\"{0}\"><figcaption><h3>{1}</h3><p class=\"how\"><code>{0}</code>: {2}{3}</p></figcaption>\n",
        Escaped(&distribution.quantity.id),
        Escaped(&distribution.quantity.name),
        Coded(&distribution.definition),
        if axis.is_logarithmic() {
            "; logarithmic axis"
        } else {
            ""
        }
    );
    tick_row(page, &axis);
    for row in &distribution.rows {
        spread(page, report, row, &axis, distribution.quantity.unit);
    }
    left_out(page, distribution.left_out);
    page.push_str("</figure>\n");
}

/// The numbers below an axis, as a row of the chart.
fn tick_row(page: &mut String, axis: &Axis) {
    page.push_str("<div class=\"row\" aria-hidden=\"true\"><span></span>");
    ticks(page, axis, "ticks");
    page.push_str("<span></span></div>\n");
}

/// The numbers below an axis; the first and the last stay within it.
pub(super) fn ticks(page: &mut String, axis: &Axis, class: &str) {
    put!(
        page,
        "<svg class=\"{class}\" width=\"100%\" height=\"16\" aria-hidden=\"true\">"
    );
    for (place, text) in axis.ticks() {
        let anchor = if place < 0.06 {
            " class=\"start\""
        } else if place > 0.94 {
            " class=\"end\""
        } else {
            ""
        };
        put!(
            page,
            "<text{anchor} x=\"{:.2}%\" y=\"12\">{}</text>",
            place * 100.0,
            Escaped(&text)
        );
    }
    page.push_str("</svg>");
}

pub(super) fn left_out(page: &mut String, number: usize) {
    if number > 0 {
        put!(
            page,
            "<p class=\"how\">{number} more cells are not drawn; the table has them.</p>"
        );
    }
}

fn spread(page: &mut String, report: &Report, row: &Spread, axis: &Axis, unit: Unit) {
    let cell = &report.cells[row.cell];
    let median = unit.format(row.median);
    let (low, high) = (least(&row.values), greatest(&row.values));
    let mut words = format!(
        "{}: median {median} of {}, {}",
        cell.label,
        row.values.len(),
        unit.format_range(low, high)
    );
    if let Some(interval) = row.interval {
        let _ = write!(
            words,
            ", 95 % interval {}",
            unit.format_range(interval.low, interval.high)
        );
    }
    let outliers = row.outliers.iter().filter(|outlier| **outlier).count();
    if outliers > 0 {
        let _ = write!(words, ", {outliers} far from the others");
    }
    put!(
        page,
        "<div class=\"row\"><span class=\"name\" title=\"{}\">{}</span><svg class=\"strip\" width=\"100%\" height=\"28\" role=\"img\" aria-label=\"{}\"><title>{}</title><svg viewBox=\"0 0 10000 28\" preserveAspectRatio=\"none\" width=\"100%\" height=\"28\">",
        Escaped(&cell.full),
        Escaped(&cell.label),
        Escaped(&words),
        Escaped(&words)
    );
    put!(page, "<path class=\"grid\" d=\"{}\"/>", grid(axis));
    let x = |value: f64| (axis.place(value) * 10_000.0).round() as i64;
    if row.values.len() > MOST_POINTS {
        put!(
            page,
            "<path class=\"shape\" d=\"{}\"/>",
            silhouette(&row.values, axis)
        );
    }
    if let Some(interval) = row.interval {
        let from = x(interval.low);
        put!(
            page,
            "<rect class=\"interval\" x=\"{from}\" y=\"5\" width=\"{}\" height=\"18\"/>",
            (x(interval.high) - from).max(1)
        );
    }
    let mut points = String::new();
    let mut far = String::new();
    for (index, (value, outlier)) in row.values.iter().zip(&row.outliers).enumerate() {
        // Neighbours in time do not cover each other.
        let y = [14, 10, 18, 12, 16][index % 5];
        if *outlier {
            if far.len() < LONGEST_PATH {
                let _ = write!(far, "M{} {y}h0", x(*value));
            }
        } else if row.values.len() <= MOST_POINTS {
            let _ = write!(points, "M{} {y}h0", x(*value));
        }
    }
    if !points.is_empty() {
        put!(page, "<path class=\"dots\" d=\"{points}\"/>");
    }
    if !far.is_empty() {
        put!(
            page,
            "<path class=\"far\" d=\"{far}\"/><path class=\"hole\" d=\"{far}\"/>"
        );
    }
    put!(
        page,
        "<path class=\"median\" d=\"M{} 3V25\"/></svg></svg><span class=\"value\">{}</span></div>\n",
        x(row.median),
        Escaped(&median)
    );
}

fn grid(axis: &Axis) -> String {
    let line = |(place, _): &(f64, String)| format!("M{:.0} 0V28", place * 10_000.0);
    axis.ticks().iter().map(line).collect()
}

/// How many values lie where, mirrored.
fn silhouette(values: &[f64], axis: &Axis) -> String {
    let mut counts = [0_u32; BINS];
    for value in values {
        let bin = (axis.place(*value) * BINS as f64) as usize;
        counts[bin.min(BINS - 1)] += 1;
    }
    let most = f64::from(counts.iter().copied().max().unwrap_or(1).max(1));
    let edge = |index: usize| index * 10_000 / BINS;
    let mut path = String::from("M0 14");
    let half = |count: u32| (f64::from(count) / most * 10.0 * 10.0).round() / 10.0;
    for (index, count) in counts.iter().enumerate() {
        let _ = write!(path, "V{}H{}", 14.0 - half(*count), edge(index + 1));
    }
    for (index, count) in counts.iter().enumerate().rev() {
        let _ = write!(path, "V{}H{}", 14.0 + half(*count), edge(index));
    }
    path + "Z"
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn greatest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// Stacked bars with a legend.
pub(super) fn bars(page: &mut String, report: &Report, id: &str, bars: &Bars) {
    let used: Vec<bool> = (0..bars.parts.len())
        .map(|part| {
            bars.rows
                .iter()
                .any(|row| row.values[part].is_some_and(|value| value > 0.0))
        })
        .collect();
    put!(
        page,
        "<figure class=\"rows\" data-data=\"{id}\"><ul class=\"legend\">"
    );
    for (index, part) in bars
        .parts
        .iter()
        .enumerate()
        .filter(|(index, _)| used[*index])
    {
        put!(
            page,
            "<li><svg width=\"12\" height=\"12\" aria-hidden=\"true\"><rect class=\"{}\" width=\"12\" height=\"12\"/></svg> <b>{}</b> {}</li>",
            class(index, bars),
            Escaped(part.name),
            Escaped(part.meaning)
        );
    }
    page.push_str("</ul>\n");
    let axis = Axis::from_zero(
        bars.rows.iter().map(|row| row.total).fold(0.0, f64::max),
        bars.unit,
    );
    tick_row(page, &axis);
    let mut last = None;
    for row in &bars.rows {
        bar(
            page,
            report,
            row,
            bars,
            &axis,
            last.replace(row.cell) == Some(row.cell),
        );
    }
    left_out(page, bars.left_out);
    page.push_str("</figure>\n");
}

/// What no part explains is grey.
fn class(index: usize, bars: &Bars) -> String {
    if bars.parts[index].name == "not told apart" {
        "rest".to_owned()
    } else {
        format!("p{index}")
    }
}

fn bar(page: &mut String, report: &Report, row: &Bar, bars: &Bars, axis: &Axis, again: bool) {
    let cell = &report.cells[row.cell];
    let total = bars.unit.format(row.total);
    let mut words = format!("{} {}: {total}", cell.label, row.of);
    for (part, value) in bars.parts.iter().zip(&row.values) {
        if let Some(value) = value {
            let _ = write!(words, ", {} {}", part.name, bars.unit.format(*value));
        }
    }
    let name = if again {
        format!("<span class=\"again\">{}</span>", Escaped(&cell.label))
    } else {
        Escaped(&cell.label).to_string()
    };
    put!(
        page,
        "<div class=\"row\"><span class=\"name\" title=\"{}\">{name} <span class=\"of\">{}</span></span><svg class=\"bar\" width=\"100%\" height=\"20\" role=\"img\" aria-label=\"{}\">",
        Escaped(&cell.full),
        Escaped(&row.of),
        Escaped(&words)
    );
    let mut from = 0.0;
    for (index, value) in row.values.iter().enumerate() {
        let Some(value) = value.filter(|value| *value > 0.0) else {
            continue;
        };
        let to = from + value;
        let (x, end) = (axis.place(from) * 100.0, axis.place(to) * 100.0);
        put!(
            page,
            "<rect class=\"{}\" x=\"{x:.2}%\" y=\"2\" width=\"{:.2}%\" height=\"16\"><title>{} {}</title></rect>",
            class(index, bars),
            end - x,
            Escaped(bars.parts[index].name),
            Escaped(&bars.unit.format(value))
        );
        from = to;
    }
    put!(
        page,
        "</svg><span class=\"value\">{}</span></div>\n",
        Escaped(&total)
    );
}

/// The bars as a table.
pub(super) fn bars_data(report: &Report, bars: &Bars) -> Data {
    let unit = bars.unit.name();
    let mut columns = vec![
        "cell".to_owned(),
        "of".to_owned(),
        format!("total ({unit})"),
    ];
    columns.extend(
        bars.parts
            .iter()
            .map(|part| format!("{} ({unit})", part.name)),
    );
    let row = |bar: &Bar| {
        let cell = &report.cells[bar.cell];
        let mut row = vec![
            Datum::Text(cell.full.clone()),
            Datum::Text(bar.of.clone()),
            Datum::Number(bar.total),
        ];
        row.extend(
            bar.values
                .iter()
                .map(|value| value.map_or(Datum::Absent, Datum::Number)),
        );
        row
    };
    Data {
        rows: bars.rows.iter().map(row).collect(),
        columns,
    }
}

/// Cells with more values show their shape instead.
const MOST_POINTS: usize = 40;
const BINS: usize = 80;
/// Of outliers' paths: some hundreds of points.
const LONGEST_PATH: usize = 4_000;
