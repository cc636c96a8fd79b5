//! The states of two QEMUs that hurt: what each is called, and how it is told from what both say of themselves. Looked at when something
//! hints at trouble, never by polling; a monitor that does not answer holds nobody up for long.
//!
//! Nothing is done about trouble here: `recovery` helps while a migration goes on, `aftermath` once it is over.

use std::time::Duration;

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::agent::protocol::Condition;
use lmbench_harness::hypervisor::{MigrationStatus, RunState};
use lmbench_harness::progress::Progress;
use lmbench_harness::role::Role;
use serde_json::{Value, json};

use super::hosts::Hosts;
use super::measure::Sides;
use super::notes::Notes;

/// What a host's QEMU does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Machine {
    /// It has ended, for this reason.
    Gone(String),
    /// Nobody answers for it, for this reason. It may run all the same.
    Silent(String),
    /// It answers, and is in this state.
    State(RunState),
}

/// One side of a migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Side {
    pub(super) machine: Machine,
    /// Its migration's status, if it is known.
    pub(super) migration: Option<MigrationStatus>,
    /// Bytes of guest memory that it has still to send.
    pub(super) remaining_bytes: Option<u64>,
    /// Whether the guest has run there, or may have for all that is known.
    pub(super) ran: bool,
    /// Whether its migration was in post-copy, now or before.
    pub(super) was_in_post_copy: bool,
}

/// Both sides at about one moment.
pub(super) type Snapshot = Sides<Side>;

/// A state that hurts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Neither copy of the guest runs, although both QEMUs live.
    PausedOnBoth,
    /// Two copies of the guest run.
    RunningOnBoth,
    /// A QEMU lives, and its monitor does not answer.
    MonitorUnresponsive,
    /// The guest runs on the destination, cut off from the rest of its memory.
    PostCopyPaused,
    /// The source has handed the guest over, and the destination does not run it.
    NotResumed,
}

impl Trouble {
    /// The event's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Trouble::PausedOnBoth => "paused-on-both",
            Trouble::RunningOnBoth => "running-on-both",
            Trouble::MonitorUnresponsive => "monitor-unresponsive",
            Trouble::PostCopyPaused => "post-copy-paused",
            Trouble::NotResumed => "not-resumed",
        }
    }
}

impl Machine {
    pub(super) fn runs(&self) -> bool {
        matches!(self, Machine::State(state) if state.is_running())
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Machine::Gone(_))
    }

    fn stands(&self) -> bool {
        matches!(self, Machine::State(_)) && !self.runs()
    }

    fn word(&self) -> Value {
        match self {
            Machine::Gone(how) => json!({ "gone": how }),
            Machine::Silent(why) => json!({ "silent": why }),
            Machine::State(state) => json!(state),
        }
    }
}

impl Side {
    /// Whether its migration is known to be of this status.
    pub(super) fn is(&self, status: &MigrationStatus) -> bool {
        self.migration.as_ref() == Some(status)
    }

    pub(super) fn is_in_post_copy(&self) -> bool {
        let status = self.migration.as_ref();
        status.is_some_and(MigrationStatus::is_post_copy)
    }

    /// Whether a source in post-copy has given all memory to its stream, and only waits for the destination's word. QEMU 10.0 whose
    /// connection ends now does not pause: its migration fails, and its copy of the guest runs again beside the destination's.
    pub(super) fn has_sent_all(&self) -> bool {
        self.is(&MigrationStatus::PostcopyActive) && self.remaining_bytes == Some(0)
    }

    fn of(looked: Result<Condition, AgentError>) -> Side {
        let condition = match looked {
            Ok(condition) => condition,
            // The kernel ends a QEMU whose agent has died.
            Err(error @ AgentError::Gone { .. }) => {
                return Side::without(Machine::Gone(error.to_string()));
            }
            Err(error) => return Side::without(Machine::Silent(error.to_string())),
        };
        let machine = match (condition.gone, condition.run_state) {
            (Some(how), _) => Machine::Gone(how),
            (None, Some(state)) => Machine::State(state),
            (None, None) => Machine::Silent("its monitor does not answer".to_owned()),
        };
        Side {
            machine,
            migration: condition.migration,
            remaining_bytes: condition.remaining_bytes,
            ran: condition.ran,
            was_in_post_copy: condition.was_in_post_copy,
        }
    }

    fn without(machine: Machine) -> Side {
        Side {
            machine,
            migration: None,
            remaining_bytes: None,
            ran: true,
            was_in_post_copy: false,
        }
    }

