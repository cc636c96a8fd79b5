//! Peers that do not hold the token, over UDP: they get nothing, and they harm nobody.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use lmbench_transport::carrier::{CarrierError, HandshakeError};
use lmbench_transport::endpoint::Address;
use lmbench_transport::identity::{Cipher, Identity, Side};
use lmbench_transport::quic::{Quic, Settings};
use lmbench_transport::{Carrier, Channel, Endpoint, Token};
use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::rig::{self, Limits, Rig};

/// Datagrams that are no QUIC, or no beginning of a connection, do not even become a peer.
#[tokio::test]
async fn garbage_does_not_become_a_peer() {
    for rig in rig::over_udp() {
        let mut pair = rig.pair().await;
        let (mut near, mut far) = pair.channel().await;
        let stranger = stranger(pair.serving.address()).await;
        let plain_hello = [&b"LMBT\0\x02\0\0"[..], &[0xff; 36]].concat();
        let long_header_of_nothing = [&[0xc0, 0, 0, 0, 1, 8][..], &[7; 1300]].concat();
        let huge = vec![0xc0; 60_000];
        for garbage in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"",
            &[0; 1],
            &[0; 1200],
            &[0xff; 1472],
            &[0x40; 1200],
            &plain_hello,
            &long_header_of_nothing,
            &huge,
        ] {
            stranger.send(garbage).await.unwrap();
            speak(&mut near, &mut far).await;
        }
        assert!(pair.serving.refused.try_recv().is_err(), "{}", rig.name);
    }
}

/// With one handshake after the other, the silent peer would hold the other one up for the whole deadline of 60 s.
#[tokio::test]
async fn a_silent_peer_blocks_nobody() {
    for rig in rig::over_udp() {
        let token = Token::generate().unwrap();
        let mut serving = rig.listen(&token).await;
        let silent = stranger(serving.address()).await;
        silent.send(&hello(&rig, &token).await).await.unwrap();
        let _session = soon(rig.carrier(&token).dial(&serving.endpoint))
            .await
            .unwrap();
        assert!(serving.sessions.recv().await.is_some());
    }
}

#[tokio::test]
async fn a_silent_peer_is_dropped_at_the_deadline() {
    let rig = rig::over_udp().remove(0);
    let (token, limits) = (Token::generate().unwrap(), quick());
    let carrier = rig.carrier_with(&token, limits);
    let mut listener = carrier.listen(&rig.endpoint()).await.unwrap();
    let silent = stranger(address(listener.endpoint())).await;
    silent.send(&hello(&rig, &token).await).await.unwrap();
    let pending = listener.accept().await.unwrap();
    let error = pending.handshake().await.err().unwrap();
    assert!(
        matches!(error, HandshakeError::TimedOut { after } if after == limits.handshake_deadline),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_host_that_never_answers_is_left_at_the_deadline() {
    let rig = rig::over_udp().remove(0);
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new(rig.endpoint().scheme, silent.local_addr().unwrap());
    let carrier = rig.carrier_with(&Token::generate().unwrap(), quick());
    let error = carrier.dial(&endpoint).await.err().unwrap();
    assert_eq!(error.to_string(), format!("cannot connect to {endpoint}"));
}

/// Each of the two proofs is asked for: certificates that the peer trusts, and the session's token.
#[tokio::test]
async fn a_certificate_without_the_token_and_the_token_without_a_certificate_are_refused() {
    let (token, other) = (Token::generate().unwrap(), Token::generate().unwrap());
    let of = |token: &Token, trusted: &Token, side| {
        let identity = Identity::from_token(trusted, side).unwrap();
        Quic::with_identity(token.clone(), Settings::default(), identity)
    };
    let listener = of(&token, &token, Side::Listener);
    let at = "quic://127.0.0.1:0".parse().unwrap();
    let mut serving = rig::Serving::new(listener.listen(&at).await.unwrap());
    for dialler in [
        of(&other, &token, Side::Dialler),
        of(&token, &other, Side::Dialler),
    ] {
        let error = dialler.dial(&serving.endpoint).await.err().unwrap();
        assert!(
            matches!(
                error,
                CarrierError::Handshake {
                    source: HandshakeError::Token,
                    ..
                }
            ),
            "{error:?}"
        );
        assert!(matches!(
            serving.refused.recv().await.unwrap(),
            HandshakeError::Token | HandshakeError::Closed
        ));
    }
    assert!(serving.sessions.try_recv().is_err());
}

/// Everything that a dialler sent is recorded on its way, then played again: to the same listener, and to a fresh one with the
/// same token.
#[tokio::test]
async fn a_replayed_session_is_none() {
    for rig in rig::over_udp() {
        let token = Token::generate().unwrap();
        let mut serving = rig.listen(&token).await;
        let (mut recording, through) = record(&rig, serving.address()).await;
        let dialled = rig.carrier(&token).dial(&through).await.unwrap();
        let accepted = serving.sessions.recv().await.unwrap();
        let (near, far) = tokio::join!(dialled.open_channel(), accepted.accept_channel());
        let (mut near, mut far) = (near.unwrap(), far.unwrap().unwrap());

        let again = rig.carrier_with(&token, quick());
        let mut again = rig::Serving::new(again.listen(&rig.endpoint()).await.unwrap());
        let mut recorded = Vec::new();
        while let Ok(datagram) = recording.try_recv() {
            recorded.push(datagram);
        }
        for listener in [serving.address(), again.address()] {
            let stranger = stranger(listener).await;
            for datagram in &recorded {
                stranger.send(datagram).await.unwrap();
            }
        }
        let error = soon(again.refused.recv()).await.unwrap();
        // What follows the first datagram was encrypted for another listener.
        assert!(
            matches!(
                error,
                HandshakeError::Protocol(_) | HandshakeError::TimedOut { .. }
            ),
            "{}: {error:?}",
            rig.name
        );
        assert!(again.sessions.try_recv().is_err(), "{}", rig.name);
        assert!(serving.sessions.try_recv().is_err(), "{}", rig.name);
        speak(&mut near, &mut far).await;
    }
}

/// All of them begin a connection and hear nothing of what is answered. Were there no bound, there would be as many handshakes;
/// were newcomers to wait for a free place, the new channel would have to wait for the deadline of 60 s.
#[tokio::test]
async fn ten_thousand_beginnings_disturb_nobody() {
    let per_channel = rig::over_udp().remove(2);
    let mut pair = per_channel.pair().await;
    let (mut near, mut far) = pair.channel().await;
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let deaf = quinn::Endpoint::new_with_abstract_socket(
        quinn::EndpointConfig::default(),
        None,
        Arc::new(Deaf(socket)),
        Arc::new(quinn::TokioRuntime),
    )
    .unwrap();
    let identity = Identity::from_token(&pair.token, Side::Dialler).unwrap();
    let tls = identity
        .client_config(Cipher::default(), b"lmbench/2")
        .unwrap();
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(tls));
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        let beginning = deaf.connect_with(config.clone(), pair.serving.address(), "anybody");
        crowd.push(beginning.unwrap());
        if number % 100 == 0 {
            speak(&mut near, &mut far).await;
        }
    }
    let (mut near, mut far) = soon(pair.channel()).await;
    speak(&mut near, &mut far).await;
    // From half of the 256 places on, nobody gets one who does not answer.
    assert!(pair.serving.refused.try_recv().is_err());
}

