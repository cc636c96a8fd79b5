//! Peers that do not hold the token: they get nothing, and they harm nobody.
//!
//! These tests speak TCP to the listener's port, so they are for the carriers that do. `strangers_udp.rs` has the others'.

use std::time::Duration;

use lmbench_transport::carrier::{Admitted, HandshakeError, Listener};
use lmbench_transport::{Channel, Endpoint, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::flood::allow_descriptors;
use crate::rig::{self, Limits, Rig};

/// With one handshake after the other, the silent peer would hold the other one up for the whole deadline of 60 s.
#[tokio::test]
async fn a_silent_peer_blocks_nobody() {
    for rig in rig::over_tcp() {
        let token = Token::generate().unwrap();
        let mut serving = rig.listen(&token).await;
        let _silent = TcpStream::connect(serving.address()).await.unwrap();
        let _session = soon(rig.carrier(&token).dial(&serving.endpoint))
            .await
            .unwrap();
        assert!(serving.sessions.recv().await.is_some());
    }
}

/// Time is paused: it jumps to the deadline as soon as nothing else can happen.
#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_dropped_at_the_deadline() {
    for rig in rig::over_tcp() {
        let limits = Limits {
            handshake_deadline: Duration::from_secs(5),
            ..Limits::default()
        };
        let carrier = rig.carrier_with(&Token::generate().unwrap(), limits);
        let mut listener = carrier.listen(&rig.endpoint()).await.unwrap();
        for sent in [&b""[..], b"LMB", &GOOD_HEADER] {
            let mut silent = TcpStream::connect(address(listener.as_ref()))
                .await
                .unwrap();
            silent.write_all(sent).await.unwrap();
            let error = handshake(listener.as_mut()).await.err().unwrap();
            assert!(
                matches!(error, HandshakeError::TimedOut { after } if after == limits.handshake_deadline),
                "{}: {error:?}",
                rig.name
            );
            assert!(closed_without_a_byte(&mut silent).await, "{}", rig.name);
        }
    }
}

/// A dialled host that accepts and then says nothing is left at the deadline as well.
#[tokio::test(start_paused = true)]
async fn a_silent_listener_is_left_at_the_deadline() {
    for rig in rig::over_tcp() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let scheme = rig.endpoint().scheme;
        let endpoint = Endpoint::new(scheme, silent.local_addr().unwrap());
        let error = rig
            .carrier(&Token::generate().unwrap())
            .dial(&endpoint)
            .await
            .err()
            .unwrap();
        assert_eq!(
            error.to_string(),
            format!("handshake with {endpoint} failed")
        );
    }
}

#[tokio::test]
async fn garbage_is_refused_and_answered_with_nothing() {
    for rig in rig::over_tcp() {
        let mut pair = rig.pair().await;
        let (mut near, mut far) = pair.channel().await;
        let long = vec![b'x'; 1 << 20];
        for garbage in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"QEVM\0\0\0\x03\0",
            &[0; 8],
            &[0xff; 4096],
            &long,
        ] {
            let mut stranger = TcpStream::connect(pair.serving.address()).await.unwrap();
            // The listener may hang up before it has all of it.
            let _ = stranger.write_all(garbage).await;
            assert!(
                matches!(
                    pair.serving.refused.recv().await.unwrap(),
                    HandshakeError::Stranger
                ),
                "{}",
                rig.name
            );
            assert!(closed_without_a_byte(&mut stranger).await, "{}", rig.name);
            speak(&mut near, &mut far).await;
        }
    }
}

/// A good header and what is no knock behind it, in any length.
#[tokio::test]
async fn an_oversized_preamble_is_refused() {
    for rig in rig::bare() {
        let mut pair = rig.pair().await;
        let mut stranger = TcpStream::connect(pair.serving.address()).await.unwrap();
        let mut bytes = GOOD_HEADER.to_vec();
        bytes.resize(1 << 16, 0);
        stranger.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        stranger.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, KNOCK_REFUSED);
        drop(stranger);
        assert!(
            matches!(
                pair.serving.refused.recv().await.unwrap(),
                HandshakeError::Token
            ),
            "{}",
            rig.name
        );
    }
}

#[tokio::test]
async fn another_version_is_named() {
    for rig in rig::bare() {
        let mut serving = rig.listen(&Token::generate().unwrap()).await;
        let mut stranger = TcpStream::connect(serving.address()).await.unwrap();
        stranger.write_all(b"LMBT\0\x03\0\0").await.unwrap();
        let mut answer = Vec::new();
        stranger.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, GOOD_HEADER);
        drop(stranger);
        assert!(
            matches!(
                serving.refused.recv().await.unwrap(),
                HandshakeError::Version { peer: 3, ours: 2 }
            ),
            "{}",
            rig.name
        );
    }
}

