//! The guest on the tenant network, and who watches it from there: plugs it in where the lab can, and asks it for answers.

use std::time::Duration;

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::agent::protocol::TimedEvent;
use lmbench_harness::clock::monotonic_ns;
use lmbench_harness::lab::Lab;
use lmbench_harness::spec::GuestSpec;
use lmbench_harness::tenant;
use serde_json::json;

use super::RunError;
use super::hosts::{HostError, Hosts};

/// A guest with or without a network card, and why it has none if nobody asked for that.
pub(super) struct Tenant {
    pub(super) guest: GuestSpec,
    insists: bool,
    missing: Option<String>,
}

/// Decides for a guest that leaves it to the lab. An error for one that insists on what this machine can't do.
pub(super) async fn plug(hosts: &Hosts, guest: &GuestSpec) -> Result<Tenant, RunError> {
    let made = if guest.tenant == Some(false) {
        None
    } else {
        Some(hosts.lab().with(Lab::tenant).await)
    };
    let (tenant, missing) = match made {
        None => (false, None),
        Some(Ok(())) => (true, None),
        Some(Err(error)) if guest.tenant.is_none() => (false, Some(crate::error::chain(&error))),
        Some(Err(error)) => return Err(HostError::from(error).into()),
    };
    let insists = guest.tenant == Some(true);
    let guest = GuestSpec {
        tenant: Some(tenant),
        ..guest.clone()
    };
    Ok(Tenant {
        guest,
        insists,
        missing,
    })
}

impl Tenant {
    /// Has a client ask for answers from now on, and the destination look for the guest's first turn on a CPU.
    pub(super) async fn watch(&mut self, hosts: &Hosts) -> Result<(), AgentError> {
        if self.guest.tenant == Some(true) {
            let probe = calls::ProbeTenant {
                guest: tenant::GUEST,
                every: PROBE_INTERVAL,
            };
            match hosts.source.call(probe).await {
                // A container may keep raw sockets from root.
                Err(AgentError::Failed(failure)) if !self.insists => {
                    self.missing = Some(failure.message);
                }
                asked => asked?,
            }
        }
        hosts.destination.call(calls::FollowVcpus).await
    }

    /// Why nobody asked, for the record.
    pub(super) fn event(&self) -> Option<TimedEvent> {
        let reason = self.missing.as_ref()?;
        Some(TimedEvent {
            at_ns: monotonic_ns(),
            name: "not-metered".to_owned(),
            data: json!({ "what": "the tenant network", "reason": reason }),
        })
    }
}

/// Time between two questions, and so the resolution of `network_blackout_ms`.
pub(crate) const PROBE_INTERVAL: Duration = Duration::from_millis(5);
