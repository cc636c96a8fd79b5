//! The source half with an `ssh` for each of QEMU's connections. QEMU knows one socket only, so this process listens on it and
//! relays each connection to the socket of its own `ssh`: one hop more than with a shared one.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::source::{broken, farewell};
use super::tunnel::{Maker, Tunnel};
use crate::carrier::Session;
use crate::carrier::channel::Channel;
use crate::carry::channels::{CUT, Channels, Opened, Opening, Patience};
use crate::carry::local::LocalListener;
use crate::carry::source::{LOCAL_PEER, lost, ms};
use crate::carry::{CarryError, Options, chain};
use crate::relay::Path;

/// What is needed to open the next channel.
#[derive(Clone)]
struct Opener {
    maker: Arc<Maker>,
    session: Arc<dyn Session>,
    used: mpsc::UnboundedSender<Tunnel>,
}

/// QEMU's way into a tunnel. Dropping it gives the tunnel back, which may still hold bytes.
struct Way {
    stream: UnixStream,
    tunnel: Option<Tunnel>,
    used: mpsc::UnboundedSender<Tunnel>,
}

/// Until the end. `first` is held ready for QEMU's first connection.
pub(super) async fn run(
    listener: LocalListener,
    (session, maker, first): (&Arc<dyn Session>, Arc<Maker>, Tunnel),
    channels: &mut Channels,
    stop: &CancellationToken,
    options: &Options,
) -> Result<(), CarryError> {
    let (used, mut returned) = mpsc::unbounded_channel();
    let opener = Opener {
        maker,
        session: Arc::clone(session),
        used,
    };
    let (mut first, mut lingering, drain) = (Some(first), JoinSet::new(), options.drain_deadline);
    let (patience, result) = loop {
        tokio::select! {
            () = stop.cancelled() => break (Patience::For(drain), Ok(())),
            end = session.ended() => break (end.into(), lost(end)),
            () = channels.next_end() => {}
            Some(tunnel) = returned.recv() => drop(lingering.spawn(linger(tunnel))),
            Some(ended) = lingering.join_next() => note(ended, channels),
            error = held_ended(&mut first) => return broken(session, error).await,
            accepted = listener.accept() => match accepted {
                Ok(Err(stranger)) => channels.refuse(LOCAL_PEER.to_owned(), stranger.to_string()),
                Ok(Ok(local)) => begin(&opener, first.take(), local, options.path, channels),
                Err(error) => break (Patience::For(drain), Err(error)),
            },
        }
    };
    // From here on nobody can open a channel.
    drop((listener, opener));
    if let Some(first) = first {
        lingering.spawn(linger(first));
    }
    channels.drain(patience, stop, drain).await;
    while let Some(tunnel) = returned.recv().await {
        lingering.spawn(linger(tunnel));
    }
    let all = async {
        while let Some(ended) = lingering.join_next().await {
            note(ended, channels);
        }
    };
    if timeout(drain.max(LINGER_MIN), all).await.is_err() {
        channels.broke(CUT.to_owned());
    }
    // Dropping the rest hangs up.
    lingering.shutdown().await;
    farewell(session).await;
    result
}

fn begin(
    opener: &Opener,
    held: Option<Tunnel>,
    local: UnixStream,
    path: Path,
    channels: &mut Channels,
) {
    let (opener, number) = (opener.clone(), held.as_ref().map(|tunnel| tunnel.number));
    channels.relay(number, path, async move {
        match open(opener, held).await {
            Ok((channel, open_ms)) => Opening::Open(Opened {
                local,
                channel,
                open_ms,
            }),
            Err(error) => Opening::Failed {
                error: chain(&error),
            },
        }
    });
}

async fn open(opener: Opener, held: Option<Tunnel>) -> Result<(Channel, Option<f64>), CarryError> {
    let begin = Instant::now();
    let (tunnel, fresh) = match held {
        Some(tunnel) => (tunnel, false),
        None => (
            Tunnel::open(Arc::clone(&opener.maker), &*opener.session).await?,
            true,
        ),
    };
    let connected = UnixStream::connect(&tunnel.socket).await;
    let stream = connected.map_err(|source| CarryError::Listen {
        path: tunnel.socket.clone(),
        source,
    })?;
    let number = tunnel.number;
    let way = Way {
        stream,
        tunnel: Some(tunnel),
        used: opener.used,
    };
    Ok((
        Channel::duplex(number, Box::new(way)),
        fresh.then(|| ms(begin.elapsed())),
    ))
}

/// A tunnel that nobody uses any more ends when its last byte has arrived. An error if it had ended before.
async fn linger(mut tunnel: Tunnel) -> Result<(), String> {
    tunnel.drained().await;
    let cut = tunnel.child.is_cut();
    tunnel.end(cut).await
}

fn note(ended: Result<Result<(), String>, JoinError>, channels: &mut Channels) {
    if let Ok(Err(said)) = ended {
        channels.broke(said);
    }
}

async fn held_ended(held: &mut Option<Tunnel>) -> super::SshError {
    match held {
        Some(tunnel) => tunnel.child.ended().await,
        None => std::future::pending().await,
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        if let Some(tunnel) = self.tunnel.take() {
            // If nobody takes it, dropping it ends it.
            let _ = self.used.send(tunnel);
        }
    }
}

impl AsyncRead for Way {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Way {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Even with no time to drain, `ssh` gets a moment to hang up by itself.
const LINGER_MIN: Duration = Duration::from_millis(100);
