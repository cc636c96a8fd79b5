//! A metric and an absolute limit of it, with or without a baseline.

use super::super::report::{Check, Subject, Verdict};
use super::super::rule::{Limit, Statistic};
use super::sample;
use crate::metric::Metric;
use crate::statistics::median_interval;

/// Whether the values keep the limit. There is at least one.
pub(super) fn judge(cell: &str, metric: &'static Metric, limit: &Limit, values: &[f64]) -> Check {
    let (verdict, reason) = match limit.statistic {
        Statistic::Every => every(metric, limit, values),
        Statistic::Median => median(metric, limit, values),
    };
    Check {
        run: sample(values),
        rule: Some(limit.text(metric)),
        ..Check::new(cell, Subject::Limit(metric.id), verdict, reason)
    }
}

fn every(metric: &Metric, limit: &Limit, values: &[f64]) -> (Verdict, String) {
    let beyond = values
        .iter()
        .filter(|value| !limit.comparison.allows(**value, limit.bound));
    let count = beyond.clone().count();
    let text = limit.text(metric);
    if count == 0 {
        let reason = format!("{text}: kept by all {}", values.len());
        return (Verdict::Pass, reason);
    }
    let distance = |value: &f64| (value - limit.bound).abs();
    let worst = beyond
        .copied()
        .max_by(|a, b| distance(a).total_cmp(&distance(b)))
        .unwrap_or(limit.bound);
    let reason = format!(
        "{text}: missed by {count} of {}, at worst {}",
        values.len(),
        metric.unit.format(worst)
    );
    (Verdict::Regressed, reason)
}

fn median(metric: &Metric, limit: &Limit, values: &[f64]) -> (Verdict, String) {
    let text = limit.text(metric);
    let allows = |value: f64| limit.comparison.allows(value, limit.bound);
    // Of few values the range is all that there is.
    let (low, high) = match median_interval(values, CONFIDENCE) {
        Some(interval) => (interval.low, interval.high),
        None => values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(*value), high.max(*value))
            }),
    };
    let range = metric.unit.format_range(low, high);
    match (allows(low), allows(high)) {
        (true, true) => (Verdict::Pass, format!("{text}: kept, median {range}")),
        (false, false) => (
            Verdict::Regressed,
            format!("{text}: missed, median {range}"),
        ),
        _ => (
            Verdict::Inconclusive,
            format!("{text}: the median is somewhere in {range}; more repeats would tell"),
        ),
    }
}

const CONFIDENCE: f64 = 0.95;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Rule;
    use crate::metric::metric;

    fn verdict(id: &str, text: &str, values: &[f64]) -> Verdict {
        let metric = metric(id).unwrap();
        let rule = Rule::parse(metric, text).unwrap();
        judge("cell", metric, &rule.limits[0], values).verdict
    }

    #[test]
    fn a_limit_is_kept_missed_or_open() {
        for (text, values, wanted) in [
            ("<= 300 ms", &[280.0, 290.0, 300.0][..], Verdict::Pass),
            ("<= 300 ms", &[301.0, 310.0, 305.0], Verdict::Regressed),
            ("<= 300 ms", &[250.0, 299.0, 400.0], Verdict::Inconclusive),
            ("< 300 ms", &[300.0, 300.0, 300.0], Verdict::Regressed),
            ("<= 300 ms", &[250.0], Verdict::Pass),
            ("<= 300 ms", &[350.0], Verdict::Regressed),
            ("<= 300 ms", &[250.0, 350.0], Verdict::Inconclusive),
            (">= 300 ms", &[250.0], Verdict::Regressed),
            ("every <= 300 ms", &[1.0, 2.0, 301.0], Verdict::Regressed),
            ("every <= 300 ms", &[1.0, 2.0, 300.0], Verdict::Pass),
        ] {
            assert_eq!(
                verdict("blackout_ms", text, values),
                wanted,
                "{text} {values:?}"
            );
        }
        // One outlier of many leaves the median's interval where it is.
        let mut many = vec![100.0; 20];
        many.push(9e9);
        assert_eq!(verdict("blackout_ms", "<= 300 ms", &many), Verdict::Pass);
        assert_eq!(
            verdict("blackout_ms", "every <= 300 ms", &many),
            Verdict::Regressed
        );
    }
}
