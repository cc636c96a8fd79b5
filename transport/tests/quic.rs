//! What only QUIC has: datagrams of different sizes, windows, and bytes that live in the process. Loopback only.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use lmbench_transport::carrier::{Admitted, Session, SessionEnd};
use lmbench_transport::quic::{Connections, Quic, Settings};
use lmbench_transport::{Carrier, Channel, Endpoint, Token};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// From 6000 bytes on, quinn's initial window is less than two datagrams; above 6550, ten of them no longer fit one send.
#[tokio::test]
async fn every_size_of_datagram_carries_the_stream() {
    for mtu in [1500, 4000, 6528, 9000] {
        for mtu_discovery in [true, false] {
            let settings = Settings {
                connections: Connections::Shared,
                mtu: Some(mtu),
                mtu_discovery,
                ..Settings::default()
            };
            let (dialled, accepted) = sessions(&settings).await;
            settle(dialled.as_ref(), mtu - 28).await;
            settle(accepted.as_ref(), mtu - 28).await;
            let (near, far) = channels(dialled.as_ref(), accepted.as_ref()).await;
            let (mut from_far, mut to_far) = tokio::io::split(near);
            let (mut from_near, mut to_near) = tokio::io::split(far);
            let bytes = vec![7; BULK_LEN];
            let send = async |writer: &mut tokio::io::WriteHalf<Channel>| {
                writer.write_all(&bytes).await.unwrap();
                writer.shutdown().await.unwrap();
            };
            let receive = async |reader: &mut tokio::io::ReadHalf<Channel>| {
                let mut received = Vec::new();
                reader.read_to_end(&mut received).await.unwrap();
                assert!(received == bytes, "MTU {mtu}");
            };
            tokio::join!(
                send(&mut to_far),
                send(&mut to_near),
                receive(&mut from_far),
                receive(&mut from_near)
            );
            let counted = dialled.statistics().unwrap();
            assert_eq!(counted.datagram_bytes, mtu - 28);
            assert!(counted.udp_bytes_sent > BULK_LEN as u64, "{counted:?}");
            // A batch that was too long would be lost, and with it time.
            assert!(
                counted.packets_lost < counted.packets_sent / 10,
                "MTU {mtu}, discovery {mtu_discovery}: {counted:?}"
            );
        }
    }
}

/// quinn panics at a packet of the handshake of 16 KiB or more.
#[tokio::test]
async fn a_large_mtu_taken_for_granted_is_bounded() {
    let settings = Settings {
        mtu: Some(65_535),
        mtu_discovery: false,
        ..Settings::default()
    };
    let (dialled, accepted) = sessions(&settings).await;
    let (mut near, mut far) = channels(dialled.as_ref(), accepted.as_ref()).await;
    near.write_all(&vec![7; 100_000]).await.unwrap();
    far.read_exact(&mut vec![0; 100_000]).await.unwrap();
    assert_eq!(dialled.statistics().unwrap().datagram_bytes, 16_383);
}

/// A destination that stops reading stops the source: what is on the way is bounded by the stream's window.
#[tokio::test]
async fn windows_bound_what_nobody_reads() {
    for connections in [Connections::Shared, Connections::PerChannel] {
        let settings = Settings {
            connections,
            stream_window: 1 << 20,
            connection_window: 2 << 20,
            send_window: 1 << 20,
            ..Settings::default()
        };
        let (dialled, accepted) = sessions(&settings).await;
        let (mut near, _far) = channels(dialled.as_ref(), accepted.as_ref()).await;
        let (mut other_near, mut other_far) = channels(dialled.as_ref(), accepted.as_ref()).await;
        // The handshake took a little of the first window.
        let least = (1 << 20) - 1024;
        let written = fill(&mut near, least).await;
        assert!(
            (least..=1 << 20).contains(&written),
            "{connections:?}: {written} bytes taken and nobody reads"
        );
        // Another channel is not held up by it.
        other_near.write_all(b"ping").await.unwrap();
        other_far.read_exact(&mut [0; 4]).await.unwrap();
    }
}

#[tokio::test]
async fn channels_of_a_connection_share_its_window() {
    let settings = Settings {
        connections: Connections::Shared,
        stream_window: 1 << 20,
        connection_window: 2 << 20,
        send_window: 1 << 20,
        ..Settings::default()
    };
    let (dialled, accepted) = sessions(&settings).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(channels(dialled.as_ref(), accepted.as_ref()).await);
    }
    let mut written = 0;
    for (near, _) in &mut held {
        written += fill(near, 0).await;
    }
    assert!(written <= 2 << 20, "{written} bytes taken and nobody reads");
}

/// The dialling process ends right after it closed: nothing of what it ended properly is lost, and its goodbye has arrived.
#[test]
fn what_was_ended_arrives_even_if_the_process_ends() {
    for connections in [Connections::Shared, Connections::PerChannel] {
        let settings = Settings {
            connections,
            ..Settings::default()
        };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (token, carrier) = carrier(&settings);
        let mut listener = runtime.block_on(carrier.listen(&any())).unwrap();
        let endpoint = listener.endpoint().clone();
        let dialler = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let session = Quic::new(token, settings).dial(&endpoint).await.unwrap();
                let mut channel = session.open_channel().await.unwrap();
                channel.write_all(&vec![7; BULK_LEN]).await.unwrap();
                channel.shutdown().await.unwrap();
                session.close().await;
            });
            // As at the end of a process, no task goes on.
            drop(runtime);
        });
        runtime.block_on(async {
            let arrival = listener.accept().await.unwrap().handshake().await.unwrap();
            let Admitted::Session(accepted) = arrival else {
                panic!("a channel came first")
            };
            let joined = async {
                if connections == Connections::PerChannel {
                    listener.accept().await.unwrap().handshake().await.unwrap();
                }
            };
            let (channel, ()) = tokio::join!(accepted.accept_channel(), joined);
            let mut received = Vec::new();
            let mut channel = channel.unwrap().unwrap();
            channel.read_to_end(&mut received).await.unwrap();
            assert_eq!(received.len(), BULK_LEN, "{connections:?}");
            assert_eq!(accepted.ended().await, SessionEnd::Goodbye);
        });
        dialler.join().unwrap();
    }
}

