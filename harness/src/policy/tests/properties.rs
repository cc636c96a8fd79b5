//! What holds for every policy and any readings.

use proptest::prelude::*;

use super::*;
use crate::spec::{
    ForceCompleteSpec, KubevirtLimits, KubevirtRampSpec, KubevirtRule, KubevirtStallSpec,
    NovaHistoricSpec, NovaSpec, NovaTimeoutAction, OvirtName, OvirtSpec, ProxmoxSpec,
    VdsmLegacySpec, VdsmRule, VirshTimeoutSpec,
};

/// Every policy, in the forms that do most.
fn all() -> Vec<PolicySpec> {
    let allowing = KubevirtLimits {
        allow_post_copy: true,
        progress_timeout: Duration::from_mins(1),
        ..KubevirtLimits::default()
    };
    let disrupting = KubevirtLimits {
        allow_workload_disruption: true,
        ..KubevirtLimits::default()
    };
    let mut specs = vec![
        PolicySpec::Static,
        PolicySpec::AutoConverge {
            initial: 20,
            increment: 10,
            max: 99,
            tailslow: true,
            trigger_threshold: Some(30),
        },
        PolicySpec::Pause { after_passes: 2 },
        PolicySpec::PostCopy {
            after_passes: Some(2),
            after: None,
        },
        PolicySpec::VdsmLegacy(VdsmLegacySpec::default()),
        PolicySpec::Proxmox(ProxmoxSpec::default()),
        PolicySpec::VirshTimeoutSuspend(VirshTimeoutSpec::default()),
        PolicySpec::VirshTimeoutPostcopy(VirshTimeoutSpec::default()),
        PolicySpec::ForceComplete(ForceCompleteSpec::default()),
        PolicySpec::NovaHistoric(NovaHistoricSpec::default()),
    ];
    for timeout_action in [NovaTimeoutAction::Abort, NovaTimeoutAction::ForceComplete] {
        for permit_post_copy in [false, true] {
            specs.push(PolicySpec::Nova(NovaSpec {
                timeout_action,
                permit_post_copy,
                time_scale: 0.1,
                ..NovaSpec::default()
            }));
        }
    }
    for name in [
        OvirtName::MinimalDowntime,
        OvirtName::SuspendIfNeeded,
        OvirtName::PostCopy,
    ] {
        for rule in [VdsmRule::Iterations, VdsmRule::Looks] {
            specs.push(PolicySpec::Ovirt(OvirtSpec {
                rule,
                ..OvirtSpec::shipped(name)
            }));
        }
    }
    for limits in [KubevirtLimits::default(), allowing, disrupting] {
        for rule in [KubevirtRule::Code, KubevirtRule::Vep] {
            specs.push(PolicySpec::KubevirtRamp(KubevirtRampSpec {
                limits,
                ..KubevirtRampSpec::of(rule)
            }));
            specs.push(PolicySpec::KubevirtStall(KubevirtStallSpec {
                limits,
                ..KubevirtStallSpec::of(rule)
            }));
        }
    }
    specs
}

fn any_progress() -> impl Strategy<Value = Progress> {
    let status = prop_oneof![
        8 => Just("active"),
        1 => Just("setup"),
        1 => Just("device"),
        1 => Just("cancelling"),
        1 => Just("postcopy-active"),
    ];
    let bytes = || prop_oneof![4 => 0_u64..1 << 34, 1 => any::<u64>()];
    let numbers = (
        0_u64..50,
        bytes(),
        bytes(),
        prop_oneof![0.0..1e11, any::<f64>()],
    );
    (status, numbers).prop_map(
        |(status, (pass, sent, remaining, throughput_bps))| Progress {
            status: status.into(),
            pass,
            transferred_bytes: sent,
            remaining_bytes: remaining,
            throughput_bps,
            ..Progress::default()
        },
    )
}