/// A good handshake is recorded on its way, then played again: to the same listener, and to a fresh one with the same token.
#[tokio::test]
async fn a_replayed_handshake_is_refused() {
    for rig in rig::bare() {
        let token = Token::generate().unwrap();
        let mut serving = rig.listen(&token).await;
        let (mut recordings, through) = record(&rig, serving.endpoint.clone()).await;
        let dialled = rig.carrier(&token).dial(&through).await.unwrap();
        let accepted = serving.sessions.recv().await.unwrap();
        let (near, far) = tokio::join!(dialled.open_channel(), accepted.accept_channel());
        let (mut near, mut far) = (near.unwrap(), far.unwrap().unwrap());

        let mut again = rig.listen(&token).await;
        for _ in ["control", "channel"] {
            let [hello, proof] = recordings.recv().await.unwrap();
            let mut stranger = TcpStream::connect(again.address()).await.unwrap();
            stranger.write_all(&hello).await.unwrap();
            stranger
                .read_exact(&mut [0; SERVER_HELLO_LEN])
                .await
                .unwrap();
            stranger.write_all(&proof).await.unwrap();
            let error = again.refused.recv().await.unwrap();
            assert!(matches!(error, HandshakeError::Token), "{}", rig.name);
            assert!(closed_without_a_byte(&mut stranger).await, "{}", rig.name);
            // Both have heard this knock by now, and do not even prove themselves.
            for listener in [&mut serving, &mut again] {
                let mut stranger = TcpStream::connect(listener.address()).await.unwrap();
                stranger.write_all(&hello).await.unwrap();
                let mut answer = Vec::new();
                stranger.read_to_end(&mut answer).await.unwrap();
                assert_eq!(answer, KNOCK_REFUSED);
                drop(stranger);
                let error = listener.refused.recv().await.unwrap();
                assert!(matches!(error, HandshakeError::Token), "{}", rig.name);
            }
        }
        speak(&mut near, &mut far).await;
    }
}

/// All of them stay silent and connected. Were there no bound, there would be 2000 handshakes; were newcomers to wait for a
/// free place, the new channel would have to wait for the deadline of 60 s.
#[tokio::test]
async fn two_thousand_silent_peers_disturb_nobody() {
    allow_descriptors(12_000);
    let rig = rig::over_tcp().remove(0);
    let mut pair = rig.pair().await;
    let (mut near, mut far) = pair.channel().await;
    let mut crowd = Vec::new();
    for number in 0..CROWD {
        crowd.push(TcpStream::connect(pair.serving.address()).await.unwrap());
        if number % 100 == 0 {
            speak(&mut near, &mut far).await;
        }
    }
    // With 256 places, all but 256 of them have to make room for the others.
    for _ in 0..CROWD - 256 {
        assert!(matches!(
            soon(pair.serving.refused.recv()).await.unwrap(),
            HandshakeError::Evicted
        ));
    }
    let (mut near, mut far) = soon(pair.channel()).await;
    speak(&mut near, &mut far).await;
}

/// The stranger that stands between two ends and writes down what the dialler sends during the handshake.
async fn record(rig: &Rig, target: Endpoint) -> (mpsc::UnboundedReceiver<[Vec<u8>; 2]>, Endpoint) {
    let listener = TcpListener::bind(rig.endpoint.trim_start_matches("tcp://"))
        .await
        .unwrap();
    let through = Endpoint::new(target.scheme, listener.local_addr().unwrap());
    let target = target.to_string().trim_start_matches("tcp://").to_owned();
    let (sender, recordings) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&target).await.unwrap();
            let sender = sender.clone();
            tokio::spawn(async move {
                let (mut hello, mut proof) = (vec![0; CLIENT_HELLO_LEN], vec![0; PROOF_LEN]);
                client.read_exact(&mut hello).await.unwrap();
                server.write_all(&hello).await.unwrap();
                let mut answer = [0; SERVER_HELLO_LEN];
                server.read_exact(&mut answer).await.unwrap();
                client.write_all(&answer).await.unwrap();
                client.read_exact(&mut proof).await.unwrap();
                server.write_all(&proof).await.unwrap();
                sender.send([hello, proof]).unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (recordings, through)
}

async fn handshake(listener: &mut dyn Listener) -> Result<Admitted, HandshakeError> {
    listener.accept().await.unwrap().handshake().await
}

fn address(listener: &dyn Listener) -> String {
    listener
        .endpoint()
        .to_string()
        .split_once("://")
        .expect("endpoints are URLs")
        .1
        .to_owned()
}

/// A session in use still works.
async fn speak(near: &mut Channel, far: &mut Channel) {
    near.write_all(b"ping").await.unwrap();
    near.flush().await.unwrap();
    far.read_exact(&mut [0; 4]).await.unwrap();
}

/// An end or a reset, but nothing that could be learnt from.
async fn closed_without_a_byte(stream: &mut TcpStream) -> bool {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer.is_empty()
}

/// Long enough for any machine, and far shorter than the deadline that must not be waited for.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future)
        .await
        .expect("this takes no deadline's time")
}

const CROWD: usize = 2000;
const GOOD_HEADER: [u8; 8] = *b"LMBT\0\x02\0\0";
const KNOCK_REFUSED: [u8; 8] = *b"LMBT\0\x02\0\x01";
/// The knock, and then the client's hello.
const CLIENT_HELLO_LEN: usize = 28 + 44;
const SERVER_HELLO_LEN: usize = 72;
const PROOF_LEN: usize = 32;
