//! The operator's end of a control socket.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::point::Point;
use super::{Answer, Command, Request};
use crate::store::{FoundRun, Liveness};
use crate::terminal::text::clean;

/// Why a run can't be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// It is over.
    #[error(
        "run {run} is not running any more: {how}\nhint: `lmbench show {run}` shows what it measured{resume}"
    )]
    NotRunning {
        /// Its id.
        run: String,
        /// How it ended.
        how: &'static str,
        /// How to go on, if that makes sense.
        resume: String,
    },
    /// It runs, but says nowhere how to reach it.
    #[error(
        "run {run} goes on, but takes no orders\nhint: it begins just now, or an lmbench without `ctl` runs it: try again"
    )]
    NoPoint {
        /// Its id.
        run: String,
    },
    /// It runs on another machine.
    #[error("run {run} goes on, but on {host}\nhint: run `lmbench ctl` there")]
    Elsewhere {
        /// Its id.
        run: String,
        /// The other machine.
        host: String,
    },
    /// The socket lets nobody in.
    #[error("can't reach run {run} at {}: {source}{hint}", socket.display())]
    Connect {
        /// Its id.
        run: String,
        /// Where.
        socket: PathBuf,
        /// Why.
        source: io::Error,
        /// What to try, as a line of its own.
        hint: &'static str,
    },
    /// Somebody else listens where the run should.
    #[error(
        "the control socket of run {run} belongs to user {uid}\nhint: only its owner can control a run"
    )]
    Stranger {
        /// Its id.
        run: String,
        /// Who listens.
        uid: u32,
    },
    /// It does not answer.
    #[error(
        "run {run} did not answer within {} s\nhint: it is stopped or stuck; look at process {process}",
        within.as_secs_f64()
    )]
    Silent {
        /// Its id.
        run: String,
        /// How long was waited.
        within: Duration,
        /// Its process, if known.
        process: String,
    },
    /// It ended in between.
    #[error(
        "run {run} ended before it answered\nhint: `lmbench show {run}` shows what it measured"
    )]
    Closed {
        /// Its id.
        run: String,
    },
    /// It answered something else.
    #[error("run {run} answered something else\nhint: use the same lmbench that runs it")]
    Nonsense {
        /// Its id.
        run: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

/// A run that listens.
#[derive(Debug)]
pub struct Connection {
    run: String,
    process: String,
    stream: BufReader<UnixStream>,
}

/// Finds a run's socket and connects. Never waits.
pub async fn reach(found: &FoundRun) -> Result<Connection, ControlError> {
    let liveness = found.liveness();
    let point = Point::read(&found.directory);
    let name = found.directory.file_name().unwrap_or_default();
    let run = point
        .as_ref()
        .map_or_else(|| name.to_string_lossy().into_owned(), |it| it.run.clone());
    let run = clean(&run);
    let over = || not_running(run.clone(), liveness);
    let Some(point) = point else {
        return Err(match liveness {
            Liveness::Running => ControlError::NoPoint { run },
            Liveness::Died | Liveness::Ended => over(),
        });
    };
    if !point.is_here() {
        let host = clean(&point.host);
        return Err(match liveness {
            Liveness::Running => ControlError::Elsewhere { run, host },
            Liveness::Died | Liveness::Ended => over(),
        });
    }
    let stream = match UnixStream::connect(&point.socket).await {
        Ok(stream) => stream,
        // A file system without locks can't tell; a socket without a listener can.
        Err(_) if liveness != Liveness::Running => return Err(over()),
        Err(source) => {
            let hint = match source.kind() {
                io::ErrorKind::PermissionDenied => "\nhint: only its owner can control a run",
                io::ErrorKind::WouldBlock => "\nhint: it is stopped or stuck",
                _ => "\nhint: look whether its process still runs",
            };
            let socket = point.socket;
            return Err(ControlError::Connect {
                run,
                socket,
                source,
                hint,
            });
        }
    };
    let peer = stream.peer_cred().ok();
    let own = rustix::process::geteuid().as_raw();
    if let Some(uid) = peer.map(|peer| peer.uid()).filter(|uid| *uid != own) {
        return Err(ControlError::Stranger { run, uid });
    }
    let process = peer.and_then(|peer| peer.pid());
    Ok(Connection {
        run: point.run,
        process: process.map_or("of the run".to_owned(), |process| process.to_string()),
        stream: BufReader::new(stream),
    })
}

impl Connection {
    /// Says one thing and waits for the answer.
    pub async fn ask(
        &mut self,
        command: Command,
        within: Duration,
    ) -> Result<Answer, ControlError> {
        let run = clean(&self.run);
        match timeout(within, self.exchange(command)).await {
            Err(_) => Err(ControlError::Silent {
                run,
                within,
                process: self.process.clone(),
            }),
            Ok(Ok(line)) if line.ends_with('\n') => {
                serde_json::from_str(&line).map_err(|source| ControlError::Nonsense { run, source })
            }
            Ok(_) => Err(ControlError::Closed { run }),
        }
    }

    async fn exchange(&mut self, command: Command) -> io::Result<String> {
        let run = self.run.clone();
        let mut request = serde_json::to_string(&Request { run, command })?;
        request.push('\n');
        self.stream.write_all(request.as_bytes()).await?;
        let mut line = String::new();
        let mut limited = (&mut self.stream).take(ANSWER_MAX);
        limited.read_line(&mut line).await?;
        Ok(line)
    }
}

/// Reaches a run and says one thing.
pub async fn ask(
    found: &FoundRun,
    command: Command,
    within: Duration,
) -> Result<Answer, ControlError> {
    reach(found).await?.ask(command, within).await
}

fn not_running(run: String, liveness: Liveness) -> ControlError {
    let (how, resume) = match liveness {
        Liveness::Ended => ("it has ended", String::new()),
        Liveness::Died | Liveness::Running => (
            "its process was killed before it could end it",
            format!("; `lmbench run SCENARIO --resume {run}` goes on with it"),
        ),
    };
    ControlError::NotRunning { run, how, resume }
}

/// A status is a few hundred bytes.
const ANSWER_MAX: u64 = 1 << 20;