    fn evidence(&self) -> Value {
        let migration = self.migration.as_ref();
        let migration = migration.map_or("", MigrationStatus::as_str);
        json!({ "run_state": self.machine.word(), "migration": migration, "remaining_bytes": self.remaining_bytes })
    }
}

/// Everything that is wrong.
pub(super) fn troubles(snapshot: &Snapshot) -> Vec<Trouble> {
    let Sides {
        source,
        destination,
    } = snapshot;
    let silent = |side: &Side| matches!(side.machine, Machine::Silent(_));
    let handed_over = source.is(&MigrationStatus::Completed);
    let cut_off = [source, destination]
        .iter()
        .any(|side| side.is(&MigrationStatus::PostcopyPaused));
    let stand = source.machine.stands() && destination.machine.stands();
    let found = [
        (
            Trouble::RunningOnBoth,
            source.machine.runs() && destination.machine.runs(),
        ),
        (Trouble::PausedOnBoth, stand),
        (
            Trouble::MonitorUnresponsive,
            silent(source) || silent(destination),
        ),
        (Trouble::PostCopyPaused, cut_off),
        (
            Trouble::NotResumed,
            handed_over && !destination.machine.runs() && !silent(destination),
        ),
    ];
    let found = found.into_iter().filter(|(_, is)| *is);
    found.map(|(trouble, _)| trouble).collect()
}

/// Looks at one host.
pub(super) async fn look_at(hosts: &Hosts, role: Role) -> Side {
    let looked = hosts.host(role).call(calls::Look);
    let looked = tokio::time::timeout(LOOK_WITHIN, looked).await;
    let within = LOOK_WITHIN;
    Side::of(looked.unwrap_or(Err(AgentError::Silent { role, within })))
}

/// Looks at both hosts.
pub(super) async fn look(hosts: &Hosts) -> Snapshot {
    let (source, destination) = tokio::join!(
        look_at(hosts, Role::Source),
        look_at(hosts, Role::Destination)
    );
    Sides {
        source,
        destination,
    }
}

/// Writes down what is wrong, with the evidence.
pub(super) fn note(notes: &Notes, snapshot: &Snapshot) {
    for trouble in troubles(snapshot) {
        notes.add(trouble.name(), evidence(snapshot));
    }
}

pub(super) fn evidence(snapshot: &Snapshot) -> Value {
    json!({ "source": snapshot.source.evidence(), "destination": snapshot.destination.evidence() })
}

/// Finds a pre-copy that gets nowhere; of a post-copy the source's agent tells.
#[derive(Debug, Default)]
pub(super) struct Standstill {
    moved: Option<(u64, Duration)>,
    least: Option<(u64, u64)>,
    told_still: bool,
    told_passes: bool,
}

impl Standstill {
    /// What stands still, each once per standstill; `elapsed` counts from `migrate`.
    pub(super) fn on_progress(&mut self, elapsed: Duration, progress: &Progress) -> Option<Value> {
        if !progress.is_active() {
            return None;
        }
        let bytes = progress.transferred_bytes;
        if self.moved.is_none_or(|(before, _)| before != bytes) {
            self.moved = Some((bytes, elapsed));
            self.told_still = false;
        }
        let (pass, remaining) = (progress.pass, progress.remaining_bytes);
        if self.least.is_none_or(|(least, _)| remaining < least) {
            self.least = Some((remaining, pass));
            self.told_passes = false;
        }
        let still = self.moved.map(|(_, at)| elapsed.saturating_sub(at))?;
        let passes = self.least.map(|(_, since)| pass.saturating_sub(since))?;
        if still >= STILL_FOR && !self.told_still {
            self.told_still = true;
            return Some(json!({ "still_s": still.as_secs_f64(), "progress": progress }));
        }
        if passes >= PASSES_IN_VAIN && !self.told_passes {
            self.told_passes = true;
            return Some(json!({ "passes": passes, "progress": progress }));
        }
        None
    }
}

/// An agent gives QEMU's monitor 3 s for each of two questions.
const LOOK_WITHIN: Duration = Duration::from_secs(8);
/// QEMU sends what it has at least ten times a second.
const STILL_FOR: Duration = Duration::from_secs(5);
/// A guest that dirties no less than is sent for so long does so by its nature, not by chance.
const PASSES_IN_VAIN: u64 = 10;

#[cfg(test)]
mod tests;
