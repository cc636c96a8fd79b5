//! One line: the verdict, and the worst of what led to it.

use super::super::report::{Report, Verdict};
use super::counts;
use crate::text::clean;

/// The line, without its end.
pub fn line(report: &Report) -> String {
    let verdict = report.verdict();
    let mut line = format!("{}: {}", verdict.name(), counts(report));
    let worst = report
        .worst_first()
        .into_iter()
        .find(|check| check.verdict == verdict && verdict != Verdict::Pass);
    if let Some(check) = worst {
        line += "; ";
        if !check.cell.is_empty() {
            line += &clean(&check.cell);
            line.push(' ');
        }
        line += &format!("{}: {}", check.subject.name(), clean(&check.reason));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn the_verdict_and_its_first_cause_stand_in_one_line() {
        let line = line(&examples::report());
        assert_eq!(line.lines().count(), 1);
        insta::assert_snapshot!(line);
    }

    #[test]
    fn without_checks_nothing_is_known() {
        let report = Report {
            checks: Vec::new(),
            ..examples::report()
        };
        assert_eq!(super::line(&report), "inconclusive: 0 checks");
    }
}
