//! The agent's part when a migration is in trouble: a look at its QEMU, a new connection for a post-copy, the end of a copy of the guest
//! that must not run. What is done when is decided by the controller, which sees both hosts.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use super::failures::{failure, failure_of, refused, value};
use super::life::Life;
use super::protocol::Failure;
use super::serve::Agent;
use crate::hypervisor::{EventKind, GuestError, GuestEvent, MigrationStatus, RunState, Stream};
use crate::migration::RecoveryHandle;
use crate::policy::Action;
use crate::sockets::sever;
use crate::spec::RecoverySpec;

/// What can be asked about a migration in trouble.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryRequest {
    /// Answer: [`Condition`].
    Look,
    /// Ends the carriers of this host at once, in good order as far as they can. What they have said stays.
    EndCarriers,
    /// Listens where a probe of the way may come to. Answer: the address.
    ExpectProbe {
        /// Where.
        address: IpAddr,
    },
    /// Connects to the other host's probe, to see whether there is a way.
    Probe {
        /// Its address.
        to: SocketAddr,
        /// For how long to try.
        within: Duration,
    },
    /// Has the destination's QEMU, whose post-copy lost its connection, listen for a new one. Answer: the [`Stream`] with its real port.
    Recover {
        /// Where.
        stream: Stream,
    },
    /// Has the source's QEMU go on over a new connection. The answer comes when the stream flows.
    Resume {
        /// Where to.
        stream: Stream,
        /// For how long to wait for that.
        within: Duration,
    },
    /// Has QEMU let go of a post-copy's connection.
    LetGo,
    /// Tells the migration that goes on that its post-copy gets no new connection.
    GiveUp {
        /// Why.
        reason: String,
    },
    /// Cancels what the source's QEMU still does. Answer: the status that it came to.
    Cancel,
    /// Breaks the TCP connections of the QEMUs here, of which one may wait in them and hear nobody. Refused if there are none.
    Sever,
    /// Ends QEMU, so that its copy of the guest can't run.
    Fence {
        /// Why.
        reason: String,
    },
}

/// The state of one host's QEMU.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// How QEMU ended, if it has.
    pub gone: Option<String>,
    /// Its run state; missing if its monitor does not answer.
    pub run_state: Option<RunState>,
    /// Its migration's status.
    pub migration: Option<MigrationStatus>,
    /// Bytes of guest memory that it has still to send.
    pub remaining_bytes: Option<u64>,
    /// Whether the guest ran here at any time, as far as its QEMU told.
    pub ran: bool,
    /// Whether its migration was in post-copy at any time, as far as its QEMU told.
    pub was_in_post_copy: bool,
}

impl Agent {
    pub(super) async fn recovery(
        &self,
        life: &Life,
        request: RecoveryRequest,
    ) -> Result<Value, Failure> {
        match request {
            RecoveryRequest::Look => value(self.look().await?),
            RecoveryRequest::EndCarriers => {
                let ended = self.repeat.lock().await.dismiss_carriers();
                let _ = timeout(CARRIERS_END_WITHIN, ended).await;
                self.repeat.lock().await.kill_dismissed();
                value(())
            }
            RecoveryRequest::ExpectProbe { address } => expect_probe(address).await,
            RecoveryRequest::Probe { to, within } => probe(to, within).await,
            RecoveryRequest::Recover { stream } => self.recover(stream).await,
            RecoveryRequest::Resume { stream, within } => {
                self.take_descriptor(&stream).await?;
                let guest = self.guest().await?;
                value(guest.resume(&stream, within).await.map_err(failure)?)
            }
            RecoveryRequest::LetGo => value(self.guest().await?.let_go().await.map_err(failure)?),
            RecoveryRequest::GiveUp { reason } => {
                let sender = self.giving_up().take();
                let told = sender.is_some_and(|sender| sender.send(reason).is_ok());
                value(told)
            }
            RecoveryRequest::Cancel => self.cancel().await,
            RecoveryRequest::Sever => sever_all(life),
            RecoveryRequest::Fence { reason } => {
                self.note("fenced", json!({ "reason": reason }));
                let holds = life.holds().clone();
                for hold in holds {
                    hold.end().await.map_err(failure)?;
                }
                value(())
            }
        }
    }

