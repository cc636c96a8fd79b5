//! The report as `JUnit` reads it: a case per check. It knows no "inconclusive", which is skipped, or failed if the user says so.

use super::super::report::{Check, Report, Verdict};
use super::medians;
use crate::junit::{Case, CaseResult, document};

/// The whole document.
pub fn junit(report: &Report, inconclusive_fails: bool) -> String {
    let cases: Vec<Case> = report
        .checks
        .iter()
        .map(|check| case(check, report, inconclusive_fails))
        .collect();
    document("lmbench gate", &cases)
}

fn case(check: &Check, report: &Report, inconclusive_fails: bool) -> Case {
    let class = if check.cell.is_empty() {
        "gate".to_owned()
    } else {
        // Viewers cut classes at dots, which stand in paths of settings.
        format!("gate.{}", check.cell.replace('.', "/"))
    };
    let name = match check.subject.metric() {
        Some(metric) => format!("{metric} {}", check.subject.kind()),
        None => check.subject.name().to_owned(),
    };
    let reason = check.reason.clone();
    let result = match check.verdict {
        Verdict::Pass | Verdict::Improved => CaseResult::Passed,
        Verdict::Inconclusive if !inconclusive_fails => {
            CaseResult::Skipped(format!("inconclusive: {reason}"))
        }
        Verdict::Inconclusive | Verdict::Regressed => CaseResult::Failed {
            message: format!("{}: {reason}", check.verdict.name()),
            details: details(check, report),
        },
    };
    Case {
        class,
        name,
        seconds: 0.0,
        result,
    }
}

fn details(check: &Check, report: &Report) -> String {
    let mut details = format!("run {}\n", report.run_id);
    if let Some(baseline) = &report.baseline {
        details += &format!("baseline {baseline}\n");
    }
    let medians = medians(check);
    if !medians.is_empty() {
        details += &format!("median {medians}\n");
    }
    if let Some(rule) = &check.rule {
        details += &format!("asked for {rule}\n");
    }
    details
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn nothing_from_a_record_breaks_the_document() {
        insta::assert_snapshot!(junit(&examples::report(), false));
    }

    #[test]
    fn inconclusive_fails_where_it_is_said_to() {
        let failures = |fails| {
            junit(&examples::report(), fails)
                .matches("<failure")
                .count()
        };
        assert_eq!((failures(false), failures(true)), (2, 3));
    }
}
