//! kubevirt 1.9.0 and d923fdb815: `live-migration-source.go` (`tuneDowntime`, the legacy timeouts) and `stall-detector.go`.

use super::*;

fn ramp(limits: KubevirtLimits) -> PolicySpec {
    PolicySpec::KubevirtRamp(KubevirtRampSpec {
        limits,
        ..KubevirtRampSpec::of(KubevirtRule::Code)
    })
}

const OFF: KubevirtLimits = KubevirtLimits {
    completion_timeout_per_gib: Duration::ZERO,
    progress_timeout: Duration::ZERO,
    ..STALL
};

// (900 - 150) / 7 = 107 whole ms a step. The cooldown of 10 s counts from the first limit, so iteration 3 steps at once at 75 s.
#[test]
fn the_ramp_cools_down_from_the_first_limit_on() {
    let mut rows = vec![
        (0.0, active(1, 8000.0), "limit 150"),
        (74.8, active(2, 900.0), ""),
        (75.2, active(3, 800.0), "limit 257"),
        (85.0, active(10, 700.0), ""),
    ];
    let steps = [
        "limit 364",
        "limit 471",
        "limit 578",
        "limit 685",
        "limit 792",
        "limit 899",
        "limit 900",
        "",
    ];
    for (index, words) in steps.into_iter().enumerate() {
        rows.push((85.2 + 10.0 * index as f64, active(11, 600.0), words));
    }
    check(&ramp(OFF), gib(8), &rows);
}

// Each look overwrites the watermark: a saw-tooth that never comes below its first low is progress at every fall, and only what never
// falls is stuck after 150 s. The proposal's reader gave such a guest up.
#[test]
fn any_fall_is_progress() {
    let limits = KubevirtLimits {
        progress_timeout: Duration::from_secs(150),
        ..OFF
    };
    let saw = |rule| {
        let spec = PolicySpec::KubevirtRamp(KubevirtRampSpec {
            rule,
            limits,
            ..KubevirtRampSpec::of(rule)
        });
        let mut policy = from_spec(&spec, gib(1));
        (0..1000)
            .flat_map(|look| {
                let remaining = [40.0, 45.0, 60.0, 52.0][look % 4];
                policy.on_progress(seconds(0.4 * look as f64), &active(2, remaining))
            })
            .any(|decision| decision.action == Action::Cancel)
    };
    assert!(!saw(KubevirtRule::Code));
    assert!(saw(KubevirtRule::Vep));
    check(
        &ramp(limits),
        gib(8),
        &[
            (0.0, active(1, 900.0), "limit 150"),
            (100.0, active(2, 950.0), ""),
            // The first look is the last fall.
            (150.0, active(2, 960.0), ""),
            (150.4, active(2, 970.0), "cancel"),
        ],
    );
}

fn stall(limits: KubevirtLimits) -> PolicySpec {
    PolicySpec::KubevirtStall(KubevirtStallSpec {
        limits: KubevirtLimits {
            progress_timeout: Duration::from_secs(40),
            ..limits
        },
        ..KubevirtStallSpec::of(KubevirtRule::Code)
    })
}

const DISRUPTING: KubevirtLimits = KubevirtLimits {
    allow_workload_disruption: true,
    ..STALL
};
const BOTH: KubevirtLimits = KubevirtLimits {
    allow_post_copy: true,
    ..DISRUPTING
};
const POST_COPY: KubevirtLimits = KubevirtLimits {
    allow_post_copy: true,
    ..STALL
};

/// Passes that end at 10 and 30 s with 100 MiB; the first is 40 s old at 50 s, and 96 MiB or more are a stall then.
fn flat(limits: KubevirtLimits, mib_per_second: f64, after: &[(f64, Progress, &str)]) {
    let at = |pass, remaining| moving(pass, remaining, mib_per_second);
    let mut rows = vec![
        (0.0, at(1, 2000.0), ""),
        (10.0, at(2, 100.0), ""),
        (30.0, at(3, 100.0), ""),
        (49.9, at(4, 100.0), ""),
    ];
    rows.extend_from_slice(after);
    check(&stall(limits), gib(8), &rows);
}

