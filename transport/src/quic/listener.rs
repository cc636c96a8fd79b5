//! The listening end: a bounded crowd of peers that have proven nothing, and the way in for those that do.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use quinn::{Connection, Incoming, RecvStream, SendStream, TokioRuntime};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use super::control::Control;
use super::session::Accepted;
use super::statistics::Ledger;
use super::stream::QuicStream;
use super::{Quic, Settings, config, fault, socket};
use crate::carrier::{Arrival, CarrierError, HandshakeError, Listener, Pending, Refusal};
use crate::channel::Channel;
use crate::crowd::{Crowd, Place};
use crate::endpoint::{Endpoint, Scheme};
use crate::handshake;
use crate::identity::{Identity, Side};
use crate::preamble::{CONTROL, encode_verdict};
use crate::registry::Registry;
use crate::token::Token;

/// A bound UDP port.
pub(super) struct QuicListener {
    listener: quinn::Endpoint,
    endpoint: Endpoint,
    shared: Arc<Shared>,
    /// A peer that waits for its place in the crowd; kept here so that dropping `accept` does not lose it.
    newcomer: Option<Incoming>,
}

struct Shared {
    token: Token,
    settings: Settings,
    identity: Identity,
    server: quinn::ServerConfig,
    registry: Arc<Registry>,
    ledger: Arc<Ledger>,
    crowd: Arc<Crowd>,
}

struct QuicPending {
    incoming: Incoming,
    address: SocketAddr,
    place: Place,
    end: Instant,
    shared: Arc<Shared>,
}

/// A peer that holds the token, and what it wants to be.
struct Greeted {
    connection: Connection,
    streams: (SendStream, RecvStream),
    channel: u32,
}

impl QuicListener {
    pub(super) async fn bind(quic: &Quic, endpoint: &Endpoint) -> Result<Self, CarrierError> {
        let identity = quic.identity(Side::Listener)?;
        let server = config::server(&identity, &quic.settings)?;
        let resolved = endpoint
            .resolve()
            .await
            .map_err(|source| CarrierError::Resolve {
                endpoint: endpoint.clone(),
                source,
            })?;
        let none = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let bound = resolved.first().ok_or(none).and_then(|address| {
            let listener = quinn::Endpoint::new_with_abstract_socket(
                config::endpoint(),
                Some(server.clone()),
                socket::listen(*address, &quic.settings)?,
                Arc::new(TokioRuntime),
            )?;
            Ok((listener.local_addr()?, listener))
        });
        let (address, listener) = bound.map_err(|source| CarrierError::Listen {
            endpoint: endpoint.clone(),
            source,
        })?;
        let shared = Shared {
            token: quic.token.clone(),
            settings: quic.settings.clone(),
            identity,
            server,
            registry: Arc::default(),
            ledger: Arc::default(),
            crowd: Crowd::new(quic.settings.pending_max),
        };
        Ok(Self {
            listener,
            endpoint: Endpoint::new(Scheme::Quic, address),
            shared: Arc::new(shared),
            newcomer: None,
        })
    }

    /// The next peer. Once half of the places are taken, a peer first has to show that it receives at the address it sends from:
    /// whoever floods the port with made-up addresses then takes no place at all.
    async fn next(&self) -> io::Result<Incoming> {
        loop {
            let incoming = self.listener.accept().await;
            let incoming = incoming.ok_or_else(|| io::Error::other("the UDP socket failed"))?;
            let is_crowded = self.shared.crowd.free() <= self.shared.settings.pending_max / 2;
            if incoming.remote_address_validated() || !is_crowded {
                return Ok(incoming);
            }
            // It fails on validated peers only.
            let _ = incoming.retry();
        }
    }
}

#[async_trait]
impl Listener for QuicListener {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn accept(&mut self) -> io::Result<Box<dyn Pending>> {
        if self.newcomer.is_none() {
            self.newcomer = Some(self.next().await?);
        }
        let place = Crowd::enter(&self.shared.crowd).await;
        let incoming = self
            .newcomer
            .take()
            .expect("the newcomer was put there above");
        Ok(Box::new(QuicPending {
            address: incoming.remote_address(),
            incoming,
            place,
            end: Instant::now() + self.shared.settings.handshake_deadline,
            shared: Arc::clone(&self.shared),
        }))
    }
}

