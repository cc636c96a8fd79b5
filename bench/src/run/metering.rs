//! How closely a migration is watched from outside the guest: everything, or with `metering = false` nothing that is not needed to
//! know how it ended. Heartbeats and reports are the guest's own, and `guest.heartbeat`'s affair.

use std::time::Duration;

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::role::Role;
use lmbench_harness::spec::MigrationSpec;

use super::hosts::Hosts;

/// Begins just before `migrate`, so that only the migration is counted.
pub(super) async fn begin(hosts: &Hosts, spec: &MigrationSpec) -> Result<(), AgentError> {
    if !spec.metering {
        return Ok(());
    }
    for role in Role::BOTH {
        let watch = calls::Watch {
            every: CPU_INTERVAL,
            count_syscalls: spec.count_syscalls,
        };
        hosts.host(role).call(watch).await?;
    }
    Ok(())
}

/// Ends it; nothing if it was never begun.
pub(super) async fn end(hosts: &Hosts) -> Result<(), AgentError> {
    for role in Role::BOTH {
        hosts.host(role).call(calls::StopWatching).await?;
    }
    Ok(())
}

/// Longest time between two of QEMU's answers, if they are wanted.
pub(super) fn sample_interval(spec: &MigrationSpec) -> Option<Duration> {
    spec.metering.then_some(SAMPLE_INTERVAL)
}

/// Time after which CPU is read without QEMU's answer, on the source too.
pub(crate) const CPU_INTERVAL: Duration = Duration::from_millis(100);
/// Somewhat less than that, so that QEMU's answers come first where there are any.
pub(crate) const SAMPLE_INTERVAL: Duration = Duration::from_millis(90);
