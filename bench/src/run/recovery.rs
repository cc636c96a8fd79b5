//! Gives a post-copy that lost its connection a new one, while its migration goes on: a few attempts after each loss, then the end of hope.
//!
//! Lost is what QEMU says is lost, and what the source's agent finds silent, once the guest runs at the destination. What a new one is
//! made of is `wiring`'s.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::hypervisor::{MigrationId, MigrationStatus};
use lmbench_harness::role::Role;
use lmbench_harness::spec::{ATTEMPT_WITHIN, Stage};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::health::{self, Machine, Snapshot};
use super::hosts::Hosts;
use super::notes::Notes;
use super::wiring;
use crate::scenario::Setup;

/// The recoveries of one migration.
pub(super) struct Recovery<'a> {
    hosts: &'a Hosts,
    setup: &'a Setup,
    notes: Notes,
    /// The source's migration status that was heard last; `none` before the first.
    status: MigrationStatus,
    /// Attempts so far, over all losses.
    made: u32,
    /// Attempts left after this loss.
    left: u32,
    /// Whether an operator asked for the next one.
    asked: bool,
    state: State<'a>,
}

enum State<'a> {
    Idle,
    LettingGo(Pin<Box<dyn Future<Output = ()> + 'a>>),
    Due(Instant),
    Trying(Pin<Box<dyn Future<Output = Result<(), Failed>> + 'a>>),
    GivingUp(Pin<Box<dyn Future<Output = ()> + 'a>>),
}

/// Why an attempt came to nothing.
struct Failed {
    reason: String,
    /// Whether no other can do better.
    last: bool,
}

impl<'a> Recovery<'a> {
    pub(super) fn new(hosts: &'a Hosts, setup: &'a Setup, notes: Notes) -> Self {
        Recovery {
            hosts,
            setup,
            notes,
            status: MigrationStatus::None,
            made: 0,
            left: setup.migration.recovery.attempts,
            asked: false,
            state: State::Idle,
        }
    }

    /// The migration has come to a stage.
    pub(super) fn reached(&mut self, stage: &Stage) {
        match stage {
            Stage::Status(status) => {
                tracing::debug!("the source's migration is {status}");
                self.status = status.clone();
                let waits = matches!(self.state, State::Idle | State::LettingGo(_));
                if *status == MigrationStatus::PostcopyPaused && waits && self.left > 0 {
                    self.state = State::Due(Instant::now());
                }
            }
            Stage::Still if matches!(self.state, State::Idle) => {
                let let_go = let_go_if_it_ran(self.hosts, self.notes.clone());
                self.state = State::LettingGo(Box::pin(let_go));
            }
            _ => {}
        }
    }

    /// Whether a death need not end the migration: a post-copy can go on over new carriers.
    pub(super) fn may_help(&self) -> bool {
        self.status.is_post_copy() && self.setup.migration.recovery.attempts > 0
    }

    /// An operator wants a new connection now, whatever became of the old one. Tells what is done, or why nothing is.
    pub(super) fn ask(&mut self) -> Result<String, String> {
        if !self.may_help() {
            let status = match &self.status {
                MigrationStatus::None => "about to begin",
                status => status.as_str(),
            };
            return Err(format!("nothing to recover: the migration is {status}"));
        }
        if matches!(self.state, State::Trying(_) | State::GivingUp(_)) {
            return Err("a new connection is being made already".to_owned());
        }
        self.left = self.left.max(1);
        self.asked = true;
        self.state = State::Due(Instant::now());
        Ok("a new connection is being made".to_owned())
    }

    /// Does the next thing that is due; never returns if nothing is. Dropped half-way it goes on where it was.
    pub(super) async fn step(&mut self) {
        match &mut self.state {
            State::Idle => std::future::pending().await,
            State::Due(at) => {
                sleep_until(*at).await;
                self.begin();
            }
            State::Trying(attempt) => {
                let result = attempt.await;
                self.judge(result);
            }
            State::LettingGo(told) | State::GivingUp(told) => {
                told.await;
                self.state = State::Idle;
            }
        }
    }

    fn begin(&mut self) {
        if self.status == MigrationStatus::Completed {
            self.state = State::Idle;
            return;
        }
        self.made += 1;
        self.left = self.left.saturating_sub(1);
        let (hosts, setup, number) = (self.hosts, self.setup, self.made);
        let (notes, asked) = (self.notes.clone(), std::mem::take(&mut self.asked));
        self.state = State::Trying(Box::pin(async move {
            let attempt = attempt(hosts, setup, number, asked, &notes);
            let within = || Failed {
                reason: format!("not done within {ATTEMPT_WITHIN:.0?}"),
                last: false,
            };
            let result = timeout(ATTEMPT_WITHIN, attempt).await;
            result.unwrap_or_else(|_| Err(within()))
        }));
    }

    fn judge(&mut self, result: Result<(), Failed>) {
        let attempt = self.made;
        self.state = match result {
            Ok(()) => {
                self.left = self.setup.migration.recovery.attempts;
                if self.status == MigrationStatus::PostcopyPaused {
                    // Older than the answer, or news of another loss: the next attempt looks first.
                    State::Due(Instant::now() + NEWS_WITHIN)
                } else {
                    State::Idle
                }
            }
            Err(Failed { reason, last }) => {
                let data = json!({ "attempt": attempt, "reason": reason });
                self.notes.add("recovery-failed", data);
                if last || self.left == 0 {
                    self.give_up(reason, last)
                } else {
                    State::Due(Instant::now() + self.setup.migration.recovery.pause)
                }
            }
        };
    }

    fn give_up(&self, reason: String, last: bool) -> State<'a> {
        let (hosts, attempts, notes) = (self.hosts, self.made, self.notes.clone());
        State::GivingUp(Box::pin(async move {
            let snapshot = health::look(hosts).await;
            health::note(&notes, &snapshot);
            let reason = if last {
                reason
            } else {
                format!(
                    "post-copy was cut off and {attempts} attempts to recover it failed, the last: {reason}; {}",
                    possessions(&snapshot)
                )
            };
            let migration = MigrationId::default();
            let give_up = calls::GiveUp { migration, reason };
            // A source that can't be told is found gone by whoever waits for its migration.
            let told = hosts.source.call(give_up).await;
            tracing::debug!(?told, "gave up on the post-copy");
        }))
    }
}

/// Has the source let go of a connection that may be dead, so that both QEMUs look for a new one. A destination that has not run its guest yet
/// would exit and take the guest with it, for the source's may not run again: its old connection is left to come back to life.
async fn let_go_if_it_ran(hosts: &Hosts, notes: Notes) {
    let mut snapshot = health::look(hosts).await;
    health::note(&notes, &snapshot);
    let left = snapshot.source.remaining_bytes;
    if !snapshot.destination.ran {
        let reason =
            "the guest does not run at the destination yet, which would end with the connection";
        notes.add("recovery-waits", json!({ "reason": reason }));
    }
    while !snapshot.destination.ran {
        sleep(LOOK_AGAIN_AFTER).await;
        snapshot = health::look(hosts).await;
        let flows = snapshot.source.remaining_bytes != left;
        if flows || snapshot.destination.machine.is_gone() {
            return;
        }
    }
    if snapshot.source.has_sent_all() {
        notes.add("recovery-waits", json!({ "reason": SENT_ALL }));
        while snapshot.source.has_sent_all() {
            sleep(LOOK_AGAIN_AFTER).await;
            snapshot.source = health::look_at(hosts, Role::Source).await;
        }
        return;
    }
    let let_go = calls::LetGo;
    if let Err(error) = hosts.source.call(let_go).await {
        let reason = error.to_string();
        notes.add(
            "refused",
            json!({ "operation": "migrate-pause", "reason": reason }),
        );
    }
}

async fn attempt(
    hosts: &Hosts,
    setup: &Setup,
    number: u32,
    asked: bool,
    notes: &Notes,
) -> Result<(), Failed> {
    let source = health::look_at(hosts, Role::Source).await;
    let flows = matches!(
        source.migration,
        Some(MigrationStatus::PostcopyActive | MigrationStatus::Completed)
    );
    if flows && !asked {
        return Ok(());
    }
    if source.has_sent_all() {
        notes.add("recovery-waits", json!({ "reason": SENT_ALL }));
        return Ok(());
    }
    notes.add("recovery-started", json!({ "attempt": number }));
    let snapshot = once_it_ran(hosts).await;
    health::note(notes, &snapshot);
    let connected = connection(hosts, setup, number, notes).await;
    connected.map_err(|error| match &snapshot.destination.machine {
        Machine::Gone(how) => Failed {
            reason: format!(
                "{how} in post-copy, and with it the guest: {}",
                possessions(&snapshot)
            ),
            last: true,
        },
        _ => Failed {
            reason: error.to_string(),
            last: false,
        },
    })
}

/// Looks until the guest has run at the destination, or that is not to be expected. A QEMU 10.0 that still loads the device state exits
/// when its connection ends, so the old one is left to bring what it can.
async fn once_it_ran(hosts: &Hosts) -> Snapshot {
    let deadline = Instant::now() + RUNS_WITHIN;
    loop {
        let snapshot = health::look(hosts).await;
        let destination = &snapshot.destination;
        if destination.ran || destination.machine.is_gone() || Instant::now() >= deadline {
            return snapshot;
        }
        sleep(LOOK_AGAIN_AFTER).await;
    }
}

/// A new connection in place of the old one; returns when the stream flows over it.
async fn connection(
    hosts: &Hosts,
    setup: &Setup,
    number: u32,
    notes: &Notes,
) -> Result<(), AgentError> {
    let began = Instant::now();
    let after_ms = || began.elapsed().as_secs_f64() * 1e3;
    let end = || calls::DismissCarriers;
    let (source, destination) =
        tokio::join!(hosts.source.call(end()), hosts.destination.call(end()));
    source.and(destination)?;
    let network = setup.network.inbound;
    let wired = wiring::reconnect(hosts, &setup.carrier, network, number).await?;
    let data =
        json!({ "attempt": number, "after_ms": after_ms(), "handshake_ms": wired.handshake_ms });
    notes.add("recovery-connected", data);
    let resume = calls::ResumePostCopy {
        stream: wired.stream,
        within: FLOWS_WITHIN,
    };
    hosts.source.call(resume).await?;
    let data = json!({ "attempt": number, "after_ms": after_ms() });
    notes.add("recovered", data);
    Ok(())
}

/// Which host has what of a guest whose post-copy did not end.
fn possessions(snapshot: &Snapshot) -> String {
    let rest = snapshot.source.remaining_bytes;
    let rest = rest.map_or("the rest".to_owned(), |bytes| {
        format!("{} MiB", bytes >> 20)
    });
    match (&snapshot.source.machine, &snapshot.destination.machine) {
        (_, Machine::Gone(_)) if !snapshot.destination.ran => {
            "the source still has all of it, but a QEMU that has begun with post-copy lets its guest run no more".to_owned()
        }
        (_, Machine::Gone(_)) => {
            "the source has its memory as of the switch-over, which must not run: the guest went on after it".to_owned()
        }
        (Machine::Gone(_), _) => {
            format!("the destination has the guest without {rest} of its memory, which was lost with the source")
        }
        _ => format!("the destination has the guest without {rest} of its memory, which only the source has"),
    }
}

const SENT_ALL: &str = "the source has sent all memory and waits for the destination's word; QEMU that loses its connection now would run its old copy of the guest";
/// For a link that comes back to bring the pages that the device state lies in.
const RUNS_WITHIN: Duration = Duration::from_secs(15);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Between an answer of an agent and what it had told before.
const NEWS_WITHIN: Duration = Duration::from_millis(500);
/// Handshakes of both QEMUs and the bitmap of what has arrived: a few round trips, unless the link loses most of them.
const FLOWS_WITHIN: Duration = Duration::from_secs(20);
