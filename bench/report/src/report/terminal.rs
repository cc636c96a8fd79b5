//! A report in a terminal: the answers, the matrix, what is really different. Pictures are in the HTML.

#![expect(clippy::format_push_string, reason = "a text of a screen, made once")]

use lmbench_record::metric::Unit;

use super::model::{Comparison, Instruments, NOT_CALIBRATED, Report, Weight};
use crate::terminal::calibration::COLUMNS;
use crate::terminal::text::counted;
use crate::terminal::{UNFINISHED, painted, table, wrapped};

/// The report as text.
pub fn terminal(report: &Report) -> String {
    let mut page = wrapped(&format!("{}: {}", report.title, report.subtitle), 4);
    page.push('\n');
    for answer in &report.answers {
        let word = match answer.weight {
            Weight::Alarm => "LOST",
            Weight::Warning => "trouble",
            Weight::Finding => "found",
            Weight::Note => "note",
        };
        let space = " ".repeat(9 - word.len());
        page += &wrapped(&format!("{}{space}{}", painted(word), answer.text), 9);
        for point in &answer.points {
            page += &wrapped(&format!("{:<8} - {point}", ""), 11);
        }
    }
    page += &matrix(report);
    for comparison in &report.comparisons {
        page += &difference_table(comparison);
    }
    if !report.troubles.is_empty() {
        page.push('\n');
        for line in report.troubles.iter().take(LINES) {
            page += &wrapped(line, 4);
        }
    }
    for instruments in &report.instruments {
        page += &instrument_table(instruments);
    }
    page += &advice(report);
    page.push('\n');
    let unfinished = if report.has_unfinished() {
        format!(", {UNFINISHED} of migrations that did not complete")
    } else {
        String::new()
    };
    page += &wrapped(
        &format!(
            "Medians of completed repeats{unfinished}, * is really better than all others. `-o report.html` writes the whole report with its charts."
        ),
        0,
    );
    page
}

/// The matrix, as many tables as it takes.
fn matrix(report: &Report) -> String {
    let Some(overview) = &report.overview else {
        return String::new();
    };
    let names = overview.columns.iter().map(|column| in_lines(&column.name));
    let names: Vec<String> = std::iter::once("cell".to_owned()).chain(names).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = report
        .cells
        .iter()
        .zip(&overview.rows)
        .take(ROWS)
        .map(|(cell, values)| {
            let mut row = vec![cell.label.replace(" · ", "\n")];
            row.extend(
                (0..overview.columns.len()).map(|index| match &values[index] {
                    None => "-".to_owned(),
                    Some(shade) => {
                        let mark = match (shade.best, shade.unfinished) {
                            (true, _) => " *",
                            (_, true) => UNFINISHED,
                            (false, false) => "",
                        };
                        overview.columns[index].unit.format(shade.value) + mark
                    }
                }),
            );
            row
        });
    let mut text = format!("\n{}", table(&names, &[0], &[0], rows.collect()));
    if report.cells.len() > ROWS {
        text += &format!("and {}\n", counted(report.cells.len() - ROWS, "more cell"));
    }
    text
}

fn advice(report: &Report) -> String {
    if report.advice.is_empty() {
        return String::new();
    }
    let mut text = "\nWhat to set\n".to_owned();
    for advice in &report.advice {
        if let Some(line) = &advice.setting {
            text += &format!("  {line}\n");
        }
        text += &wrapped(&format!("  {}", advice.why), 4);
    }
    text
}

/// A heading of short lines.
fn in_lines(name: &str) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in name.split(' ') {
        if column > 0 && column + word.len() > 12 {
            lines.push('\n');
            column = 0;
        } else if column > 0 {
            lines.push(' ');
        }
        lines += word;
        column += word.len() + 1;
    }
    lines
}

fn difference_table(comparison: &Comparison) -> String {
    let real = comparison.rows.iter().filter(|row| row.stands_out);
    let rows: Vec<Vec<String>> = real
        .take(LINES)
        .map(|row| {
            vec![
                row.quantity.name.clone(),
                row.candidate.clone(),
                Unit::Ratio.format(row.ratio),
                Unit::Ratio.format_range_beside(row.ratio, row.interval.low, row.interval.high),
                row.verdict.name().to_owned(),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let header = ["metric", "what", "ratio", "95 % interval", "verdict"];
    format!(
        "\n{}\n{}",
        comparison.title,
        table(&header, &[0, 1, 4], &[], rows)
    )
}

/// What measuring cost, and the values that it does not tell from each other.
fn instrument_table(instruments: &Instruments) -> String {
    let of = match instruments.runs.as_str() {
        "" => String::new(),
        runs => format!(" ({runs})"),
    };
    let Some(origin) = &instruments.origin else {
        return wrapped(
            &format!("\nWhat the instruments cost and tell{of}: {NOT_CALIBRATED}"),
            4,
        );
    };
    let header: Vec<&str> = std::iter::once("instrument").chain(COLUMNS).collect();
    let rows = instruments.rows.iter().map(|row| {
        let name = std::iter::once(row.name.clone());
        name.chain(row.cells.iter().cloned()).collect()
    });
    let mut text = format!(
        "\nWhat the instruments cost and tell{of}\n{}",
        table(&header, &[0], &[], rows.collect())
    );
    for row in &instruments.rows {
        for limit in &row.limits {
            text += &wrapped(&format!("{}: {limit}", row.name), 4);
        }
    }
    text + &wrapped(origin, 0)
}

const ROWS: usize = 60;
const LINES: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Source, report};
    use lmbench_record::record::example;

    #[test]
    fn two_healthy_runs() {
        let mut records = [example::jvm(), example::jvm()];
        records[0].calibration = Some(example::calibration());
        let sources = records.map(Source::without_samples);
        insta::assert_snapshot!(terminal(&report(&sources)));
    }
}
