//! Our records against those of rustls, over loopback: each end is the proof of the other one.

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream as Reference};

use super::*;
use crate::carrier::channel::{ChannelIo as _, Directions};
use crate::carrier::counters::Counters;

/// Which end of a connection is ours; the other one is rustls as tokio-rustls runs it.
#[derive(Clone, Copy, Debug)]
enum Ours {
    Dialler,
    Listener,
}

#[test]
fn chunks_of_any_size_pass_both_ways() {
    let runtime = runtime();
    let chunks = || prop::collection::vec(1..70_000usize, 1..6);
    let side = prop_oneof![Just(Ours::Dialler), Just(Ours::Listener)];
    let cipher = prop_oneof![
        Just(Cipher::Aes128Gcm),
        Just(Cipher::Aes256Gcm),
        Just(Cipher::Chacha20Poly1305)
    ];
    let config = ProptestConfig::with_cases(24);
    proptest!(config, |(side in side, cipher in cipher, sent in chunks(), heard in chunks())| {
        runtime.block_on(async {
            let (ours, reference) = connect(side, cipher).await;
            let (our_reader, our_writer) = tokio::io::split(ours);
            let (reader, writer) = tokio::io::split(reference);
            tokio::join!(
                speak(our_writer, &sent),
                hear(reader, &sent),
                speak(writer, &heard),
                hear(our_reader, &heard),
            );
        });
    });
}

/// Ours renews its key after every other record, and the reference follows; then the reference renews its own and asks ours to
/// do so too.
#[tokio::test]
async fn key_updates_pass_both_ways() {
    for side in [Ours::Dialler, Ours::Listener] {
        let (mut ours, mut reference) = connect(side, Cipher::Aes128Gcm).await;
        ours.outgoing.renew_after(2);
        for round in 0..9 {
            let text = format!("round {round}");
            ours.write_all(text.as_bytes()).await.unwrap();
            let mut heard = vec![0; text.len()];
            reference.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, text.as_bytes());
            match &mut reference {
                Reference::Client(stream) => stream.get_mut().1.refresh_traffic_keys().unwrap(),
                Reference::Server(stream) => stream.get_mut().1.refresh_traffic_keys().unwrap(),
            }
            reference.write_all(text.as_bytes()).await.unwrap();
            reference.flush().await.unwrap();
            ours.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, text.as_bytes());
        }
    }
}

#[tokio::test]
async fn each_end_knows_the_others_close_from_a_cut() {
    for side in [Ours::Dialler, Ours::Listener] {
        let (mut ours, mut reference) = connect(side, Cipher::Aes128Gcm).await;
        ours.shutdown().await.unwrap();
        assert_eq!(reference.read(&mut [0; 8]).await.unwrap(), 0);
        reference.write_all(b"answer").await.unwrap();
        reference.shutdown().await.unwrap();
        let mut text = String::new();
        ours.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "answer");

        let (mut ours, reference) = connect(side, Cipher::Aes128Gcm).await;
        // Dropping sends no notice.
        drop(reference);
        let error = ours.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);

        let (ours, mut reference) = connect(side, Cipher::Aes128Gcm).await;
        drop(ours);
        let error = reference.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    }
}

/// The batches that the relay makes in place are the same records.
#[tokio::test]
async fn batches_made_in_place_are_records_too() {
    let (mut ours, mut reference) = connect(Ours::Dialler, Cipher::Aes128Gcm).await;
    let payload_max = SLOTS * (1 << 14);
    for len in [1, 16_384, 16_385, 40_000, payload_max] {
        let mut expected = Vec::new();
        for (number, mut slot) in ours.outgoing.payloads().into_iter().enumerate() {
            slot.fill(number as u8 + 1);
            expected.extend_from_slice(&slot);
        }
        expected.truncate(len);
        ours.outgoing.seal(len).unwrap();
        let mut heard = vec![0; len];
        let (written, read) = tokio::join!(ours.flush(), reference.read_exact(&mut heard));
        written.unwrap();
        read.unwrap();
        assert!(heard == expected, "{len}");
    }
}

