//! What the guest's own code says: its two virtio-serial ports, read on this host and stamped on its clock.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lmbench_guest::wire::{FromGuest, HEARTBEAT_BYTES, LINE_BYTES_MAX, ToGuest, Verified};
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex as AsyncMutex, broadcast};
use tokio::task::JoinHandle;

use crate::clock::monotonic_ns;
use crate::hypervisor::{Heartbeat, TimedReport};
use crate::lines::{Line, Lines};

/// Why the guest's code can't be heard.
#[derive(Debug, Error)]
pub enum PortError {
    /// QEMU's socket can't be reached.
    #[error("can't connect to the guest's {port} port")]
    Connect {
        /// `control` or `heartbeat`.
        port: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The guest did not answer in time.
    #[error("the guest did not say {awaited} within {within:.1?}")]
    Silent {
        /// What was awaited.
        awaited: &'static str,
        /// For how long.
        within: Duration,
    },
    /// The port closed under us.
    #[error("the guest's control port closed while waiting for {awaited}")]
    Closed {
        /// What was awaited.
        awaited: &'static str,
    },
    /// The guest says that it can't.
    #[error("the guest failed: {reason}")]
    Guest {
        /// Its words.
        reason: String,
    },
}

/// Both ports of one guest on one host.
pub struct GuestPorts {
    control: AsyncMutex<OwnedWriteHalf>,
    answers: broadcast::Sender<FromGuest>,
    heard: Arc<Mutex<Heard>>,
    readers: Vec<JoinHandle<()>>,
}

/// What was heard and not yet taken. Two reading tasks append, one request takes: nothing is shared for longer than a push.
#[derive(Debug, Default)]
struct Heard {
    heartbeats: Vec<Heartbeat>,
    reports: Vec<TimedReport>,
    /// Bytes of the reports' lines.
    reports_bytes: usize,
}

impl Heard {
    /// A guest may say more than anybody can keep; what comes then is not kept, so that what was heard stays true.
    fn report(&mut self, report: TimedReport, bytes: usize) {
        let room = REPORTS_BYTES_MAX - self.reports_bytes;
        if bytes > room {
            if room > 0 {
                tracing::warn!("the guest has reported more than is kept; later reports are lost");
            }
            self.reports_bytes = REPORTS_BYTES_MAX;
            return;
        }
        self.reports_bytes += bytes;
        self.reports.push(report);
    }

    fn heartbeat(&mut self, heartbeat: Heartbeat) {
        if self.heartbeats.len() < HEARTBEATS_MAX {
            self.heartbeats.push(heartbeat);
            if self.heartbeats.len() == HEARTBEATS_MAX {
                tracing::warn!(
                    "the guest has sent more heartbeats than are kept; later ones are lost"
                );
            }
        }
    }
}

impl GuestPorts {
    /// Connects to both sockets; QEMU listens there before it answers QMP.
    pub async fn connect(control: &Path, heartbeat: &Path) -> Result<Self, PortError> {
        let open = async |port, path| {
            UnixStream::connect(path)
                .await
                .map_err(|source| PortError::Connect { port, source })
        };
        let (control_input, control_output) = open("control", control).await?.into_split();
        let heartbeats = open("heartbeat", heartbeat).await?;
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (answers, _) = broadcast::channel(ANSWERS);
        let readers = vec![
            tokio::spawn(read_control(control_input, answers.clone(), heard.clone())),
            tokio::spawn(read_heartbeats(heartbeats, heard.clone())),
        ];
        Ok(GuestPorts {
            control: AsyncMutex::new(control_output),
            answers,
            heard,
            readers,
        })
    }