/// Nobody is left to say that the process is gone, so silence has to tell.
#[tokio::test]
async fn a_host_that_falls_silent_is_unreachable() {
    let settings = Settings {
        // The handshake must not be silent for so long either, on a machine that stalls.
        peer_deadline: Some(Duration::from_secs(3)),
        ..Settings::default()
    };
    let (token, carrier) = carrier(&settings);
    let mut listener = carrier.listen(&any()).await.unwrap();
    let endpoint = listener.endpoint().clone();
    let dialler = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let session = runtime.block_on(Quic::new(token, settings).dial(&endpoint));
        // Without its runtime nothing of it can say a word, as after a power cut.
        drop(runtime);
        drop(session);
    });
    let arrival = listener.accept().await.unwrap().handshake().await.unwrap();
    let Admitted::Session(accepted) = arrival else {
        panic!("a channel came first")
    };
    assert_eq!(accepted.ended().await, SessionEnd::Unreachable);
    dialler.join().unwrap();
}

#[test]
fn settings_have_a_text_form() {
    let text = r#"{"connections":"per-channel","congestion":"bbr","mtu":9000,"mtu-discovery":false,"stream-window":1,"cipher":"aes256-gcm"}"#;
    let settings: Settings = serde_json::from_str(text).unwrap();
    assert_eq!(settings.connections, Connections::PerChannel);
    assert_eq!((settings.mtu, settings.stream_window), (Some(9000), 1));
    let all = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<Settings>(&all).unwrap(), settings);
    let error = serde_json::from_str::<Settings>(r#"{"mtu-discover":true}"#).unwrap_err();
    assert!(error.to_string().starts_with("unknown field"), "{error}");
}

async fn sessions(settings: &Settings) -> (Box<dyn Session>, Box<dyn Session>) {
    let (token, carrier) = carrier(settings);
    let mut listener = carrier.listen(&any()).await.unwrap();
    let source = Quic::new(token, settings.clone());
    let endpoint = listener.endpoint().clone();
    let (dialled, arrival) = tokio::join!(source.dial(&endpoint), async {
        listener.accept().await.unwrap().handshake().await.unwrap()
    });
    let Admitted::Session(accepted) = arrival else {
        panic!("a channel came first")
    };
    // Channels with connections of their own join while the test looks elsewhere.
    tokio::spawn(async move {
        while let Ok(pending) = listener.accept().await {
            tokio::spawn(pending.handshake());
        }
    });
    let dialled = dialled.unwrap();
    assert_eq!(
        dialled.details().unwrap(),
        "QUICv1 TLSv1.3 TLS13_AES_128_GCM_SHA256"
    );
    assert_eq!(dialled.details(), accepted.details());
    (dialled, accepted)
}

async fn channels(dialled: &dyn Session, accepted: &dyn Session) -> (Channel, Channel) {
    let (near, far) = tokio::join!(dialled.open_channel(), accepted.accept_channel());
    (near.unwrap(), far.unwrap().unwrap())
}

/// Waits until datagrams have grown to their bound.
async fn settle(session: &dyn Session, datagram_bytes: u16) {
    let settled = async {
        while session.statistics().unwrap().datagram_bytes != datagram_bytes {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled)
        .await
        .unwrap_or_else(|_| panic!("never {datagram_bytes}: {:?}", session.statistics()));
}

/// Writes until nothing more is taken, although everything else had its turn; below `least`, for some time, too.
async fn fill(channel: &mut Channel, least: usize) -> usize {
    let (block, mut written, mut refusals) = (vec![7; 1 << 16], 0, 0);
    let mut progress = Instant::now();
    while refusals < REFUSALS || (written < least && progress.elapsed() < STANDSTILL) {
        let taken = poll_fn(
            |context| match Pin::new(&mut *channel).poll_write(context, &block) {
                Poll::Ready(taken) => Poll::Ready(taken.unwrap()),
                Poll::Pending => Poll::Ready(0),
            },
        );
        match taken.await {
            0 => {
                refusals += 1;
                tokio::task::yield_now().await;
            }
            taken => {
                (refusals, progress) = (0, Instant::now());
                written += taken;
            }
        }
    }
    written
}

fn carrier(settings: &Settings) -> (Token, Quic) {
    let token = Token::generate().unwrap();
    (token.clone(), Quic::new(token, settings.clone()))
}

fn any() -> Endpoint {
    "quic://127.0.0.1:0".parse().unwrap()
}

const BULK_LEN: usize = 4 << 20;
/// Turns of the scheduler without progress after which there is none to be had.
const REFUSALS: usize = 1000;
/// Longer than a busy machine keeps a task waiting.
const STANDSTILL: Duration = Duration::from_secs(3);
