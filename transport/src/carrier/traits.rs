//! The object-safe traits between carriers and whoever uses them.
//!
//! The dialling side opens channels, the listening side accepts them. Accepting a peer and shaking hands with it are two calls,
//! so that one slow peer blocks nobody and the handshake can be timed. `tests/contract.rs` says what every carrier must do.

use std::io;
use std::path::Path;

use async_trait::async_trait;

use super::channel::Channel;
use super::endpoint::{Endpoint, Scheme};
use super::error::{CarrierError, ChannelError};
use super::handshake_error::HandshakeError;
use super::session_end::SessionEnd;
use super::statistics::Statistics;

/// A way to move channels between two hosts. One carrier value serves one session: the token in it is good for one.
#[async_trait]
pub trait Carrier: Send + Sync {
    /// Which endpoints it understands.
    fn scheme(&self) -> Scheme;

    /// Whether its channels are kernel sockets, which can be spliced and handed over.
    fn kernel_sockets(&self) -> bool;

    /// Has the carrier connect to this local socket by itself, if it can do that: its sessions then bring their channels there, and give
    /// none out at [`Session::accept_channel`]. To be called before it listens. `peer_uid` is a user besides this process's own whose
    /// socket it may be.
    fn forward_to(&mut self, _socket: &Path, _peer_uid: Option<u32>) -> Result<bool, CarrierError> {
        Ok(false)
    }

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
    async fn handshake(self: Box<Self>) -> Result<Admitted, HandshakeError>;
}

/// What a peer turned out to be.
pub enum Admitted {
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

    /// Waits until channels can be used, which with most carriers is at once.
    async fn ready(&self) {}

    /// A unix socket where local processes open channels by themselves; the dialling side only.
    fn listening_socket(&self) -> Option<&Path> {
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

    /// Waits until something that the session needs beside its connection has failed, and the peer does not say why. Pending for
    /// carriers that need nothing.
    async fn failed(&self) -> CarrierError {
        std::future::pending().await
    }

    /// Waits until all has come to its end that the session carried without giving it out as a channel. To be called once nothing
    /// new comes in, before [`Self::close`], which cuts the rest.
    async fn drained(&self) {}

    /// What the session knows to be lost of what it carried, in words. Complete once it is closed.
    fn loss(&self) -> Option<String> {
        None
    }

    /// Says goodbye: this end opens and takes no further channels.
    async fn close(&self);
}
