//! What one side of a session goes by, and how one of its connections is made.

use std::io;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::link::Wrap;
use super::settings::Settings;
use super::socket;
use crate::carrier::endpoint::Endpoint;
use crate::carrier::preauth::{self, again_until};
use crate::carrier::token::Token;
use crate::carrier::{CarrierError, HandshakeError, handshake};

/// What one side of a session goes by.
#[derive(Clone)]
pub(crate) struct Terms<W> {
    pub(crate) token: Token,
    pub(crate) settings: Settings,
    pub(crate) wrap: W,
}

impl<W: Wrap> Terms<W> {
    /// Connects and shakes hands. Tries again when the listener hangs up, for as long as a handshake may take: it may have evicted this
    /// end for another peer.
    pub(super) async fn connect(
        &self,
        endpoint: &Endpoint,
        channel: u32,
    ) -> Result<W::Link, CarrierError> {
        let end = Instant::now() + self.settings.handshake_deadline;
        again_until(end, || self.connect_once(endpoint, channel)).await
    }

    /// Connects to the first address that answers, and shakes hands.
    async fn connect_once(
        &self,
        endpoint: &Endpoint,
        channel: u32,
    ) -> Result<W::Link, CarrierError> {
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
            match timeout_at(deadline, socket::connect(address, &self.settings)).await {
                Ok(Ok(stream)) => {
                    return self.shake_hands(stream, channel).await.map_err(|source| {
                        CarrierError::Handshake {
                            endpoint: endpoint.clone(),
                            source,
                        }
                    });
                }
                Ok(Err(error)) => last_error = error,
                Err(_) => return Err(connect(self.too_slow("an answer"))),
            }
        }
        Err(connect(last_error))
    }

    async fn shake_hands(
        &self,
        mut stream: TcpStream,
        channel: u32,
    ) -> Result<W::Link, HandshakeError> {
        let deadline = self.settings.handshake_deadline;
        let exchange = async {
            preauth::send(&mut stream, &self.token).await?;
            let mut link = self.wrap.wrap(stream).await?;
            handshake::dial(&mut link, &self.token, channel).await?;
            Ok(link)
        };
        handshake::within(Instant::now() + deadline, deadline, exchange).await
    }

    fn too_slow(&self, awaited: &str) -> io::Error {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("waited {:?} for {awaited}", self.settings.connect_deadline),
        )
    }
}