// 100 MiB / bandwidth: 0.8 s and 1.25 s are within 1.5 * 0.9 s, 1.43 s are not. The switch-over has 60 s, strictly.
#[test]
fn what_a_stall_leads_to() {
    for (limits, mib_per_second, words) in [
        (STALL, 125.0, "limit 900"),
        (STALL, 80.0, "limit 900"),
        (STALL, 70.0, "cancel"),
        (BOTH, 70.0, "post-copy"),
        (DISRUPTING, 70.0, "limit 2000000"),
        // At a stall post-copy is a disruption.
        (POST_COPY, 125.0, "limit 900"),
        (POST_COPY, 70.0, "cancel"),
    ] {
        let at = |pass, remaining| moving(pass, remaining, mib_per_second);
        let limited = words.starts_with("limit");
        flat(
            limits,
            mib_per_second,
            &[
                (50.0, at(5, 100.0), words),
                (60.0, at(6, 90.0), ""),
                (110.0, at(6, 90.0), ""),
                (110.4, at(6, 90.0), if limited { "cancel" } else { "" }),
                (120.0, at(7, 90.0), ""),
            ],
        );
    }
}

// best = 200 at 10 s: 208 MiB are near enough, 208.1 are not. The current record is what is judged: 208 MiB at 100 MiB/s are 2.1 s.
#[test]
fn a_minimum_is_waited_for_and_judged_as_it_is() {
    for (limits, words) in [(BOTH, "post-copy"), (STALL, "cancel")] {
        let at = |pass, remaining| moving(pass, remaining, 100.0);
        check(
            &stall(limits),
            gib(8),
            &[
                (0.0, at(1, 2000.0), ""),
                (10.0, at(2, 200.0), ""),
                (30.0, at(3, 300.0), ""),
                (45.0, at(4, 250.0), ""),
                // Stalled; patience until 92 s.
                (52.0, at(5, 300.0), ""),
                (60.0, at(6, 208.1), ""),
                (70.0, at(7, 208.0), words),
            ],
        );
    }
}

// Patience of 40 s, 20 s, 10 s: each time the least seen since becomes the best, the pass of now with it, also one below the best.
#[test]
fn patience_takes_what_was_seen() {
    let at = |pass, remaining| moving(pass, remaining, 100.0);
    let mut rows = vec![
        (0.0, at(1, 2000.0), ""),
        (10.0, at(2, 200.0), ""),
        (52.0, at(3, 300.0), ""),
        (60.0, at(4, 260.0), ""),
        (70.0, at(5, 250.0), ""),
        // 250 leaves the history: 260 will do, 300 will not. Patience until 112 s.
        (92.0, at(6, 300.0), ""),
        (100.0, at(7, 260.1), ""),
    ];
    let mut at_260 = rows.clone();
    at_260.push((101.0, at(8, 260.0), "post-copy"));
    check(&stall(BOTH), gib(8), &at_260);
    // Then 260, of 60 s: 270.4 will do, and this pass is there.
    rows.push((112.0, at(8, 270.4), "post-copy"));
    check(&stall(BOTH), gib(8), &rows);
}

// T = 150 s for 1 GiB, strictly. 100 MiB at 0.5 MiB/s take 200 s, more than the 150 s that are left of 2 T; at 1 MiB/s they fit. Here
// post-copy needs no disruption; disruption without it gets a limit, and 60 s.
#[test]
fn the_completion_timeout() {
    for (limits, mib_per_second, at_timeout, later) in [
        (POST_COPY, 1.0, "post-copy", ""),
        (POST_COPY, 0.5, "cancel", ""),
        (DISRUPTING, 1.0, "limit 2000000", "cancel"),
        (STALL, 1.0, "cancel", ""),
    ] {
        let at = |pass, remaining| moving(pass, remaining, mib_per_second);
        check(
            &stall(limits),
            gib(1),
            &[
                (0.0, at(1, 900.0), ""),
                (130.0, at(2, 100.0), ""),
                (150.0, at(2, 100.0), ""),
                (150.4, at(2, 100.0), at_timeout),
                (210.0, at(2, 100.0), ""),
                (211.0, at(2, 100.0), later),
            ],
        );
    }
}
