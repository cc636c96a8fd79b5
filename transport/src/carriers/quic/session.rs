//! The two sides of a session over QUIC: one opens streams or connections, the other one takes them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use quinn::{RecvStream, SendStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::budget::{self, Budget};
use super::control::Control;
use super::credit::Credits;
use super::dial::{Quic, Target};
use super::fault;
use super::settings::{Connections, Settings};
use super::statistics::{Connected, Ledger};
use super::stream::{QuicStream, Source};
use crate::carrier::channel::Channel;
use crate::carrier::preamble::{decode_verdict, encode_verdict};
use crate::carrier::registry::{ChannelQueue, Registry};
use crate::carrier::{CarrierError, ChannelError, HandshakeError, Session, SessionEnd, Statistics};

/// The dialling side.
pub(super) struct Dialled {
    quic: Quic,
    target: Target,
    control: Control,
    ledger: Arc<Ledger>,
    budget: Arc<Budget>,
    /// Where its channels share the one connection.
    credits: Option<Arc<Credits>>,
    next: AtomicU32,
}

/// The listening side.
pub(super) struct Accepted {
    control: Arc<Control>,
    ledger: Arc<Ledger>,
    arrivals: ChannelQueue,
    acceptor: AbortHandle,
    details: String,
}

impl Dialled {
    pub(super) fn new(quic: Quic, target: Target, control: Control, ledger: Arc<Ledger>) -> Self {
        let credits = match quic.settings.connections {
            Connections::Shared => Some(Credits::new(control.connection(), &quic.settings)),
            Connections::PerChannel => None,
        };
        Self {
            budget: budget::of_connections(&quic.settings),
            credits,
            quic,
            target,
            control,
            ledger,
            next: AtomicU32::new(0),
        }
    }

    async fn open(&self, number: u32) -> Result<QuicStream, CarrierError> {
        let Some(credits) = &self.credits else {
            let (connection, streams) = self
                .quic
                .connect(&self.target, number, &self.ledger)
                .await?;
            return Ok(QuicStream::new(
                streams,
                connection,
                self.quic.settings.send_window,
                &Source::Budget(&self.budget),
            ));
        };
        let deadline = self.quic.settings.handshake_deadline;
        let opened = timeout(deadline, self.open_stream(credits, number)).await;
        opened
            .unwrap_or(Err(HandshakeError::TimedOut { after: deadline }))
            .map_err(|source| CarrierError::Handshake {
                endpoint: self.target.endpoint.clone(),
                source,
            })
    }

    /// The connection has proven the token; a stream only has to say which channel it is.
    async fn open_stream(
        &self,
        credits: &Arc<Credits>,
        number: u32,
    ) -> Result<QuicStream, HandshakeError> {
        let connection = self.control.connection().clone();
        let ask = async {
            let (mut send, mut receive) = connection.open_bi().await.map_err(io::Error::from)?;
            AsyncWriteExt::write_all(&mut send, &number.to_be_bytes()).await?;
            decode_verdict(receive.read_u8().await?)?;
            Ok((send, receive))
        };
        match ask.await {
            Ok(streams) => Ok(QuicStream::new(
                streams,
                connection,
                self.quic.settings.send_window,
                &Source::Credits(credits, number),
            )),
            Err(error) => Err(fault::of_stream(&self.target.identity, &connection, error)),
        }
    }
}

impl Accepted {
    pub(super) fn new(
        control: Control,
        registry: Arc<Registry>,
        ledger: Arc<Ledger>,
        arrivals: ChannelQueue,
        settings: &Settings,
    ) -> Self {
        let control = Arc::new(control);
        let acceptor = tokio::spawn(accept_streams(
            control.connection().clone(),
            registry,
            settings.clone(),
        ));
        Self {
            control,
            ledger,
            arrivals,
            acceptor: acceptor.abort_handle(),
            details: settings.details(),
        }
    }
}

/// Takes the streams that the peer opens beside the control stream. Ends with the connection.
async fn accept_streams(connection: Connected, registry: Arc<Registry>, settings: Settings) {
    let mut credits = None;
    while let Ok(streams) = connection.accept_bi().await {
        let credits = credits.get_or_insert_with(|| Credits::new(&connection, &settings));
        // One that is silent holds up those behind it and nobody else; the peer has proven the token.
        let _ = take_stream(streams, &connection, credits, (&registry, &settings)).await;
    }
}

async fn take_stream(
    (mut send, mut receive): (SendStream, RecvStream),
    connection: &Connected,
    credits: &Arc<Credits>,
    (registry, settings): (&Registry, &Settings),
) -> io::Result<()> {
    let number = receive.read_u32().await?;
    let joining = registry.join(number, settings.channels_max);
    let verdict = encode_verdict(joining.as_ref().map(drop).map_err(|refusal| *refusal));
    send.write_all(&[verdict]).await?;
    if let Ok(joining) = joining {
        let stream = QuicStream::new(
            (send, receive),
            connection.clone(),
            settings.send_window,
            &Source::Credits(credits, number),
        );
        joining.deliver(Channel::new(number, Box::new(stream)));
    } else {
        send.shutdown().await?;
    }
    Ok(())
}

#[async_trait]
impl Session for Dialled {
    fn peer(&self) -> String {
        self.control.connection().remote_address().to_string()
    }

    fn details(&self) -> Option<String> {
        Some(self.quic.settings.details())
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.ledger.sum())
    }

    async fn open_channel(&self) -> Result<Channel, ChannelError> {
        if let Some(end) = self.control.end() {
            return Err(ChannelError::Ended(end));
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let stream = self.open(number).await;
        let ends = self.control.notices().of(number);
        match stream {
            Ok(stream) => Ok(Channel::new(number, Box::new(stream)).with_ends(ends)),
            Err(source) => {
                ends.broke();
                Err(ChannelError::Open { number, source })
            }
        }
    }

    async fn accept_channel(&self) -> Result<Option<Channel>, ChannelError> {
        Err(ChannelError::WrongSide("accept"))
    }

    fn broken_channel(&self) -> Option<u32> {
        self.control.notices().broken()
    }

    async fn ended(&self) -> SessionEnd {
        self.control.ended().await
    }

    async fn close(&self) {
        self.control.goodbye().await;
    }
}

#[async_trait]
impl Session for Accepted {
    fn peer(&self) -> String {
        self.control.connection().remote_address().to_string()
    }

    fn details(&self) -> Option<String> {
        Some(self.details.clone())
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(self.ledger.sum())
    }

    async fn open_channel(&self) -> Result<Channel, ChannelError> {
        Err(ChannelError::WrongSide("open"))
    }

    async fn accept_channel(&self) -> Result<Option<Channel>, ChannelError> {
        let arrived = self.arrivals.next(self.control.ended()).await?;
        let notices = self.control.notices();
        Ok(arrived.map(|channel| {
            let ends = notices.of(channel.number());
            channel.with_ends(ends)
        }))
    }

    fn broken_channel(&self) -> Option<u32> {
        self.control.notices().broken()
    }

    async fn ended(&self) -> SessionEnd {
        self.control.ended().await
    }

    async fn close(&self) {
        self.arrivals.end();
        self.control.goodbye().await;
    }
}

impl Drop for Accepted {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}
