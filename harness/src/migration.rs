//! One migration from `migrate` to its end: readings, the policy's decisions, the timeout.
//!
//! Runs in the source's agent, next to the guest. Knows the guest only through [`Guest`], so a simulated one serves too.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use crate::clock::monotonic_ns;
use crate::hypervisor::{
    EventKind, Guest, GuestError, GuestEvent, GuestEvents, MigrationStatus, Reading, Stream,
};
use crate::policy::{Action, Deadline, Decision, Policy};
use crate::spec::TimeoutAction;

mod cancel;
mod decisions;
mod order;
mod recovering;
mod recovery_handle;
mod switchover;
mod verdict;
mod woken;

use decisions::{Tally, Thought};
pub use order::{Command, Order};
pub use recovery_handle::RecoveryHandle;
use recovery_handle::Stillness;

/// What to migrate with.
pub struct Plan<'a> {
    /// Where to.
    pub stream: &'a Stream,
    /// Who decides.
    pub policy: Box<dyn Policy>,
    /// Time allowed.
    pub timeout: Duration,
    /// What happens then.
    pub timeout_action: TimeoutAction,
    /// Longest time between two readings; every dirty sync gives one more. `None` takes them as seldom as the timeout allows, and at
    /// dirty syncs only for a policy that decides.
    pub sample: Option<Duration>,
    /// What an operator wants meanwhile.
    pub orders: mpsc::UnboundedReceiver<Command>,
    /// Who gives a post-copy that lost its connection a new one; without it such a post-copy has failed.
    pub recovery: Option<RecoveryHandle>,
}

/// Who is told while it goes on.
pub trait Observer: Send {
    /// A reading, when it was asked for, and what it was taken for: `pass`, `interval` or `final`.
    fn reading(&mut self, asked_ns: u64, trigger: &'static str, reading: &Reading);
    /// Something that happened: the hypervisor's event or a decision (`policy`, `timeout`, `operator`).
    fn event(&mut self, event: GuestEvent);
}

/// How a migration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The destination has the guest.
    Completed,
    /// It did not converge: the timeout came first, or the policy gave up.
    TimedOut,
    /// Somebody asked for it.
    Cancelled,
    /// It broke.
    Failed,
}

/// The end of a migration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub ending: Ending,
    /// Why, unless it completed.
    pub reason: Option<String>,
    /// Whether the guest had been stopped for it, so that it arrived stopped.
    #[serde(default)]
    pub stopped: bool,
    /// When the hypervisor had accepted `migrate`, ns on this host's clock.
    pub accepted_ns: u64,
    /// When the source reported the end.
    pub finished_ns: u64,
    /// The reading after the end.
    pub last: Option<Reading>,
}

