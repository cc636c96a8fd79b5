//! The relay, on both of its paths: bytes, counts, half-closes, failures. A relay stands between `local` and a channel whose
//! far end the test holds.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use lmbench_transport::Channel;
use lmbench_transport::relay::{Counters, Path, RelayError, relay};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::JoinHandle;

/// A relay at work, and what it stands between.
struct Bench {
    local: UnixStream,
    far: TcpStream,
    counters: Arc<Counters>,
    relay: JoinHandle<Result<(), RelayError>>,
}

impl Bench {
    async fn new(path: Path) -> Self {
        let (near, far) = tcp_pair().await;
        let (local, relayed) = UnixStream::pair().unwrap();
        let counters = Arc::new(Counters::default());
        let shared = Arc::clone(&counters);
        let relay =
            tokio::spawn(async move { relay(relayed, Channel::tcp(3, near), path, &shared).await });
        Self {
            local,
            far,
            counters,
            relay,
        }
    }
}

#[tokio::test]
async fn each_direction_ends_alone_and_every_byte_is_counted() {
    for path in [Path::Splice, SLOW, Path::Copy, Path::Auto] {
        for local_first in [true, false] {
            let Bench {
                mut local,
                mut far,
                counters,
                relay,
            } = Bench::new(path).await;
            let mut text = String::new();
            if local_first {
                local.write_all(b"pages").await.unwrap();
                local.shutdown().await.unwrap();
                far.read_to_string(&mut text).await.unwrap();
                far.write_all(b"return path").await.unwrap();
                far.shutdown().await.unwrap();
                local.read_to_string(&mut text).await.unwrap();
            } else {
                far.write_all(b"return path").await.unwrap();
                far.shutdown().await.unwrap();
                local.read_to_string(&mut text).await.unwrap();
                local.write_all(b"pages").await.unwrap();
                local.shutdown().await.unwrap();
                far.read_to_string(&mut text).await.unwrap();
            }
            relay.await.unwrap().unwrap();
            assert_eq!(text.len(), 16, "{path:?}");
            let (taken, given) = (counters.last_taken_ns(), counters.last_given_ns());
            assert!(taken.is_some() && given.is_some(), "{path:?}");
            assert_eq!(taken < given, local_first, "{path:?}");
            assert_eq!(
                (counters.sent_bytes(), counters.received_bytes()),
                (5, 11),
                "{path:?}"
            );
        }
    }
}

/// Far more than the pipe or the buffer holds, in odd sizes, both ways at once, and compared byte by byte.
#[tokio::test]
async fn bulk_both_ways() {
    for path in [Path::Splice, Path::Copy] {
        let Bench {
            local,
            far,
            counters,
            relay,
        } = Bench::new(path).await;
        let (local_reader, local_writer) = local.into_split();
        let (far_reader, far_writer) = far.into_split();
        tokio::join!(
            send(local_writer, 3),
            receive(far_reader, 3),
            send(far_writer, 5),
            receive(local_reader, 5)
        );
        relay.await.unwrap().unwrap();
        assert_eq!(
            (counters.sent_bytes(), counters.received_bytes()),
            (BULK_LEN as u64, BULK_LEN as u64),
            "{path:?}"
        );
    }
}

/// The writer is held back once the socket buffers and the relay's own megabyte are full; without a bound the loop would go on
/// to its limit. Everything that was taken arrives afterwards.
#[tokio::test]
async fn a_slow_reader_stops_the_writer() {
    for path in [Path::Splice, Path::Copy] {
        let Bench {
            mut local,
            mut far,
            counters,
            relay,
        } = Bench::new(path).await;
        let block = vec![1; 1 << 16];
        let mut taken = 0;
        // The relay runs on this very thread: when it and the writer both have nothing to do, everything is full.
        let mut idle_turns = 0;
        while idle_turns < 100 {
            let written =
                poll_fn(
                    |context| match Pin::new(&mut local).poll_write(context, &block) {
                        Poll::Ready(written) => Poll::Ready(written.unwrap()),
                        Poll::Pending => Poll::Ready(0),
                    },
                )
                .await;
            taken += written;
            idle_turns = if written == 0 { idle_turns + 1 } else { 0 };
            assert!(
                taken < 64 << 20,
                "{path:?} took {taken} bytes and nobody reads"
            );
            tokio::task::yield_now().await;
        }
        local.shutdown().await.unwrap();
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        far.shutdown().await.unwrap();
        relay.await.unwrap().unwrap();
        assert_eq!(
            (heard.len(), counters.sent_bytes()),
            (taken, taken as u64),
            "{path:?}"
        );
    }
}

