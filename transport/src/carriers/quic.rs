//! The carrier over UDP that encrypts: QUIC, with quinn.
//!
//! Both ends show a certificate (see [`crate::carrier::identity`]) and TLS 1.3 protects every byte. On top of it the first stream of each
//! connection begins with the challenge and response of `preamble.rs`, so that what holds for `tcp` holds here too: one token
//! is good for one session per listener, each channel number for one channel, and refusals say why.
//!
//! That first stream of the session's connection is its control stream: a goodbye on it before its end means that no channel
//! will follow, an end without one that the peer is gone, and silence for [`Settings::peer_deadline`] that the path or the host
//! is. Channels are further streams of the same connection, or connections of their own, see [`Connections`].
//!
//! Other than with TCP, no kernel finishes what a process has begun: what is sent and not yet acknowledged ends with the process.
//! So a channel's half-close and a session's goodbye wait until the peer has acknowledged them.
//!
//! `cargo bench -p lmbench --bench carriers -- 'quic|tls'` measures it. On a busy two-core machine, over veth, GB/s and
//! source + sink CPU-s/GiB: 0.83 and 1.0 + 1.05 at MTU 1500, 1.5 and 0.46 + 0.50 at MTU 9000, where the carrier `tls` had 2.0 and
//! 0.34 + 0.31. One core on each side is the limit: more than half of it goes into quinn's work per packet, a sixth into AES.
//! Nothing was lost, so congestion control and acknowledgements made no difference beyond the noise. What limits is spread over
//! dozens of quinn's functions per packet, each below 7 %: link-time optimisation won 2 % at the source, and nothing at the sink.
//! Datagrams beyond the MTU, cut up by IP, cost more on both sides than the packets they save.
//!
//! Not in here: migration to another address, 0-RTT and datagrams, which are all switched off.

mod bdp;
mod budget;
mod config;
mod control;
mod credit;
mod fault;
mod listener;
mod pump;
mod session;
mod socket;
mod statistics;
mod stream;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use quinn::{RecvStream, SendStream, TokioRuntime};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::carrier::endpoint::{Endpoint, Scheme};
use crate::carrier::handshake;
use crate::carrier::identity::{Cipher, Identity, IdentityError, Side};
use crate::carrier::knock::{self, again_until};
use crate::carrier::preamble::CONTROL;
use crate::carrier::token::Token;
use crate::carrier::{Carrier, CarrierError, Listener, Session};
use statistics::{Connected, Ledger};

/// The carrier `quic`.
#[derive(Clone)]
pub struct Quic {
    token: Token,
    /// `None` makes one from the token.
    identity: Option<Identity>,
    settings: Settings,
}

/// What can be set, each by its consequence. Deadlines and limits have no text form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// What a channel is made of.
    pub connections: Connections,
    /// What decides how much may be on its way.
    pub congestion: Congestion,
    /// The MTU of the path in bytes, IP header included. `None` takes what this host knows of the route, which is its interface's.
    pub mtu: Option<u16>,
    /// Whether the MTU is a bound up to which the path is probed, from 1200 bytes on, or is taken for granted. Probing takes some
    /// round trips while the connection is idle and survives a path that takes less; without, such a path loses every datagram.
    pub mtu_discovery: bool,
    /// How many bytes a channel may have received that nobody has read yet. Bounds a channel's rate to one window per round trip,
    /// and to a third of it where packets are lost, since what follows a gap waits. A channel comes to it as it is read, and where there
    /// are more than one or two of them to less: they share what a session has (`budget.rs`).
    pub stream_window: u64,
    /// The same for all channels of a connection together, at most 112 MiB. Channels with connections of their own have 128 MiB together.
    pub connection_window: u64,
    /// How many bytes may wait for their acknowledgement on the sending side, for all channels of a connection together. An upper
    /// bound: no more is used than the path needs by its round trip time.
    pub send_window: u64,
    /// How many datagrams the peer may take in before it has to acknowledge. 0 leaves QUIC's rule, every other one.
    pub ack_eliciting_threshold: u32,
    /// `SO_SNDBUF` and `SO_RCVBUF` in bytes. What the receiver does not fetch in time beyond it is lost. `None` leaves the
    /// kernel's, about 200 KiB.
    pub socket_buffer: Option<u32>,
    /// Whether the kernel cuts large sends into datagrams.
    pub gso: bool,
    /// What encrypts.
    pub cipher: Cipher,
    /// How long a dialled host may take to answer and to finish the handshake of QUIC.
    #[serde(skip)]
    pub connect_deadline: Duration,
    /// How long a connected peer may take to prove the token.
    #[serde(skip)]
    pub handshake_deadline: Duration,
    /// How many peers may be in the handshake at a time that did not begin it with the token's knock (`knock.rs`). At the limit
    /// others of them are turned away; from half of it on only peers that receive at the address they send from are let in.
    #[serde(skip)]
    pub pending_max: usize,
    /// How many channels a session may open in its whole life; also the bound of channels that wait to be accepted.
    #[serde(skip)]
    pub channels_max: u32,
    /// How long a silent network may last before the session and its channels count as lost. `None` waits for ever.
    #[serde(skip)]
    pub peer_deadline: Option<Duration>,
}