/// Migrates and returns when the source says that it is over. An error means that the source's hypervisor is lost.
pub async fn run(
    guest: &dyn Guest,
    plan: Plan<'_>,
    observer: &mut dyn Observer,
) -> Result<Ended, GuestError> {
    let mut events = guest.events();
    guest.migrate(plan.stream).await?;
    let accepted_ns = monotonic_ns();
    let began = json!({ "stream": plan.stream });
    observer.event(GuestEvent::own("migrate", began));
    let mut run = Running {
        guest,
        observer,
        deadline: Deadline::new(plan.timeout, plan.timeout_action),
        keeps_reading: plan.sample.is_some() || plan.policy.needs_readings(),
        policy: plan.policy,
        started: Instant::now(),
        stopped: false,
        pass: 0,
        in_post_copy: false,
        cancelled: None,
        gave_up: None,
        tally: Tally::default(),
        status: MigrationStatus::None,
        recovery_after: plan.recovery.as_ref().map(|recovery| recovery.after),
        stillness: Stillness::default(),
        given_up: None,
    };
    let finished = run
        .until_final(&mut *events, plan.sample, plan.orders, plan.recovery)
        .await;
    let (last_status, finished_ns) = match finished {
        Ok(finished) => finished,
        Err(GuestError::Gone { .. }) => return Err(guest.exit_reason().await),
        Err(error) => return Err(error),
    };
    let ended_as = |status: MigrationStatus| last_status == Last::Status(status);
    if ended_as(MigrationStatus::Failed) && run.in_post_copy {
        run.hold_back(&mut *events).await?;
    }
    if run.policy.needs_readings()
        && let Some(event) = run.tally.event()
    {
        run.observer.event(event);
    }
    let asked_ns = monotonic_ns();
    let last = guest.reading().await?;
    run.observer.reading(asked_ns, "final", &last);
    if run.stopped && !ended_as(MigrationStatus::Completed) && !run.in_post_copy {
        // The hypervisor lets a guest run again that it stopped itself, not one that we stopped.
        let reason = format!("the migration is {last_status} and the guest was stopped for it");
        let resume = Decision {
            action: Action::Resume,
            reason,
        };
        run.act(Who::Policy, &resume, None).await?;
    }
    let (ending, reason) = run.judge(&last_status, finished_ns, &last);
    Ok(Ended {
        ending,
        reason,
        stopped: run.stopped,
        accepted_ns,
        finished_ns,
        last: Some(last),
    })
}

struct Running<'a> {
    guest: &'a dyn Guest,
    observer: &'a mut dyn Observer,
    deadline: Deadline,
    policy: Box<dyn Policy>,
    /// Whether anybody wants to know how it goes on, beyond whether it does.
    keeps_reading: bool,
    started: Instant,
    /// Whether a decision stopped the guest.
    stopped: bool,
    /// The last pass that was seen: the answer after a cancel knows none.
    pass: u64,
    /// Whether the guest's ownership has begun to change, after which no cancel takes it back.
    in_post_copy: bool,
    /// When a cancel was asked for, and by whom.
    cancelled: Option<(u64, Who)>,
    /// Why the policy cancelled, if it was the one that did.
    gave_up: Option<String>,
    tally: Tally,
    /// The last status that the hypervisor has told of.
    status: MigrationStatus,
    /// When a still post-copy gets a new connection, if it may.
    recovery_after: Option<Duration>,
    stillness: Stillness,
    /// Why there will be no new connection.
    given_up: Option<String>,
}

/// What ended the loop.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Last {
    /// The migration came to a status after which nothing follows.
    Status(MigrationStatus),
    /// Nobody waits for one any more.
    GivenUp,
}

impl std::fmt::Display for Last {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Last::Status(status) => status.fmt(formatter),
            Last::GivenUp => formatter.write_str("given-up"),
        }
    }
}

/// Who decides; the name of the event that tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Policy,
    Timeout,
    Operator,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Who::Policy => "policy",
            Who::Timeout => "timeout",
            Who::Operator => "operator",
        }
    }
}

