//! The controller's end of an agent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};

use super::frames::{Reader, Writer};
use super::protocol::{Call, Failure, Notice, Request, Told};
use crate::role::Role;

/// Why an agent's answer is missing.
#[derive(Debug, Error)]
pub enum AgentError {
    /// The agent says why.
    #[error("{}", .0.message)]
    Failed(Failure),
    /// The agent is gone.
    #[error("the agent on the {role} is gone")]
    Gone {
        /// Which.
        role: Role,
    },
    /// The answer is none of ours.
    #[error("the agent on the {role} answered with something else")]
    Nonsense {
        /// Which.
        role: Role,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

type Waiting = Arc<Mutex<Option<HashMap<u64, oneshot::Sender<Result<Value, Failure>>>>>>;

/// An agent to talk to.
pub struct AgentClient {
    role: Role,
    output: AsyncMutex<Writer<Box<dyn AsyncWrite + Send + Unpin>>>,
    /// Who waits for which answer; `None` once the agent is gone.
    waiting: Waiting,
    next_id: std::sync::atomic::AtomicU64,
    lost: watch::Receiver<()>,
}

impl AgentClient {
    /// Talks over an agent's standard streams. The receiver gets its notices, with the role.
    pub fn new(
        role: Role,
        input: impl AsyncRead + Send + Unpin + 'static,
        output: impl AsyncWrite + Send + Unpin + 'static,
        notices: mpsc::UnboundedSender<(Role, Notice)>,
    ) -> Self {
        let waiting: Waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let (alive, lost) = watch::channel(());
        tokio::spawn(listen(
            role,
            Reader::new(input),
            waiting.clone(),
            notices,
            alive,
        ));
        AgentClient {
            role,
            output: AsyncMutex::new(Writer::new(Box::new(output))),
            waiting,
            next_id: 1.into(),
            lost,
        }
    }

    /// Which end it serves.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns once the agent is gone.
    pub async fn gone(&self) {
        // The listener drops its end when the agent's output closes; nothing is ever sent.
        let _ = self.lost.clone().changed().await;
    }

    /// Asks and waits. A dropped call's answer is thrown away; the agent does what it was asked all the same.
    pub async fn call<T: DeserializeOwned>(&self, request: Request) -> Result<T, AgentError> {
        let gone = AgentError::Gone { role: self.role };
        let id = self
            .next_id
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        match self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
        {
            Some(waiting) => waiting.insert(id, sender),
            None => return Err(gone),
        };
        if self
            .output
            .lock()
            .await
            .send(&Call { id, request })
            .await
            .is_err()
        {
            return Err(gone);
        }
        let Ok(result) = answer.await else {
            return Err(gone);
        };
        let value = result.map_err(AgentError::Failed)?;
        serde_json::from_value(value).map_err(|source| AgentError::Nonsense {
            role: self.role,
            source,
        })
    }
}

async fn listen(
    role: Role,
    mut input: Reader<impl AsyncRead + Unpin>,
    waiting: Waiting,
    notices: mpsc::UnboundedSender<(Role, Notice)>,
    _alive: watch::Sender<()>,
) {
    loop {
        match input.next().await {
            Ok(Some(Told::Answer { id, result })) => {
                let sender = waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .as_mut()
                    .and_then(|waiting| waiting.remove(&id));
                if let Some(sender) = sender {
                    let _ = sender.send(result);
                }
            }
            Ok(Some(Told::Notice(notice))) => drop(notices.send((role, notice))),
            Ok(None) => break,
            Err(error) => {
                tracing::error!(%role, %error, "the agent's stream broke");
                break;
            }
        }
    }
    // Dropping the senders wakes every caller.
    waiting
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
}
