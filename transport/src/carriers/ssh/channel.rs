//! A channel with an `ssh` of its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

use super::lingering::Lingering;
use super::tunnel::Tunnel;
use crate::carrier::channel::ChannelIo;

/// A connection to the socket of an `ssh`. It is made with the first use, because `sshd` then connects to the destination's QEMU at
/// once. Dropping it leaves the tunnel, which may still hold bytes, to the session.
pub(super) struct SshChannel {
    stream: Option<UnixStream>,
    tunnel: Option<Tunnel>,
    lingering: Arc<Lingering>,
    /// Cancelled with the first use.
    used: CancellationToken,
    is_cut: bool,
}

impl SshChannel {
    pub(super) fn new(tunnel: Tunnel, lingering: Arc<Lingering>, used: CancellationToken) -> Self {
        Self {
            stream: None,
            tunnel: Some(tunnel),
            lingering,
            used,
            is_cut: false,
        }
    }

    /// `ssh` listens already, so this does not wait.
    fn stream(&mut self) -> io::Result<&mut UnixStream> {
        let stream = match (self.stream.take(), &self.tunnel) {
            (Some(stream), _) => stream,
            (None, Some(tunnel)) => {
                self.used.cancel();
                let stream = std::os::unix::net::UnixStream::connect(&tunnel.socket)?;
                stream.set_nonblocking(true)?;
                UnixStream::from_std(stream)?
            }
            (None, None) => return Err(io::ErrorKind::NotConnected.into()),
        };
        Ok(self.stream.insert(stream))
    }
}

#[async_trait]
impl ChannelIo for SshChannel {
    async fn first_byte(&mut self) -> io::Result<bool> {
        let stream = &*self.stream()?;
        let peek = || {
            let (_, len) = recv(stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
            Ok(len > 0)
        };
        stream.async_io(Interest::READABLE, peek).await
    }

    fn abort(mut self: Box<Self>) {
        self.is_cut = true;
    }
}

impl Drop for SshChannel {
    fn drop(&mut self) {
        self.stream = None;
        if let Some(tunnel) = self.tunnel.take() {
            self.lingering.take(tunnel, self.is_cut);
        }
    }
}

impl AsyncRead for SshChannel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self.stream()?).poll_read(context, buffer)
    }
}

impl AsyncWrite for SshChannel {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self.stream()?).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_flush(context),
            None => Poll::Ready(Ok(())),
        }
    }

    /// One that was never used has nothing to end: the far QEMU never heard of it.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Some(stream) => Pin::new(stream).poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }
}