/// What a channel is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connections {
    /// A stream of the session's one connection. They share its congestion window, its socket, its one core and its
    /// [`Settings::connection_window`], of which each has a part (`credit.rs`).
    Shared,
    /// A connection on a UDP socket of its own, as with TCP. Costs a handshake and a socket per channel.
    #[default]
    PerChannel,
}

/// What decides how much may be on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Congestion {
    /// Ours: as much as the path holds, a short queue on top, and a loss is only a loss. See `bdp.rs`.
    #[default]
    Bdp,
    /// RFC 8312.
    Cubic,
    /// RFC 6582.
    Newreno,
    /// Version 1 of BBR, which quinn marks as experimental.
    Bbr,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connections: Connections::default(),
            congestion: Congestion::default(),
            mtu: None,
            mtu_discovery: true,
            stream_window: 32 << 20,
            connection_window: 64 << 20,
            send_window: 64 << 20,
            ack_eliciting_threshold: 20,
            socket_buffer: Some(4 << 20),
            gso: true,
            cipher: Cipher::default(),
            connect_deadline: Duration::from_secs(10),
            handshake_deadline: Duration::from_secs(5),
            pending_max: 256,
            channels_max: 1024,
            peer_deadline: Some(Duration::from_secs(30)),
        }
    }
}

/// Whom a dialler talks to: every channel goes to the very address that answered, even if the name has several.
#[derive(Clone)]
struct Target {
    endpoint: Endpoint,
    name: String,
    identity: Identity,
}

impl Quic {
    /// A carrier for one session, whose ends trust each other because they hold the token.
    pub fn new(token: Token, settings: Settings) -> Self {
        Self {
            token,
            identity: None,
            settings,
        }
    }

    /// A carrier for one session with certificates of the user's own. The token still says which session it is.
    pub fn with_identity(token: Token, settings: Settings, identity: Identity) -> Self {
        Self {
            identity: Some(identity),
            ..Self::new(token, settings)
        }
    }

    fn identity(&self, side: Side) -> Result<Identity, IdentityError> {
        match &self.identity {
            Some(identity) => Ok(identity.clone()),
            None => Identity::from_token(&self.token, side),
        }
    }

    /// Connects and shakes hands. Tries again when the listener hangs up, for as long as a handshake may take: it may have been in a
    /// crowd of strangers.
    async fn connect(
        &self,
        target: &Target,
        channel: u32,
        ledger: &Arc<Ledger>,
    ) -> Result<(Connected, (SendStream, RecvStream)), CarrierError> {
        let end = Instant::now() + self.settings.handshake_deadline;
        again_until(end, || self.connect_once(target, channel, ledger)).await
    }