#[tokio::test]
async fn a_reset_channel_is_an_error_and_ends_the_local_stream() {
    for path in [Path::Splice, Path::Copy] {
        let Bench {
            mut local,
            far,
            relay,
            ..
        } = Bench::new(path).await;
        Channel::tcp(3, far).abort();
        let error = relay.await.unwrap().unwrap_err();
        assert!(
            matches!(error, RelayError::Receiving { channel: 3, .. }),
            "{path:?}: {error:?}"
        );
        assert_eq!(local.read(&mut [0; 1]).await.unwrap(), 0);
    }
}

/// A stream whose relay was stopped must not look complete at the far end.
#[tokio::test]
async fn a_dropped_relay_resets_its_channel() {
    for path in [Path::Splice, Path::Copy] {
        let Bench {
            mut local,
            mut far,
            relay,
            ..
        } = Bench::new(path).await;
        local.write_all(b"half a page").await.unwrap();
        far.read_exact(&mut [0; 11]).await.unwrap();
        relay.abort();
        far.read(&mut [0; 1]).await.unwrap_err();
    }
}

/// The destination's QEMU closes its socket for good while the source still sends: the sender has to hear of it.
#[tokio::test]
async fn a_local_stream_that_goes_away_breaks_the_channel() {
    for path in [Path::Splice, Path::Copy] {
        let Bench {
            local, far, relay, ..
        } = Bench::new(path).await;
        drop(local);
        let (_reader, writer) = far.into_split();
        let mut writer = writer;
        while writer.write_all(&[0; 4096]).await.is_ok() {}
        assert!(
            matches!(relay.await.unwrap(), Err(RelayError::Receiving { .. })),
            "{path:?}"
        );
    }
}

#[tokio::test]
async fn user_space_channels_are_copied_and_cannot_be_spliced() {
    let (near, mut far) = tokio::io::duplex(64);
    let (mut local, relayed) = UnixStream::pair().unwrap();
    let counters = Arc::new(Counters::default());
    let shared = Arc::clone(&counters);
    let relay_task = tokio::spawn(async move {
        relay(
            relayed,
            Channel::duplex(0, Box::new(near)),
            Path::Auto,
            &shared,
        )
        .await
    });
    local.write_all(b"x").await.unwrap();
    far.read_exact(&mut [0; 1]).await.unwrap();
    drop((local, far));
    relay_task.await.unwrap().unwrap();
    assert_eq!(counters.sent_bytes(), 1);

    let (near, _far) = tokio::io::duplex(64);
    let (_local, relayed) = UnixStream::pair().unwrap();
    let error = relay(
        relayed,
        Channel::duplex(9, Box::new(near)),
        Path::Splice,
        &counters,
    )
    .await
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "channel 9 is not a kernel socket and cannot be spliced"
    );
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(
        TcpStream::connect(listener.local_addr().unwrap()),
        listener.accept()
    );
    (near.unwrap(), far.unwrap().0)
}

async fn send(mut writer: impl AsyncWrite + Unpin, seed: u8) {
    let bytes = pattern(seed);
    for chunk in bytes.chunks(77_777) {
        writer.write_all(chunk).await.unwrap();
    }
    writer.shutdown().await.unwrap();
}

async fn receive(mut reader: impl AsyncReadExt + Unpin, seed: u8) {
    let mut heard = Vec::new();
    reader.read_to_end(&mut heard).await.unwrap();
    assert!(heard == pattern(seed), "the bytes arrived changed");
}

fn pattern(seed: u8) -> Vec<u8> {
    (0..251u8)
        .map(|value| value.wrapping_mul(seed))
        .cycle()
        .take(BULK_LEN)
        .collect()
}

const BULK_LEN: usize = (12 << 20) + 17;

const SLOW: Path = Path::Slow {
    sleep_per_mib: Duration::from_micros(10),
};
