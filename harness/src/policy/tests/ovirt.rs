//! vdsm of 4.3.3 and of 4.2: `lib/vdsm/virt/migration.py` (`monitor_migration`, `_next_action`, `exponential_downtime`); the schedules are those of
//! ovirt-engine, `packaging/dbscripts/upgrade/pre_upgrade/0000_config.sql`, option `MigrationPolicies`.

use super::*;
use crate::spec::{OvirtName, OvirtSpec, VdsmLegacySpec, VdsmRule};

/// Looks ten seconds apart that alternate, so that every second one is a stall.
fn stalls(spec: &PolicySpec, expected: &[&str]) {
    let mut rows = Vec::new();
    for (index, words) in expected.iter().enumerate() {
        let at = 20.0 * index as f64;
        rows.push((at + 10.0, active(2, 100.0), ""));
        rows.push((at + 20.0, active(2, 200.0), *words));
    }
    check(spec, gib(8), &rows);
}

/// As vdsm 4.2 carries it out.
fn shipped(name: OvirtName) -> PolicySpec {
    PolicySpec::Ovirt(OvirtSpec {
        rule: VdsmRule::Looks,
        ..OvirtSpec::shipped(name)
    })
}

/// When it sets 150, 200, 300, 400, 500 ms and gives up, at readings every 0.1 s of passes of 1.1 s. What remains never rises.
fn times_of_4_3_3(time_scale: f64) -> Vec<(String, f64)> {
    let spec = PolicySpec::Ovirt(OvirtSpec {
        time_scale,
        ..OvirtSpec::shipped(OvirtName::MinimalDowntime)
    });
    let mut policy = from_spec(&spec, gib(1));
    (0..400)
        .filter_map(|reading| {
            let at = f64::from(reading) / 10.0;
            let progress = active(1 + (at / 1.1) as u64, 100.0);
            let decisions = policy.on_progress(seconds(at), &progress);
            (!decisions.is_empty()).then(|| (words(&decisions), at))
        })
        .collect()
}

// Passes of 1.1 s counted at looks every 10 s times the scale, as vdsm 4.3.3 was seen to: one action a look, from the second or third on.
#[test]
fn since_4_3_3_iterations_of_qemu_are_counted() {
    let words = [
        "limit 150",
        "limit 200",
        "limit 300",
        "limit 400",
        "limit 500",
        "cancel",
    ];
    for (time_scale, expected) in [
        (0.15, [4.5, 6.0, 7.6, 9.0, 10.5, 12.0]),
        (0.23, [4.7, 6.9, 9.3, 11.5, 13.9, 16.1]),
        (0.33, [6.7, 9.9, 13.2, 16.6, 19.8, 23.1]),
    ] {
        let times = times_of_4_3_3(time_scale);
        assert_eq!(times.len(), words.len(), "{time_scale}: {times:?}");
        for ((told, at), (word, expected)) in times.iter().zip(words.iter().zip(expected)) {
            assert_eq!(told, word);
            assert!((at - expected).abs() < 0.15, "{time_scale}: {times:?}");
        }
    }
}

// Limits 1, 2, 3, 4, 6 against iterations since the first look, which may be any: one look, one action, and none without an iteration.
#[test]
fn one_action_at_each_look_with_a_new_iteration() {
    check(
        &PolicySpec::Ovirt(OvirtSpec::shipped(OvirtName::SuspendIfNeeded)),
        gib(8),
        &[
            (10.0, active(7, 900.0), ""),
            (20.0, active(8, 800.0), ""),
            (30.0, active(9, 700.0), "limit 150"),
            (40.0, active(9, 950.0), ""),
            (50.0, active(30, 600.0), "limit 200"),
            (60.0, active(31, 500.0), "limit 300"),
            (65.0, active(32, 500.0), ""),
            (70.0, active(32, 400.0), "limit 400"),
            (80.0, active(33, 300.0), "limit 500"),
            (90.0, active(34, 200.0), "limit 5000"),
            (100.0, active(35, 100.0), "cancel"),
            (110.0, active(36, 100.0), ""),
        ],
    );
}

// `if head['limit'] < stalling`: limits 1, 2, 3, 4, 6 act at stalls 2, 3, 4, 5, 7; the last items (limit -1) at the next ones.
#[test]
fn minimal_downtime() {
    let spec = shipped(OvirtName::MinimalDowntime);
    stalls(
        &spec,
        &[
            "",
            "limit 150",
            "limit 200",
            "limit 300",
            "limit 400",
            "",
            "limit 500",
            "cancel",
            "",
        ],
    );
    let needs = from_spec(&spec, gib(8)).needs();
    assert_eq!(needs.settings, [limit(100)]);
    assert_eq!(
        (needs.throttle, needs.xbzrle, needs.post_copy),
        (Some(Throttle::DEFAULT), false, false)
    );
}

