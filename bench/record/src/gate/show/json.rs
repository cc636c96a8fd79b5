//! The report as one JSON document.

use serde_json::{Value, json};

use super::super::report::{Check, Report, Verdict};

/// All of it. Values are in the units of their metrics, ratios are this run over the baseline.
pub fn json(report: &Report, exit_code: u8) -> Value {
    json!({
        "verdict": report.verdict().name(),
        "exit_code": exit_code,
        "run_id": report.run_id,
        "scenario": report.scenario,
        "baseline": report.baseline,
        "notes": report.notes,
        "counts": {
            "regressed": report.count(Verdict::Regressed),
            "inconclusive": report.count(Verdict::Inconclusive),
            "improved": report.count(Verdict::Improved),
            "pass": report.count(Verdict::Pass),
        },
        "checks": report.checks.iter().map(check).collect::<Vec<_>>(),
    })
}

fn check(check: &Check) -> Value {
    let change = check.change.map(|change| {
        json!({
            "ratio": change.ratio,
            "ci95": [change.interval.low, change.interval.high],
            "p": change.p,
            "p_holm": change.p_holm,
        })
    });
    json!({
        "cell": check.cell,
        "kind": check.subject.kind(),
        "name": check.subject.name(),
        "verdict": check.verdict.name(),
        "reason": check.reason,
        "rule": check.rule,
        "baseline": check.baseline,
        "run": check.run,
        "change": change,
        "noise_floor": check.noise_floor,
    })
}

#[cfg(test)]
mod tests {
    use super::super::examples;
    use super::*;

    #[test]
    fn programs_get_every_number() {
        insta::assert_snapshot!(format!("{:#}", json(&examples::report(), 5)));
    }
}
