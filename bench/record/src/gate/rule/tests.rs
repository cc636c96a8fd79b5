//! What rules can be read, and what is said of those that can not.

use proptest::prelude::*;

use super::*;
use crate::metric::{ALL, metric};
use crate::record::Outcome;

fn rule(id: &str, text: &str) -> Result<Rule, RuleError> {
    Rule::parse(metric(id).expect("a metric"), text)
}

#[test]
fn tolerances_are_parts_of_the_baseline() {
    for (id, text, part) in [
        ("downtime_ms", "+10 %", 0.1),
        ("downtime_ms", "10%", 0.1),
        ("downtime_ms", "+0 %", 0.0),
        ("downtime_ms", "+250 %", 2.5),
        ("throughput_bps", "-7.5 %", 0.075),
        ("throughput_bps", "−5 %", 0.05),
        ("throughput_bps", "5 %", 0.05),
    ] {
        let rule = rule(id, text).unwrap();
        assert_eq!(
            (rule.tolerance, rule.limits.len()),
            (Some(part), 0),
            "{text}"
        );
    }
}

#[test]
fn limits_are_in_the_metric_s_own_unit() {
    for (id, text, comparison, bound) in [
        ("blackout_ms", "<= 300 ms", Comparison::AtMost, 300.0),
        ("blackout_ms", "< 0.3 s", Comparison::Below, 300.0),
        ("op_latency_us_p99", "<=1ms", Comparison::AtMost, 1000.0),
        ("throughput_bps", ">= 1 Gbit/s", Comparison::AtLeast, 1e9),
        (
            "settle_rate_bps",
            ">= 1 MiB/s",
            Comparison::AtLeast,
            1_048_576.0,
        ),
        ("ram_bytes", "≤ 2 GiB", Comparison::AtMost, 2_147_483_648.0),
        ("workload_slowdown", "<= 30 %", Comparison::AtMost, 0.3),
        ("throttle_max_percent", "<= 30 %", Comparison::AtMost, 30.0),
        ("transfer_amplification", "< 1.5×", Comparison::Below, 1.5),
        ("iterations", "> 1", Comparison::Above, 1.0),
        (
            "cpu_qemu_source_s_per_gib",
            "<= 0.5 s/GiB",
            Comparison::AtMost,
            0.5,
        ),
        (
            "syscalls_qemu_source_per_gib",
            "<= 900 /GiB",
            Comparison::AtMost,
            900.0,
        ),
    ] {
        let rule = rule(id, text).unwrap_or_else(|error| panic!("{id} {text}: {error}"));
        let statistic = Statistic::Median;
        assert_eq!(
            rule.limits,
            [Limit {
                statistic,
                comparison,
                bound
            }],
            "{text}"
        );
    }
}

#[test]
fn several_rules_stand_beside_each_other() {
    let both = rule("blackout_ms", "+10 %, <= 300 ms, every < 1 s").unwrap();
    assert_eq!(both.tolerance, Some(0.1));
    assert_eq!(both.limits.len(), 2);
    assert_eq!(both.limits[1].statistic, Statistic::Every);
    let text = both.limits[1].text(metric("blackout_ms").unwrap());
    assert_eq!(text, "every < 1 s");

    // What is said later replaces its like and leaves the rest.
    let later = both.overridden_by(&rule("blackout_ms", "+20 %").unwrap());
    assert_eq!((later.tolerance, later.limits.len()), (Some(0.2), 2));
    let later = both.overridden_by(&rule("blackout_ms", "<= 2 s").unwrap());
    assert_eq!((later.tolerance, later.limits.len()), (Some(0.1), 1));
}

#[test]
fn what_can_not_be_meant_is_refused_with_the_mend() {
    let cases = [
        ("downtime_ms", ""),
        ("downtime_ms", "+10 %,"),
        ("downtime_ms", "+10"),
        ("downtime_ms", "+20 ms"),
        ("downtime_ms", "-10 %"),
        ("downtime_ms", "+10 %, +20 %"),
        ("downtime_ms", "<= 300"),
        ("downtime_ms", "<= 300 MiB"),
        ("downtime_ms", "<= -1 ms"),
        ("downtime_ms", "everything"),
        ("throughput_bps", "+10 %"),
        ("throughput_bps", "-100 %"),
        ("throughput_bps", ">= unbounded"),
        ("throughput_bps", ">= 100 ms"),
        ("iterations", "+10 %"),
        ("iterations", "<= 5 passes"),
        ("iterations", "<= 1e3"),
        ("workload_slowdown", "<= 0.3"),
        ("cpu_qemu_source_s_per_gib", "<= 0.5"),
        ("transfer_amplification", "<= inf"),
    ];
    let said = cases.map(|(id, text)| {
        let error = rule(id, text).expect_err(text);
        format!("{id} = {text:?}\n{error}\n")
    });
    insta::assert_snapshot!("refused_rules", said.join("\n"));
}

#[test]
fn outcomes_have_bounds_for_their_share() {
    let parse = |text| OutcomeRule::parse(Outcome::Completed, text);
    assert!(parse("all").unwrap().allows(3, 3));
    assert!(!parse("all").unwrap().allows(2, 3));
    assert!(parse("none").unwrap().allows(0, 3));
    assert!(!parse("none").unwrap().allows(1, 300));
    assert!(parse(">= 66 %").unwrap().allows(2, 3));
    // Of no migration nothing is known.
    assert!(!parse("all").unwrap().allows(0, 0));
    assert_eq!(parse("<= 12.5 %").unwrap().text(), "<= 12.5 %");
    for wrong in ["", "some", "90 %", ">= 90", "<= 101 %", ">= -1 %"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #[test]
    fn no_text_is_too_odd(text in any::<String>(), which in 0..ALL.len()) {
        let _ = Rule::parse(&ALL[which], &text);
        let _ = OutcomeRule::parse(Outcome::Failed, &text);
    }

    #[test]
    fn what_a_limit_says_of_itself_can_be_written(bound in 1u32..100_000) {
        let metric = metric("blackout_ms").unwrap();
        let limit = Rule::parse(metric, &format!("<= {bound} ms")).unwrap().limits.remove(0);
        prop_assert!((limit.bound - f64::from(bound)).abs() < 1e-9);
        prop_assert!(Rule::parse(metric, &limit.text(metric).replace('µ', "u")).is_ok());
    }
}
