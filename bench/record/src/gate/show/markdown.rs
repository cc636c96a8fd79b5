//! The report as Markdown, for job summaries and comments on changes.

use super::super::report::{Check, Report, Verdict};
use super::{counts, medians};
use crate::text::clean_short;

/// The whole text, ended by an empty line so that more can follow.
pub fn markdown(report: &Report) -> String {
    let verdict = report.verdict();
    let mut text = format!(
        "### {} lmbench gate: {}\n\n{}; run {}",
        sign(verdict),
        verdict.name(),
        counts(report),
        code(&report.run_id),
    );
    text += &format!(" of {}", code(&report.scenario));
    text += &match &report.baseline {
        Some(baseline) => format!(" against baseline {}", code(baseline)),
        None => ", without a baseline".to_owned(),
    };
    text += ".\n\n";
    for note in &report.notes {
        text += &format!("- {}\n", escaped(note));
    }
    if !report.notes.is_empty() {
        text.push('\n');
    }
    let (passed, other): (Vec<&Check>, Vec<&Check>) = report
        .worst_first()
        .into_iter()
        .partition(|check| check.verdict == Verdict::Pass);
    if !other.is_empty() {
        text += &table(&other);
    }
    if !passed.is_empty() {
        text += &format!(
            "<details><summary>{} passed</summary>\n\n{}</details>\n\n",
            passed.len(),
            table(&passed)
        );
    }
    text
}

fn table(checks: &[&Check]) -> String {
    let mut text = "| cell | check | verdict | median | why |\n|---|---|---|---|---|\n".to_owned();
    for check in checks.iter().take(ROWS_MAX) {
        let cell = if check.cell.is_empty() {
            "all".to_owned()
        } else {
            code(&check.cell)
        };
        text += &format!(
            "| {cell} | {} | {} {} | {} | {} |\n",
            escaped(check.subject.name()),
            sign(check.verdict),
            check.verdict.name(),
            escaped(&medians(check)),
            escaped(&check.reason),
        );
    }
    if checks.len() > ROWS_MAX {
        let more = checks.len() - ROWS_MAX;
        text += &format!("\n… and {more} more; `--format json` has all.\n");
    }
    text.push('\n');
    text
}

fn sign(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "✅",
        Verdict::Improved => "🚀",
        Verdict::Inconclusive => "❔",
        Verdict::Regressed => "❌",
    }
}

/// As code; in an element of HTML, in which neither names nor numbers become links.
fn code(text: &str) -> String {
    format!("<code>{}</code>", escaped(text))
}

/// Without anything that Markdown, HTML or a table would take for its own: such characters are written as references.
fn escaped(text: &str) -> String {
    const MARKUP: &str = "&<>|`*_~[]()#!\\@$\"'";
    let mut fit = String::with_capacity(text.len());
    for character in clean_short(text, LONGEST).chars() {
        if MARKUP.contains(character) {
            fit += &format!("&#{};", u32::from(character));
        } else {
            fit.push(character);
        }
    }
    // A link of plain text begins with these.
    fit.replace("://", "&#58;//").replace("www.", "www&#46;")
}

/// GitHub takes no job summary above 1 MiB.
const ROWS_MAX: usize = 100;
const LONGEST: usize = 400;

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn nothing_from_a_record_is_markup() {
        let text = markdown(&examples::report());
        assert!(!text.contains("<script") && !text.contains('\u{1b}') && !text.contains("@all"));
        // Header, rule and rows of both tables have the same number of columns.
        for row in text.lines().filter(|line| line.starts_with('|')) {
            assert_eq!(row.matches('|').count(), 6, "{row}");
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_summary_of_thousands_of_checks_stays_below_what_is_taken() {
        let mut report = examples::report();
        report.checks[3].reason = "<".repeat(10_000);
        report.checks[3].cell = "|".repeat(10_000);
        report.checks = vec![report.checks[3].clone(); 5_000];
        assert!(markdown(&report).len() < 1 << 20);
    }
}
