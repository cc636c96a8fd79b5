//! Which key of the scenario is to blame for a setting that QEMU refuses.

use super::Case;
use crate::policy::{self, Setting};
use crate::spec::{Knobs, PolicySpec};

/// The scenario's key behind a capability or parameter; none if lmbench sets it by itself.
pub(super) fn key_of(name: &str, case: &Case) -> Option<String> {
    if case.migration.qmp.contains_key(name) {
        return Some(format!("migration.qmp.{name}"));
    }
    let needs = policy::from_spec(&case.policy, (&case.guest).into()).needs();
    let has_steps = matches!(case.policy, PolicySpec::AutoConverge { .. });
    let sets_limit = needs
        .settings
        .iter()
        .any(|setting| matches!(setting, Setting::DowntimeLimit { .. }));
    let key = match name {
        "multifd" | "multifd-channels" => "migration.multifd-channels",
        "postcopy-preempt" | "postcopy-ram" if matches!(case.policy, PolicySpec::Pilot(_)) => {
            "policy.pilot.post-copy"
        }
        "postcopy-preempt" => "migration.preempt",
        "postcopy-ram" if !needs.post_copy => "migration.timeout-action",
        "cpu-throttle-initial" if has_steps => "policy.auto-converge.initial",
        "cpu-throttle-increment" if has_steps => "policy.auto-converge.increment",
        "max-cpu-throttle" if has_steps => "policy.auto-converge.max",
        "throttle-trigger-threshold" if has_steps => "policy.auto-converge.trigger-threshold",
        "cpu-throttle-tailslow" if has_steps => "policy.auto-converge.tailslow",
        "x-vcpu-dirty-limit-period" => "migration.vcpu-dirty-limit-period",
        "downtime-limit" if !sets_limit => "migration.downtime-limit",
        "max-bandwidth" => "migration.max-bandwidth",
        "max-postcopy-bandwidth" => "migration.max-postcopy-bandwidth",
        "xbzrle" | "xbzrle-cache-size" if needs.xbzrle => "policy",
        "postcopy-ram"
        | "auto-converge"
        | "cpu-throttle-initial"
        | "cpu-throttle-increment"
        | "max-cpu-throttle"
        | "downtime-limit" => "policy",
        name if Knobs::NAMES.contains(&name) => return Some(format!("migration.{name}")),
        _ => return None,
    };
    Some(key.to_owned())
}
