//! What the gate found, written down for programs, job summaries and test reports. The text for a terminal is the report's.
//!
//! Words in a report come from records, which may hold anything: each form escapes them its own way.

#![expect(
    clippy::format_push_string,
    reason = "texts made once; `write!` would add errors that can not happen"
)]

mod json;
mod junit;
mod line;
mod markdown;

pub use json::json;
pub use junit::junit;
pub use line::line;
pub use markdown::markdown;

use super::report::{Check, Report, Verdict};
use crate::metric::format_value;
use crate::text::counted;

/// `12 checks: 1 regressed, 3 inconclusive, 8 pass`.
pub fn counts(report: &Report) -> String {
    let order = [
        Verdict::Regressed,
        Verdict::Inconclusive,
        Verdict::Improved,
        Verdict::Pass,
    ];
    let parts: Vec<String> = order
        .into_iter()
        .map(|verdict| (verdict, report.count(verdict)))
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| format!("{count} {}", verdict.name()))
        .collect();
    let all = counted(report.checks.len(), "check");
    if parts.is_empty() {
        all
    } else {
        format!("{all}: {}", parts.join(", "))
    }
}

/// `842 ms → 1.04 s`; only the run's median where there is nothing beside it.
pub fn medians(check: &Check) -> String {
    let Some(id) = check.subject.metric() else {
        return String::new();
    };
    let text = |sample: &super::report::Sample| format_value(id, sample.median);
    match (&check.baseline, &check.run) {
        (Some(baseline), Some(run)) => format!("{} → {}", text(baseline), text(run)),
        (None, Some(run)) => text(run),
        _ => String::new(),
    }
}

#[cfg(any(test, feature = "example"))]
pub mod examples {
    //! A report for tests.

    use super::super::report::{Change, Sample, Subject};
    use super::{Check, Report, Verdict};
    use crate::statistics::Interval;

    /// One of each verdict, with all that a form must write differently.
    pub fn report() -> Report {
        let tls = "carrier=tls,policy=<script>alert('x')</script>|`@all`\u{1b}[31m";
        Report {
            run_id: "20260301-120000-example-1f3c".to_owned(),
            scenario: "example".to_owned(),
            baseline: Some("20260228-120000-example-0a0b".to_owned()),
            notes: vec!["QEMU is 10.1 <b>, the baseline's 10.0.2".to_owned()],
            checks: vec![
                Check::new(
                    "carrier=tcp",
                    Subject::Memory,
                    Verdict::Pass,
                    "the guest is whole, on one host, after 8 migrations",
                ),
                Check {
                    baseline: Some(Sample {
                        n: 8,
                        median: 842.0,
                    }),
                    run: Some(Sample {
                        n: 8,
                        median: 1040.0,
                    }),
                    change: Some(Change {
                        ratio: 1.235,
                        interval: Interval {
                            low: 1.12,
                            high: 1.35,
                        },
                        p: 0.0002,
                        p_holm: 0.0006,
                    }),
                    rule: Some("+10 %".to_owned()),
                    noise_floor: Some(0.04),
                    ..Check::new(
                        tls,
                        Subject::Change("downtime_ms"),
                        Verdict::Regressed,
                        "+24 % (+12 % to +35 %), beyond the tolerance +10 %",
                    )
                },
                Check {
                    run: Some(Sample { n: 2, median: 0.31 }),
                    rule: Some("<= 30 %".to_owned()),
                    ..Check::new(
                        tls,
                        Subject::Limit("workload_slowdown"),
                        Verdict::Inconclusive,
                        "<= 30 %: the median is somewhere in 28–34 %",
                    )
                },
                Check::new(
                    tls,
                    Subject::Outcome(Some(crate::record::Outcome::Failed)),
                    Verdict::Regressed,
                    "1 of 3 migrations: QEMU said \"]]>\" & [left](http://x)\nline two",
                ),
                Check::new(
                    "carrier=quic",
                    Subject::Outcome(Some(crate::record::Outcome::Completed)),
                    Verdict::Improved,
                    "every migration converges; in the baseline none did",
                ),
            ],
        }
    }
}
