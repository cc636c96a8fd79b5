//! The proposals (kubevirt/enhancements, VEP 291 and VEP 248 with its hyper-parameters); the timeouts around them are kubevirt's,
//! `pkg/virt-launcher/virtwrap/live-migration-source.go`. What the code does instead stands in `code`.

use super::*;
use crate::spec::{KubevirtLimits, KubevirtRampSpec, KubevirtRule, KubevirtStallSpec};

mod code;

fn ramp(limits: KubevirtLimits) -> PolicySpec {
    PolicySpec::KubevirtRamp(KubevirtRampSpec {
        limits,
        ..KubevirtRampSpec::of(KubevirtRule::Vep)
    })
}

// The proposal's timeline: iteration 3 at 75 s starts the clock, and each 10 s add (1050 - 150) / 6 = 150 ms up to the ceiling.
#[test]
fn the_timeline_of_vep_291() {
    check(
        &ramp(KubevirtLimits::default()),
        gib(8),
        &[
            (0.0, active(1, 8000.0), "limit 150"),
            (74.8, active(2, 900.0), ""),
            (75.2, active(3, 800.0), ""),
            (85.0, active(10, 700.0), ""),
            (85.2, active(10, 699.0), "limit 300"),
            (95.2, active(20, 698.0), "limit 450"),
            (105.2, active(30, 697.0), "limit 600"),
            (115.2, active(40, 696.0), "limit 750"),
            (125.2, active(50, 695.0), "limit 900"),
            (135.2, active(60, 694.0), "limit 1050"),
            (145.2, active(70, 693.0), ""),
        ],
    );
}

// As the text has it: `steps` equal steps. 900 / 7 = 128 (whole ms), and the eighth reaches the ceiling.
#[test]
fn the_divisor_can_be_the_one_of_the_text() {
    let spec = PolicySpec::KubevirtRamp(KubevirtRampSpec {
        divisor: Some(7),
        ..KubevirtRampSpec::of(KubevirtRule::Vep)
    });
    let limits = [278, 406, 534, 662, 790, 918, 1046, 1050];
    let mut policy = from_spec(&spec, gib(8));
    let mut at = |time| words(&policy.on_progress(seconds(time), &active(3, 9.0 - time / 100.0)));
    assert_eq!(at(0.0), "limit 150");
    assert_eq!(at(0.4), "");
    for (step, ms) in limits.iter().enumerate() {
        assert_eq!(at(10.4 + 10.0 * step as f64), format!("limit {ms}"));
    }
    assert_eq!(at(200.0), "");
}

// completionTimeoutPerGiB = 150: 1200 s for 8 GiB, strictly. Post-copy if allowed, else a stop if disruption is, which gets as long
// again, else the end.
#[test]
fn the_timeouts_around_the_ramp() {
    for (allow_post_copy, allow_workload_disruption, at_timeout, at_twice) in [
        (true, true, "post-copy", ""),
        (false, true, "pause", "cancel"),
        (false, false, "cancel", ""),
    ] {
        let spec = ramp(KubevirtLimits {
            allow_post_copy,
            allow_workload_disruption,
            progress_timeout: Duration::ZERO,
            ..KubevirtLimits::default()
        });
        check(
            &spec,
            gib(8),
            &[
                (0.0, active(1, 8000.0), "limit 150"),
                (1200.0, active(1, 900.0), ""),
                (1200.4, active(1, 900.0), at_timeout),
                (2400.0, active(1, 900.0), ""),
                (2400.4, active(1, 900.0), at_twice),
            ],
        );
    }
    // progressTimeout = 150 s without a new low mark.
    check(
        &ramp(KubevirtLimits::default()),
        gib(8),
        &[
            (0.0, active(1, 900.0), "limit 150"),
            (150.0, active(1, 900.0), ""),
            (150.4, active(1, 900.0), "cancel"),
        ],
    );
}

const STALL: KubevirtLimits = KubevirtLimits {
    completion_timeout_per_gib: Duration::from_secs(150),
    progress_timeout: Duration::from_mins(1),
    allow_post_copy: false,
    allow_workload_disruption: false,
    allow_auto_converge: false,
};

