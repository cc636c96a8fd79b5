//! The carrier with one TLS 1.3 connection per channel, and one more for the session itself.
//!
//! Both ends show a certificate and check the other one's, see [`crate::carrier::identity`]. Before it comes the preauth of `preauth.rs`, so
//! strangers do not even cost a handshake of TLS. Inside the TLS connection runs the same
//! challenge and response as in the carrier `tcp`, so a token is good for one session, and a channel number for one channel.
//! `connections.rs` says how a session works.
//!
//! rustls does the handshakes. The records of the stream are made by `tls/record.rs`, because that takes neither an allocation
//! nor a copy; `cargo bench -p lmbench --bench relay -- 'seal|open'` compares them with rustls's. On a two-core
//! machine (medians of eight interleaved runs of 3 GiB over veth) the carry processes of source + sink took 0.33 + 0.33 CPU-s/GiB,
//! with tokio-rustls 0.35 + 0.40, and 0.22 + 0.22 without encryption on the relay's copying path. A paused guest of 2 GiB of random
//! bytes migrated at 14.9 Gbit/s, with tokio-rustls at 11.6, over spliced TCP at 19.0, and over QEMU's own TCP at 27.7; all four
//! had both cores busy. A quarter of a carry process's time is the cipher; nearly all the rest is the kernel's, for its two copies
//! and for TCP.
//!
//! The end of a direction is TLS's close notice. Without one an end is an error: a stream that was cut never looks complete.

pub(crate) mod benched;
mod buffer;
mod handshake;
mod pump;
mod record;
mod stream;

use std::sync::Arc;

use async_trait::async_trait;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::{ClientConfig, ServerConfig};
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

#[cfg(test)]
use self::buffer::SLOTS;
use self::stream::TlsStream;
use crate::carrier::channel::Channel;
use crate::carrier::endpoint::{Endpoint, Scheme};
use crate::carrier::identity::{Cipher, Identity, IdentityError, Side};
use crate::carrier::token::Token;
use crate::carrier::{Carrier, CarrierError, HandshakeError, Listener, Session};
use crate::carriers::connections::{self, Link, Terms, Wrap};

/// The carrier `tls`.
#[derive(Clone, Debug)]
pub struct Tls {
    token: Token,
    settings: Settings,
    /// `None` where it comes from the token.
    identity: Option<Identity>,
}

/// What can be set, each by its consequence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// What encrypts the stream. Both ends must be set to the same.
    pub cipher: Cipher,
    /// What the carrier `tcp` can be told as well.
    pub connections: connections::Settings,
}

/// Makes TLS connections of those that were dialled.
#[derive(Clone)]
struct Client {
    identity: Identity,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// Makes TLS connections of those that were accepted.
#[derive(Clone)]
struct Server {
    identity: Identity,
    config: Arc<ServerConfig>,
}

impl Tls {
    /// A carrier for one session, whose ends trust whoever holds the token.
    pub fn new(token: Token, settings: Settings) -> Self {
        Self {
            token,
            settings,
            identity: None,
        }
    }

    /// A carrier for one session, whose ends trust whom the user's authority trusts. They need the same token nevertheless.
    pub fn with_identity(token: Token, settings: Settings, identity: Identity) -> Self {
        Self {
            token,
            settings,
            identity: Some(identity),
        }
    }

    fn identity(&self, side: Side) -> Result<Identity, IdentityError> {
        match &self.identity {
            Some(identity) => Ok(identity.clone()),
            None => Identity::from_token(&self.token, side),
        }
    }

    fn server(&self) -> Result<Server, IdentityError> {
        let identity = self.identity(Side::Listener)?;
        let config = identity.server_config(self.settings.cipher, ALPN)?;
        Ok(Server {
            identity,
            config: Arc::new(config),
        })
    }

    fn client(&self, endpoint: &Endpoint) -> Result<Client, IdentityError> {
        let identity = self.identity(Side::Dialler)?;
        let config = identity.client_config(self.settings.cipher, ALPN)?;
        Ok(Client {
            name: identity.peer_name(endpoint)?,
            identity,
            config: Arc::new(config),
        })
    }

    fn terms<W>(&self, wrap: W) -> Terms<W> {
        Terms {
            token: self.token.clone(),
            settings: self.settings.connections.clone(),
            wrap,
        }
    }
}

#[async_trait]
impl Carrier for Tls {
    fn scheme(&self) -> Scheme {
        Scheme::Tls
    }

    fn kernel_sockets(&self) -> bool {
        false
    }

    async fn listen(&self, endpoint: &Endpoint) -> Result<Box<dyn Listener>, CarrierError> {
        CarrierError::unless_for(Scheme::Tls, endpoint)?;
        connections::listen(self.terms(self.server()?), endpoint).await
    }

    async fn dial(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>, CarrierError> {
        CarrierError::unless_for(Scheme::Tls, endpoint)?;
        connections::dial(self.terms(self.client(endpoint)?), endpoint).await
    }
}

impl Wrap for Client {
    type Link = TlsStream;

    async fn wrap(&self, stream: TcpStream) -> Result<TlsStream, HandshakeError> {
        let connection =
            UnbufferedClientConnection::new(Arc::clone(&self.config), self.name.clone())
                .map_err(|error| self.identity.handshake_error(&error))?;
        handshake::run(connection, stream, &self.identity).await
    }
}

impl Wrap for Server {
    type Link = TlsStream;

    async fn wrap(&self, stream: TcpStream) -> Result<TlsStream, HandshakeError> {
        let connection = UnbufferedServerConnection::new(Arc::clone(&self.config))
            .map_err(|error| self.identity.handshake_error(&error))?;
        handshake::run(connection, stream, &self.identity).await
    }
}

impl Link for TlsStream {
    fn socket(&self) -> &TcpStream {
        &self.socket
    }

    fn details(&self) -> Option<String> {
        Some(TlsStream::details(self).to_owned())
    }

    fn into_channel(self, number: u32) -> Channel {
        Channel::new(number, Box::new(self))
    }
}

/// The protocol inside, which both ends must name.
const ALPN: &[u8] = b"lmbench/1";

#[cfg(test)]
mod tests;
