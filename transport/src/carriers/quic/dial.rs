//! What a session goes by, and how one of its connections is made.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{RecvStream, SendStream, TokioRuntime};
use tokio::time::{Instant, timeout_at};

use super::settings::Settings;
use super::statistics::{Connected, Ledger};
use super::{config, fault, socket};
use crate::carrier::endpoint::Endpoint;
use crate::carrier::identity::{Identity, IdentityError, Side};
use crate::carrier::preauth::{self, again_until};
use crate::carrier::token::Token;
use crate::carrier::{CarrierError, handshake};

/// The carrier `quic`.
#[derive(Clone)]
pub struct Quic {
    pub(super) token: Token,
    /// `None` makes one from the token.
    identity: Option<Identity>,
    pub(super) settings: Settings,
}

/// Whom a dialler talks to: every channel goes to the very address that answered, even if the name has several.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) endpoint: Endpoint,
    pub(super) name: String,
    pub(super) identity: Identity,
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

    pub(super) fn identity(&self, side: Side) -> Result<Identity, IdentityError> {
        match &self.identity {
            Some(identity) => Ok(identity.clone()),
            None => Identity::from_token(&self.token, side),
        }
    }

    /// Connects and shakes hands. Tries again when the listener hangs up, for as long as a handshake may take: it may have turned
    /// this end away for others.
    pub(super) async fn connect(
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
        let preauth = preauth::make(&self.token).map_err(failed)?;
        let config = config::client(&target.identity, &self.settings, address, preauth)
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