fn stall(limits: KubevirtLimits) -> PolicySpec {
    PolicySpec::KubevirtStall(KubevirtStallSpec {
        limits,
        ..KubevirtStallSpec::of(KubevirtRule::Vep)
    })
}

fn moving(pass: u64, remaining_mib: f64, mib_per_second: f64) -> Progress {
    Progress {
        throughput_bps: mib_per_second * f64::from(1 << 23),
        ..active(pass, remaining_mib)
    }
}

/// Passes that end at 40, 70 and 75 s with 100 MiB each, then what the rows say. The first of them is 60 s old at 100 s.
fn flat(limits: KubevirtLimits, mib_per_second: f64, after: &[(f64, Progress, &str)]) {
    let flow = |pass, remaining| moving(pass, remaining, mib_per_second);
    let mut rows = vec![
        (0.0, flow(1, 2000.0), ""),
        (40.0, flow(2, 100.0), ""),
        (70.0, flow(3, 100.0), ""),
        (75.0, flow(4, 100.0), ""),
    ];
    rows.extend_from_slice(after);
    check(&stall(limits), gib(8), &rows);
}

// Stalled at the first pass with a record at least 60 s old of which >= 96 % remain. The window is flat (1 - best/max < 4 %), so it
// decides at once. implied = 100 MiB / bandwidth.
#[test]
fn a_flat_window_decides_at_once() {
    let flow = |mib_per_second| move |pass, remaining| moving(pass, remaining, mib_per_second);
    // 0.8 s <= 0.9 s * 1.5: the limit, and the end 60 s later if it does not help.
    let at = flow(125.0);
    flat(
        STALL,
        125.0,
        &[
            (99.9, at(5, 100.0), ""),
            (100.0, at(6, 100.0), "limit 900"),
            (101.0, at(7, 100.0), ""),
            (159.6, at(8, 100.0), ""),
            (160.0, at(8, 100.0), "cancel"),
            (170.0, at(9, 100.0), ""),
        ],
    );
    // 1.25 s lie between 0.9 s and 1.35 s: the same, for want of luck.
    flat(STALL, 80.0, &[(100.0, flow(80.0)(5, 100.0), "limit 900")]);
    // 1.43 s are beyond it.
    let at = flow(70.0);
    flat(
        STALL,
        70.0,
        &[(100.0, at(5, 100.0), "cancel"), (101.0, at(6, 100.0), "")],
    );
    let post_copy = KubevirtLimits {
        allow_post_copy: true,
        allow_workload_disruption: true,
        ..STALL
    };
    flat(
        post_copy,
        70.0,
        &[
            (100.0, at(5, 100.0), "post-copy"),
            (101.0, at(6, 100.0), ""),
        ],
    );
    let disruption = KubevirtLimits {
        allow_workload_disruption: true,
        ..STALL
    };
    flat(
        disruption,
        70.0,
        &[
            (100.0, at(5, 100.0), "limit 2000000"),
            (101.0, at(6, 100.0), ""),
        ],
    );
}

// 95 of 100 MiB are progress (below 96 %), 97 are a stall.
#[test]
fn the_margin_of_a_stall() {
    let post_copy = KubevirtLimits {
        allow_post_copy: true,
        ..STALL
    };
    flat(
        post_copy,
        70.0,
        &[
            (100.0, moving(5, 95.0, 70.0), ""),
            // What is 60 s old now had 100 MiB; the least within the window has 95.
            (105.0, moving(6, 97.0, 70.0), ""),
            // Within 4 % of the best: 95 * 1.04 = 98.8.
            (110.0, moving(7, 98.7, 70.0), "post-copy"),
        ],
    );
}