fn any_story() -> impl Strategy<Value = Vec<(Duration, Progress)>> {
    let step = prop_oneof![8 => 1_u64..2_000, 4 => 1_000_u64..60_000, 1 => any::<u64>()];
    prop::collection::vec((step, any_progress()), 1..200).prop_map(|steps| {
        let mut now = Duration::ZERO;
        steps
            .into_iter()
            .map(|(ms, progress)| {
                now = now.saturating_add(Duration::from_millis(ms));
                (now, progress)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_ends_is_done_once_and_nothing_follows_post_copy(
        story in any_story(),
        memory_bytes in prop_oneof![Just(1_u64 << 30), any::<u64>()],
    ) {
        for spec in all() {
            let mut policy = from_spec(&spec, Subject { memory_bytes });
            let first_action_at = policy.first_action_at();
            let forces_at = policy.forces_at();
            let mut limit = policy.needs().settings.iter().find_map(limit_of);
            let mut in_post_copy = false;
            let mut done: Vec<Action> = Vec::new();
            for (now, progress) in &story {
                // QEMU never goes back from post-copy.
                in_post_copy |= progress.in_post_copy();
                if in_post_copy && !progress.in_post_copy() {
                    continue;
                }
                for decision in policy.on_progress(*now, progress) {
                    prop_assert!(!in_post_copy, "{}: {decision:?} in post-copy", policy.name());
                    prop_assert!(!decision.reason.is_empty());
                    let ms = match &decision.action {
                        Action::Set(setting) => limit_of(setting),
                        _ => None,
                    };
                    let acts = ms.is_none_or(|ms| limit.is_some_and(|limit| ms > limit));
                    limit = limit.or(ms);
                    // A thousandth for times that were scaled and back.
                    let early = first_action_at.is_none_or(|first| *now < first.mul_f64(0.999));
                    prop_assert!(!(acts && early), "{}: {decision:?} at {now:?}, before {first_action_at:?}", policy.name());
                    let forces = matches!(decision.action, Action::StartPostCopy | Action::Pause);
                    let early = forces_at.is_none_or(|at| *now < at.mul_f64(0.999));
                    prop_assert!(!(forces && early), "{}: {decision:?} at {now:?}, before {forces_at:?}", policy.name());
                    prop_assert!(!done.contains(&Action::Cancel), "{}: {decision:?} after it gave up", policy.name());
                    let once = matches!(decision.action, Action::StartPostCopy | Action::Pause);
                    prop_assert!(!(once && done.contains(&decision.action)), "{}: {decision:?} twice", policy.name());
                    done.push(decision.action);
                }
            }
        }
    }
}

fn limit_of(setting: &Setting) -> Option<u64> {
    match setting {
        Setting::DowntimeLimit { ms } => Some(*ms),
        _ => None,
    }
}

// Worked out from each rule: Nova counts 8 GiB * 75 s to the first step; vdsm acts at its second look, in 4.2 at the third; KubeVirt
// cools down for 10 s or has a window of 40 s; Proxmox needs six looks, all but two of which come ten times a second at best.
#[test]
fn the_first_moment_of_each_rule() {
    let ovirt = |rule, monitor_interval| {
        PolicySpec::Ovirt(OvirtSpec {
            rule,
            monitor_interval: seconds(monitor_interval),
            ..OvirtSpec::shipped(OvirtName::PostCopy)
        })
    };
    let nova = |time_scale| {
        PolicySpec::Nova(NovaSpec {
            time_scale,
            ..NovaSpec::default()
        })
    };
    for (spec, expected) in [
        (nova(1.0), 600.0),
        (nova(0.01), 6.0),
        (ovirt(VdsmRule::Iterations, 10.0), 20.0),
        (ovirt(VdsmRule::Looks, 10.0), 30.0),
        (PolicySpec::VdsmLegacy(VdsmLegacySpec::default()), 80.0),
        (PolicySpec::Proxmox(ProxmoxSpec::default()), 2.4),
        (
            PolicySpec::KubevirtRamp(KubevirtRampSpec::of(KubevirtRule::Code)),
            10.0,
        ),
        (
            PolicySpec::KubevirtStall(KubevirtStallSpec::of(KubevirtRule::Code)),
            40.0,
        ),
        (
            PolicySpec::ForceComplete(ForceCompleteSpec::default()),
            30.0,
        ),
    ] {
        let policy = from_spec(&spec, gib(8));
        assert_eq!(
            policy.first_action_at(),
            Some(seconds(expected)),
            "{spec:?}"
        );
    }
    let nothing = PolicySpec::Ovirt(OvirtSpec {
        convergence: Vec::new(),
        last: Vec::new(),
        ..OvirtSpec::shipped(OvirtName::PostCopy)
    });
    assert_eq!(from_spec(&nothing, gib(8)).first_action_at(), None);
}

/// Names are unique and stand in scenarios.
#[test]
fn every_policy_has_a_name_of_its_own() {
    let mut names: Vec<&str> = all()
        .iter()
        .map(|spec| from_spec(spec, gib(1)).name())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 16);
}
