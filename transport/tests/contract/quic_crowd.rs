//! Strangers that get further with QUIC than its first datagram: those of `shared/flood.rs` that speak it.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use lmbench_transport::Token;
use lmbench_transport::identity::{Cipher, Identity, Side};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::udp::{RecvMeta, Transmit};
use quinn::{
    AsyncUdpSocket, ClientConfig, Connecting, Connection, RecvStream, Runtime as _, SendStream,
    TokioRuntime, UdpPoller,
};
use tokio::task::JoinSet;

use crate::flood::{AT_ONCE, BURST, Flood};

/// Where such a stranger stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stops {
    /// It has shown that it receives at its address, and goes no further.
    AfterTheRetry,
    /// Its certificate is refused.
    AtTheCertificate,
    /// Its certificate is good, and it says this.
    After(&'static [u8]),
}

pub(crate) const STOPS: [Stops; 6] = [
    Stops::AfterTheRetry,
    Stops::AtTheCertificate,
    // No stream at all.
    Stops::After(b""),
    Stops::After(b"LMBT\0\x02\0\0half of a hello"),
    Stops::After(HELLO),
    Stops::After(WRONG_PROOF),
];

/// They come until it is dropped: as many at a time as the listener has places for, and then so many a second, or what the machine can.
pub(crate) fn flood(target: SocketAddr, token: &Token, stops: Stops, per_second: u32) -> Flood {
    let config = config(token, stops);
    let identity = Identity::from_token(token, Side::Dialler).unwrap();
    let name = identity.peer_name(&"quic://127.0.0.1:1".parse().unwrap());
    let name = name.unwrap().to_str().into_owned();
    Flood::on_its_own(move |ready, stop| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let socket = std::net::UdpSocket::bind(SocketAddr::new(target.ip(), 0)).unwrap();
            let socket = TokioRuntime.wrap_udp_socket(socket).unwrap();
            let socket: Arc<dyn AsyncUdpSocket> = match stops {
                Stops::AfterTheRetry => Arc::new(RetriesOnly(socket)),
                Stops::AtTheCertificate | Stops::After(_) => socket,
            };
            let endpoint = quinn::Endpoint::new_with_abstract_socket(
                quinn::EndpointConfig::default(),
                None,
                socket,
                Arc::new(TokioRuntime),
            );
            let (endpoint, mut strangers) = (endpoint.unwrap(), Strangers::default());
            let enter_one = |strangers: &mut Strangers| {
                let connecting = endpoint
                    .connect_with(config.clone(), target, &name)
                    .unwrap();
                strangers.add(connecting, stops);
            };
            for _ in 0..AT_ONCE {
                enter_one(&mut strangers);
            }
            strangers.settle(stops).await;
            let _ = ready.send(());
            let (start, mut entered) = (Instant::now(), 0);
            while !stop() {
                let due = start.elapsed().as_secs_f64() * f64::from(per_second);
                // As in `Flood::start`, what a busy machine delayed is not made up for.
                entered = entered.max(due as u64 - (due as u64).min(BURST));
                while entered < due as u64 {
                    enter_one(&mut strangers);
                    entered += 1;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    })
}

#[derive(Default)]
struct Strangers {
    inside: JoinSet<Option<Stranger>>,
    arrived: VecDeque<Option<Stranger>>,
}

/// One that is in, and says no more. Dropped, it would hang up.
struct Stranger {
    _connection: Connection,
    _stream: Option<(SendStream, RecvStream)>,
}

impl Strangers {
    fn add(&mut self, connecting: Connecting, stops: Stops) {
        self.inside.spawn(enter(connecting, stops));
        while let Some(arrived) = self.inside.try_join_next() {
            self.arrived.push_back(arrived.unwrap());
        }
        while self.arrived.len() > CONNECTED_MAX {
            self.arrived.pop_front();
        }
    }

    /// Waits until the first of them are as far as they come.
    async fn settle(&mut self, stops: Stops) {
        match stops {
            // They never know.
            Stops::AfterTheRetry => {}
            Stops::AtTheCertificate | Stops::After(_) => {
                while let Some(arrived) = self.inside.join_next().await {
                    self.arrived.push_back(arrived.unwrap());
                }
            }
        }
    }
}

async fn enter(connecting: Connecting, stops: Stops) -> Option<Stranger> {
    let connection = connecting.await.ok()?;
    let stream = match stops {
        Stops::AfterTheRetry | Stops::AtTheCertificate | Stops::After(b"") => None,
        Stops::After(says) => {
            let (mut send, receive) = connection.open_bi().await.ok()?;
            send.write_all(says).await.ok()?;
            Some((send, receive))
        }
    };
    Some(Stranger {
        _connection: connection,
        _stream: stream,
    })
}

/// A client that the listener lets as far as it is to come. Its first connection ID is random, which is no knock.
fn config(token: &Token, stops: Stops) -> ClientConfig {
    let of = |token: &Token| {
        let identity = Identity::from_token(token, Side::Dialler).unwrap();
        identity
            .client_config(Cipher::default(), b"lmbench/2")
            .unwrap()
    };
    let mut tls = of(token);
    match stops {
        Stops::AfterTheRetry | Stops::After(_) => {}
        Stops::AtTheCertificate => {
            tls.client_auth_cert_resolver =
                of(&Token::generate().unwrap()).client_auth_cert_resolver;
        }
    }
    ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
}

/// Hears nothing but that it is to come again and show that it heard so.
#[derive(Debug)]
struct RetriesOnly(Arc<dyn AsyncUdpSocket>);

impl AsyncUdpSocket for RetriesOnly {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.0).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.0.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        received: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(self.0.poll_recv(context, buffers, received))?;
        for (buffer, meta) in buffers.iter().zip(&mut received[..count]) {
            // RFC 9000 17.2.5: a long header of type 3.
            if buffer[0] & 0xb0 != 0xb0 {
                meta.len = 0;
            }
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

const CONNECTED_MAX: usize = 2000;
/// `preamble.rs`: header, channel, nonce; then the proof.
const HELLO: &[u8; 44] = b"LMBT\0\x02\0\0\0\0\0\x07a nonce that nobody thought of..";
const WRONG_PROOF: &[u8; 76] =
    b"LMBT\0\x02\0\0\0\0\0\x07a nonce that nobody thought of..without the token it is no proof";
