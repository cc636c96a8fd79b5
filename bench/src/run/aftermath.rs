//! After a migration that did not go well: finds out on both hosts who runs the guest, and sees to it that exactly one does, where one can
//! still be saved. Whoever must not run is ended before the other is woken.
//!
//! What is right follows from the source's migration alone. Until it is `completed` or in post-copy, the guest is the source's; from
//! then on the source's copy is old and must not run, unless the destination never did. That holds though QEMU itself may say `failed` after
//! post-copy and wake it.

use std::time::Duration;

use lmbench_guest::wire::Verified;
use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::hypervisor::{MigrationStatus, RunState};
use lmbench_harness::lab::Lab;
use lmbench_harness::role::Role;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::attempt::Attempt;
use super::health::{self, Machine, Side, Snapshot};
use super::hosts::Hosts;
use super::measure::Sides;
use super::notes::Notes;
use crate::record::Integrity;

/// What must be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// All is as well as it can be.
    Nothing,
    /// One side is on its way.
    Wait,
    /// The source still migrates a guest that nobody awaits any more.
    Cancel,
    /// Break the connections that the source's QEMU waits in.
    Sever,
    /// End the copy that must not run.
    Fence(Role, &'static str),
    /// Let the copy run that must.
    Continue(Role, &'static str),
}

/// Pure: what two QEMUs that say this need.
fn next(snapshot: &Snapshot) -> Step {
    let Sides {
        source,
        destination,
    } = snapshot;
    match &source.machine {
        Machine::Gone(_) => without_source(snapshot),
        // Its copy may run. It must not if the destination has all of the guest.
        Machine::Silent(_)
            if destination.machine.runs() && destination.is(&MigrationStatus::Completed) =>
        {
            Step::Fence(
                Role::Source,
                "the destination runs the guest, and the source does not answer",
            )
        }
        // QEMU 10.0 that cancels multifd over TLS on a dead link says good-bye on each channel, with its main loop and its guest standing still.
        Machine::Silent(_) if destination.machine.is_gone() => Step::Sever,
        Machine::Silent(_) => Step::Nothing,
        Machine::State(_) if source.is(&MigrationStatus::Completed) => handed_over(snapshot),
        Machine::State(_) if source.is_in_post_copy() && source.machine.runs() => {
            Step::Fence(Role::Source, "the guest has moved on in post-copy")
        }
        // The source still has all of it. QEMU 10.0 refuses ("Migration is not finalized yet"), a later one may not.
        Machine::State(_)
            if source.is_in_post_copy() && destination.machine.is_gone() && !destination.ran =>
        {
            Step::Continue(
                Role::Source,
                "the destination is gone and never ran the guest",
            )
        }
        // The rest is on its way, if there is one.
        Machine::State(_) if source.has_sent_all() => Step::Wait,
        // Both sides are needed for it.
        Machine::State(_) if source.is_in_post_copy() => Step::Nothing,
        Machine::State(_) if source.was_in_post_copy && destination.ran => moved_on(snapshot),
        Machine::State(_) => not_handed_over(snapshot),
    }
}

/// QEMU 10.0.2 that loses its connection in post-copy when all memory is sent tells that the migration failed, and wakes its guest.
fn moved_on(snapshot: &Snapshot) -> Step {
    if snapshot.source.machine.runs() {
        return Step::Fence(
            Role::Source,
            "its copy is that of the switch-over, and the guest has moved on in post-copy",
        );
    }
    if receives(&snapshot.destination) {
        return Step::Wait;
    }
    Step::Nothing
}

/// Whether what is still on its way can make the guest whole: carriers and kernels deliver it, though nobody sends any more.
fn receives(destination: &Side) -> bool {
    destination.machine.runs() && destination.is(&MigrationStatus::PostcopyActive)
}

fn without_source(snapshot: &Snapshot) -> Step {
    let destination = &snapshot.destination;
    let Machine::State(state) = &destination.machine else {
        return Step::Nothing;
    };
    match (state, destination.migration.as_ref()) {
        (RunState::Paused, Some(MigrationStatus::Completed)) => Step::Continue(
            Role::Destination,
            "the source is gone and the destination has all of the guest",
        ),
        // It may have all of it and be busy with loading it.
        (RunState::InMigrate, Some(MigrationStatus::Active | MigrationStatus::Completed)) => {
            Step::Wait
        }
        _ if receives(destination) => Step::Wait,
        _ => Step::Nothing,
    }
}

fn handed_over(snapshot: &Snapshot) -> Step {
    let Sides {
        source,
        destination,
    } = snapshot;
    match &destination.machine {
        Machine::State(_) if source.machine.runs() => Step::Fence(
            Role::Source,
            "the migration has completed: the guest is the destination's",
        ),
        Machine::State(RunState::Paused) if destination.is(&MigrationStatus::Completed) => {
            Step::Continue(
                Role::Destination,
                "the migration has completed and the destination has all of the guest",
            )
        }
        Machine::State(RunState::InMigrate) => Step::Wait,
        // QEMU lets a source run on whose migration has completed. That is a way back only if nothing has happened since.
        Machine::Gone(_) if !destination.ran && !source.machine.runs() => Step::Continue(
            Role::Source,
            "the destination is gone and never ran the guest",
        ),
        _ => Step::Nothing,
    }
}

fn not_handed_over(snapshot: &Snapshot) -> Step {
    let Sides {
        source,
        destination,
    } = snapshot;
    let over = matches!(
        source.migration,
        None | Some(MigrationStatus::None | MigrationStatus::Failed | MigrationStatus::Cancelled)
    );
    if !destination.machine.is_gone() {
        // It may still get what it lacks out of some buffer, and run. Not even a cancel stops that: a QEMU that is told so while it sends
        // the device state wakes the source's copy, and the destination's wakes too.
        return Step::Fence(
            Role::Destination,
            "the migration has not completed: the guest is the source's",
        );
    }
    if !over {
        return Step::Cancel;
    }
    if source.machine.runs() {
        return Step::Nothing;
    }
    Step::Continue(
        Role::Source,
        "the migration has not completed and the destination is gone",
    )
}

/// Does what is needed until nothing is, as far as it can be done in a bounded time. Returns what both sides say then.
pub(super) async fn settle(hosts: &Hosts, notes: &Notes) -> Snapshot {
    let deadline = Instant::now() + SETTLED_WITHIN;
    let (mut told, mut refused) = (Vec::new(), 0);
    loop {
        let snapshot = health::look(hosts).await;
        let troubles = health::troubles(&snapshot);
        if troubles != told {
            health::note(notes, &snapshot);
            told = troubles;
        }
        let step = next(&snapshot);
        if step == Step::Nothing || Instant::now() >= deadline {
            return snapshot;
        }
        if act(hosts, notes, step).await {
            refused = 0;
        } else {
            refused += 1;
        }
        if refused >= TRIES {
            return snapshot;
        }
        sleep(LOOK_AGAIN_AFTER).await;
    }
}

/// Tells whether it was done.
async fn act(hosts: &Hosts, notes: &Notes, step: Step) -> bool {
    let (host, name, reason) = match step {
        Step::Nothing | Step::Wait => return true,
        Step::Cancel => (
            Role::Source,
            "rollback",
            "the migration is over for everybody but QEMU on the source",
        ),
        Step::Sever => (
            Role::Source,
            "sever",
            "QEMU on the source does not answer, and its peer is gone",
        ),
        Step::Fence(role, reason) => (role, "fence", reason),
        Step::Continue(role, reason) => (role, "continue", reason),
    };
    let there = hosts.host(host);
    let answer = async {
        match step {
            Step::Nothing | Step::Wait => Ok(()),
            Step::Cancel => there.call(calls::CancelMigration).await.map(drop),
            Step::Sever => there.call(calls::Sever).await.map(drop),
            Step::Fence(_, reason) => {
                let reason = reason.to_owned();
                there.call(calls::Fence { reason }).await
            }
            Step::Continue(..) => there.call(calls::Continue).await,
        }
    };
    let answer = timeout(STEP_WITHIN, answer).await;
    let refusal = match answer {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(_) => Some(format!("no answer within {STEP_WITHIN:.0?}")),
    };
    let data = json!({ "host": host, "reason": reason, "refused": refusal });
    notes.add(name, data);
    refusal.is_none()
}

/// After a migration of which the source could tell no end: saves the guest where that is possible, and proves it.
pub(super) async fn after_error(attempt: &mut Attempt<'_>) -> Integrity {
    let restored = attempt.hosts.lab().with(Lab::restore_all).await;
    if let Err(error) = restored {
        tracing::debug!(%error, "a link stays cut");
    }
    let hosts = &*attempt.hosts;
    let snapshot = settle(hosts, &attempt.notes).await;
    for role in Role::BOTH {
        // What the carriers still have to say belongs to the evidence.
        let end = hosts.host(role).call(calls::DismissCarriers);
        let _ = timeout(STEP_WITHIN, end).await;
    }
    let running_on = attempt.running_on().await;
    let pages = attempt.pages;
    let verified = if is_whole(&snapshot) {
        attempt.verify(&running_on).await
    } else {
        Ok(None)
    };
    let memory_intact = match (&verified, pages) {
        (Ok(Some(verified)), Some(pages)) => {
            Some(verified.intact() && verified.pages_checked == pages)
        }
        _ => None,
    };
    if let Err(error) = &verified {
        not_verified(&attempt.notes, error);
    }
    let checked = |verified: &Verified| verified.pages_checked;
    Integrity {
        memory_intact,
        running_on,
        pages_checked: verified.ok().flatten().as_ref().map_or(0, checked),
        signs_of_life: None,
    }
}

/// Nobody knows whether the guest's memory is intact.
pub(super) fn not_verified(notes: &Notes, error: &AgentError) {
    notes.add("not-verified", json!({ "reason": error.to_string() }));
}

/// Whether a guest that runs has all of its memory where it runs. One without would stop at the first page that it lacks.
pub(super) fn is_whole(snapshot: &Snapshot) -> bool {
    let source = &snapshot.source;
    let destination = &snapshot.destination;
    let moved = source.is_in_post_copy() || destination.is_in_post_copy();
    !moved || source.machine.runs()
}

/// Longest way: a destination that loads, or a source that leaves its migration.
const SETTLED_WITHIN: Duration = Duration::from_secs(15);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// A QEMU that is leaving a migration refuses for some milliseconds.
const TRIES: u32 = 10;
/// To cancel takes 5 s at most, all else milliseconds.
const STEP_WITHIN: Duration = Duration::from_secs(8);

#[cfg(test)]
mod tests;
