//! Policies that cannot act: the migration's own timeout is over before they would do anything, or what a setting permits them.

use std::time::Duration;

use lmbench_harness::policy::{Subject, from_spec};
use lmbench_harness::spec::{KubevirtLimits, NovaTimeoutAction, PolicySpec, StallAction};

use super::Plan;
use crate::scenario::Cell;
use crate::scenario::units::Time;

impl Plan {
    /// What a run of it can't show, with the key to change; one for each policy and time.
    pub fn warnings(&self) -> Vec<String> {
        let mut told: Vec<String> = Vec::new();
        let warnings = self
            .cells
            .iter()
            .filter_map(|cell| idle(cell).or_else(|| vain(cell)));
        for warning in warnings {
            if !told.contains(&warning) {
                told.push(warning);
            }
        }
        told
    }
}

/// What is to be said of a cell whose policy has no time to act.
fn idle(cell: &Cell) -> Option<String> {
    let setup = &cell.setup;
    let policy = from_spec(&setup.policy, Subject::from(&setup.guest));
    let timeout = setup.migration.timeout;
    if !policy.needs_readings() {
        return None;
    }
    let name = policy.name();
    let first = policy.first_action_at();
    let (earliest, hint) = match first {
        Some(first) if first < timeout => return None,
        Some(first) => (
            format!("before {}", rounded(first)),
            format!(
                "{}, or raise migration.timeout",
                sooner(name, &setup.policy, first, timeout)
            ),
        ),
        None => (
            "at all".to_owned(),
            format!("give [policy.{name}] something to do"),
        ),
    };
    Some(format!(
        "warning: {name} does nothing {earliest} with this guest, and migration.timeout is {}\nhint: {hint}",
        rounded(timeout)
    ))
}

/// What is to be said of a cell whose policy acts, but never does what a setting permits.
fn vain(cell: &Cell) -> Option<String> {
    let setup = &cell.setup;
    let policy = from_spec(&setup.policy, Subject::from(&setup.guest));
    let timeout = setup.migration.timeout;
    let (key, cure) = permit(&setup.policy)?;
    let name = policy.name();
    let (when, hint) = match policy.forces_at() {
        Some(at) if at < timeout => return None,
        Some(at) => (
            format!(
                " before {} with this guest, and migration.timeout is {}",
                rounded(at),
                rounded(timeout)
            ),
            format!(
                "{}, or raise migration.timeout",
                sooner(name, &setup.policy, at, timeout)
            ),
        ),
        None => (String::new(), cure.to_owned()),
    };
    Some(format!(
        "warning: policy.{name}.{key} changes nothing{when}\nhint: {hint}"
    ))
}

/// The setting that permits a policy to force the end, if there is one and it permits, and what lets the policy do so.
fn permit(spec: &PolicySpec) -> Option<(&'static str, &'static str)> {
    let kubevirt = |limits: &KubevirtLimits| {
        let cure = "give completion-timeout-per-gib a time";
        if limits.allow_post_copy {
            return Some(("allow-post-copy", cure));
        }
        (limits.allow_workload_disruption).then_some(("allow-workload-disruption", cure))
    };
    match spec {
        PolicySpec::Nova(spec) if spec.timeout_action == NovaTimeoutAction::ForceComplete => {
            Some((
                "live-migration-timeout-action",
                "give live-migration-completion-timeout a time",
            ))
        }
        PolicySpec::Nova(spec) if spec.permit_post_copy => Some((
            "live-migration-permit-post-copy",
            "Nova itself uses post-copy with live-migration-timeout-action = \"force_complete\" only",
        )),
        PolicySpec::Ovirt(spec) => {
            let mut items = spec.convergence.iter().map(|item| item.action);
            let is_first = items.any(|action| action == StallAction::PostCopy);
            let key = if is_first {
                "convergence-items"
            } else {
                "last-items"
            };
            let has = is_first || spec.last.contains(&StallAction::PostCopy);
            has.then_some((key, "let `postcopy` stand in it"))
        }
        PolicySpec::KubevirtRamp(spec) => kubevirt(&spec.limits),
        PolicySpec::KubevirtStall(spec) => kubevirt(&spec.limits),
        PolicySpec::Nova(_)
        | PolicySpec::NovaHistoric(_)
        | PolicySpec::VdsmLegacy(_)
        | PolicySpec::Proxmox(_)
        | PolicySpec::VirshTimeoutSuspend(_)
        | PolicySpec::VirshTimeoutPostcopy(_)
        | PolicySpec::ForceComplete(_)
        | PolicySpec::Static
        | PolicySpec::AutoConverge { .. }
        | PolicySpec::PostCopy { .. }
        | PolicySpec::Pause { .. }
        | PolicySpec::Pilot(_) => None,
    }
}