#[test]
fn suspend_workload_if_needed() {
    let spec = shipped(OvirtName::SuspendIfNeeded);
    stalls(
        &spec,
        &[
            "",
            "limit 150",
            "limit 200",
            "limit 300",
            "limit 400",
            "",
            "limit 500",
            "limit 5000",
            "cancel",
            "",
        ],
    );
    assert!(from_spec(&spec, gib(8)).needs().xbzrle);
}

// The item is dropped even if the switch failed: a migration that is still in pre-copy at the next stall is given up.
#[test]
fn post_copy_migration() {
    let spec = shipped(OvirtName::PostCopy);
    stalls(
        &spec,
        &["", "limit 150", "limit 200", "post-copy", "cancel", ""],
    );
    assert!(from_spec(&spec, gib(8)).needs().post_copy);
}

// The count goes up only where more remains than at the look ten seconds before, and is never taken back.
#[test]
fn what_is_no_stall() {
    check(
        &shipped(OvirtName::MinimalDowntime),
        gib(8),
        &[
            (0.0, active(1, 100.0), ""),
            // Never seen: vdsm sleeps first.
            (5.0, active(1, 900.0), ""),
            (10.0, active(1, 800.0), ""),
            (15.0, active(1, 900.0), ""),
            (20.0, active(2, 800.0), ""),
            (30.0, active(2, 801.0), ""),
            (40.0, active(3, 500.0), ""),
            (50.0, active(4, 400.0), ""),
            (60.0, active(5, 401.0), "limit 150"),
        ],
    );
}

// D = 500, N = 10: offset 50, base = 450^(1/9) = 1.9716; int(50 + base^i) = 51, 51, 53, 57, 65, 79, 108, 165, 278, 499 (Python's
// own result: 50 + base^9 is 499.999… in floating point). The first holds from the begin, the others come at the first rise and
// every min(75 * 8 / 10, 60) = 60 s after it. Maximum time: 64 * 8 = 512 s, strictly, looked at every 10 s.
#[test]
fn legacy_ramps_from_the_first_rise() {
    let spec = PolicySpec::VdsmLegacy(VdsmLegacySpec::default());
    assert_eq!(from_spec(&spec, gib(8)).needs().settings, [limit(51)]);
    let falling = |at: f64| active(2, 900.0 - at);
    check(
        &spec,
        gib(8),
        &[
            (10.0, active(1, 1000.0), ""),
            (20.0, active(1, 900.0), ""),
            (30.0, active(2, 950.0), "limit 51"),
            (40.0, falling(40.0), ""),
            (89.9, falling(89.9), ""),
            (90.0, falling(90.0), "limit 53"),
            (150.0, falling(150.0), "limit 57"),
            (210.0, falling(210.0), "limit 65"),
            (270.0, falling(270.0), "limit 79"),
            (330.0, falling(330.0), "limit 108"),
            (390.0, falling(390.0), "limit 165"),
            (450.0, falling(450.0), "limit 278"),
            (510.0, falling(510.0), "limit 499"),
            (512.0, falling(512.0), ""),
            (519.9, falling(519.9), ""),
            (520.0, falling(520.0), "cancel"),
            (530.0, falling(530.0), ""),
        ],
    );
}

// 1 GiB: 75 / 10 = 7.5 s between steps, so two of them lie between some looks of the monitor, which sets none.
#[test]
fn legacy_steps_do_not_wait_for_the_monitor() {
    check(
        &PolicySpec::VdsmLegacy(VdsmLegacySpec::default()),
        gib(1),
        &[
            (10.0, active(1, 100.0), ""),
            (20.0, active(2, 101.0), "limit 51"),
            (27.4, active(2, 100.0), ""),
            (27.5, active(2, 100.0), "limit 53"),
            (35.0, active(2, 99.0), "limit 57"),
            (42.5, active(2, 99.0), "limit 65"),
            (64.0, active(2, 50.0), "limit 108"),
            // The look at 70 s is the first beyond 64 s.
            (70.0, active(2, 40.0), "cancel"),
        ],
    );
}

// No new low mark for more than 150 s: the low mark of 10 s is 150 s old at 160 s and older at 170 s.
#[test]
fn legacy_gives_up_when_stuck() {
    check(
        &PolicySpec::VdsmLegacy(VdsmLegacySpec {
            max_time_per_gib: Duration::ZERO,
            ..VdsmLegacySpec::default()
        }),
        gib(8),
        &[
            (10.0, active(1, 100.0), ""),
            (160.0, active(1, 100.0), ""),
            (170.0, active(1, 100.0), "cancel"),
        ],
    );
}
