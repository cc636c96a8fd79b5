//! The controller's end of an agent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};

use super::calls::{Call, Request};
use super::frames::{Reader, Writer};
use super::protocol::{Death, Envelope, Failure, Message, Notice};
use crate::hypervisor::GuestId;
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
    /// The agent lives, but says nothing.
    #[error("the agent on the {role} did not answer within {within:.0?}")]
    Silent {
        /// Which.
        role: Role,
        /// How long was waited.
        within: Duration,
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
    death: Arc<watch::Sender<Option<Death>>>,
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
        let death = Arc::new(watch::channel(None).0);
        let reader = ReaderTask {
            role,
            waiting: waiting.clone(),
            notices,
            death: death.clone(),
            _alive: alive,
        };
        tokio::spawn(reader.run(Reader::new(input)));
        AgentClient {
            role,
            output: AsyncMutex::new(Writer::new(Box::new(output))),
            waiting,
            next_id: 1.into(),
            lost,
            death,
        }
    }

    /// Which end it serves.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns once the agent is gone.
    pub fn gone(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut lost = self.lost.clone();
        // The listener drops its end when the agent's output closes; nothing is ever sent.
        async move { drop(lost.changed().await) }
    }

    /// Returns once a death that `counts` is known of this repeat on the agent's host.
    pub fn death(&self, counts: fn(&Death) -> bool) -> impl Future<Output = Death> + Send + use<> {
        let mut death = self.death.subscribe();
        async move {
            let first = death
                .wait_for(|death| death.as_ref().is_some_and(counts))
                .await
                .map(|death| death.clone());
            match first {
                Ok(Some(death)) => death,
                // A lost agent tells of no deaths, and `gone` tells of it.
                _ => std::future::pending().await,
            }
        }
    }

    /// Begins a new repeat.
    pub fn forget_deaths(&self) {
        self.death.send_replace(None);
    }

    /// Asks about the only guest and waits, at most for [`Request::limit`]. A dropped call's answer is thrown away; the agent does what it was asked
    /// all the same, until the repeat ends.
    pub async fn call<C: Call>(&self, call: C) -> Result<C::Reply, AgentError> {
        self.call_about(GuestId::default(), call).await
    }

    /// As [`AgentClient::call`], about this guest of the host.
    pub async fn call_about<C: Call>(
        &self,
        guest: GuestId,
        call: C,
    ) -> Result<C::Reply, AgentError> {
        let request: Request = call.into();
        let within = request.limit();
        let answer = tokio::time::timeout(within, self.ask(guest, request)).await;
        let value = answer.unwrap_or(Err(AgentError::Silent {
            role: self.role,
            within,
        }))?;
        serde_json::from_value(value).map_err(|source| AgentError::Nonsense {
            role: self.role,
            source,
        })
    }

    async fn ask(&self, guest: GuestId, request: Request) -> Result<Value, AgentError> {
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
            .send(&Envelope { id, guest, request })
            .await
            .is_err()
        {
            return Err(gone);
        }
        let Ok(result) = answer.await else {
            return Err(gone);
        };
        result.map_err(AgentError::Failed)
    }
}

/// What the task that reads the agent's messages needs.
struct ReaderTask {
    role: Role,
    waiting: Waiting,
    notices: mpsc::UnboundedSender<(Role, Notice)>,
    death: Arc<watch::Sender<Option<Death>>>,
    _alive: watch::Sender<()>,
}

impl ReaderTask {
    async fn run(self, mut input: Reader<impl AsyncRead + Unpin>) {
        loop {
            match input.next().await {
                Ok(Some(Message::Answer { id, result })) => {
                    let sender = self
                        .waiting
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .as_mut()
                        .and_then(|waiting| waiting.remove(&id));
                    if let Some(sender) = sender {
                        let _ = sender.send(result);
                    }
                }
                Ok(Some(Message::Notice(Notice::Died(death)))) => {
                    // A killed process counts more than those that ended for its lack.
                    self.death.send_if_modified(|known| {
                        let new = known
                            .as_ref()
                            .is_none_or(|known| death.killed && !known.killed);
                        if new {
                            *known = Some(death);
                        }
                        new
                    });
                }
                Ok(Some(Message::Notice(notice))) => drop(self.notices.send((self.role, notice))),
                Ok(None) => break,
                Err(error) => {
                    // A killed agent may leave half a message.
                    tracing::debug!(role = %self.role, %error, "the agent's stream broke");
                    break;
                }
            }
        }
        // Dropping the senders wakes every caller.
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::calls::ReadClock;
    use crate::agent::frames::{Reader, Writer};

    type Far = tokio::io::DuplexStream;

    /// A client and the far ends of its pipes: what it writes, what it reads.
    fn client() -> (AgentClient, Far, Far) {
        let (output, far_input) = tokio::io::duplex(1 << 16);
        let (input, far_output) = tokio::io::duplex(1 << 16);
        let (notices, _) = mpsc::unbounded_channel();
        let client = AgentClient::new(Role::Source, input, output, notices);
        (client, far_input, far_output)
    }

    #[tokio::test(start_paused = true)]
    async fn a_frozen_agent_is_not_waited_for_for_ever() {
        let (client, _input, _output) = client();
        let error = client.call(ReadClock).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the agent on the source did not answer within 60s"
        );
    }

    #[tokio::test]
    async fn a_lost_agent_ends_every_call() {
        let (client, input, output) = client();
        let end = async {
            let call: Envelope = Reader::new(input).next().await.unwrap().unwrap();
            assert!(matches!(call.request, Request::ReadClock(_)));
            drop(output);
        };
        let (answer, ()) = tokio::join!(client.call(ReadClock), end);
        assert!(matches!(answer, Err(AgentError::Gone { .. })));
        client.gone().await;
        let later = client.call(ReadClock).await;
        assert!(matches!(later, Err(AgentError::Gone { .. })));
    }

    #[tokio::test]
    async fn a_killed_process_counts_more_than_one_that_followed_it() {
        let (client, _input, output) = client();
        let mut output = Writer::new(output);
        for (what, killed) in [("the sink", false), ("QEMU", true), ("the source", true)] {
            let what = what.to_owned();
            let death = Notice::Died(Death { what, killed });
            output.send(&Message::Notice(death)).await.unwrap();
        }
        assert_eq!(client.death(|death| death.killed).await.what, "QEMU");
        assert_eq!(client.death(|_| true).await.what, "QEMU");
        client.forget_deaths();
        let limit = Duration::from_millis(20);
        let none = tokio::time::timeout(limit, client.death(|_| true)).await;
        assert!(none.is_err());
    }
}
