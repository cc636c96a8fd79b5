//! Why two ends did not come to trust each other.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

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
    Evicted,
    /// What the carrier has beside the common handshake failed.
    #[error(transparent)]
    Own(Box<dyn Error + Send + Sync>),
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
