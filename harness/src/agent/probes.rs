//! The agent's part in what the guest and its clients see of a migration, beyond what the guest tells itself.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::failures::refused;
use super::protocol::Failure;
use super::readings::Notebook;
use super::serve::Agent;
use crate::hypervisor::{EventKind, GuestEvent, GuestEvents, GuestId};
use crate::tenant::probe::{Heard, Prober};
use crate::vcpus;

/// What watches the guest from outside for a repeat. Dropping it ends it.
#[derive(Debug, Default)]
pub(super) struct Probes {
    prober: Option<Prober>,
    vcpus: Option<Follower>,
}

impl Probes {
    /// Ends it; what the client on the tenant network has seen, if there was one.
    pub(super) fn finish(&mut self) -> Option<Heard> {
        self.vcpus = None;
        self.prober.take().map(Prober::finish)
    }
}

/// Ends with what holds it.
#[derive(Debug)]
struct Follower(JoinHandle<()>);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Agent {
    /// A client of the guest on this host's end of the tenant network, until the readings are collected.
    pub(super) async fn probe_tenant(
        &self,
        guest: Ipv4Addr,
        every: Duration,
    ) -> Result<(), Failure> {
        let prober = Prober::start(guest, every).map_err(|error| {
            refused(&format!(
                "no client on the tenant network: {error}; write `tenant = false` in [guest] to do without"
            ))
        })?;
        self.repeat.lock().await.probes.prober = Some(prober);
        Ok(())
    }

    /// Tells in an event when the guest that arrives here is first given a CPU.
    pub(super) async fn follow_vcpus(&self, id: &GuestId) -> Result<(), Failure> {
        let mut repeat = self.repeat.lock().await;
        let guest = repeat.guest(id);
        let guest = guest.ok_or_else(|| refused("no guest was launched"))?;
        let Some(process) = guest.process() else {
            return Ok(());
        };
        let first_turn = first_turn(guest.events(), process, self.notebook.clone());
        let follower = tokio::spawn(first_turn);
        repeat.probes.vcpus = Some(Follower(follower));
        Ok(())
    }
}

/// A QEMU that loads a guest gives its vCPUs next to nothing to do, so their first turn after RESUME is the guest's. It is known to be
/// after RESUME, and before the moment in which this host's agent has heard of that and looked.
async fn first_turn(mut events: Box<dyn GuestEvents>, process: u32, notebook: Notebook) {
    let Some(mut before) = vcpus::turns(process) else {
        return;
    };
    while let Some(event) = events.next().await {
        if event.kind != EventKind::Resume {
            before = vcpus::turns(process).unwrap_or(before);
            continue;
        }
        for _ in 0..LOOKS_MAX {
            let Some(now) = vcpus::turns(process) else {
                return;
            };
            if now > before {
                let turns = json!({ "turns": now - before });
                return notebook.event(GuestEvent::own("vcpu-runs", turns));
            }
            sleep(LOOK_INTERVAL).await;
        }
        return;
    }
}

/// Time between two looks at a guest's vCPUs; tokio's timers are no finer.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(1);
/// A vCPU that has not run after a second has other problems, which other events tell.
const LOOKS_MAX: usize = 1000;
