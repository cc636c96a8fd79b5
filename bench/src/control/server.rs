//! The run's end of its control socket. It sleeps until somebody connects, and no client can make it wait or grow.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lmbench_harness::clock::monotonic_ns;
use lmbench_harness::lab::{LabError, PrivateDirectory};
use lmbench_harness::migration::Order;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::point::Point;
use super::{Answer, Board, Command, Deed, Desk, LINE_MAX, Request};

/// Why a run can't be controlled.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no place for the socket.
    #[error(transparent)]
    Directory(#[from] LabError),
    /// The socket can't be made.
    #[error("can't listen at {}", path.display())]
    Listen {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The run's folder can't tell of it.
    #[error("can't write the file `control` in {}", directory.display())]
    Point {
        /// The run's folder.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Answers until it is dropped; then the socket and the word of it are gone.
#[derive(Debug)]
pub struct Server {
    task: JoinHandle<()>,
    point: PathBuf,
    _directory: PrivateDirectory,
}

impl Server {
    /// For the run with this id, whose folder is `directory`. Needs a runtime.
    pub fn open(run: &str, directory: &Path, desk: Desk, board: Board) -> Result<Self, OpenError> {
        let private = PrivateDirectory::create()?;
        let socket = private.path().join(SOCKET);
        let listener = listen(&socket).map_err(|source| OpenError::Listen {
            path: socket.clone(),
            source,
        })?;
        let written = Point::here(run, socket).write(directory);
        let point = written.map_err(|source| OpenError::Point {
            directory: directory.to_owned(),
            source,
        })?;
        let hall = Hall {
            run: run.to_owned(),
            desk,
            board,
            patience: PATIENCE,
        };
        Ok(Server {
            task: tokio::spawn(serve(listener, hall)),
            point,
            _directory: private,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
        // A folder that is gone has no such file either.
        let _ = fs::remove_file(&self.point);
    }
}

/// The directory keeps others out already; the mode says so once more.
fn listen(socket: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// What every client is served from.
#[derive(Debug, Clone)]
pub(super) struct Hall {
    pub(super) run: String,
    pub(super) desk: Desk,
    pub(super) board: Board,
    /// Longest wait for a client's line, and for it to take its answer.
    pub(super) patience: Duration,
}

pub(super) async fn serve(listener: UnixListener, hall: Hall) {
    let owner = rustix::process::geteuid().as_raw();
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    // Strangers, and who comes when all places are taken, are let go without a word.
                    let is_owner = client.peer_cred().is_ok_and(|peer| peer.uid() == owner);
                    if is_owner && clients.len() < CLIENTS_MAX {
                        clients.spawn(attend(client, hall.clone()));
                    }
                }
                // Out of descriptors: to ask again at once would only burn time.
                Err(error) => {
                    tracing::debug!(%error, "can't take a client of the control socket");
                    tokio::time::sleep(PAUSE).await;
                }
            },
            Some(_) = clients.join_next() => {}
        }
    }
}

async fn attend(client: UnixStream, hall: Hall) {
    let (input, mut output) = client.into_split();
    let mut input = BufReader::new(input);
    loop {
        let Ok(Ok(Some(line))) = timeout(hall.patience, line(&mut input)).await else {
            return;
        };
        let answer = hall.answer(&line).await;
        let misunderstood = matches!(answer, Answer::Misunderstood(_));
        let Ok(mut text) = serde_json::to_vec(&answer) else {
            return;
        };
        text.push(b'\n');
        let written = timeout(hall.patience, output.write_all(&text)).await;
        if misunderstood || !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}

/// The next line, or as much of it as a request may have; `None` if it has no end.
async fn line(input: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut limited = input.take(LINE_MAX as u64);
    limited.read_until(b'\n', &mut line).await?;
    let whole = line.last() == Some(&b'\n') || line.len() == LINE_MAX;
    Ok(whole.then_some(line))
}

impl Hall {
    async fn answer(&self, line: &[u8]) -> Answer {
        if line.last() != Some(&b'\n') {
            let long = format!("a request is one line of at most {LINE_MAX} bytes");
            return Answer::Misunderstood(long);
        }
        let request: Request = match serde_json::from_slice(line) {
            Ok(request) => request,
            Err(error) => return Answer::Misunderstood(error.to_string()),
        };
        if request.run != self.run {
            return Answer::Refused(format!("this is run {}", self.run));
        }
        let order = match request.command {
            Command::Status => {
                let now = Duration::from_nanos(monotonic_ns());
                return Answer::Status(Box::new(self.board.status(now)));
            }
            Command::Recover => return self.order(Deed::Recover).await,
            Command::ResumeNetwork => return self.order(Deed::ResumeNetwork).await,
            Command::Cancel => Order::Cancel,
            Command::ForceComplete => Order::ForceComplete,
            Command::Pause => Order::Pause,
            Command::Resume => Order::Resume,
            Command::Set(setting) => Order::Set(setting),
        };
        self.order(Deed::Order(order)).await
    }

    async fn order(&self, deed: Deed) -> Answer {
        match timeout(ORDER_WITHIN, self.desk.order(deed)).await {
            Ok(Some(Ok(done))) => Answer::Done(done),
            Ok(Some(Err(why))) => Answer::Refused(why),
            Ok(None) => {
                let status = self.board.status(Duration::ZERO);
                let phase = status.now.map(|repeat| repeat.phase);
                Answer::Refused(match phase.as_deref() {
                    Some("migrating") => "the migration is about to begin, or over".to_owned(),
                    Some(phase) => format!("no migration goes on: the run is {phase}"),
                    None => "no migration goes on: the run is between two".to_owned(),
                })
            }
            Err(_) => Answer::Refused(format!(
                "no answer within {} s; it may still be done",
                ORDER_WITHIN.as_secs()
            )),
        }
    }
}

const SOCKET: &str = "control";
/// Clients at a time.
pub(super) const CLIENTS_MAX: usize = 8;
/// Of a client that types by hand, no more.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for a migration: QEMU answers an order in milliseconds, unless its main loop is stuck.
const ORDER_WITHIN: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
