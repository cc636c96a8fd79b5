//! The agent's part when a migration is in trouble: a look at its QEMU, a new connection for a post-copy, the end of a copy of the guest
//! that must not run. What is done when is decided by the controller, which sees both hosts.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

use super::calls::ResumePostCopy;
use super::failures::{failure, failure_of, refused};
use super::life::Life;
use super::protocol::{Condition, Failure};
use super::serve::Agent;
use crate::hypervisor::{EventKind, GuestError, GuestEvent, GuestId, MigrationStatus, Stream};
use crate::policy::Action;
use crate::sockets::sever;

impl Agent {
    pub(super) async fn dismiss_carriers(&self) {
        let ended = self.repeat.lock().await.dismiss_carriers();
        let _ = timeout(CARRIERS_END_WITHIN, ended).await;
        self.repeat.lock().await.kill_dismissed();
    }

    pub(super) async fn resume_post_copy(
        &self,
        id: &GuestId,
        call: ResumePostCopy,
    ) -> Result<(), Failure> {
        let ResumePostCopy { stream, within } = call;
        self.take_descriptor(id, &stream).await?;
        let guest = self.guest(id).await?;
        guest.resume(&stream, within).await.map_err(failure)
    }

    pub(super) async fn let_go(&self, id: &GuestId) -> Result<(), Failure> {
        self.guest(id).await?.let_go().await.map_err(failure)
    }

    pub(super) async fn fence(&self, life: &Life, reason: String) -> Result<(), Failure> {
        self.note("fenced", json!({ "reason": reason }));
        let holds = life.holds().clone();
        for hold in holds {
            hold.end().await.map_err(failure)?;
        }
        Ok(())
    }

    pub(super) async fn look(&self, id: &GuestId) -> Result<Condition, Failure> {
        let guest = self.guest(id).await?;
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

    pub(super) async fn recover(&self, id: &GuestId, stream: Stream) -> Result<Stream, Failure> {
        self.take_descriptor(id, &stream).await?;
        let stream = match stream {
            Stream::Tcp(address) if address.port() == 0 => Stream::Tcp(free_port(address).await?),
            other => other,
        };
        let guest = self.guest(id).await?;
        guest.recover(&stream).await.map_err(failure)?;
        Ok(stream)
    }

    /// A cancel that is refused comes too late or too early; the status tells which.
    pub(super) async fn cancel_migration(
        &self,
        id: &GuestId,
    ) -> Result<Option<MigrationStatus>, Failure> {
        let guest = self.guest(id).await?;
        let deadline = Instant::now() + CANCELLED_WITHIN;
        let mut asked = false;
        loop {
            let status = guest.look().await.map_err(failure)?.migration;
            let over = status
                .as_ref()
                .is_none_or(|status| status.is_final() || status.is_post_copy());
            if over || Instant::now() >= deadline {
                return Ok(status);
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

pub(super) fn sever_all(life: &Life) -> Result<usize, Failure> {
    let mut severed = 0;
    let holds = life.holds().clone();
    for process in holds.iter().filter_map(|hold| hold.process()) {
        severed +=
            sever(process).map_err(|error| failure_of(&error, "can't break QEMU's connections"))?;
    }
    if severed == 0 {
        return Err(refused("QEMU has no TCP connection"));
    }
    Ok(severed)
}

/// QEMU can be asked for the port that it chose only while its main loop is free, which a paused post-copy does not promise.
async fn free_port(address: SocketAddr) -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind(address).await;
    let free = listener.and_then(|listener| listener.local_addr());
    free.map_err(|error| failure_of(&error, &format!("can't listen at {address}")))
}

pub(super) async fn expect_probe(address: IpAddr) -> Result<SocketAddr, Failure> {
    let at = SocketAddr::new(address, 0);
    let failed = |error| failure_of(&error, &format!("can't listen at {at}"));
    let listener = TcpListener::bind(at).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    // The kernel completes the connection; nothing is said over it.
    tokio::spawn(timeout(
        PROBE_LISTENS,
        async move { listener.accept().await },
    ));
    Ok(address)
}

pub(super) async fn probe_way(to: SocketAddr, within: Duration) -> Result<(), Failure> {
    match timeout(within, TcpStream::connect(to)).await {
        Ok(Ok(_)) => Ok(()),
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
