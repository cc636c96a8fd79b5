//! The carrier with one plain TCP connection per channel, and one more for the session itself.
//!
//! After the challenge and response of `preamble.rs` a connection holds nothing but the stream: it can be spliced, or handed to
//! another process. The bytes are authenticated at the start of each connection and are neither encrypted nor protected after
//! it. `connections.rs` says how a session works.

use async_trait::async_trait;
use tokio::net::TcpStream;

use crate::carrier::channel::Channel;
use crate::carrier::endpoint::{Endpoint, Scheme};
use crate::carrier::token::Token;
use crate::carrier::{Carrier, CarrierError, HandshakeError, Listener, Session};
pub use crate::carriers::connections::Settings;
use crate::carriers::connections::{self, Link, Terms, Wrap};

/// The carrier `tcp`.
#[derive(Clone, Debug)]
pub struct Tcp {
    token: Token,
    settings: Settings,
}

/// Leaves connections as they are.
#[derive(Clone, Copy)]
struct Bare;

impl Tcp {
    /// A carrier for one session.
    pub fn new(token: Token, settings: Settings) -> Self {
        Self { token, settings }
    }

    fn terms(&self, endpoint: &Endpoint) -> Result<Terms<Bare>, CarrierError> {
        CarrierError::unless_for(Scheme::Tcp, endpoint)?;
        Ok(Terms {
            token: self.token.clone(),
            settings: self.settings.clone(),
            wrap: Bare,
        })
    }
}

#[async_trait]
impl Carrier for Tcp {
    fn scheme(&self) -> Scheme {
        Scheme::Tcp
    }

    fn kernel_sockets(&self) -> bool {
        true
    }

    async fn listen(&self, endpoint: &Endpoint) -> Result<Box<dyn Listener>, CarrierError> {
        connections::listen(self.terms(endpoint)?, endpoint).await
    }

    async fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>, CarrierError> {
        connections::dial(self.terms(endpoint)?, endpoint).await
    }
}

impl Wrap for Bare {
    type Link = TcpStream;

    async fn wrap(&self, stream: TcpStream) -> Result<TcpStream, HandshakeError> {
        Ok(stream)
    }
}

impl Link for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }

    fn details(&self) -> Option<String> {
        None
    }

    fn into_channel(self, number: u32) -> Channel {
        Channel::tcp(number, self)
    }
}