    /// The migration's handle of its recovery; the agent keeps the means to give up.
    pub(super) fn recovery_handle(&self, spec: &RecoverySpec) -> Option<RecoveryHandle> {
        let (handle, sender) = RecoveryHandle::new(spec).unzip();
        *self.giving_up() = sender;
        handle
    }

    fn giving_up(&self) -> std::sync::MutexGuard<'_, Option<tokio::sync::oneshot::Sender<String>>> {
        self.giving_up
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn look(&self) -> Result<Condition, Failure> {
        let guest = self.guest().await?;
        let mut condition = Condition::default();
        match guest.look().await {
            Ok(look) => {
                condition.run_state = look.run_state;
                condition.migration = look.migration;
                condition.remaining_bytes = look.remaining_bytes;
            }
            Err(error) => condition.gone = Some(error.to_string()),
        }
        // After the look: what its QEMU said at its end is written down by now.
        condition.ran = self.notebook.has(|event| event.kind() == EventKind::Resume);
        let post_copy = EventKind::Migration(MigrationStatus::PostcopyActive);
        condition.was_in_post_copy = self.notebook.has(|event| event.kind() == post_copy);
        Ok(condition)
    }

    async fn recover(&self, stream: Stream) -> Result<Value, Failure> {
        self.take_descriptor(&stream).await?;
        let stream = match stream {
            Stream::Tcp(address) if address.port() == 0 => Stream::Tcp(free_port(address).await?),
            other => other,
        };
        let guest = self.guest().await?;
        guest.recover(&stream).await.map_err(failure)?;
        value(stream)
    }

    /// A cancel that is refused comes too late or too early; the status tells which.
    async fn cancel(&self) -> Result<Value, Failure> {
        let guest = self.guest().await?;
        let deadline = Instant::now() + CANCELLED_WITHIN;
        let mut asked = false;
        loop {
            let status = guest.look().await.map_err(failure)?.migration;
            let over = status
                .as_ref()
                .is_none_or(|status| status.is_final() || status.is_post_copy());
            if over || Instant::now() >= deadline {
                return value(status);
            }
            if !asked {
                asked = true;
                match guest.apply(&Action::Cancel).await {
                    Ok(()) | Err(GuestError::Refused { .. }) => {}
                    Err(error) => return Err(failure(error)),
                }
            }
            sleep(LOOK_AGAIN_AFTER).await;
        }
    }

    fn note(&self, name: &str, data: Value) {
        self.notebook.event(GuestEvent::own(name, data));
    }
}

fn sever_all(life: &Life) -> Result<Value, Failure> {
    let mut severed = 0;
    let holds = life.holds().clone();
    for process in holds.iter().filter_map(|hold| hold.process()) {
        severed +=
            sever(process).map_err(|error| failure_of(&error, "can't break QEMU's connections"))?;
    }
    if severed == 0 {
        return Err(refused("QEMU has no TCP connection"));
    }
    value(severed)
}

/// QEMU can be asked for the port that it chose only while its main loop is free, which a paused post-copy does not promise.
async fn free_port(address: SocketAddr) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind(address).await;
    let free = listener.and_then(|listener| listener.local_addr());
    free.map_err(|error| failure_of(&error, &format!("can't listen at {address}")))
}

async fn expect_probe(address: IpAddr) -> Result<Value, Failure> {
    let at = SocketAddr::new(address, 0);
    let failed = |error| failure_of(&error, &format!("can't listen at {at}"));
    let listener = TcpListener::bind(at).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    // The kernel completes the connection; nothing is said over it.
    tokio::spawn(timeout(
        PROBE_LISTENS,
        async move { listener.accept().await },
    ));
    value(address)
}

async fn probe(to: SocketAddr, within: Duration) -> Result<Value, Failure> {
    match timeout(within, TcpStream::connect(to)).await {
        Ok(Ok(_)) => value(()),
        Ok(Err(error)) => Err(failure_of(&error, &format!("can't reach {}", to.ip()))),
        Err(_) => Err(refused(&format!(
            "{} was not reached within {within:.0?}",
            to.ip()
        ))),
    }
}

/// What a carrier has to say at its end is said at once; one whose link is cut would wait for the link.
const CARRIERS_END_WITHIN: Duration = Duration::from_secs(1);
/// Longer than any probe tries.
const PROBE_LISTENS: Duration = Duration::from_mins(1);
/// QEMU's threads leave a cancelled migration within milliseconds.
const CANCELLED_WITHIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);
