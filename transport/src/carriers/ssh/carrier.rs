//! The carrier `ssh`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

use super::beneath::{above, beneath};
use super::dialled::Dialled;
use super::error::SshError;
use super::listener::SshListener;
use super::server::Server;
use super::settings::Settings;
use super::target;
use super::tunnel::{Maker, Tunnel};
use crate::carrier::endpoint::{Endpoint, Scheme};
use crate::carrier::token::Token;
use crate::carrier::{Carrier, CarrierError, ChannelError, Listener, Session};
use crate::carriers::tcp::Tcp;

/// The carrier `ssh`.
#[derive(Clone, Debug)]
pub struct Ssh {
    token: Token,
    settings: Settings,
    /// Where `sshd` connects to.
    target: Option<PathBuf>,
}

impl Ssh {
    /// A carrier for one session. A listening one has to be told where to bring the channels.
    pub fn new(token: Token, settings: Settings) -> Self {
        Self {
            token,
            settings,
            target: None,
        }
    }

    fn tcp(&self) -> Tcp {
        Tcp::new(self.token.clone(), self.settings.tcp())
    }
}

#[async_trait]
impl Carrier for Ssh {
    fn scheme(&self) -> Scheme {
        Scheme::Ssh
    }

    fn kernel_sockets(&self) -> bool {
        false
    }

    fn forward_to(&mut self, socket: &Path, peer_uid: Option<u32>) -> Result<bool, CarrierError> {
        self.target = Some(target::safe(socket, peer_uid)?);
        Ok(true)
    }

    async fn listen(&self, endpoint: &Endpoint) -> Result<Box<dyn Listener>, CarrierError> {
        let beneath = beneath(endpoint)?;
        let target = self.target.as_deref().ok_or(SshError::NoSocket)?;
        let server = Server::prepare(&self.token, &self.settings, target).await?;
        let beneath = self.tcp().listen(&beneath).await.map_err(above)?;
        Ok(Box::new(SshListener::new(
            beneath,
            server,
            self.token.clone(),
            self.settings.connections,
        )))
    }

    /// The session and its first `ssh`, so that whatever is wrong shows before anybody opens a channel.
    async fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>, CarrierError> {
        let beneath = beneath(endpoint)?;
        let maker = Arc::new(Maker::new(self.token.clone(), self.settings.clone())?);
        let session = self.tcp().dial(&beneath).await.map_err(above)?;
        let first = Tunnel::open(Arc::clone(&maker), &*session).await;
        let first = first.map_err(|error| match error {
            ChannelError::Open { source, .. } => source,
            ended @ (ChannelError::WrongSide(_)
            | ChannelError::OpenedLocally
            | ChannelError::Ended(_)) => CarrierError::Broke(Box::new(ended)),
        })?;
        let connections = self.settings.connections;
        Ok(Box::new(Dialled::new(session, maker, connections, first)))
    }
}