/// Sends, and receives nothing.
#[derive(Debug)]
struct Deaf(std::net::UdpSocket);

impl AsyncUdpSocket for Deaf {
    fn create_io_poller(self: Arc<Self>) -> std::pin::Pin<Box<dyn UdpPoller>> {
        Box::pin(Always)
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.0
            .send_to(transmit.contents, transmit.destination)
            .map(drop)
    }

    fn poll_recv(
        &self,
        _: &mut Context<'_>,
        _: &mut [IoSliceMut<'_>],
        _: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A socket that can always be written to.
#[derive(Debug)]
struct Always;

impl UdpPoller for Always {
    fn poll_writable(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The first datagram of a dialler that holds the token, which says everything right.
async fn hello(rig: &Rig, token: &Token) -> Vec<u8> {
    let trap = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new(rig.endpoint().scheme, trap.local_addr().unwrap());
    let carrier = rig.carrier(token);
    let mut datagram = vec![0; 2000];
    let length = tokio::select! {
        received = trap.recv(&mut datagram) => received.unwrap(),
        _ = carrier.dial(&endpoint) => unreachable!("nobody answers"),
    };
    datagram.truncate(length);
    datagram
}

/// The stranger that stands between two ends and writes down what the dialler's sockets send.
async fn record(rig: &Rig, target: SocketAddr) -> (mpsc::UnboundedReceiver<Vec<u8>>, Endpoint) {
    let local = SocketAddr::new(target.ip(), 0);
    let front = Arc::new(UdpSocket::bind(local).await.unwrap());
    let through = Endpoint::new(rig.endpoint().scheme, front.local_addr().unwrap());
    let (sender, recording) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut backs = HashMap::new();
        let mut buffer = vec![0; 65536];
        loop {
            let (length, client) = front.recv_from(&mut buffer).await.unwrap();
            if let Entry::Vacant(vacant) = backs.entry(client) {
                let back = Arc::new(UdpSocket::bind(local).await.unwrap());
                back.connect(target).await.unwrap();
                let (front, answers) = (Arc::clone(&front), Arc::clone(&back));
                tokio::spawn(async move {
                    let mut buffer = vec![0; 65536];
                    while let Ok(length) = answers.recv(&mut buffer).await {
                        front.send_to(&buffer[..length], client).await.unwrap();
                    }
                });
                vacant.insert(back);
            }
            // Whoever probes for the path's MTU finds that this one is no larger.
            if length <= 1500 {
                let _ = sender.send(buffer[..length].to_vec());
                backs[&client].send(&buffer[..length]).await.unwrap();
            }
        }
    });
    (recording, through)
}

async fn stranger(target: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(target.ip(), 0))
        .await
        .unwrap();
    socket.connect(target).await.unwrap();
    socket
}

fn address(endpoint: &Endpoint) -> SocketAddr {
    match endpoint.address {
        Address::Socket(address) => address,
        Address::Name { .. } => unreachable!("listeners know their address"),
    }
}

/// A session in use still works.
async fn speak(near: &mut Channel, far: &mut Channel) {
    near.write_all(b"ping").await.unwrap();
    near.flush().await.unwrap();
    far.read_exact(&mut [0; 4]).await.unwrap();
}

/// Long enough for any machine, and far shorter than the deadline that must not be waited for.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future)
        .await
        .expect("this takes no deadline's time")
}

/// A deadline that a test can wait for.
fn quick() -> Limits {
    Limits {
        handshake_deadline: Duration::from_millis(100),
        ..Limits::default()
    }
}

const CROWD: usize = 10_000;