/// What to set so that the policy acts within the first tenth of the timeout, or at all.
fn sooner(name: &str, spec: &PolicySpec, first: Duration, timeout: Duration) -> String {
    let scale = match spec {
        PolicySpec::Nova(spec) => spec.time_scale,
        PolicySpec::NovaHistoric(spec) => spec.time_scale,
        PolicySpec::Ovirt(spec) => spec.time_scale,
        PolicySpec::VdsmLegacy(spec) => spec.time_scale,
        PolicySpec::Proxmox(spec) => spec.time_scale,
        PolicySpec::KubevirtRamp(spec) => spec.time_scale,
        PolicySpec::KubevirtStall(spec) => spec.time_scale,
        PolicySpec::VirshTimeoutSuspend(spec) | PolicySpec::VirshTimeoutPostcopy(spec) => {
            spec.time_scale
        }
        PolicySpec::ForceComplete(spec) => spec.time_scale,
        PolicySpec::Static
        | PolicySpec::AutoConverge { .. }
        | PolicySpec::PostCopy { .. }
        | PolicySpec::Pause { .. }
        | PolicySpec::Pilot(_) => {
            return format!("shorten the times of [policy.{name}]");
        }
    };
    let fits = scale * timeout.as_secs_f64() / first.as_secs_f64() / 10.0;
    format!(
        "set policy.{name}.time-scale = {} or less",
        one_digit(fits.max(LEAST))
    )
}

/// Down to one significant digit, so that it stays short.
fn one_digit(value: f64) -> f64 {
    let unit = 10_f64.powi(value.log10().floor() as i32);
    // A billionth more, and rounded: 0.3 is not three times 0.1.
    let cut = (value / unit * (1.0 + 1e-9)).floor() * unit;
    format!("{cut:.4}").parse().unwrap_or(cut)
}

fn rounded(time: Duration) -> Time {
    let seconds = time.as_secs_f64();
    let ms = if seconds < 10.0 {
        time.as_millis()
    } else {
        u128::from(time.as_secs()) * 1000
    };
    Time::from_nanos(u64::try_from(ms.saturating_mul(1_000_000)).unwrap_or(u64::MAX))
}