/// After the handshake, between bytes and through the relay; but what is on the way has its room.
#[tokio::test]
async fn an_idle_direction_holds_no_buffer() {
    let (mut ours, mut reference) = connect(Ours::Listener, Cipher::Aes128Gcm).await;
    let held = |ours: &TlsStream| (ours.outgoing.held(), ours.incoming.held());
    assert_eq!(held(&ours), (0, 0));
    for len in [1, 70_000] {
        let (bytes, mut heard) = (vec![7; len], vec![0; len]);
        let (written, read) =
            tokio::join!(ours.write_all(&bytes), reference.read_exact(&mut heard));
        written.unwrap();
        read.unwrap();
        let (written, read) =
            tokio::join!(reference.write_all(&bytes), ours.read_exact(&mut heard));
        written.unwrap();
        read.unwrap();
        assert_eq!(held(&ours), (0, 0));
        let mut byte = [0];
        let silent = std::future::poll_fn(|context| {
            let mut buffer = tokio::io::ReadBuf::new(&mut byte);
            std::task::Poll::Ready(
                tokio::io::AsyncRead::poll_read(
                    std::pin::Pin::new(&mut ours),
                    context,
                    &mut buffer,
                )
                .is_pending(),
            )
        });
        assert!(silent.await);
        assert_eq!(held(&ours), (0, 0));
    }
    let mut rest = [0; 3];
    reference.write_all(b"four").await.unwrap();
    ours.read_exact(&mut rest).await.unwrap();
    assert!(ours.incoming.held() > 0);
    ours.read_exact(&mut rest[..1]).await.unwrap();

    let (near, mut local) = tokio::net::UnixStream::pair().unwrap();
    let counters = Counters::default();
    let Directions { send, receive } = ours.pump(&near, &counters).unwrap();
    let relay = async { tokio::join!(send, receive) };
    let exchange = async {
        let (bytes, mut heard) = (vec![7; 1 << 20], vec![0; 1 << 20]);
        let (written, read) =
            tokio::join!(local.write_all(&bytes), reference.read_exact(&mut heard));
        written.unwrap();
        read.unwrap();
        let (written, read) =
            tokio::join!(reference.write_all(&bytes), local.read_exact(&mut heard));
        written.unwrap();
        read.unwrap();
        // Everything has passed: after a turn of its own the relay waits.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    };
    tokio::select! {
        biased;
        _ = relay => unreachable!("neither side has ended"),
        () = exchange => {}
    }
    assert_eq!(held(&ours), (0, 0));
}

/// Records that come in pieces, and many at a time.
#[test]
fn arrivals_may_be_cut_anywhere() {
    runtime().block_on(async {
        let (ours, mut reference) = connect(Ours::Dialler, Cipher::Aes128Gcm).await;
        let TlsStream {
            socket,
            mut incoming,
            ..
        } = ours;
        for len in [3usize, 100, 20_000] {
            reference.write_all(&vec![9; len]).await.unwrap();
        }
        reference.shutdown().await.unwrap();
        let (mut bytes, mut socket) = (Vec::new(), socket);
        socket.read_to_end(&mut bytes).await.unwrap();
        let mut payload_len = 0;
        for piece in bytes.chunks(7) {
            incoming.room()[..piece.len()].copy_from_slice(piece);
            incoming.arrived(piece.len()).unwrap();
            let mut slices = [std::io::IoSlice::new(&[]); 4];
            let opened: usize = incoming
                .payloads(&mut slices)
                .iter()
                .map(|slice| slice.len())
                .sum();
            payload_len += opened;
            if opened > 0 {
                incoming.taken(opened).unwrap();
            }
        }
        assert_eq!(payload_len, 20_103);
        assert!(incoming.is_closed());
    });
}

/// Ours and the reference, after their handshake.
async fn connect(side: Ours, cipher: Cipher) -> (TlsStream, Reference<TcpStream>) {
    let token = Token::generate().unwrap();
    let listener = Identity::from_token(&token, Side::Listener).unwrap();
    let dialler = Identity::from_token(&token, Side::Dialler).unwrap();
    let name = dialler
        .peer_name(&"tls://127.0.0.1:1".parse().unwrap())
        .unwrap();
    let mut server = listener.server_config(cipher, ALPN).unwrap();
    // As a stranger's TLS would; ours must pass over them.
    server.send_tls13_tickets = 2;
    let server = Arc::new(server);
    let client = Arc::new(dialler.client_config(cipher, ALPN).unwrap());
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(port.local_addr().unwrap())
        .await
        .unwrap();
    let (far, _) = port.accept().await.unwrap();
    match side {
        Ours::Dialler => {
            let ours = Client {
                identity: dialler,
                config: client,
                name,
            };
            let reference = TlsAcceptor::from(server);
            let (ours, reference) = tokio::join!(ours.wrap(near), reference.accept(far));
            (ours.unwrap(), reference.unwrap().into())
        }
        Ours::Listener => {
            let mut config = (*server).clone();
            config.send_tls13_tickets = 0;
            let ours = Server {
                identity: listener,
                config: Arc::new(config),
            };
            let reference = TlsConnector::from(client);
            let (ours, reference) = tokio::join!(ours.wrap(near), reference.connect(name, far));
            (ours.unwrap(), reference.unwrap().into())
        }
    }
}

async fn speak(mut writer: impl tokio::io::AsyncWrite + Unpin, chunks: &[usize]) {
    for (number, len) in chunks.iter().enumerate() {
        writer.write_all(&pattern(number, *len)).await.unwrap();
        writer.flush().await.unwrap();
    }
    writer.shutdown().await.unwrap();
}

async fn hear(mut reader: impl tokio::io::AsyncRead + Unpin, chunks: &[usize]) {
    let mut heard = Vec::new();
    reader.read_to_end(&mut heard).await.unwrap();
    let expected: Vec<u8> = chunks
        .iter()
        .enumerate()
        .flat_map(|(number, len)| pattern(number, *len))
        .collect();
    assert!(heard == expected);
}

fn pattern(seed: usize, len: usize) -> Vec<u8> {
    (0..251u8)
        .map(|value| value.wrapping_add(seed as u8))
        .cycle()
        .take(len)
        .collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