impl Running<'_> {
    /// Returns what ended it, and when.
    async fn until_final(
        &mut self,
        events: &mut dyn GuestEvents,
        every: Option<Duration>,
        mut orders: mpsc::UnboundedReceiver<Command>,
        mut recovery: Option<RecoveryHandle>,
    ) -> Result<(Last, u64), GuestError> {
        let mut ticks = match every {
            Some(every) => interval(every),
            None if self.keeps_reading => interval(FOR_POLICY),
            None => interval_at(self.started + FOR_TIMEOUT, FOR_TIMEOUT),
        };
        // A reading that comes late must not be followed by a burst of others.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                event = events.next() => {
                    let Some(event) = event else { return Err(self.guest.exit_reason().await) };
                    let (kind, at_ns) = (event.kind.clone(), event.at_ns);
                    if let EventKind::Migration(status) = &kind {
                        self.heard(status);
                    }
                    self.observer.event(event);
                    match kind {
                        EventKind::Migration(status) if self.is_final(&status) => {
                            return Ok((Last::Status(status), at_ns));
                        }
                        EventKind::Migration(MigrationStatus::PreSwitchover) => {
                            self.switch_over().await?;
                        }
                        EventKind::MigrationPass(_) if self.keeps_reading => {
                            self.read("pass", Some(at_ns)).await?;
                        }
                        _ => {}
                    }
                }
                Some(command) = orders.recv() => self.execute(command).await?,
                reason = recovery_handle::given_up(&mut recovery) => {
                    self.given_up = Some(reason);
                    return Ok((Last::GivenUp, monotonic_ns()));
                }
                _ = ticks.tick() => {
                    // The event may have been missed only if the capability `events` is off; a final status ends it too.
                    let status = self.read("interval", None).await?;
                    if self.is_final(&status) {
                        return Ok((Last::Status(status), monotonic_ns()));
                    }
                    if !self.is_recovering(&status) && self.deadline.hopeless(self.started.elapsed()) {
                        return Ok((Last::GivenUp, monotonic_ns()));
                    }
                }
            }
        }
    }

    /// `event_ns` is when the event happened that calls for it.
    async fn read(
        &mut self,
        trigger: &'static str,
        event_ns: Option<u64>,
    ) -> Result<MigrationStatus, GuestError> {
        let asked_ns = monotonic_ns();
        let reading = self.guest.reading().await?;
        let now = self.started.elapsed();
        self.observer.reading(asked_ns, trigger, &reading);
        let progress = reading.progress();
        let status = progress.status.clone();
        if self.is_final(&status) {
            return Ok(status);
        }
        self.tell_if_still(now, &progress);
        let began_ns = monotonic_ns();
        let policys = self.policy.on_progress(now, &progress);
        let thought = Thought {
            since_ns: event_ns.unwrap_or(asked_ns),
            cost_ns: monotonic_ns().saturating_sub(began_ns),
        };
        self.tally.thought(thought);
        let timeouts = self.deadline.on_progress(now, &progress);
        self.pass = self.pass.max(progress.pass);
        self.in_post_copy |= progress.in_post_copy();
        for decision in policys {
            self.act(Who::Policy, &decision, Some(thought)).await?;
        }
        if let Some(decision) = timeouts {
            self.act(Who::Timeout, &decision, None).await?;
        }
        Ok(status)
    }

    async fn act(
        &mut self,
        who: Who,
        decision: &Decision,
        thought: Option<Thought>,
    ) -> Result<(), GuestError> {
        let mut data = json!(decision);
        if let Some(thought) = thought {
            self.tally.acts(thought, &mut data);
        }
        self.observer.event(GuestEvent::own(who.name(), data));
        if decision.action == Action::Cancel
            && let Some(reason) = cancel::refusal(&self.status)
        {
            let refused = json!({ "operation": "migrate_cancel", "reason": reason });
            self.observer.event(GuestEvent::own("refused", refused));
            return Ok(());
        }
        match decision.action {
            Action::Pause => self.stopped = true,
            Action::Resume => self.stopped = false,
            _ => {}
        }
        if decision.action == Action::Cancel && !self.in_post_copy {
            let (_, by) = *self.cancelled.get_or_insert((monotonic_ns(), who));
            if by == Who::Policy {
                self.gave_up.get_or_insert_with(|| decision.reason.clone());
            }
        }
        match self.guest.apply(&decision.action).await {
            // The migration may have ended or moved on between the reading and the action; the next reading tells.
            Err(GuestError::Refused { operation, reason }) => {
                self.observer.event(GuestEvent::own(
                    "refused",
                    json!({ "operation": operation, "reason": reason }),
                ));
                Ok(())
            }
            other => other,
        }
    }
}

/// Time between readings that only a policy needs.
const FOR_POLICY: Duration = Duration::from_millis(100);
/// Time between readings that only tell whether the stream still moves when the timeout comes.
const FOR_TIMEOUT: Duration = Duration::from_secs(1);
#[cfg(test)]
mod tests;
