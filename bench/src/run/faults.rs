//! Breaks what the scenario wants broken when the migration comes to the moment that it names, and mends it: links are cut, processes
//! killed or frozen, the operator cancels.
//!
//! What is cut at a byte is told to the link before the migration, and the link does it by itself; everything else is done from here, as
//! exactly as one process can act on the word of another: a few milliseconds late.

use std::time::Duration;

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::agent::protocol::TimedEvent;
use lmbench_harness::clock::monotonic_ns;
use lmbench_harness::hypervisor::{MigrationId, MigrationStatus};
use lmbench_harness::lab::{Lab, LabError};
use lmbench_harness::migration::Order;
use lmbench_harness::role::Role;
use lmbench_harness::spec::{Blow, CutSpec, FaultDeed, FaultSpec, Moment, Network, Stage, Victim};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};

use super::ending::lab_failure;
use super::hosts::{Host, Hosts, SharedLab};
use crate::scenario::Setup;

/// The faults of one migration.
pub(super) struct Faults {
    lab: SharedLab,
    awaited: Vec<Awaited>,
    due: Vec<(Instant, Deed)>,
    post_copy: PostCopy,
    /// What was done, on the controller's clock.
    pub(super) events: Vec<TimedEvent>,
}

/// What tells that the guest runs at the destination and its memory follows: the source alone says so up to a second too early.
#[derive(Debug, Default)]
struct PostCopy {
    begun: bool,
    runs: bool,
}

impl PostCopy {
    fn hears(&mut self, stage: &Stage) -> bool {
        match stage {
            Stage::Status(MigrationStatus::PostcopyActive) => {
                self.begun = true;
                self.runs
            }
            Stage::Runs => !std::mem::replace(&mut self.runs, true) && self.begun,
            _ => false,
        }
    }
}

struct Awaited {
    at: Moment,
    deed: Deed,
}

#[derive(Debug, Clone)]
enum Deed {
    Cut(Network, CutSpec),
    Restore(Network),
    Fault(FaultSpec),
    Thaw(Victim),
}

/// Both agents, while a call to one of them goes on.
#[derive(Clone, Copy)]
pub(super) struct BothAgents<'a> {
    pub(super) source: &'a Host,
    pub(super) destination: &'a Host,
}

impl<'a> BothAgents<'a> {
    pub(super) fn of(hosts: &'a Hosts) -> Self {
        BothAgents {
            source: &hosts.source,
            destination: &hosts.destination,
        }
    }
}

impl Faults {
    /// None yet.
    pub(super) fn none(lab: SharedLab) -> Faults {
        Faults {
            lab,
            awaited: Vec::new(),
            due: Vec::new(),
            post_copy: PostCopy::default(),
            events: Vec::new(),
        }
    }

    /// Waits for the moments of this setup from now on, and arms the links that count bytes.
    pub(super) async fn arm(&mut self, setup: &Setup) -> Result<(), LabError> {
        let links = [
            (Network::Migration, setup.network.migration.cut),
            (Network::Management, setup.network.management.cut),
        ];
        for (network, cut) in links {
            let Some(cut) = cut else { continue };
            if let Moment::Bytes(bytes) = cut.at {
                // The other direction carries acknowledgements, which are as long as they are.
                let toward = Some(cut.toward.unwrap_or(Role::Destination));
                let arm = move |lab: &mut Lab| lab.cut_after(network, toward, bytes, cut.down);
                self.lab.with(arm).await?;
            } else {
                self.wait_for(cut.at, Deed::Cut(network, cut));
            }
        }
        if let Some(fault) = &setup.fault {
            self.wait_for(fault.at, Deed::Fault(fault.clone()));
        }
        Ok(())
    }

    fn wait_for(&mut self, at: Moment, deed: Deed) {
        self.awaited.push(Awaited { at, deed });
    }

    /// The migration has come to a stage.
    pub(super) fn reached(&mut self, stage: &Stage) {
        self.begin(stage);
        if self.post_copy.hears(stage) {
            self.begin(&Stage::PostCopy);
        }
    }

    fn begin(&mut self, stage: &Stage) {
        let now = Instant::now();
        let mut due = Vec::new();
        self.awaited.retain(|awaited| {
            let at = match awaited.at {
                Moment::After(time) if *stage == Stage::Accepted => now + time,
                moment if moment.is_reached_by(stage) => now,
                _ => return true,
            };
            let delay = match &awaited.deed {
                Deed::Fault(fault) => fault.delay,
                _ => Duration::ZERO,
            };
            due.push((at + delay, awaited.deed.clone()));
            false
        });
        self.due.append(&mut due);
    }

