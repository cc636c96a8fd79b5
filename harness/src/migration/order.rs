//! What an operator can ask for while a migration goes on, and how it is done.
//!
//! An order is answered once the hypervisor has answered, and stands in the record as the event `operator` with its outcome, at the
//! moment in which it was taken up.

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::oneshot;

use super::{Running, Who, cancel};
use crate::clock::monotonic_ns;
use crate::hypervisor::{Guest, GuestError, GuestEvent, MigrationStatus};
use crate::policy::{Action, Setting};

/// An operator's wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Give up; the guest stays on the source.
    Cancel,
    /// End it now at a price: post-copy if it was switched on for this migration, else stop the guest (Nova's `force_complete`).
    ForceComplete,
    /// Stop the guest.
    Pause,
    /// Let a guest run again that was stopped.
    Resume,
    /// Change a setting.
    Set(Setting),
}

/// An order on its way to the migration, and where its answer goes: what was done, or why it was not.
#[derive(Debug)]
pub struct Command {
    /// What is wanted.
    pub order: Order,
    /// Dropped unanswered, the migration ended first.
    pub answer: oneshot::Sender<Result<String, String>>,
}

/// What was done, or why it was not. The error around it means that the hypervisor is lost.
type Outcome = Result<Result<String, String>, GuestError>;

impl Running<'_> {
    pub(super) async fn execute(&mut self, command: Command) -> Result<(), GuestError> {
        let Command { order, answer } = command;
        let at_ns = monotonic_ns();
        let outcome = self.carry_out(&order).await;
        let said = match &outcome {
            Ok(said) => said.clone(),
            Err(lost) => Err(crate::error::chain(lost)),
        };
        let (word, detail) = match &said {
            Ok(done) => ("done", done),
            Err(why) => ("refused", why),
        };
        let data = json!({ "order": order, "outcome": word, "detail": detail });
        let event = GuestEvent::named(at_ns, Who::Operator.name(), data);
        self.observer.event(event);
        // Who asked may have gone.
        let _ = answer.send(said);
        outcome.map(drop)
    }

    async fn carry_out(&mut self, order: &Order) -> Outcome {
        if let Order::Set(setting) = order {
            let set = attempt(self.guest, &Action::Set(setting.clone())).await?;
            return Ok(set.map(|()| "set".to_owned()));
        }
        // The last reading may be old, and what is right in pre-copy loses the guest in post-copy.
        let progress = self.guest.reading().await?.progress();
        self.in_post_copy |= progress.in_post_copy();
        if self.is_final(&progress.status) {
            return Ok(Err(format!("the migration is {} already", progress.status)));
        }
        match order {
            _ if self.in_post_copy => Ok(Err(IN_POST_COPY.to_owned())),
            Order::Cancel => {
                match cancel::refusal(&progress.status).or(cancel::refusal(&self.status)) {
                    Some(reason) => Ok(Err(reason.to_owned())),
                    None => self.cancel().await,
                }
            }
            Order::ForceComplete => self.force_complete().await,
            Order::Pause => {
                let paused = self.pause().await?;
                Ok(paused.map(|()| "the guest is stopped".to_owned()))
            }
            Order::Resume => self.resume().await,
            Order::Set(_) => unreachable!("done above"),
        }
    }

    async fn cancel(&mut self) -> Outcome {
        let before = self.cancelled;
        // What QEMU reports may come before its answer.
        self.cancelled
            .get_or_insert((monotonic_ns(), Who::Operator));
        let taken = attempt(self.guest, &Action::Cancel).await?;
        if taken.is_err() {
            self.cancelled = before;
        }
        Ok(
            taken
                .map(|()| "the migration is being cancelled; the guest stays on the source".into()),
        )
    }

    async fn force_complete(&mut self) -> Outcome {
        let refused = match attempt(self.guest, &Action::StartPostCopy).await? {
            Ok(()) => return Ok(Ok("switching to post-copy".to_owned())),
            Err(refused) => refused,
        };
        let paused = self.pause().await?;
        Ok(paused
            .map(|()| format!("the guest is stopped until it arrives (no post-copy: {refused})")))
    }

    async fn pause(&mut self) -> Result<Result<(), String>, GuestError> {
        let paused = attempt(self.guest, &Action::Pause).await?;
        self.stopped |= paused.is_ok();
        Ok(paused)
    }

    /// The migration may complete between the reading and the hypervisor's `cont`, which would let the source's copy run. The
    /// destination's has arrived stopped and stays so until this migration is reported as over, so stopping the source again is in time.
    async fn resume(&mut self) -> Outcome {
        if !self.stopped {
            return Ok(Err("the guest was not stopped by anybody here".to_owned()));
        }
        if let Err(refused) = attempt(self.guest, &Action::Resume).await? {
            return Ok(Err(refused));
        }
        let status = self.guest.reading().await?.stats.status;
        if status == MigrationStatus::Completed {
            self.guest.apply(&Action::Pause).await?;
            return Ok(Err("the migration completed meanwhile".to_owned()));
        }
        self.stopped = false;
        Ok(Ok("the guest runs".to_owned()))
    }
}

/// Does it, or brings the hypervisor's words.
async fn attempt(guest: &dyn Guest, action: &Action) -> Result<Result<(), String>, GuestError> {
    match guest.apply(action).await {
        Ok(()) => Ok(Ok(())),
        Err(GuestError::Refused { operation, reason }) => {
            Ok(Err(format!("QEMU refused {operation}: {reason}")))
        }
        Err(lost) => Err(lost),
    }
}

const IN_POST_COPY: &str = "post-copy has begun: the guest runs on the destination and part of its memory is still on the source, so it can only go on";
