//! The listening end: a peer's handshake is that of the carrier underneath, and for its tunnels the login at an `sshd` of their own.

use std::io;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use tokio::sync::watch;

use super::accepted::{Accepted, Served};
use super::beneath::with_scheme;
use super::server::Server;
use super::settings::Connections;
use crate::carrier::endpoint::{Endpoint, Scheme};
use crate::carrier::token::Token;
use crate::carrier::{Admitted, HandshakeError, Listener, Pending};

/// The carrier underneath listens.
pub(super) struct SshListener {
    beneath: Box<dyn Listener>,
    endpoint: Endpoint,
    shared: Arc<Shared>,
}

struct Shared {
    server: Server,
    token: Token,
    connections: Connections,
    /// The session that tunnels belong to.
    session: watch::Sender<Option<Weak<Served>>>,
}

struct SshPending {
    beneath: Box<dyn Pending>,
    shared: Arc<Shared>,
}

impl SshListener {
    pub(super) fn new(
        beneath: Box<dyn Listener>,
        server: Server,
        token: Token,
        connections: Connections,
    ) -> Self {
        Self {
            endpoint: with_scheme(beneath.endpoint(), Scheme::Ssh),
            beneath,
            shared: Arc::new(Shared {
                server,
                token,
                connections,
                session: watch::Sender::default(),
            }),
        }
    }
}

#[async_trait]
impl Listener for SshListener {
    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    async fn accept(&mut self) -> io::Result<Box<dyn Pending>> {
        Ok(Box::new(SshPending {
            beneath: self.beneath.accept().await?,
            shared: Arc::clone(&self.shared),
        }))
    }
}

#[async_trait]
impl Pending for SshPending {
    fn peer(&self) -> String {
        self.beneath.peer()
    }

    async fn handshake(self: Box<Self>) -> Result<Admitted, HandshakeError> {
        let Self { beneath, shared } = *self;
        match beneath.handshake().await? {
            Admitted::Session(session) => {
                let served = Arc::new(Served::new(session, shared.connections));
                let listed = Some(Arc::downgrade(&served));
                shared.session.send_replace(listed);
                Ok(Admitted::Session(Box::new(Accepted(served))))
            }
            Admitted::Joined { channel } => {
                // The one that it joined is about to be listed, if it is not yet.
                let mut session = shared.session.subscribe();
                let listed = session.wait_for(Option::is_some).await;
                let listed = listed.ok().and_then(|listed| listed.as_ref()?.upgrade());
                let served = listed.ok_or(HandshakeError::Closed)?;
                let logged_in = served.log_in(&shared.server, &shared.token).await;
                logged_in.map_err(HandshakeError::Own)?;
                Ok(Admitted::Joined { channel })
            }
        }
    }
}