    /// Sends `message` and waits for the answer that `accept` takes.
    pub async fn ask<T>(
        &self,
        message: &ToGuest,
        awaited: &'static str,
        within: Duration,
        accept: impl Fn(FromGuest) -> Option<T>,
    ) -> Result<T, PortError> {
        let mut answers = self.answers.subscribe();
        self.send(message, awaited).await?;
        let wait = async {
            loop {
                match answers.recv().await {
                    Ok(FromGuest::Failed { reason }) => return Err(PortError::Guest { reason }),
                    Ok(answer) => {
                        if let Some(found) = accept(answer) {
                            return Ok(found);
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => {
                        return Err(PortError::Closed { awaited });
                    }
                }
            }
        };
        tokio::time::timeout(within, wait)
            .await
            .unwrap_or(Err(PortError::Silent { awaited, within }))
    }

    /// Asks the guest to greet until it does. Its kernel may still be booting, and a port without a reader drops lines.
    pub async fn greet(&self, within: Duration) -> Result<FromGuest, PortError> {
        let deadline = tokio::time::Instant::now() + within;
        loop {
            let once = GREETING_INTERVAL.min(deadline - tokio::time::Instant::now());
            match self
                .ask(&ToGuest::Hello, "hello", once, |answer| {
                    matches!(answer, FromGuest::Hello { .. }).then_some(answer)
                })
                .await
            {
                Err(PortError::Silent { awaited, .. })
                    if tokio::time::Instant::now() >= deadline =>
                {
                    return Err(PortError::Silent { awaited, within });
                }
                Err(PortError::Silent { .. }) => {}
                other => return other,
            }
        }
    }

    /// Has the guest compare all its workload memory.
    pub async fn verify(&self, within: Duration) -> Result<Verified, PortError> {
        self.ask(
            &ToGuest::Verify,
            "that its memory is verified",
            within,
            |answer| match answer {
                FromGuest::Verified(verified) => Some(verified),
                _ => None,
            },
        )
        .await
    }

    /// Takes what was heard since the last call.
    pub fn take(&self) -> (Vec<Heartbeat>, Vec<TimedReport>) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let Heard {
            heartbeats,
            reports,
            ..
        } = std::mem::take(&mut *heard);
        (heartbeats, reports)
    }

    async fn send(&self, message: &ToGuest, awaited: &'static str) -> Result<(), PortError> {
        let mut line = serde_json::to_vec(message).unwrap_or_default();
        line.push(b'\n');
        self.control
            .lock()
            .await
            .write_all(&line)
            .await
            .map_err(|_| PortError::Closed { awaited })
    }
}

impl Drop for GuestPorts {
    fn drop(&mut self) {
        for reader in &self.readers {
            reader.abort();
        }
    }
}

async fn read_control(
    input: OwnedReadHalf,
    answers: broadcast::Sender<FromGuest>,
    heard: Arc<Mutex<Heard>>,
) {
    let mut lines = Lines::new(input, LINE_BYTES_MAX);
    while let Ok(Some(line)) = lines.next().await {
        let at_ns = monotonic_ns();
        let Line::Whole(line) = line else {
            tracing::warn!("the guest's control port carried a line longer than any of ours");
            continue;
        };
        match serde_json::from_slice(&line) {
            Ok(FromGuest::Report(report)) => heard
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .report(TimedReport { at_ns, report }, line.len()),
            // Nobody may be waiting for it.
            Ok(answer) => drop(answers.send(answer)),
            Err(error) => {
                tracing::warn!(%error, "the guest's control port carried a line that is none of ours");
            }
        }
    }
}

/// Takes the whole stream: dropping its writing half would close the port.
async fn read_heartbeats(mut input: UnixStream, heard: Arc<Mutex<Heard>>) {
    let mut record = [0; HEARTBEAT_BYTES];
    while input.read_exact(&mut record).await.is_ok() {
        let word = |at: usize| {
            record[at..at + 8]
                .iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u64::from(*byte))
        };
        let heartbeat = Heartbeat {
            sequence: word(0),
            at_ns: monotonic_ns(),
            guest_ns: word(8),
        };
        heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .heartbeat(heartbeat);
    }
}

/// Answers that may wait for a slow asker; the guest gives one per question.
const ANSWERS: usize = 64;
/// Between two greetings to a guest that boots.
const GREETING_INTERVAL: Duration = Duration::from_millis(250);
/// More than an hour of one each millisecond. With the reports they stay below what a collection may have (`FRAME_BYTES_MAX`), where
/// each takes some 70 bytes.
const HEARTBEATS_MAX: usize = 4_000_000;
/// Bytes of lines: more than an hour of ten reports of 2 KiB each second.
const REPORTS_BYTES_MAX: usize = 128 << 20;

#[cfg(test)]
mod tests {
    use lmbench_guest::wire::Report;

    use super::*;

    fn report(sequence: u64) -> TimedReport {
        let report = Report {
            sequence,
            ..Report::default()
        };
        TimedReport { at_ns: 1, report }
    }

    #[test]
    fn what_a_guest_says_without_end_is_not_kept() {
        let mut heard = Heard::default();
        for sequence in 0..5000 {
            heard.report(report(sequence), LINE_BYTES_MAX);
        }
        assert_eq!(heard.reports.len(), REPORTS_BYTES_MAX / LINE_BYTES_MAX);
        // Not even a short one: there would be a gap before it.
        heard.report(report(5000), 1);
        assert!(heard.reports.len() < 5000);
        let heartbeat = Heartbeat {
            sequence: 1,
            at_ns: 1,
            guest_ns: 1,
        };
        for _ in 0..HEARTBEATS_MAX + 10 {
            heard.heartbeat(heartbeat);
        }
        assert_eq!(heard.heartbeats.len(), HEARTBEATS_MAX);
    }

    #[tokio::test]
    async fn a_guest_is_heard_after_a_line_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let [control, heartbeat] = ["control", "heartbeat"].map(|name| folder.path().join(name));
        let listeners =
            [&control, &heartbeat].map(|path| tokio::net::UnixListener::bind(path).unwrap());
        let ports = GuestPorts::connect(&control, &heartbeat).await.unwrap();
        let (mut guest, _) = listeners[0].accept().await.unwrap();
        let (mut beats, _) = listeners[1].accept().await.unwrap();
        let noise = vec![b'x'; 1 << 20];
        for _ in 0..8 {
            guest.write_all(&noise).await.unwrap();
        }
        let line = lmbench_guest::wire::to_line(&FromGuest::Report(report(7).report));
        guest.write_all(b"\xff\n").await.unwrap();
        guest.write_all(&line).await.unwrap();
        beats.write_all(&[0; HEARTBEAT_BYTES]).await.unwrap();
        loop {
            let reports = ports.heard.lock().unwrap().reports.len();
            if reports > 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
        let (_, reports) = ports.take();
        assert_eq!(reports[0].report.sequence, 7);
    }
}