    /// Returns when something is to be done; never if nothing is.
    pub(super) async fn is_due(&self) {
        match self.due.iter().map(|(at, ..)| *at).min() {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Does all that is due.
    pub(super) async fn act(&mut self, agents: BothAgents<'_>) -> Result<(), AgentError> {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.due)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.due = later;
        let due: Vec<(Instant, Deed)> = due;
        for (_, deed) in due {
            match deed {
                Deed::Cut(network, cut) => self.cut(network, cut.toward, cut.down).await?,
                Deed::Restore(network) => {
                    let restore = self.lab.with(move |lab| lab.restore(network));
                    restore.await.map_err(|error| lab_failure(&error))?;
                    self.note_link("link-restored", network, None);
                }
                Deed::Fault(fault) => self.fault(&fault, agents).await?,
                Deed::Thaw(victim) => {
                    let refused = strike(agents, victim, Blow::Thaw).await?;
                    self.note("thaw", json!({ "process": victim.name() }), refused);
                }
            }
        }
        Ok(())
    }

    async fn fault(&mut self, fault: &FaultSpec, agents: BothAgents<'_>) -> Result<(), AgentError> {
        match fault.deed {
            FaultDeed::Kill(victim) => {
                // Written down first: what comes of it is quicker than the answer.
                let at = self.events.len();
                self.note("fault", json!({ "kill": victim.name() }), None);
                let refused = strike(agents, victim, Blow::Kill).await?;
                self.refused_at(at, refused);
            }
            FaultDeed::Freeze(victim) => {
                let at = self.events.len();
                self.note("fault", json!({ "freeze": victim.name() }), None);
                let refused = strike(agents, victim, Blow::Freeze).await?;
                self.refused_at(at, refused);
                if let Some(lasts) = fault.lasts {
                    self.due.push((Instant::now() + lasts, Deed::Thaw(victim)));
                }
            }
            FaultDeed::Cut(network) => {
                self.note("fault", json!({ "cut": network }), None);
                self.cut(network, None, fault.lasts).await?;
            }
            FaultDeed::Cancel => {
                let at = self.events.len();
                self.note("fault", json!({ "cancel": true }), None);
                let answer = agents.source.call(calls::GiveOrder {
                    migration: MigrationId::default(),
                    order: Order::Cancel,
                });
                // The answer may wait for a QEMU that is busy, and meanwhile the migration goes on.
                if let Ok(answer) = timeout(ANSWER_WITHIN, answer).await {
                    self.refused_at(at, refusal(answer)?);
                }
            }
        }
        if let Some(then) = &fault.then {
            let deed = Deed::Fault(FaultSpec::clone(then));
            match then.at {
                Moment::After(time) => {
                    let at = Instant::now() + time + then.delay;
                    self.due.push((at, deed));
                }
                at => self.wait_for(at, deed),
            }
        }
        Ok(())
    }

    async fn cut(
        &mut self,
        network: Network,
        toward: Option<Role>,
        down: Option<Duration>,
    ) -> Result<(), AgentError> {
        let cut = self.lab.with(move |lab| lab.cut(network, toward));
        cut.await.map_err(|error| lab_failure(&error))?;
        self.note_link("link-cut", network, toward);
        if let Some(down) = down {
            self.due
                .push((Instant::now() + down, Deed::Restore(network)));
        }
        Ok(())
    }

    /// An operator has made links whole: what would do so later has nothing left to do.
    pub(super) fn by_operator(&mut self, events: Vec<TimedEvent>) {
        if !events.is_empty() {
            self.due
                .retain(|(_, deed)| !matches!(deed, Deed::Restore(_)));
            self.events.extend(events);
        }
    }

    /// Makes whole what is still cut, so that both carriers can end in good order, and thaws what is still frozen for a time.
    pub(super) async fn end(&mut self, agents: BothAgents<'_>) -> Result<(), AgentError> {
        self.awaited.clear();
        for (_, deed) in std::mem::take(&mut self.due) {
            if let Deed::Thaw(victim) = deed {
                // An agent that is gone has taken its processes along.
                let thawed = strike(agents, victim, Blow::Thaw).await;
                let refused = thawed.unwrap_or_else(|error| Some(error.to_string()));
                self.note("thaw", json!({ "process": victim.name() }), refused);
            }
        }
        let restored = self.lab.with(Lab::restore_all).await;
        for network in restored.map_err(|error| lab_failure(&error))? {
            self.note_link("link-restored", network, None);
        }
        Ok(())
    }

    fn note_link(&mut self, name: &str, network: Network, toward: Option<Role>) {
        self.note(name, json!({ "network": network, "toward": toward }), None);
    }

    fn note(&mut self, name: &str, data: Value, refused: Option<String>) {
        self.events.push(TimedEvent {
            at_ns: monotonic_ns(),
            name: name.to_owned(),
            data,
        });
        self.refused_at(self.events.len() - 1, refused);
    }

    /// What was noted could not be done after all: mostly because the migration, or the process, was over.
    fn refused_at(&mut self, index: usize, refused: Option<String>) {
        if let (Some(reason), Some(event)) = (refused, self.events.get_mut(index)) {
            event.data["refused"] = json!(reason);
        }
    }
}

/// Strikes a process; why not, if it is gone already.
async fn strike(
    agents: BothAgents<'_>,
    victim: Victim,
    blow: Blow,
) -> Result<Option<String>, AgentError> {
    let host = match victim.role {
        Role::Source => agents.source,
        Role::Destination => agents.destination,
    };
    let strike = calls::Strike {
        part: victim.part,
        blow,
    };
    refusal(host.call(strike).await)
}

fn refusal<T>(answer: Result<T, AgentError>) -> Result<Option<String>, AgentError> {
    match answer {
        Ok(_) => Ok(None),
        Err(AgentError::Failed(failure)) => Ok(Some(failure.message)),
        Err(error) => Err(error),
    }
}

/// For an order: QEMU answers within milliseconds unless it sends its device state.
const ANSWER_WITHIN: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn post_copy_begins_when_both_hosts_say_so_and_again_after_a_recovery() {
        let status = |status: &str| Stage::Status(status.into());
        let mut heard = PostCopy::default();
        for (stage, begins) in [
            (status("active"), false),
            (status("postcopy-active"), false),
            (Stage::Runs, true),
            (status("postcopy-paused"), false),
            (status("postcopy-active"), true),
        ] {
            assert_eq!(heard.hears(&stage), begins, "{stage:?}");
        }
        // The other host's word came first, and a pre-copy has no such moment.
        let mut heard = PostCopy::default();
        assert!(!heard.hears(&Stage::Runs));
        assert!(heard.hears(&status("postcopy-active")));
    }
}
