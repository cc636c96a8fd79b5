//! A report in GitHub's Markdown: answers, matrix, comparison, troubles and where it ran, for issues and job summaries.
//!
//! Distributions and time lines are pictures, which the HTML has.

use std::fmt::Write as _;

use lmbench_record::judge::Verdict;
use lmbench_record::metric::Unit;

use super::model::{Bars, Comparison, Instruments, NOT_CALIBRATED, Overview, Report, Weight};
use crate::terminal::UNFINISHED;
use crate::terminal::calibration::{COLUMNS, LEGEND};

/// The report as Markdown.
pub fn markdown(report: &Report) -> String {
    let mut page = format!(
        "# {}\n\n{}\n\n## What it comes down to\n\n",
        text(&report.title),
        text(&report.subtitle)
    );
    for answer in &report.answers {
        let before = match answer.weight {
            Weight::Alarm => "**Lost:** ",
            Weight::Warning => "**Trouble:** ",
            Weight::Finding => "",
            Weight::Note => "Note: ",
        };
        put(&mut page, &format!("- {before}{}\n", text(&answer.text)));
        for point in &answer.points {
            put(&mut page, &format!("  - {}\n", text(point)));
        }
    }
    if !report.troubles.is_empty() {
        page += "\n## What went wrong\n\n";
        for line in report.troubles.iter().take(LINES) {
            put(&mut page, &format!("- {}\n", text(line)));
        }
        if report.troubles.len() > LINES {
            put(
                &mut page,
                &format!("- and {} more\n", report.troubles.len() - LINES),
            );
        }
    }
    if let Some(overview) = &report.overview {
        page += "\n## The matrix\n\nMedians of completed repeats; what is really better than all others of its run is **bold**.";
        if report.has_unfinished() {
            put(
                &mut page,
                &format!(" {UNFINISHED}: of migrations that did not complete."),
            );
        }
        page += "\n\n";
        matrix(&mut page, report, overview);
    }
    if !report.comparisons.is_empty() {
        page += "\n## Comparison\n\nListed is what differs by the rule of `lmbench compare` and stands out of all that is asked.\n";
        for shown in &report.comparisons {
            comparison(&mut page, shown);
        }
    }
    for (title, bars) in [
        ("What the blackout was made of", &report.blackout),
        ("CPU time per GiB sent", &report.processor),
    ] {
        if let Some(bars) = bars {
            put(&mut page, &format!("\n## {title}\n\n"));
            stacked(&mut page, report, bars);
        }
    }
    if !report.advice.is_empty() {
        page += "\n## What to set\n\n";
        for advice in &report.advice {
            let setting = advice.setting.as_deref();
            let setting = setting.map_or(String::new(), |line| format!("`{}`: ", code(line)));
            put(&mut page, &format!("- {setting}{}\n", text(&advice.why)));
        }
    }
    page += "\n## What it ran on\n\n";
    for run in &report.runs {
        let letter = run
            .letter
            .map_or(String::new(), |letter| format!("Run {letter}: "));
        put(&mut page, &format!("{letter}`{}`\n\n", code(&run.run_id)));
        for (name, value) in run.facts.iter().filter(|(_, value)| !value.contains('\n')) {
            put(&mut page, &format!("- {}: {}\n", text(name), text(value)));
        }
        page.push('\n');
    }
    if !report.instruments.is_empty() {
        page += "## What the instruments cost and tell\n\n";
        for one in &report.instruments {
            instruments(&mut page, one);
        }
    }
    for note in &report.notes {
        put(&mut page, &format!("{}\n", text(note)));
    }
    page
}

fn put(page: &mut String, text: &str) {
    page.push_str(text);
}

fn row(page: &mut String, cells: impl IntoIterator<Item = String>) {
    page.push('|');
    for cell in cells {
        let _ = write!(page, " {cell} |");
    }
    page.push('\n');
}

/// The first column is of words, the others of numbers.
fn header(page: &mut String, cells: &[String]) {
    row(page, cells.iter().cloned());
    row(
        page,
        (0..cells.len()).map(|index| if index == 0 { "---" } else { "---:" }.to_owned()),
    );
}

fn matrix(page: &mut String, report: &Report, overview: &Overview) {
    let columns = overview.columns.iter().map(|column| text(&column.name));
    let fixed = ["cell", "outcome"].map(str::to_owned);
    header(page, &fixed.into_iter().chain(columns).collect::<Vec<_>>());
    for (cell, values) in report.cells.iter().zip(&overview.rows).take(ROWS) {
        let shown = overview
            .columns
            .iter()
            .zip(values)
            .map(|(column, value)| match value {
                None => "–".to_owned(),
                Some(shade) if shade.best => format!("**{}**", column.unit.format(shade.value)),
                Some(shade) if shade.unfinished => column.unit.format(shade.value) + UNFINISHED,
                Some(shade) => column.unit.format(shade.value),
            });
        let fixed = [text(&cell.label), text(&cell.outcomes)];
        row(page, fixed.into_iter().chain(shown));
    }
    more(page, report.cells.len(), ROWS);
}

