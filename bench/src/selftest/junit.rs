//! The self-test's reports as `JUnit` reads them; a case's class is its carrier and mode.

use super::report::{Outcome, Report};
use crate::junit::{Case, CaseResult, document};

/// The whole document.
pub fn junit(reports: &[Report]) -> String {
    let cases: Vec<Case> = reports.iter().map(case).collect();
    document("lmbench selftest", &cases)
}

fn case(report: &Report) -> Case {
    let (class, name) = report.name.rsplit_once('/').unwrap_or(("", &report.name));
    Case {
        class: format!("selftest.{}", class.replace('/', ".")),
        name: name.to_owned(),
        seconds: report.took.as_secs_f64(),
        result: match &report.outcome {
            Outcome::Ok => CaseResult::Passed,
            Outcome::Skipped(reason) => CaseResult::Skipped(reason.clone()),
            Outcome::NotOk(problem) => CaseResult::Failed {
                message: problem.clone(),
                details: format!(
                    "expected: {}\nrepeat with: {}\n\n{}",
                    report.expected, report.command, report.scenario
                ),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::examples;
    use super::*;

    #[test]
    fn nothing_that_is_said_breaks_the_document() {
        insta::assert_snapshot!(junit(&examples::reports()), @r##"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites>
        <testsuite name="lmbench selftest" tests="3" failures="1" errors="0" skipped="1" time="24.642">
        <testcase classname="selftest.tls.pre-copy" name="ok" time="8.214"/>
        <testcase classname="selftest.quic.pre-copy" name="link-flap" time="8.214"><failure message="it is failed: &quot;&lt;peer&gt; &amp; 'us'&quot; # said
        line two\u{1b}[0m ]]&gt;\u{0}">expected: the guest arrives intact
        repeat with: lmbench selftest --filter quic/pre-copy/link-flap

        name = &quot;selftest&quot;
        </failure></testcase>
        <testcase classname="selftest.tcp.multifd-post-copy" name="ok" time="8.214"><skipped message="QEMU 10.0 refuses #multifd with post-copy"/></testcase>
        </testsuite>
        </testsuites>
        "##);
    }
}
