//! From a socket's path to a QMP connection in command mode.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::Qmp;
use super::connection::Connection;
use super::error::{CloseReason, QmpError};
use super::pending::Lane;

impl Qmp {
    /// Connects to the QMP server at `path`, waiting at most `deadline` for all of it: until the socket exists and
    /// accepts, for the greeting, and for QEMU to enter command mode. Enables out-of-band commands where offered.
    pub async fn connect(path: &Path, deadline: Duration) -> Result<Qmp, QmpError> {
        let mut phase = Phase::Connecting {
            last: io::ErrorKind::TimedOut.into(),
        };
        match timeout(deadline, connect(path, &mut phase)).await {
            Ok(connected) => connected,
            Err(_) => Err(phase.timed_out(path, deadline)),
        }
    }

    /// Speaks QMP on a socket that is already connected, for example one end of a socket pair.
    pub async fn from_stream(stream: UnixStream, deadline: Duration) -> Result<Qmp, QmpError> {
        let mut phase = Phase::Greeting;
        match timeout(deadline, negotiate(stream, &mut phase)).await {
            Ok(connected) => connected,
            Err(_) => Err(phase.timed_out(Path::new(""), deadline)),
        }
    }
}

/// What is awaited, to be named when the time is over.
enum Phase {
    Connecting { last: io::Error },
    Greeting,
    Negotiating,
}

impl Phase {
    fn timed_out(self, path: &Path, after: Duration) -> QmpError {
        match self {
            Phase::Connecting { last } => QmpError::NotListening {
                path: path.to_owned(),
                after,
                source: Arc::new(last),
            },
            Phase::Greeting => QmpError::NoGreeting { after },
            Phase::Negotiating => QmpError::TimedOut {
                command: NEGOTIATE.to_owned(),
                after,
            },
        }
    }
}

async fn connect(path: &Path, phase: &mut Phase) -> Result<Qmp, QmpError> {
    loop {
        match UnixStream::connect(path).await {
            Ok(stream) => {
                *phase = Phase::Greeting;
                match negotiate(stream, phase).await {
                    // A client that comes while QEMU is just setting its monitor up may be greeted twice; the next one is not.
                    Err(QmpError::Closed {
                        reason: CloseReason::GreetedTwice,
                        ..
                    }) => {}
                    negotiated => return negotiated,
                }
            }
            Err(error) if is_passing(&error) => *phase = Phase::Connecting { last: error },
            Err(error) => {
                return Err(QmpError::Connect {
                    path: path.to_owned(),
                    source: Arc::new(error),
                });
            }
        }
        sleep(RETRY_INTERVAL).await;
    }
}

/// No socket yet, nobody listening yet, or a full backlog.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::WouldBlock
    )
}

async fn negotiate(stream: UnixStream, phase: &mut Phase) -> Result<Qmp, QmpError> {
    let (connection, greeted) = Connection::start(stream);
    let Ok(greeting) = greeted.await else {
        return Err(QmpError::ClosedBeforeGreeting {
            reason: connection.closed().await,
        });
    };
    *phase = Phase::Negotiating;
    let enable = if greeting.offers_out_of_band {
        json!({"enable": ["oob"]})
    } else {
        json!({})
    };
    connection
        .execute(NEGOTIATE, enable, Lane::InBand, Qmp::COMMAND_TIMEOUT)
        .await?;
    Ok(Qmp {
        connection: Arc::new(connection),
        greeting: Arc::new(greeting),
    })
}

const NEGOTIATE: &str = "qmp_capabilities";
const RETRY_INTERVAL: Duration = Duration::from_millis(5);
