//! The object-safe seams between carriers and whoever uses them.
//!
//! The dialling side opens channels, the listening side accepts them. Accepting a peer and shaking hands with it are two calls,
//! so that one slow peer blocks nobody and the handshake can be timed. `tests/contract.rs` says what every carrier must do.

pub mod channel;
pub(crate) mod crowd;
pub mod endpoint;
pub(crate) mod handshake;
pub mod identity;
pub(crate) mod knock;
pub(crate) mod moved;
pub(crate) mod notices;
pub(crate) mod preamble;
pub(crate) mod registry;
pub mod token;

use std::fmt;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::carrier::channel::Channel;
use crate::carrier::endpoint::{Endpoint, Scheme};
use crate::carrier::identity::IdentityError;

/// A way to move channels between two hosts. One carrier value serves one session: the token in it is good for one.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// Which endpoints it understands.
    fn scheme(&self) -> Scheme;

    /// Whether its channels are kernel sockets, which can be spliced and handed over.
    fn kernel_sockets(&self) -> bool;

    /// Starts to listen. Port 0 picks one, [`Listener::endpoint`] tells which.
    async fn listen(&self, endpoint: &Endpoint) -> Result<Box<dyn Listener>, CarrierError>;

    /// Connects to a listening carrier and proves the token, within the carrier's deadlines.
    async fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>, CarrierError>;
}

/// The listening end.
#[async_trait]
pub trait Listener: Send {
    /// Where it listens, with the port that was picked.
    fn endpoint(&self) -> &Endpoint;

    /// The next peer, before a single byte was exchanged with it. Dropping the future loses no peer.
    async fn accept(&mut self) -> io::Result<Box<dyn Pending>>;
}

/// A peer that connected and has proven nothing yet. Dropping it disconnects the peer.
#[async_trait]
pub trait Pending: Send {
    /// Who it is, for messages.
    fn peer(&self) -> String;

    /// Lets the peer prove the token, within the carrier's deadline, which began when the peer was accepted.
    async fn handshake(self: Box<Self>) -> Result<Arrival, HandshakeError>;
}

/// What a peer turned out to be.
pub enum Arrival {
    /// The session itself.
    Session(Box<dyn Session>),
    /// A connection that joined the running session; it comes out of that session's [`Session::accept_channel`].
    Joined {
        /// The channel it became.
        channel: u32,
    },
}

/// Two ends that trust each other. Dropping it without [`Session::close`] looks to the peer like a crash.
#[async_trait]
pub trait Session: Send + Sync {
    /// Who is at the other end, for messages.
    fn peer(&self) -> String;

    /// What was negotiated, such as `TLSv1.3 TLS13_AES_128_GCM_SHA256`; `None` where nothing is.
    fn details(&self) -> Option<String> {
        None
    }

    /// What the session's connections have counted so far; `None` for carriers that leave counting to the kernel.
    fn statistics(&self) -> Option<Statistics> {
        None
    }

    /// Opens the next channel; the dialling side only. Usable at once.
    async fn open_channel(&self) -> Result<Channel, ChannelError>;

    /// The next channel the peer opened, in the order of their arrival; the listening side only. `None` once the peer has said
    /// goodbye and every channel it opened before was taken. Dropping the future loses no channel.
    async fn accept_channel(&self) -> Result<Option<Channel>, ChannelError>;

    /// The first of its channels that the peer says broke at its end, also one that never came to be here.
    fn broken_channel(&self) -> Option<u32>;

    /// Waits until the session has ended. Channels may outlive it: they end by themselves.
    async fn ended(&self) -> SessionEnd;

    /// Says goodbye: this end opens and takes no further channels.
    async fn close(&self);
}

/// What a carrier that makes its own packets knows about them: sums over all connections of a session, but for two fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Connections, ended ones included.
    pub connections: u32,
    /// The longest smoothed round trip of any connection, in microseconds.
    pub rtt_us: u64,
    /// The smallest current size of a full datagram on any connection, in bytes of UDP payload.
    pub datagram_bytes: u16,
    /// How often the congestion window was reduced.
    pub congestion_events: u64,
    /// Packets sent.
    pub packets_sent: u64,
    /// Packets that this end counts as lost on their way to the peer.
    pub packets_lost: u64,
    /// Their bytes.
    pub bytes_lost: u64,
    /// UDP datagrams sent.
    pub datagrams_sent: u64,
    /// UDP datagrams received.
    pub datagrams_received: u64,
    /// UDP payload sent, in bytes.
    pub udp_bytes_sent: u64,
    /// UDP payload received, in bytes.
    pub udp_bytes_received: u64,
}

/// How a session came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// The peer said goodbye.
    Goodbye,
    /// The peer's process went away without a goodbye. Its kernel closes its channels.
    Gone,
    /// The peer's host does not answer any more. Its channels will not notice for a long time.
    Unreachable,
}

