//! What operators order while a migration goes on, done one after the other.

use std::pin::Pin;
use std::time::Duration;

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::agent::protocol::TimedEvent;
use lmbench_harness::clock::monotonic_ns;
use lmbench_harness::hypervisor::{MigrationId, MigrationStatus};
use lmbench_harness::lab::Lab;
use lmbench_harness::migration::Order;
use lmbench_harness::spec::{Network, Stage};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::hosts::{Host, SharedLab};
use crate::control::{Counter, Deed, Wanted};

/// Serves the desk for one migration.
pub(super) struct Operator<'a> {
    source: &'a Host,
    lab: SharedLab,
    counter: Counter,
    /// Whether the stream stands still because post-copy lost its network.
    interrupted: bool,
    current: Option<Pin<Box<dyn Future<Output = Served> + 'a>>>,
}

impl<'a> Operator<'a> {
    pub(super) fn new(source: &'a Host, lab: SharedLab, counter: Counter) -> Self {
        Operator {
            source,
            lab,
            counter,
            interrupted: false,
            current: None,
        }
    }

    /// The migration has come to a stage.
    pub(super) fn heard(&mut self, stage: &Stage) {
        if let Stage::Status(status) = stage {
            self.interrupted = *status == MigrationStatus::PostcopyPaused;
        }
    }

    /// Takes and does what is ordered; returns what others must know of or do. Given up half-way, the next call goes on.
    pub(super) async fn serve(&mut self) -> Served {
        loop {
            if self.current.is_none() {
                let wanted = self.counter.next().await;
                let (lab, interrupted) = (self.lab.clone(), self.interrupted);
                self.current = Some(Box::pin(carry_out(self.source, lab, interrupted, wanted)));
            }
            let Some(current) = &mut self.current else {
                continue;
            };
            let served = current.await;
            self.current = None;
            if !served.links.is_empty() || served.recover.is_some() {
                return served;
            }
        }
    }

    /// The migration is over, and what was done to the links: an order that was with the agent is answered by now.
    pub(super) async fn finish(mut self) -> Vec<TimedEvent> {
        match self.current.take() {
            Some(current) => {
                let served = tokio::time::timeout(ANSWER_SHOWS_WITHIN, current).await;
                served.unwrap_or_default().links
            }
            None => Vec::new(),
        }
    }
}

/// What came of an order beyond its answer.
#[derive(Default)]
pub(super) struct Served {
    /// What was done to the links.
    pub(super) links: Vec<TimedEvent>,
    /// A new connection is wanted.
    pub(super) recover: Option<Wish>,
}

/// Somebody who waits for a new connection to be made.
pub(super) struct Wish {
    answer: oneshot::Sender<Result<String, String>>,
    /// What was done for it already.
    before: String,
}

impl Wish {
    /// Tells him what is done, or why nothing is.
    pub(super) fn answer(self, said: Result<String, String>) {
        let before = self.before;
        let words = |text: String| format!("{before}{text}");
        // Who asked may have gone.
        let _ = self.answer.send(said.map(words).map_err(words));
    }
}

/// The answer to a wish for a new connection, as the events of the orders that the source's agent carries out.
pub(super) fn recover_event(said: &Result<String, String>) -> Value {
    let (outcome, detail) = match said {
        Ok(done) => ("done", done),
        Err(why) => ("refused", why),
    };
    json!({ "order": "recover", "outcome": outcome, "detail": detail })
}

async fn carry_out(source: &Host, lab: SharedLab, interrupted: bool, wanted: Wanted) -> Served {
    let Wanted { deed, answer } = wanted;
    match deed {
        Deed::Order(order) => {
            // Who asked may have gone.
            let _ = answer.send(order_of(source, order).await);
            Served::default()
        }
        Deed::Recover => Served {
            recover: Some(Wish {
                answer,
                before: String::new(),
            }),
            ..Served::default()
        },
        Deed::ResumeNetwork => match lab.with(Lab::restore_all).await {
            Err(error) => {
                let _ = answer.send(Err(crate::error::chain(&error)));
                Served::default()
            }
            Ok(restored) => {
                let links = restored.iter().copied().map(made_whole).collect();
                let done = match restored.len() {
                    0 => "no link was cut".to_owned(),
                    1 => "one link is whole again".to_owned(),
                    number => format!("{number} links are whole again"),
                };
                let recover = if interrupted {
                    Some(Wish {
                        answer,
                        before: format!("{done}; "),
                    })
                } else {
                    let _ = answer.send(if restored.is_empty() {
                        Err(format!("{done}, and nothing is to recover"))
                    } else {
                        Ok(done)
                    });
                    None
                };
                Served { links, recover }
            }
        },
    }
}

fn made_whole(network: Network) -> TimedEvent {
    TimedEvent {
        at_ns: monotonic_ns(),
        name: "link-restored".to_owned(),
        data: json!({ "network": network, "by": "operator" }),
    }
}

async fn order_of(source: &Host, order: Order) -> Result<String, String> {
    let migration = MigrationId::default();
    let answer = source.call(calls::GiveOrder { migration, order }).await;
    answer.map_err(|error| match error {
        AgentError::Failed(failure) => failure.message,
        lost => crate::error::chain(&lost),
    })
}

/// The agent answers an order that its migration did not take up any more at once.
const ANSWER_SHOWS_WITHIN: Duration = Duration::from_secs(2);
