//! What a carrier makes of its TCP connections.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::carrier::HandshakeError;
use crate::carrier::channel::Channel;

/// What goes around a connection between its begin and the challenge. One value serves one side of one session.
pub(crate) trait Wrap: Clone + Send + Sync + 'static {
    /// What a connection becomes.
    type Link: Link;

    /// Wraps a fresh connection. The caller minds the deadline.
    fn wrap(
        &self,
        stream: TcpStream,
    ) -> impl Future<Output = Result<Self::Link, HandshakeError>> + Send;
}

/// A connection between two ends of a session, wrapped or not.
pub(crate) trait Link: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// The connection below.
    fn socket(&self) -> &TcpStream;

    /// What was negotiated.
    fn details(&self) -> Option<String>;

    /// Makes it a channel of the session.
    fn into_channel(self, number: u32) -> Channel;
}