fn more(page: &mut String, all: usize, shown: usize) {
    if all > shown {
        put(page, &format!("\nand {} more\n", all - shown));
    }
}

fn comparison(page: &mut String, comparison: &Comparison) {
    put(
        page,
        &format!(
            "\n### {}\n\n{}\n\n",
            text(&comparison.title),
            text(&comparison.method)
        ),
    );
    let real: Vec<_> = comparison
        .rows
        .iter()
        .filter(|row| row.stands_out)
        .collect();
    if !real.is_empty() {
        header(
            page,
            &[
                "metric",
                "what",
                "ratio",
                "95 % interval",
                "verdict",
                "pairs",
            ]
            .map(str::to_owned),
        );
    }
    for difference in real.iter().take(ROWS) {
        let verdict = match difference.verdict {
            Verdict::Worse => "**worse**",
            other => other.name(),
        };
        let interval = difference.interval;
        row(
            page,
            [
                text(&difference.quantity.name),
                text(&difference.candidate),
                Unit::Ratio.format(difference.ratio),
                Unit::Ratio.format_range_beside(difference.ratio, interval.low, interval.high),
                verdict.to_owned(),
                difference.pairs.to_string(),
            ],
        );
    }
    more(page, real.len(), ROWS);
    let unclear = comparison.rows.len() - real.len();
    if unclear > 0 {
        put(
            page,
            &format!(
                "\n{unclear} of {} are not listed: same, can't tell, or different only if asked alone.\n",
                comparison.rows.len()
            ),
        );
    }
}

fn stacked(page: &mut String, report: &Report, bars: &Bars) {
    let fixed = ["cell", "of", "total"].map(str::to_owned);
    let parts = bars.parts.iter().map(|part| part.name.to_owned());
    header(page, &fixed.into_iter().chain(parts).collect::<Vec<_>>());
    for bar in bars.rows.iter().take(ROWS) {
        let fixed = [
            text(&report.cells[bar.cell].label),
            text(&bar.of),
            bars.unit.format(bar.total),
        ];
        let values = bar.values.iter();
        let values =
            values.map(|value| value.map_or("–".to_owned(), |value| bars.unit.format(value)));
        row(page, fixed.into_iter().chain(values));
    }
    more(page, bars.rows.len(), ROWS);
}

fn instruments(page: &mut String, instruments: &Instruments) {
    let runs = match instruments.runs.as_str() {
        "" => String::new(),
        runs => format!("{}: ", text(runs)),
    };
    let Some(origin) = &instruments.origin else {
        return put(page, &format!("{runs}{NOT_CALIBRATED}\n\n"));
    };
    put(page, &format!("{runs}{}\n\n", text(origin)));
    let columns = std::iter::once("instrument").chain(COLUMNS);
    header(page, &columns.map(str::to_owned).collect::<Vec<_>>());
    for shown in &instruments.rows {
        let cells = shown.cells.iter().map(|cell| text(cell));
        row(page, std::iter::once(text(&shown.name)).chain(cells));
    }
    page.push('\n');
    for shown in &instruments.rows {
        for note in shown.note.iter().chain(&shown.limits) {
            put(page, &format!("- {}: {}\n", text(&shown.name), text(note)));
        }
    }
    put(page, &format!("\n{LEGEND}\n\n"));
}

/// A text in which nothing is Markdown or HTML, and nobody is notified.
fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '&' => escaped += "&amp;",
            '@' => escaped += "&#64;",
            '\n' | '\r' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '!' => {
                escaped.push('\\');
                escaped.push(character);
            }
            character => escaped.push(character),
        }
    }
    // GitHub makes links of bare addresses.
    escaped
        .replace("://", ":\u{200b}//")
        .replace("www.", "www\u{200b}.")
}

/// Inside backticks, which nothing can escape.
fn code(text: &str) -> String {
    text.replace('`', "'").replace(['\n', '\r', '|'], " ")
}

const ROWS: usize = 60;
const LINES: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Source, report};
    use lmbench_record::record::example;

    #[test]
    fn names_are_no_markup() {
        assert_eq!(
            text("a|b *c* <img> [d](e) `f` @g"),
            "a\\|b \\*c\\* &lt;img&gt; \\[d\\](e) \\`f\\` &#64;g"
        );
        assert!(!text("javascript://x http://y").contains("://"));
        assert_eq!(code("a`b\nc"), "a'b c");
    }

    #[test]
    fn a_run_in_trouble() {
        let mut record = example::troubled();
        record.calibration = Some(example::calibration());
        let report = report(&[Source::without_samples(record)]);
        insta::assert_snapshot!(markdown(&report));
    }
}
