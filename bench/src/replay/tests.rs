//! Made-up recordings: what is hypothetical, where a replay ends, and what of a record it reads.

use lmbench_harness::policy::Subject;
use serde_json::json;

use super::recorded::{first_lever_ms, reading};
use super::*;
use crate::record::example;
use crate::scenario;
use crate::store::Sample;

fn sample(at_ms: f64, trigger: &str, status: &str, remaining: u64) -> Sample {
    Sample {
        cell: "base".into(),
        repeat: 1,
        at_ms,
        host: "source".into(),
        kind: "migration".into(),
        data: json!({
            "trigger": trigger,
            "migration": { "status": status, "ram": {
                "total": 1_u64 << 30, "remaining": remaining, "transferred": 5, "dirty-sync-count": 3, "mbps": 800.0, "page-size": 4096,
            } },
        }),
    }
}

fn policy(name: &str, settings: &[&str]) -> PolicySpec {
    let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
    scenario::policy(name, &settings).unwrap()
}

fn under(policy: Option<PolicySpec>) -> Recorded {
    Recorded {
        subject: Subject {
            memory_bytes: 1 << 30,
        },
        downtime_limit_ms: policy.is_some().then_some(300),
        policy,
    }
}

fn still(seconds: u64) -> Vec<Reading> {
    let readings =
        (0..=seconds * 10).map(|tenth| sample(tenth as f64 * 100.0, "interval", "active", 1 << 20));
    readings.filter_map(|sample| reading(&sample)).collect()
}

#[test]
fn a_sample_is_read_as_the_running_migration_was() {
    let (at, progress) = reading(&sample(1500.0, "pass", "active", 4096)).unwrap();
    assert_eq!(at, Duration::from_millis(1500));
    assert_eq!((progress.pass, progress.remaining_bytes), (3, 4096));
    assert!((progress.throughput_bps - 8e8).abs() < 1.0);
    // A moment before `migrate` on the run's clock is its begin.
    assert_eq!(
        reading(&sample(-0.1, "interval", "setup", 1)).unwrap().0,
        Duration::ZERO
    );
    for (trigger, status) in [
        ("final", "active"),
        ("interval", "completed"),
        ("interval", "cancelled"),
    ] {
        assert_eq!(reading(&sample(1.0, trigger, status, 1)), None);
    }
    let other = Sample {
        kind: "cpu".into(),
        ..sample(1.0, "interval", "active", 1)
    };
    assert_eq!(reading(&other), None);
}

// Nova, a hundredth of its times, 1 GiB that counts as 2: steps after 1.5 s each. Only the first decision met a migration that it had
// not changed.
#[test]
fn what_follows_the_first_lever_is_hypothetical() {
    let spec = policy("nova", &["time-scale=0.01"]);
    let replayed = replay(&still(4), &spec, &under(Some(PolicySpec::Static)));
    let limits: Vec<(&Action, bool)> = replayed
        .decisions
        .iter()
        .map(|row| (&row.action, row.hypothetical))
        .collect();
    let limit = |ms| Action::Set(Setting::DowntimeLimit { ms });
    assert_eq!(
        limits,
        [(&limit(50), false), (&limit(95), true), (&limit(140), true)]
    );
    assert!(!replayed.begins_otherwise && !replayed.ended);
}

// What a policy switches on at the begin is a lever too, unless the recorded one did the same.
#[test]
fn a_begin_of_its_own_makes_everything_hypothetical() {
    // What remains rises, by which vdsm went before 4.3.3.
    let settings = [
        "rule=4.2",
        "migration-monitor-interval=1 s",
        "time-scale=0.1",
    ];
    let spec = policy("ovirt-minimal-downtime", &settings);
    let rising: Vec<Reading> = still(3)
        .into_iter()
        .enumerate()
        .map(|(index, (at, mut progress))| {
            progress.remaining_bytes = index as u64;
            (at, progress)
        })
        .collect();
    for (recorded, expected) in [
        (Some(PolicySpec::Static), true),
        (None, true),
        (Some(spec.clone()), false),
    ] {
        let replayed = replay(&rising, &spec, &under(recorded));
        assert_eq!(replayed.begins_otherwise, expected);
        assert_eq!(replayed.decisions[0].hypothetical, expected);
        assert!(
            replayed
                .begins_with
                .contains(&"downtime-limit 100 ms".to_owned())
        );
    }
}

// KubeVirt begins with at most 300 ms, which is what the recorded scenario had.
#[test]
fn the_same_limit_is_no_begin_of_its_own() {
    for (max, expected) in [("900 ms", false), ("200 ms", true)] {
        let spec = policy("kubevirt-stall", &[&format!("max-downtime={max}")]);
        let replayed = replay(&still(1), &spec, &under(Some(PolicySpec::Static)));
        assert_eq!(replayed.begins_otherwise, expected, "{max}");
    }
}

#[test]
fn settings_are_told_with_their_units() {
    let throttle = lmbench_harness::policy::Throttle::DEFAULT;
    for (setting, words) in [
        (Setting::DowntimeLimit { ms: 50 }, "downtime-limit 50 ms"),
        (
            Setting::XbzrleCache { bytes: 1 << 26 },
            "xbzrle-cache 64 MiB",
        ),
        (
            Setting::MaxBandwidth {
                bytes_per_second: Some(125_000_000),
            },
            "max-bandwidth 125 MB/s",
        ),
        (
            Setting::MaxBandwidth {
                bytes_per_second: None,
            },
            "max-bandwidth unlimited",
        ),
        (
            Setting::Throttle(throttle),
            "throttle initial 20, increment 10, max 99",
        ),
    ] {
        assert_eq!(in_words(&Action::Set(setting)), words);
    }
}

#[test]
fn a_replay_ends_with_what_can_not_be_taken_back() {
    let spec = policy("virsh-timeout-suspend", &["timeout=1 s"]);
    let replayed = replay(&still(9), &spec, &under(Some(PolicySpec::Static)));
    assert!(replayed.ended);
    assert_eq!(replayed.decisions.len(), 1);
    assert!((replayed.decisions[0].at_ms - 1100.0).abs() < 1.0);
    assert!(!replayed.decisions[0].hypothetical);
}

#[test]
fn a_scenario_that_nobody_can_read_costs_only_the_policy() {
    let mut record = example::jvm();
    record.scenario.text = "nonsense".into();
    let found = recorded(&record, "base", &still(1));
    assert_eq!(found, under(None));
    let lever = first_lever_ms(&record.cells[0].repeats[0]);
    assert!(lever.is_none_or(f64::is_finite));
}