#[async_trait]
impl Pending for QuicPending {
    fn peer(&self) -> String {
        self.address.to_string()
    }

    async fn handshake(self: Box<Self>) -> Result<Arrival, HandshakeError> {
        let Self {
            incoming,
            address,
            mut place,
            end,
            shared,
        } = *self;
        let leave = place.asked_to_leave();
        let exchange = greet(incoming, address, &mut place, &shared);
        let greeted = tokio::select! {
            biased;
            greeted = handshake::within(end, shared.settings.handshake_deadline, exchange) => greeted?,
            () = leave => return Err(HandshakeError::Crowded),
        };
        if greeted.channel == CONTROL {
            shared.begin_session(greeted).await
        } else {
            shared.join_session(greeted).await
        }
    }
}

/// The handshake of QUIC, then the challenge and response on the peer's first stream.
async fn greet(
    incoming: Incoming,
    address: SocketAddr,
    place: &mut Place,
    shared: &Shared,
) -> Result<Greeted, HandshakeError> {
    let lost = |error| fault::lost(&shared.identity, &error);
    let config = config::for_peer(&shared.server, &shared.settings, address);
    let connection = incoming
        .accept_with(config)
        .map_err(lost)?
        .await
        .map_err(lost)?;
    place.said_hello();
    let (mut send, mut receive) = connection.accept_bi().await.map_err(lost)?;
    let mut stream = tokio::io::join(&mut receive, &mut send);
    let exchange = async {
        let hello = handshake::hear(&mut stream).await?;
        handshake::challenge(&mut stream, &shared.token, &hello).await?;
        config::fit_send_window(&connection, shared.settings.send_window);
        Ok(hello.channel)
    };
    match exchange.await {
        Ok(channel) => Ok(Greeted {
            connection,
            streams: (send, receive),
            channel,
        }),
        Err(error) => Err(fault::of_stream(&shared.identity, &connection, error)),
    }
}

impl Shared {
    async fn begin_session(&self, greeted: Greeted) -> Result<Arrival, HandshakeError> {
        let arrivals = match self.registry.claim() {
            Ok(arrivals) => arrivals,
            Err(refusal) => return Err(refuse(greeted, refusal).await),
        };
        let Greeted {
            connection,
            mut streams,
            ..
        } = greeted;
        // A peer that is gone already is found out by the session.
        let _ = streams.0.write_all(&[encode_verdict(Ok(()))]).await;
        let connection = Ledger::enter(&self.ledger, connection);
        Ok(Arrival::Session(Box::new(Accepted::new(
            Control::new(streams, connection),
            Arc::clone(&self.registry),
            Arc::clone(&self.ledger),
            arrivals,
            &self.settings,
        ))))
    }

    async fn join_session(&self, greeted: Greeted) -> Result<Arrival, HandshakeError> {
        let channel = greeted.channel;
        let joining = match self.registry.join(channel, self.settings.channels_max) {
            Ok(joining) => joining,
            Err(refusal) => return Err(refuse(greeted, refusal).await),
        };
        let Greeted {
            connection,
            mut streams,
            ..
        } = greeted;
        let _ = streams.0.write_all(&[encode_verdict(Ok(()))]).await;
        let connection = Ledger::enter(&self.ledger, connection);
        let stream = QuicStream::new(streams, connection, self.settings.send_window);
        joining.deliver(Channel::quic(channel, stream));
        Ok(Arrival::Joined { channel })
    }
}

/// Tells the peer why it is turned away, and stays until it knows.
async fn refuse(greeted: Greeted, refusal: Refusal) -> HandshakeError {
    let (mut send, _receive) = greeted.streams;
    let told = async {
        send.write_all(&[encode_verdict(Err(refusal))]).await.ok()?;
        send.shutdown().await.ok()?;
        send.stopped().await.ok()
    };
    let _ = tokio::time::timeout(REFUSAL_MAX, told).await;
    HandshakeError::Refused(refusal)
}

/// How long a peer that is turned away may take to acknowledge that.
const REFUSAL_MAX: std::time::Duration = std::time::Duration::from_secs(1);