// best = 200; the window's least is 250, so it is not flat. 208 = 200 * 1.04 is waited for.
fn dip(after: &[(f64, Progress, &str)]) {
    let at = |pass, remaining| moving(pass, remaining, 100.0);
    let mut rows = vec![
        (0.0, at(1, 2000.0), ""),
        (10.0, at(2, 200.0), ""),
        (30.0, at(3, 300.0), ""),
        (50.0, at(4, 250.0), ""),
        // Stalled: the record of 10 s is 65 s old. Patience until 135 s.
        (75.0, at(5, 300.0), ""),
        (90.0, at(6, 260.0), ""),
        (100.0, at(7, 208.1), ""),
    ];
    rows.extend_from_slice(after);
    let post_copy = KubevirtLimits {
        allow_post_copy: true,
        ..STALL
    };
    check(&stall(post_copy), gib(8), &rows);
}

#[test]
fn a_local_minimum_is_waited_for() {
    let at = |pass, remaining| moving(pass, remaining, 100.0);
    dip(&[
        (110.0, at(8, 400.0), ""),
        (120.0, at(9, 208.0), "post-copy"),
    ]);
}

// At 135 s the next larger than 200 of what was seen since the stall (208.1, 260, 280, 400) becomes the best: 216.4 will do. Then
// patience is half as long, to 165 s, and the next larger is 216.5: 225.1 will do.
#[test]
fn patience_relaxes_the_target() {
    let at = |pass, remaining| moving(pass, remaining, 100.0);
    dip(&[
        (134.9, at(8, 400.0), ""),
        (135.0, at(9, 280.0), ""),
        (140.0, at(10, 216.5), ""),
        (164.9, at(11, 270.0), ""),
        (165.0, at(12, 300.0), ""),
        (170.0, at(13, 225.2), ""),
        (171.0, at(14, 225.1), "post-copy"),
    ]);
}

#[test]
fn without_a_search_it_switches_at_the_stall() {
    let spec = PolicySpec::KubevirtStall(KubevirtStallSpec {
        search_local_minima: false,
        limits: KubevirtLimits {
            allow_post_copy: true,
            ..STALL
        },
        ..KubevirtStallSpec::of(KubevirtRule::Vep)
    });
    let at = |pass, remaining| moving(pass, remaining, 100.0);
    check(
        &spec,
        gib(8),
        &[
            (0.0, at(1, 2000.0), ""),
            (10.0, at(2, 200.0), ""),
            (70.0, at(3, 300.0), "post-copy"),
        ],
    );
}

// T = 150 s for 1 GiB. 100 MiB at 0.25 MiB/s take 400 s, more than the 200 s that are left of 2 T: later; and more than T when T has
// come: the end. At 2 MiB/s they take 50 s: the timeout switches. At the timeout `>=` holds.
#[test]
fn the_budget_and_the_completion_timeout() {
    let post_copy = KubevirtLimits {
        allow_post_copy: true,
        ..STALL
    };
    for (mib_per_second, words) in [(0.25, "cancel"), (2.0, "post-copy")] {
        let at = |pass, remaining| moving(pass, remaining, mib_per_second);
        let mut rows = vec![
            (0.0, at(1, 900.0), ""),
            (30.0, at(2, 100.0), ""),
            (149.6, at(2, 100.0), ""),
            (150.0, at(2, 100.0), words),
            (300.4, at(2, 100.0), ""),
        ];
        if words == "cancel" {
            rows.insert(2, (100.0, at(3, 100.0), ""));
        }
        check(&stall(post_copy), gib(1), &rows);
    }
}

// Seeded with the first sample (100 MiB/s), then 0.4 of each new one: 0.4 * 25 + 0.6 * 100 = 70 MiB/s after one sample of 25. 96 MiB
// then take 1.37 s > 1.35 s; unsmoothed they would take 3.84 s, and 0.96 s at the first.
#[test]
fn the_bandwidth_is_smoothed() {
    let limits = KubevirtLimits {
        progress_timeout: Duration::from_millis(500),
        ..STALL
    };
    for (mib, words) in [(96.0, "cancel"), (94.0, "limit 900")] {
        check(
            &stall(limits),
            gib(8),
            &[
                (0.0, moving(1, 100.0, 100.0), ""),
                (0.1, moving(2, mib, 1.0), ""),
                (0.6, moving(3, mib, 25.0), words),
            ],
        );
    }
}