/// The least that `time-scale` takes.
const LEAST: f64 = 0.0001;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario;

    fn warnings(memory: &str, timeout: &str, policy: &str) -> Vec<String> {
        let text = format!(
            "name = \"idle\"\n[guest]\nmemory = \"{memory}\"\n[workload.idle]\n[migration]\ntimeout = \"{timeout}\"\n{policy}\n"
        );
        let scenario = scenario::parse(Path::new("idle.toml"), &text).expect("a scenario");
        let plan = Plan::new(&scenario, &[], None, None).expect("a plan");
        plan.warnings()
    }

    // Nova's first step comes after 75 s per GiB, of which it counts at least two.
    #[test]
    fn a_policy_without_time_to_act_is_told() {
        assert_eq!(
            warnings("8 GiB", "60 s", "[policy.nova]"),
            [
                "warning: nova does nothing before 10 min with this guest, and migration.timeout is 1 min\n\
                 hint: set policy.nova.time-scale = 0.01 or less, or raise migration.timeout"
            ]
        );
        assert_eq!(
            warnings("1 GiB", "149 s", "[policy.nova]\ntime-scale = 2"),
            [
                "warning: nova does nothing before 5 min with this guest, and migration.timeout is 149 s\n\
                 hint: set policy.nova.time-scale = 0.09 or less, or raise migration.timeout"
            ]
        );
        assert_eq!(
            warnings("1 GiB", "20 s", "[policy.post-copy]\nafter = \"20 s\""),
            [
                "warning: post-copy does nothing before 20 s with this guest, and migration.timeout is 20 s\n\
                 hint: shorten the times of [policy.post-copy], or raise migration.timeout"
            ]
        );
        assert_eq!(
            warnings(
                "1 GiB",
                "20 s",
                "[policy.ovirt-post-copy]\nconvergence-items = \"\"\nlast-items = \"\""
            ),
            [
                "warning: ovirt-post-copy does nothing at all with this guest, and migration.timeout is 20 s\n\
                 hint: give [policy.ovirt-post-copy] something to do"
            ]
        );
    }

    // Each does something in time, but nothing of what was permitted.
    #[test]
    fn what_is_permitted_in_vain_is_told() {
        for (timeout, policy, warning) in [
            (
                "20 s",
                "[policy.nova]\nlive-migration-permit-post-copy = true\ntime-scale = 0.01",
                "policy.nova.live-migration-permit-post-copy changes nothing\n\
                 hint: Nova itself uses post-copy with live-migration-timeout-action = \"force_complete\" only",
            ),
            (
                "10 s",
                "[policy.nova]\nlive-migration-timeout-action = \"force_complete\"\ntime-scale = 0.01",
                "policy.nova.live-migration-timeout-action changes nothing before 16 s with this guest, and migration.timeout is 10 s\n\
                 hint: set policy.nova.time-scale = 0.0006 or less, or raise migration.timeout",
            ),
            (
                "20 s",
                "[policy.nova]\nlive-migration-timeout-action = \"force_complete\"\nlive-migration-completion-timeout = \"0 s\"\ntime-scale = 0.01",
                "policy.nova.live-migration-timeout-action changes nothing\n\
                 hint: give live-migration-completion-timeout a time",
            ),
            (
                "30 s",
                "[policy.ovirt-post-copy]",
                "policy.ovirt-post-copy.last-items changes nothing before 40 s with this guest, and migration.timeout is 30 s\n\
                 hint: set policy.ovirt-post-copy.time-scale = 0.07 or less, or raise migration.timeout",
            ),
            (
                "60 s",
                "[policy.kubevirt-ramp]\nallow-post-copy = true\ncompletion-timeout-per-gib = \"0 s\"",
                "policy.kubevirt-ramp.allow-post-copy changes nothing\n\
                 hint: give completion-timeout-per-gib a time",
            ),
            (
                "60 s",
                "[policy.kubevirt-stall]\nallow-post-copy = true",
                "policy.kubevirt-stall.allow-post-copy changes nothing before 150 s with this guest, and migration.timeout is 1 min\n\
                 hint: set policy.kubevirt-stall.time-scale = 0.04 or less, or raise migration.timeout",
            ),
        ] {
            assert_eq!(
                warnings("1 GiB", timeout, policy),
                [format!("warning: {warning}")]
            );
        }
        let disruption =
            "[policy.kubevirt-stall]\nallow-post-copy = true\nallow-workload-disruption = true";
        assert_eq!(warnings("1 GiB", "60 s", disruption), Vec::<String>::new());
    }

    #[test]
    fn one_that_may_act_is_not() {
        for policy in [
            "",
            "[policy.auto-converge]",
            "[policy.post-copy]",
            "[policy.pilot]",
            "[policy.nova-historic]",
            "[policy.nova]\ntime-scale = 0.01",
            "[policy.proxmox]",
        ] {
            assert_eq!(warnings("8 GiB", "20 s", policy), Vec::<String>::new());
        }
    }

    // The same policy in several cells is told once.
    #[test]
    fn it_is_told_once() {
        let text = "name = \"idle\"\n[workload.idle]\n[migration]\ntimeout = \"9 s\"\n\
                    [matrix]\npolicy = [\"nova\"]\ncarrier = [\"tcp\", \"tls\"]\n";
        let scenario = scenario::parse(Path::new("idle.toml"), text).expect("a scenario");
        let plan = Plan::new(&scenario, &[], None, None).expect("a plan");
        assert_eq!(plan.cells.len(), 2);
        assert_eq!(plan.warnings().len(), 1);
    }

    #[test]
    fn hints_have_one_digit() {
        for (value, shown) in [(0.038, "0.03"), (0.3, "0.3"), (7.0, "7"), (LEAST, "0.0001")] {
            assert_eq!(one_digit(value).to_string(), shown);
        }
    }
}
