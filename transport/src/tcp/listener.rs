//! The listening end: a bounded crowd of peers that have proven nothing, and the way in for those that do.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::control::Control;
use super::session::{Accepted, Registry};
use super::{Settings, Tcp, socket};
use crate::carrier::{Arrival, CarrierError, HandshakeError, Listener, Pending};
use crate::crowd::{Crowd, Place};
use crate::endpoint::{Endpoint, Scheme};
use crate::handshake;
use crate::preamble::CONTROL;
use crate::token::Token;

/// A bound TCP port.
pub(super) struct TcpListener {
    listener: tokio::net::TcpListener,
    endpoint: Endpoint,
    shared: Arc<Shared>,
    /// A peer that was accepted and waits for its place in the crowd; kept here so that dropping `accept` does not lose it.
    newcomer: Option<(TcpStream, SocketAddr)>,
}

struct Shared {
    token: Token,
    settings: Settings,
    registry: Arc<Registry>,
    crowd: Arc<Crowd>,
}

struct TcpPending {
    stream: TcpStream,
    address: SocketAddr,
    place: Place,
    end: Instant,
    shared: Arc<Shared>,
}

impl TcpListener {
    pub(super) async fn bind(tcp: &Tcp, endpoint: &Endpoint) -> Result<Self, CarrierError> {
        let resolved = endpoint
            .resolve()
            .await
            .map_err(|source| CarrierError::Resolve {
                endpoint: endpoint.clone(),
                source,
            })?;
        let none = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let bound = resolved
            .first()
            .ok_or(none)
            .and_then(|address| socket::listen(*address, &tcp.settings));
        let local = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = local.map_err(|source| CarrierError::Listen {
            endpoint: endpoint.clone(),
            source,
        })?;
        let (token, settings) = (tcp.token.clone(), tcp.settings.clone());
        let shared = Arc::new(Shared {
            token,
            settings,
            registry: Arc::default(),
            crowd: Crowd::new(tcp.settings.pending_max),
        });
        Ok(Self {
            listener,
            endpoint: Endpoint::new(Scheme::Tcp, address),
            shared,
            newcomer: None,
        })
    }

    /// The next connection. Failures that concern a single peer, or that pass by themselves, do not end the listener.
    async fn next(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            match self.listener.accept().await {
                Err(error) if is_one_peers_trouble(&error) => {}
                Err(error) if is_shortage(&error) => tokio::time::sleep(SHORTAGE_PAUSE).await,
                other => return other,
            }
        }
    }
}

#[async_trait]
impl Listener for TcpListener {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn accept(&mut self) -> io::Result<Box<dyn Pending>> {
        if self.newcomer.is_none() {
            self.newcomer = Some(self.next().await?);
        }
        let place = Crowd::enter(&self.shared.crowd).await;
        let (stream, address) = self
            .newcomer
            .take()
            .expect("the newcomer was put there above");
        let end = Instant::now() + self.shared.settings.handshake_deadline;
        Ok(Box::new(TcpPending {
            stream,
            address,
            place,
            end,
            shared: Arc::clone(&self.shared),
        }))
    }
}

#[async_trait]
impl Pending for TcpPending {
    fn peer(&self) -> String {
        self.address.to_string()
    }

    async fn handshake(self: Box<Self>) -> Result<Arrival, HandshakeError> {
        let Self {
            mut stream,
            mut place,
            end,
            shared,
            ..
        } = *self;
        let leave = place.asked_to_leave();
        socket::prepare(&stream, shared.settings.peer_deadline)?;
        let exchange = async {
            let hello = handshake::hear(&mut stream).await?;
            place.said_hello();
            handshake::challenge(&mut stream, &shared.token, &hello).await?;
            Ok(hello.channel)
        };
        let channel = tokio::select! {
            biased;
            channel = handshake::within(end, shared.settings.handshake_deadline, exchange) => channel?,
            () = leave => return Err(HandshakeError::Crowded),
        };
        if channel != CONTROL {
            let joined = shared
                .registry
                .join(channel, shared.settings.channels_max, stream);
            return joined
                .map(|()| Arrival::Joined { channel })
                .map_err(HandshakeError::Refused);
        }
        let arrived = shared
            .registry
            .claim(&stream)
            .map_err(HandshakeError::Refused)?;
        let control = Control::new(stream, shared.settings.peer_deadline)?;
        Ok(Arrival::Session(Box::new(Accepted::new(
            control,
            Arc::clone(&shared.registry),
            arrived,
        ))))
    }
}

/// The peer gave up before it was accepted.
fn is_one_peers_trouble(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// No descriptor or memory is left. It passes when a connection ends, and spinning would only make it worse.
fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let shortage = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error
        .raw_os_error()
        .is_some_and(|code| shortage.iter().any(|errno| errno.raw_os_error() == code))
}

const SHORTAGE_PAUSE: Duration = Duration::from_millis(50);
