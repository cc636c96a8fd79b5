//! One migration from `migrate` to its end: readings, the policy's decisions, the timeout.
//!
//! Runs in the source's agent, next to the guest. Knows the guest only through [`Guest`], so a simulated one serves too.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};

use crate::clock::monotonic_ns;
use crate::guest::{Guest, GuestError, GuestEvent, GuestEvents, Reading, Stream};
use crate::policy::{Action, Deadline, Decision, Policy};
use crate::spec::TimeoutAction;

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
    /// Becomes true when somebody wants the migration cancelled.
    pub cancel: tokio::sync::watch::Receiver<bool>,
}

/// Who is told while it goes on.
pub trait Observer: Send {
    /// A reading, when it was asked for, and what it was taken for: `pass`, `interval` or `final`.
    fn reading(&mut self, asked_ns: u64, trigger: &'static str, reading: &Reading);
    /// Something that happened: the hypervisor's event or a decision (`policy`).
    fn event(&mut self, event: GuestEvent);
}

/// How a migration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The destination has the guest.
    Completed,
    /// The timeout came first.
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
    /// When the hypervisor had accepted `migrate`, ns on this host's clock.
    pub accepted_ns: u64,
    /// When the source reported the end.
    pub finished_ns: u64,
    /// The last reading while the stream flowed: QEMU 9.2.4 may drop `ram` from the final one.
    pub last_active: Option<serde_json::Value>,
    /// The reading after the end.
    pub last: Option<serde_json::Value>,
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
    observer.event(event_now("migrate", json!({ "stream": plan.stream })));
    let mut run = Running {
        guest,
        observer,
        deadline: Deadline::new(plan.timeout, plan.timeout_action),
        keeps_reading: plan.sample.is_some() || plan.policy.needs_readings(),
        policy: plan.policy,
        started: Instant::now(),
        last_active: None,
        stopped: false,
        pass: 0,
        in_post_copy: false,
        cancelled_ns: None,
    };
    let finished = run
        .until_final(&mut *events, plan.sample, plan.cancel)
        .await;
    let (status, finished_ns, cancelled) = match finished {
        Ok(finished) => finished,
        Err(GuestError::Gone { .. }) => return Err(guest.obituary().await),
        Err(error) => return Err(error),
    };
    let asked_ns = monotonic_ns();
    let last = guest.reading().await?;
    run.observer.reading(asked_ns, "final", &last);
    if run.stopped && status != "completed" {
        // The hypervisor lets a guest run again that it stopped itself, not one that we stopped.
        let reason = format!("the migration is {status} and the guest was stopped for it");
        run.act(&Decision {
            action: Action::Resume,
            reason,
        })
        .await?;
    }
    let (ending, reason) = run.judge(&status, finished_ns, cancelled, &last);
    Ok(Ended {
        ending,
        reason,
        accepted_ns,
        finished_ns,
        last_active: run.last_active,
        last: Some(last.raw),
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
    last_active: Option<serde_json::Value>,
    /// Whether a decision stopped the guest.
    stopped: bool,
    /// The last pass that was seen: the answer after a cancel knows none.
    pass: u64,
    /// Whether the guest's ownership has begun to change, after which no cancel takes it back.
    in_post_copy: bool,
    /// When a cancel was asked for.
    cancelled_ns: Option<u64>,
}

impl Running<'_> {
    /// Returns the final status, when it was reached, and whether a user cancelled.
    async fn until_final(
        &mut self,
        events: &mut dyn GuestEvents,
        every: Option<Duration>,
        mut cancel: tokio::sync::watch::Receiver<bool>,
    ) -> Result<(String, u64, bool), GuestError> {
        let mut ticks = match every {
            Some(every) => interval(every),
            None if self.keeps_reading => interval(FOR_POLICY),
            None => interval_at(self.started + FOR_TIMEOUT, FOR_TIMEOUT),
        };
        // A reading that comes late must not be followed by a burst of others.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut cancelled = false;
        loop {
            tokio::select! {
                biased;
                event = events.next() => {
                    let Some(event) = event else { return Err(self.guest.obituary().await) };
                    let end = event.migration_status().filter(|status| is_final(status)).map(|status| (status.to_owned(), event.at_ns));
                    let pass = event.name == "MIGRATION_PASS";
                    self.observer.event(event);
                    if let Some((status, at_ns)) = end {
                        return Ok((status, at_ns, cancelled));
                    }
                    if pass && self.keeps_reading {
                        self.read("pass").await?;
                    }
                }
                Ok(()) = cancel.changed(), if !cancelled => {
                    cancelled = *cancel.borrow();
                    if cancelled {
                        self.act(&Decision { action: Action::Cancel, reason: "asked by the user".to_owned() }).await?;
                    }
                }
                _ = ticks.tick() => {
                    // The event may have been missed only if the capability `events` is off; a final status ends it too.
                    let status = self.read("interval").await?;
                    if is_final(&status) {
                        return Ok((status, monotonic_ns(), cancelled));
                    }
                    if self.deadline.hopeless(self.started.elapsed()) {
                        return Ok((GIVEN_UP.to_owned(), monotonic_ns(), cancelled));
                    }
                }
            }
        }
    }

    async fn read(&mut self, trigger: &'static str) -> Result<String, GuestError> {
        let asked_ns = monotonic_ns();
        let reading = self.guest.reading().await?;
        let now = self.started.elapsed();
        self.observer.reading(asked_ns, trigger, &reading);
        let status = reading.progress.status.clone();
        if is_final(&status) {
            return Ok(status);
        }
        let decisions = [
            self.policy.on_progress(now, &reading.progress),
            self.deadline.on_progress(now, &reading.progress),
        ];
        self.pass = self.pass.max(reading.progress.pass);
        self.in_post_copy |= reading.progress.in_post_copy();
        self.last_active = Some(reading.raw);
        for decision in decisions.into_iter().flatten() {
            self.act(&decision).await?;
        }
        Ok(status)
    }

    async fn act(&mut self, decision: &Decision) -> Result<(), GuestError> {
        self.observer.event(event_now("policy", json!(decision)));
        self.stopped |= decision.action == Action::Pause;
        if decision.action == Action::Cancel && !self.in_post_copy {
            self.cancelled_ns.get_or_insert(monotonic_ns());
        }
        match self.guest.apply(&decision.action).await {
            // The migration may have ended or moved on between the reading and the action; the next reading tells.
            Err(GuestError::Refused { operation, reason }) => {
                self.observer.event(event_now(
                    "refused",
                    json!({ "operation": operation, "reason": reason }),
                ));
                Ok(())
            }
            other => other,
        }
    }

    /// A cancel shuts QEMU's socket, and QEMU 10 may report the error of that instead of the cancel. What was reported
    /// before the cancel has failed by itself.
    fn judge(
        &self,
        status: &str,
        finished_ns: u64,
        cancelled: bool,
        last: &Reading,
    ) -> (Ending, Option<String>) {
        let by_cancel = status == "failed" && self.cancelled_ns.is_some_and(|at| finished_ns >= at);
        if !by_cancel {
            return self.verdict(status, cancelled, last);
        }
        let (ending, reason) = self.verdict("cancelled", cancelled, last);
        let words = last.error.as_deref().unwrap_or("without a reason");
        let reason = reason.map(|reason| format!("{reason} (reported as failed: {words})"));
        (ending, reason)
    }

    fn verdict(&self, status: &str, cancelled: bool, last: &Reading) -> (Ending, Option<String>) {
        let now = self.started.elapsed();
        let still = self.deadline.still_for(now);
        match status {
            "completed" => (Ending::Completed, None),
            "cancelled" if cancelled => {
                (Ending::Cancelled, Some("cancelled by the user".to_owned()))
            }
            "cancelled" if self.deadline.expired() && still >= STILL => (
                Ending::Failed,
                Some(format!(
                    "no byte moved for the last {:.1} s before the timeout",
                    still.as_secs_f64()
                )),
            ),
            "cancelled" if self.deadline.expired() => (
                Ending::TimedOut,
                Some(format!(
                    "not converged after {:.1} s, in pass {}",
                    now.as_secs_f64(),
                    self.pass
                )),
            ),
            "postcopy-paused" => (
                Ending::Failed,
                Some(
                    "post-copy was cut off: part of the guest's memory is on either host"
                        .to_owned(),
                ),
            ),
            GIVEN_UP => (
                Ending::Failed,
                Some(format!(
                    "given up after {:.1} s in state '{}': no byte moved for {:.1} s",
                    now.as_secs_f64(),
                    last.progress.status,
                    still.as_secs_f64()
                )),
            ),
            _ => {
                let detail = last
                    .error
                    .clone()
                    .unwrap_or_else(|| format!("QEMU ended it as '{status}' without a reason"));
                (Ending::Failed, Some(detail))
            }
        }
    }
}

fn is_final(status: &str) -> bool {
    matches!(
        status,
        "completed" | "failed" | "cancelled" | "postcopy-paused"
    )
}

fn event_now(name: &str, data: serde_json::Value) -> GuestEvent {
    GuestEvent {
        at_ns: monotonic_ns(),
        name: name.to_owned(),
        data,
    }
}

/// Time between readings that only a policy needs.
const FOR_POLICY: Duration = Duration::from_millis(100);
/// Time between readings that only tell whether the stream still moves when the timeout comes.
const FOR_TIMEOUT: Duration = Duration::from_secs(1);
/// Not a status of QEMU's: we stopped waiting for one.
const GIVEN_UP: &str = "given-up";
/// A stream that moved nothing for this long before the timeout is broken, not slow: QEMU flushes what it has at least
/// ten times a second, so even the slowest link moves something between readings.
const STILL: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests;