impl fmt::Display for SessionEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Goodbye => "the peer ended the session",
            Self::Gone => "the peer went away without ending the session",
            Self::Unreachable => "the peer's host does not answer any more",
        })
    }
}

/// Listening or dialling failed.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// The endpoint belongs to another carrier.
    #[error("endpoint {endpoint} is not for carrier {carrier}")]
    Scheme {
        /// The endpoint.
        endpoint: Endpoint,
        /// The carrier that was asked.
        carrier: Scheme,
    },
    /// This end's own certificate, key or authority cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The endpoint's name has no address.
    #[error("cannot resolve {endpoint}")]
    Resolve {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        source: io::Error,
    },
    /// The endpoint cannot be listened on.
    #[error("cannot listen on {endpoint}")]
    Listen {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        source: io::Error,
    },
    /// The endpoint cannot be reached.
    #[error("cannot connect to {endpoint}")]
    Connect {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        source: io::Error,
    },
    /// The peer is there, but the handshake failed.
    #[error("handshake with {endpoint} failed")]
    Handshake {
        /// The endpoint.
        endpoint: Endpoint,
        /// Why.
        source: HandshakeError,
    },
}

/// Two ends did not come to trust each other.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The peer was silent or slow.
    #[error("peer did not finish the handshake within {after:?}")]
    TimedOut {
        /// The deadline.
        after: Duration,
    },
    /// The peer hung up.
    #[error("peer closed the connection during the handshake")]
    Closed,
    /// The peer speaks something else.
    #[error("peer does not speak lmbench's handshake")]
    Stranger,
    /// The peer is an lmbench of another version.
    #[error("peer speaks handshake version {peer}, this end {ours}")]
    Version {
        /// Theirs.
        peer: u16,
        /// Ours.
        ours: u16,
    },
    /// The peer does not hold the token.
    #[error("peer does not hold this session's token")]
    Token,
    /// The peer holds the token, but what it asked for is not to be had.
    #[error("peer was refused: {0}")]
    Refused(Refusal),
    /// The peer's certificate does not hold.
    #[error("peer's certificate is refused: {0}")]
    Certificate(CertificateFault),
    /// The peer refused this end, with an alert of TLS.
    #[error("peer refused this end: {0}")]
    Alert(String),
    /// Both ends encrypt, but have no version, cipher or protocol in common.
    #[error("peer has other settings for encryption: {0}")]
    Incompatible(String),
    /// The peer's encryption breaks the rules.
    #[error("peer broke the rules of the encrypted handshake: {0}")]
    Protocol(String),
    /// Too many peers had not shown the token, and this one was among them.
    #[error("dropped in favour of newer peers, since too many were waiting")]
    Crowded,
    /// The random source failed.
    #[error("no random numbers for the handshake")]
    Random(#[source] getrandom::Error),
    /// The connection failed.
    #[error("connection failed during the handshake")]
    Connection(#[from] io::Error),
}

/// Why a peer that holds the token is refused all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The token was already used for a session.
    SessionTaken,
    /// A channel came before its session.
    NoSession,
    /// A channel came after its session ended.
    SessionOver,
    /// The channel's number was already used.
    ChannelTaken,
    /// The channel's number is over the limit.
    ChannelLimit,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SessionTaken => "the token was already used for a session",
            Self::NoSession => "there is no session to join yet",
            Self::SessionOver => "the session is over",
            Self::ChannelTaken => "the channel number was already used",
            Self::ChannelLimit => "the channel number is over the limit",
        })
    }
}

/// What is wrong with a peer's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// It was not signed by the authority that this end trusts.
    Issuer,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It belongs to another host.
    Name {
        /// The name that was expected.
        expected: String,
    },
    /// It is not meant for the peer's side of a connection.
    Purpose,
    /// There is none.
    Missing,
    /// Something else, in the words of the TLS library.
    Other(String),
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Issuer => "it is not signed by the authority that this end trusts",
            Self::Expired => "it has expired, or a clock is wrong",
            Self::NotYetValid => "it is not valid yet, or a clock is wrong",
            Self::Name { expected } => {
                return write!(formatter, "it does not name {expected}");
            }
            Self::Purpose => "it is not meant for the peer's side (serverAuth or clientAuth)",
            Self::Missing => "the peer shows none",
            Self::Other(reason) => reason,
        })
    }
}

/// A channel could not be opened or accepted.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// Only the dialling side opens and only the listening side accepts.
    #[error("this side of the session does not {0} channels")]
    WrongSide(&'static str),
    /// The session is over.
    #[error("session is over: {0}")]
    Ended(SessionEnd),
    /// The connection for the channel failed.
    #[error("cannot open channel {number}")]
    Open {
        /// The channel's number.
        number: u32,
        /// Why.
        source: CarrierError,
    },
}