    /// Connects to the first address that answers, and shakes hands.
    async fn connect_once(
        &self,
        target: &Target,
        channel: u32,
        ledger: &Arc<Ledger>,
    ) -> Result<(Connected, (SendStream, RecvStream)), CarrierError> {
        let endpoint = &target.endpoint;
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
            match timeout_at(deadline, self.connect_to(address, target)).await {
                Ok(Ok(connection)) => {
                    let connection = Ledger::enter(ledger, connection);
                    let streams = self.greet(&connection, target, channel).await?;
                    return Ok((connection, streams));
                }
                Ok(Err(Unconnected::Unreachable(error))) => last_error = error,
                Ok(Err(Unconnected::Failed(error))) => return Err(error),
                Err(_) => return Err(connect(self.too_slow("an answer"))),
            }
        }
        Err(connect(last_error))
    }

    async fn connect_to(
        &self,
        address: SocketAddr,
        target: &Target,
    ) -> Result<quinn::Connection, Unconnected> {
        let failed = |source| {
            Unconnected::Failed(CarrierError::Handshake {
                endpoint: target.endpoint.clone(),
                source,
            })
        };
        let knock = knock::make(&self.token).map_err(failed)?;
        let config = config::client(&target.identity, &self.settings, address, knock)
            .map_err(|error| Unconnected::Failed(error.into()))?;
        let socket = socket::dial(address, &self.settings).map_err(Unconnected::Unreachable)?;
        let endpoint = quinn::Endpoint::new_with_abstract_socket(
            config::endpoint(),
            None,
            Arc::clone(&socket) as _,
            Arc::new(TokioRuntime),
        )
        .map_err(Unconnected::Unreachable)?;
        let connecting = endpoint
            .connect_with(config, address, &target.name)
            .map_err(|error| Unconnected::Unreachable(io::Error::other(error)))?;
        tokio::select! {
            biased;
            connected = connecting => connected.map_err(|error| failed(fault::lost(&target.identity, &error))),
            fault = socket.fault() => Err(Unconnected::Unreachable(fault)),
        }
    }

    async fn greet(
        &self,
        connection: &Connected,
        target: &Target,
        channel: u32,
    ) -> Result<(SendStream, RecvStream), CarrierError> {
        let exchange = async {
            let (mut send, mut receive) = connection.open_bi().await.map_err(io::Error::from)?;
            let mut stream = tokio::io::join(&mut receive, &mut send);
            handshake::dial(&mut stream, &self.token, channel).await?;
            config::fit_send_window(connection, self.settings.send_window);
            Ok((send, receive))
        };
        let deadline = self.settings.handshake_deadline;
        let greeted = handshake::within(Instant::now() + deadline, deadline, exchange).await;
        greeted.map_err(|error| CarrierError::Handshake {
            endpoint: target.endpoint.clone(),
            source: fault::of_stream(&target.identity, connection, error),
        })
    }

    fn too_slow(&self, awaited: &str) -> io::Error {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("waited {:?} for {awaited}", self.settings.connect_deadline),
        )
    }
}

/// Why an address is no connection.
enum Unconnected {
    /// Another address may be one.
    Unreachable(io::Error),
    /// The host is there, and no other address will help.
    Failed(CarrierError),
}

impl Settings {
    /// What was agreed on, for the record.
    fn details(&self) -> String {
        let cipher = match self.cipher {
            Cipher::Aes128Gcm => "TLS13_AES_128_GCM_SHA256",
            Cipher::Aes256Gcm => "TLS13_AES_256_GCM_SHA384",
            Cipher::Chacha20Poly1305 => "TLS13_CHACHA20_POLY1305_SHA256",
        };
        format!("QUICv1 TLSv1.3 {cipher}")
    }
}

#[async_trait]
impl Carrier for Quic {
    fn scheme(&self) -> Scheme {
        Scheme::Quic
    }

    fn kernel_sockets(&self) -> bool {
        false
    }

    async fn listen(&self, endpoint: &Endpoint) -> Result<Box<dyn Listener>, CarrierError> {
        CarrierError::unless_for(Scheme::Quic, endpoint)?;
        Ok(Box::new(
            listener::QuicListener::bind(self, endpoint).await?,
        ))
    }

    async fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>, CarrierError> {
        CarrierError::unless_for(Scheme::Quic, endpoint)?;
        let identity = self.identity(Side::Dialler)?;
        let mut target = Target {
            name: identity.peer_name(endpoint)?.to_str().into_owned(),
            endpoint: endpoint.clone(),
            identity,
        };
        let ledger = Arc::default();
        let (connection, streams) = self.connect(&target, CONTROL, &ledger).await?;
        target.endpoint = Endpoint::new(Scheme::Quic, connection.remote_address());
        Ok(Box::new(session::Dialled::new(
            self.clone(),
            target,
            control::Control::new(streams, connection),
            ledger,
        )))
    }
}
