//! What the gate found, on one screen: the verdict, then the checks that did not simply pass.

use lmbench_record::gate::show::{counts, medians};
use lmbench_record::gate::{Check, Report, Verdict};

use super::page::painted;
use super::table::{table, wrapped};
use super::text::clean;

/// The verdict, notes, and a row per check; those that passed only if `all` are wanted.
pub fn gate_text(report: &Report, all: bool) -> String {
    let against = match &report.baseline {
        Some(baseline) => format!("against baseline {}", clean(baseline)),
        None => "without a baseline".to_owned(),
    };
    let head = format!(
        "{}: run {} {against}; {}",
        painted(report.verdict().name()),
        clean(&report.run_id),
        counts(report)
    );
    let mut text = wrapped(&head, 4);
    for note in &report.notes {
        text += &wrapped(&format!("note: {}", clean(note)), 4);
    }
    let checks = report.worst_first();
    let shown: Vec<&Check> = checks
        .into_iter()
        .filter(|check| all || check.verdict != Verdict::Pass)
        .collect();
    if !shown.is_empty() {
        let header = ["cell", "check", "verdict", "median", "why"];
        let rows = shown
            .iter()
            .take(ROWS_MAX)
            .map(|check| row(check))
            .collect();
        text.push('\n');
        text += &table(&header, &[0, 1, 2, 3, 4], &[0, 4], rows);
        if shown.len() > ROWS_MAX {
            text += &format!(
                "\n… and {} more; --format json has all\n",
                shown.len() - ROWS_MAX
            );
        }
    }
    let passed = report.count(Verdict::Pass);
    if !all && passed > 0 {
        text += &format!("\n{passed} passed; --all shows them\n");
    }
    text
}

fn row(check: &Check) -> Vec<String> {
    let cell = if check.cell.is_empty() {
        "(run)".to_owned()
    } else {
        // A parameter per line keeps room for the rest.
        clean(&check.cell).replace(',', "\n")
    };
    vec![
        cell,
        check.subject.name().to_owned(),
        check.verdict.name().to_owned(),
        medians(check).replace(" → ", "\n→ "),
        clean(&check.reason),
    ]
}

/// More nobody reads, and a table of many thousands takes its time.
const ROWS_MAX: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use lmbench_record::gate::show::examples;

    #[test]
    fn what_did_not_pass_comes_first() {
        let report = examples::report();
        let (short, all) = (gate_text(&report, false), gate_text(&report, true));
        assert!(!all.contains('\u{1b}'));
        assert!(!short.contains("whole") && all.contains("whole"));
        insta::assert_snapshot!(short);
    }
}
