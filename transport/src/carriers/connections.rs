//! What the carriers have in common that make one TCP connection per channel, and one more for the session itself.
//!
//! The first connection of a session is its control connection. It carries no stream; it is how each end learns what the
//! other one does: a goodbye before its end means that no channel will follow, an end without one means that the process
//! died, and silence on the network means that the host or the path is gone. So no end ever has to guess whether a migration
//! that closed one channel is about to open another; nor whether a channel that ended was cut, since each end tells there how many bytes
//! it sent and took (`notices.rs`).
//!
//! Every connection, control or channel, begins with the knock of `knock.rs`, and may then be wrapped (in TLS, or in nothing: see
//! [`Wrap`]). Then follows the challenge
//! and response of `preamble.rs`, and after it nothing but the stream. One token is good for one session per listener, each
//! channel number for one channel; everything else is refused.

mod control;
mod listener;
mod session;
mod socket;

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::carrier::channel::Channel;
use crate::carrier::endpoint::Endpoint;
use crate::carrier::handshake;
use crate::carrier::knock::{self, again_until};
use crate::carrier::preamble::CONTROL;
use crate::carrier::token::Token;
use crate::carrier::{CarrierError, HandshakeError, Listener, Session};

/// What can be set, each by its consequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// How long a dialled host may take to answer at all.
    pub connect_deadline: Duration,
    /// How long a connected peer may take to prove the token. Longer tolerates slower hosts; strangers occupy a place for as long.
    pub handshake_deadline: Duration,
    /// How many peers may be connected that have not shown the token yet, at the cost of a descriptor and about 2 KiB each. At the
    /// limit a new peer takes the place of one from the address that holds the most.
    pub pending_max: usize,
    /// How many channels a session may open in its whole life; also the bound of channels that wait to be accepted.
    pub channels_max: u32,
    /// How long a silent network may last before the session counts as lost. `None` waits for ever. It is watched on the
    /// control connection; channels only have keepalive, because `TCP_USER_TIMEOUT` would also kill a channel whose peer is
    /// alive and merely does not read for that long, as the destination of a paused migration does.
    pub peer_deadline: Option<Duration>,
    /// `SO_SNDBUF` and `SO_RCVBUF` of each channel, in bytes. `None` leaves the kernel's autotuning on, which setting a size ends;
    /// only whoever dials over a round trip of 4 ms or more gets room to send of 48 MiB (or `net.core.wmem_max`, twice).
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

/// What goes around a connection between its begin and the challenge. One value serves one side of one session.
pub(crate) trait Wrap: Clone + Send + Sync + 'static {
    /// What a connection becomes.
    type Link: Link;

    /// Wraps a fresh connection. The caller minds the deadline.
    fn wrap(
        &self,
        stream: TcpStream,
    ) -> impl Future<Output = Result<Self::Link, HandshakeError>> + Send;
}

/// A connection between two ends of a session, wrapped or not.
pub(crate) trait Link: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// The connection below.
    fn socket(&self) -> &TcpStream;

    /// What was negotiated.
    fn details(&self) -> Option<String>;

    /// Makes it a channel of the session.
    fn into_channel(self, number: u32) -> Channel;
}

/// What one side of a session goes by.
#[derive(Clone)]
pub(crate) struct Terms<W> {
    pub(crate) token: Token,
    pub(crate) settings: Settings,
    pub(crate) wrap: W,
}

impl<W: Wrap> Terms<W> {
    /// Starts to listen.
    pub(crate) async fn listen(
        self,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn Listener>, CarrierError> {
        Ok(Box::new(listener::TcpListener::bind(self, endpoint).await?))
    }

    /// Connects to a listener and makes a session of it.
    pub(crate) async fn dial(self, endpoint: &Endpoint) -> Result<Box<dyn Session>, CarrierError> {
        let link = self.connect(endpoint, CONTROL).await?;
        // Channels go to the very address that answered, even if the name has several.
        let connected = |source| CarrierError::Connect {
            endpoint: endpoint.clone(),
            source,
        };
        let address = link.socket().peer_addr().map_err(connected)?;
        let control =
            control::Control::new(link, self.settings.peer_deadline).map_err(connected)?;
        Ok(Box::new(session::Dialled::new(
            self,
            Endpoint::new(endpoint.scheme, address),
            control,
        )))
    }

    /// Connects and shakes hands. Tries again when the listener hangs up, for as long as a handshake may take: it may have been in a
    /// crowd of strangers.
    async fn connect(&self, endpoint: &Endpoint, channel: u32) -> Result<W::Link, CarrierError> {
        let end = Instant::now() + self.settings.handshake_deadline;
        again_until(end, || self.connect_once(endpoint, channel)).await
    }

    /// Connects to the first address that answers, and shakes hands.
    async fn connect_once(
        &self,
        endpoint: &Endpoint,
        channel: u32,
    ) -> Result<W::Link, CarrierError> {
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
        let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses.map_err(resolve)? {
            match timeout_at(deadline, socket::connect(address, &self.settings)).await {
                Ok(Ok(stream)) => {
                    return self.shake_hands(stream, channel).await.map_err(|source| {
                        CarrierError::Handshake {
                            endpoint: endpoint.clone(),
                            source,
                        }
                    });
                }
                Ok(Err(error)) => last_error = error,
                Err(_) => return Err(connect(self.too_slow("an answer"))),
            }
        }
        Err(connect(last_error))
    }

    async fn shake_hands(
        &self,
        mut stream: TcpStream,
        channel: u32,
    ) -> Result<W::Link, HandshakeError> {
        let deadline = self.settings.handshake_deadline;
        let exchange = async {
            knock::say(&mut stream, &self.token).await?;
            let mut link = self.wrap.wrap(stream).await?;
            handshake::dial(&mut link, &self.token, channel).await?;
            Ok(link)
        };
        handshake::within(Instant::now() + deadline, deadline, exchange).await
    }

    fn too_slow(&self, awaited: &str) -> io::Error {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("waited {:?} for {awaited}", self.settings.connect_deadline),
        )
    }
}
