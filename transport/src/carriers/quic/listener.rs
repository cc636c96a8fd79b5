//! The listening end: a bounded number of peers that have shown nothing of the token, and the way in for those that have.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use quinn::{Connection, Incoming, RecvStream, SendStream, TokioRuntime};
use tokio::io::AsyncWriteExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::budget::{self, Budget};
use super::control::Control;
use super::dial::Quic;
use super::session::Accepted;
use super::settings::Settings;
use super::statistics::Ledger;
use super::stream::{QuicStream, Source};
use super::{config, fault, socket};
use crate::carrier::channel::Channel;
use crate::carrier::endpoint::{Endpoint, Scheme};
use crate::carrier::handshake;
use crate::carrier::identity::{Identity, Side};
use crate::carrier::preamble::{CONTROL, encode_verdict};
use crate::carrier::preauth::PreauthFilter;
use crate::carrier::registry::Registry;
use crate::carrier::token::Token;
use crate::carrier::{Admitted, CarrierError, HandshakeError, Listener, Pending, Refusal};

/// A bound UDP port.
pub(super) struct QuicListener {
    listener: quinn::Endpoint,
    endpoint: Endpoint,
    shared: Arc<Shared>,
}

struct Shared {
    token: Token,
    settings: Settings,
    identity: Identity,
    server: quinn::ServerConfig,
    registry: Arc<Registry>,
    ledger: Arc<Ledger>,
    budget: Arc<Budget>,
    preauths: PreauthFilter,
    /// For those that did not pre-authenticate.
    places: Arc<Semaphore>,
}

struct QuicPending {
    incoming: Incoming,
    address: SocketAddr,
    _place: Option<OwnedSemaphorePermit>,
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
            budget: budget::of_connections(&quic.settings),
            preauths: PreauthFilter::new(quic.token.clone()),
            places: Arc::new(Semaphore::new(quic.settings.pending_max)),
        };
        Ok(Self {
            listener,
            endpoint: Endpoint::new(Scheme::Quic, address),
            shared: Arc::new(shared),
        })
    }

    /// The next peer, which has a place if it did not pre-authenticate. Once half of the places are taken, such a peer first has to show that it
    /// receives at the address it sends from: whoever floods the port with made-up addresses then takes no place at all.
    async fn next(&self) -> io::Result<(Incoming, Option<OwnedSemaphorePermit>)> {
        let Shared {
            preauths,
            places,
            settings,
            ..
        } = &*self.shared;
        loop {
            let incoming = self.listener.accept().await;
            let incoming = incoming.ok_or_else(|| io::Error::other("the UDP socket failed"))?;
            if preauths.admit(&incoming.orig_dst_cid()) {
                return Ok((incoming, None));
            }
            let is_crowded = places.available_permits() <= settings.pending_max / 2;
            if is_crowded && !incoming.remote_address_validated() {
                // It fails on validated peers only.
                let _ = incoming.retry();
                continue;
            }
            match Arc::clone(places).try_acquire_owned() {
                Ok(place) => return Ok((incoming, Some(place))),
                Err(_) => incoming.refuse(),
            }
        }
    }
}

#[async_trait]
impl Listener for QuicListener {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn accept(&mut self) -> io::Result<Box<dyn Pending>> {
        let (incoming, place) = self.next().await?;
        Ok(Box::new(QuicPending {
            address: incoming.remote_address(),
            incoming,
            _place: place,
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

    async fn handshake(self: Box<Self>) -> Result<Admitted, HandshakeError> {
        let Self {
            incoming,
            address,
            _place,
            end,
            shared,
        } = *self;
        let exchange = greet(incoming, address, &shared);
        let greeted = handshake::within(end, shared.settings.handshake_deadline, exchange).await?;
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
    shared: &Shared,
) -> Result<Greeted, HandshakeError> {
    let lost = |error| fault::lost(&shared.identity, &error);
    let config = config::for_peer(&shared.server, &shared.settings, address);
    let connection = incoming
        .accept_with(config)
        .map_err(lost)?
        .await
        .map_err(lost)?;
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
    async fn begin_session(&self, greeted: Greeted) -> Result<Admitted, HandshakeError> {
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
        Ok(Admitted::Session(Box::new(Accepted::new(
            Control::new(streams, connection),
            Arc::clone(&self.registry),
            Arc::clone(&self.ledger),
            arrivals,
            &self.settings,
        ))))
    }

    async fn join_session(&self, greeted: Greeted) -> Result<Admitted, HandshakeError> {
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
        let stream = QuicStream::new(
            streams,
            connection,
            self.settings.send_window,
            &Source::Budget(&self.budget),
        );
        joining.deliver(Channel::new(channel, Box::new(stream)));
        Ok(Admitted::Joined { channel })
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
