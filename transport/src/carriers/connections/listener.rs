//! The listening end: a bounded number of peers that have proven nothing, and the way in for those that do.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::coop::unconstrained;
use tokio::time::Instant;

use super::control::Control;
use super::link::{Link, Wrap};
use super::session::Accepted;
use super::socket;
use super::terms::Terms;
use crate::carrier::endpoint::Endpoint;
use crate::carrier::handshake;
use crate::carrier::pending_peers::{PendingPeers, Slot};
use crate::carrier::preamble::{CONTROL, encode_verdict};
use crate::carrier::preauth::PreauthFilter;
use crate::carrier::registry::Registry;
use crate::carrier::{Admitted, CarrierError, HandshakeError, Listener, Pending, Refusal};

/// A bound TCP port.
pub(super) struct TcpListener<W> {
    listener: tokio::net::TcpListener,
    endpoint: Endpoint,
    shared: Arc<Shared<W>>,
    /// A peer that was accepted and waits for its slot; kept here so that dropping `accept` does not lose it.
    newcomer: Option<(TcpStream, SocketAddr)>,
}

struct Shared<W> {
    terms: Terms<W>,
    registry: Arc<Registry>,
    pending: Arc<PendingPeers>,
    preauths: PreauthFilter,
}

struct TcpPending<W> {
    stream: TcpStream,
    address: SocketAddr,
    slot: Slot,
    end: Instant,
    shared: Arc<Shared<W>>,
}

impl<W: Wrap> TcpListener<W> {
    pub(super) async fn bind(terms: Terms<W>, endpoint: &Endpoint) -> Result<Self, CarrierError> {
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
            .and_then(|address| socket::listen(*address, &terms.settings));
        let local = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = local.map_err(|source| CarrierError::Listen {
            endpoint: endpoint.clone(),
            source,
        })?;
        let pending = PendingPeers::new(terms.settings.pending_max);
        let endpoint = Endpoint::new(endpoint.scheme, address);
        let shared = Arc::new(Shared {
            preauths: PreauthFilter::new(terms.token.clone()),
            terms,
            registry: Arc::default(),
            pending,
        });
        Ok(Self {
            listener,
            endpoint,
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
impl<W: Wrap> Listener for TcpListener<W> {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn accept(&mut self) -> io::Result<Box<dyn Pending>> {
        let newcomer = match self.newcomer.take() {
            Some(newcomer) => newcomer,
            None => self.next().await?,
        };
        let address = newcomer.1;
        self.newcomer = Some(newcomer);
        let slot = PendingPeers::admit(&self.shared.pending, address.ip()).await;
        let (stream, _) = self
            .newcomer
            .take()
            .expect("the newcomer was put there above");
        let end = Instant::now() + self.shared.terms.settings.handshake_deadline;
        Ok(Box::new(TcpPending {
            stream,
            address,
            slot,
            end,
            shared: Arc::clone(&self.shared),
        }))
    }
}

#[async_trait]
impl<W: Wrap> Pending for TcpPending<W> {
    fn peer(&self) -> String {
        self.address.to_string()
    }

    async fn handshake(self: Box<Self>) -> Result<Admitted, HandshakeError> {
        let Self {
            mut stream,
            address,
            slot,
            end,
            shared,
        } = *self;
        let Terms {
            token,
            settings,
            wrap,
        } = &shared.terms;
        socket::prepare(&stream, settings.peer_deadline)?;
        let within = settings.handshake_deadline;
        tokio::select! {
            biased;
            heard = handshake::within(end, within, shared.preauths.receive(&mut stream)) => heard?,
            () = slot.evicted() => return Err(HandshakeError::Evicted),
        }
        // From here on only holders of the token can be so many.
        drop(slot);
        let exchange = async {
            let mut link = wrap.wrap(stream).await?;
            let hello = handshake::hear(&mut link).await?;
            handshake::challenge(&mut link, token, &hello).await?;
            Ok((link, hello.channel))
        };
        let (mut link, channel) = handshake::within(end, within, exchange).await?;
        let registry = &shared.registry;
        if channel != CONTROL {
            let joining = registry.join(channel, settings.channels_max);
            tell(&mut link, &joining);
            let joining = joining.map_err(HandshakeError::Refused)?;
            joining.deliver(link.into_channel(channel));
            return Ok(Admitted::Joined { channel });
        }
        let claimed = registry.claim();
        tell(&mut link, &claimed);
        let arrivals = claimed.map_err(HandshakeError::Refused)?;
        shared.pending.prefer(address.ip());
        let control = Control::new(link, settings.peer_deadline)?;
        Ok(Admitted::Session(Box::new(Accepted::new(
            control, arrivals,
        ))))
    }
}

/// One byte always fits the empty buffer of a live connection; a dead one will be found out by its owner. So the write is
/// done at once or not at all, and a peer that does not read holds nobody up.
fn tell<T>(link: &mut impl Link, verdict: &Result<T, Refusal>) {
    let verdict = verdict.as_ref().map(drop).map_err(|refusal| *refusal);
    let byte = [encode_verdict(verdict)];
    let write = unconstrained(async {
        link.write_all(&byte).await?;
        link.flush().await
    });
    let _ = pin!(write).poll(&mut Context::from_waker(Waker::noop()));
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
