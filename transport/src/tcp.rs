//! The carrier with one plain TCP connection per channel, and one more for the session itself.
//!
//! The first connection of a session is its control connection. It carries no stream; it is how each end learns what the
//! other one does: a goodbye byte before its end means that no channel will follow, an end without one means that the process
//! died, and silence on the network means that the host or the path is gone. So no end ever has to guess whether a migration
//! that closed one channel is about to open another.
//!
//! Every connection, control or channel, starts with the challenge and response of `preamble.rs`. After it the socket holds
//! nothing but the stream: it can be spliced, or handed to another process. The bytes are authenticated at the start of each
//! connection and are neither encrypted nor protected after it.
//!
//! One token is good for one session per listener, each channel number for one channel; everything else is refused.

mod control;
mod handshake;
mod listener;
mod session;
mod socket;

use std::time::Duration;

use async_trait::async_trait;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::carrier::{Carrier, CarrierError, Listener, Session};
use crate::endpoint::{Endpoint, Scheme};
use crate::token::Token;

/// The carrier `tcp`.
#[derive(Clone, Debug)]
pub struct Tcp {
    token: Token,
    settings: Settings,
}

/// What can be set, each by its consequence.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a dialled host may take to answer at all.
    pub connect_deadline: Duration,
    /// How long a connected peer may take to prove the token. Longer tolerates slower hosts; strangers occupy a place for as long.
    pub handshake_deadline: Duration,
    /// How many peers may be in the handshake at a time, at the cost of a descriptor and about 2 KiB each. At the limit a new
    /// peer takes the place of the one that has waited longest, those first that have not sent a single valid message.
    pub pending_max: usize,
    /// How many channels a session may open in its whole life; also the bound of channels that wait to be accepted.
    pub channels_max: u32,
    /// How long a silent network may last before the session counts as lost. `None` waits for ever. It is watched on the
    /// control connection; channels only have keepalive, because `TCP_USER_TIMEOUT` would also kill a channel whose peer is
    /// alive and merely does not read for that long, as the destination of a paused migration does.
    pub peer_deadline: Option<Duration>,
    /// `SO_SNDBUF` and `SO_RCVBUF` of each channel, in bytes. `None` leaves the kernel's autotuning on, which setting a size ends.
    pub socket_buffer_bytes: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_deadline: Duration::from_secs(10),
            handshake_deadline: Duration::from_secs(5),
            pending_max: 256,
            channels_max: 1024,
            peer_deadline: Some(Duration::from_secs(30)),
            socket_buffer_bytes: None,
        }
    }
}

impl Tcp {
    /// A carrier for one session.
    pub fn new(token: Token, settings: Settings) -> Self {
        Self { token, settings }
    }

    fn check(endpoint: &Endpoint) -> Result<(), CarrierError> {
        match endpoint.scheme {
            Scheme::Tcp => Ok(()),
            Scheme::Ssh => Err(CarrierError::Scheme {
                endpoint: endpoint.clone(),
                carrier: Scheme::Tcp,
            }),
        }
    }

    /// Connects to the first address that answers, and shakes hands.
    async fn connect(&self, endpoint: &Endpoint, channel: u32) -> Result<TcpStream, CarrierError> {
        let resolve = |source| CarrierError::Resolve {
            endpoint: endpoint.clone(),
            source,
        };
        let connect = |source| CarrierError::Connect {
            endpoint: endpoint.clone(),
            source,
        };
        let deadline = Instant::now() + self.settings.connect_deadline;
        let addresses = timeout_at(deadline, endpoint.resolve())
            .await
            .map_err(|_| resolve(self.too_slow("the resolver")))?;
        let mut last_error =
            std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
        for address in addresses.map_err(resolve)? {
            match timeout_at(deadline, socket::connect(address, &self.settings)).await {
                Ok(Ok(mut stream)) => {
                    let handshake = handshake::dial(
                        &mut stream,
                        &self.token,
                        channel,
                        self.settings.handshake_deadline,
                    );
                    handshake.await.map_err(|source| CarrierError::Handshake {
                        endpoint: endpoint.clone(),
                        source,
                    })?;
                    return Ok(stream);
                }
                Ok(Err(error)) => last_error = error,
                Err(_) => return Err(connect(self.too_slow("an answer"))),
            }
        }
        Err(connect(last_error))
    }

    fn too_slow(&self, awaited: &str) -> std::io::Error {
        std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            format!("waited {:?} for {awaited}", self.settings.connect_deadline),
        )
    }
}

#[async_trait]
impl Carrier for Tcp {
    fn scheme(&self) -> Scheme {
        Scheme::Tcp
    }

    fn kernel_sockets(&self) -> bool {
        true
    }

    async fn listen(&self, endpoint: &Endpoint) -> Result<Box<dyn Listener>, CarrierError> {
        Self::check(endpoint)?;
        Ok(Box::new(listener::TcpListener::bind(self, endpoint).await?))
    }

    async fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>, CarrierError> {
        Self::check(endpoint)?;
        let stream = self.connect(endpoint, CONTROL).await?;
        // Channels go to the very address that answered, even if the name has several.
        let connected = |source| CarrierError::Connect {
            endpoint: endpoint.clone(),
            source,
        };
        let endpoint = Endpoint::new(Scheme::Tcp, stream.peer_addr().map_err(connected)?);
        let control =
            control::Control::new(stream, self.settings.peer_deadline).map_err(connected)?;
        Ok(Box::new(session::Dialled::new(
            self.clone(),
            endpoint,
            control,
        )))
    }
}

/// The channel number that stands for the control connection.
const CONTROL: u32 = u32::MAX;
