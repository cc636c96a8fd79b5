//! One channel as a stream: bytes arrive whole and in order, ends are passed on, readers hold writers back.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use lmbench_transport::Channel;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::rig;

#[tokio::test]
async fn echo() {
    for rig in rig::all() {
        let pair = rig.pair().await;
        let (mut near, mut far) = pair.channel().await;
        for text in ["a", "stream", "of bytes"] {
            near.write_all(text.as_bytes()).await.unwrap();
            near.flush().await.unwrap();
            let mut heard = vec![0; text.len()];
            far.read_exact(&mut heard).await.unwrap();
            far.write_all(&heard).await.unwrap();
            far.flush().await.unwrap();
            near.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, text.as_bytes(), "{}", rig.name);
        }
    }
}

/// More bytes than all buffers on the way hold together, in both directions at once: a carrier that reads or writes
/// one direction only while the other one is stuck would never finish.
#[tokio::test]
async fn bulk_both_ways() {
    for rig in rig::all() {
        let pair = rig.pair().await;
        let (near, far) = pair.channel().await;
        tokio::join!(exchange(near, 1, 2), exchange(far, 2, 1));
    }
}

#[tokio::test]
async fn each_direction_closes_alone() {
    for rig in rig::all() {
        let pair = rig.pair().await;
        for dialler_first in [true, false] {
            let (near, far) = pair.channel().await;
            let (mut first, mut second) = if dialler_first {
                (near, far)
            } else {
                (far, near)
            };
            first.write_all(b"question").await.unwrap();
            first.shutdown().await.unwrap();
            let mut text = String::new();
            second.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "question", "{}", rig.name);
            // The other direction is still open although this one has ended.
            second.write_all(b"answer").await.unwrap();
            second.shutdown().await.unwrap();
            text.clear();
            first.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "answer", "{}", rig.name);
        }
    }
}

/// Without back pressure the writer would never be told to wait, and the test would end at the limit. What all buffers
/// on loopback hold together is far below it.
#[tokio::test]
async fn a_slow_reader_stops_the_writer() {
    for rig in rig::all() {
        let pair = rig.pair().await;
        let (mut near, mut far) = pair.channel().await;
        let block = vec![7; 1 << 16];
        let mut written = 0;
        while let Some(count) = write_now(&mut near, &block).await {
            written += count;
            assert!(
                written < BUFFERED_MAX,
                "{}: {written} bytes taken and nobody reads",
                rig.name
            );
        }
        // Nothing of what was taken is lost once the reader comes.
        let read = tokio::spawn(async move {
            let mut sink = Vec::new();
            far.read_to_end(&mut sink).await.unwrap();
            sink.len()
        });
        near.shutdown().await.unwrap();
        assert_eq!(read.await.unwrap(), written, "{}", rig.name);
    }
}

/// A stream that was cut must never look complete.
#[tokio::test]
async fn an_aborted_channel_ends_in_an_error() {
    for rig in rig::all() {
        let pair = rig.pair().await;
        let (mut near, mut far) = pair.channel().await;
        near.write_all(b"the first half").await.unwrap();
        near.flush().await.unwrap();
        assert!(far.first_byte().await.unwrap());
        near.abort();
        let mut text = Vec::new();
        far.read_to_end(&mut text).await.unwrap_err();
    }
}

/// Whatever it waits for.
#[tokio::test]
async fn a_writer_that_waits_hears_of_the_cut() {
    for rig in rig::all() {
        let pair = rig.pair().await;
        let (mut near, far) = pair.channel().await;
        let block = vec![7; 1 << 16];
        while write_now(&mut near, &block).await.is_some() {}
        let write = async { while near.write_all(&block).await.is_ok() {} };
        // It is polled after the writer.
        let cut = async { far.abort() };
        let both = async { tokio::join!(write, cut) };
        let heard = tokio::time::timeout(Duration::from_secs(20), both).await;
        assert!(heard.is_ok(), "{}", rig.name);
    }
}

/// Sends one pattern and checks that the other one comes.
async fn exchange(channel: Channel, send_seed: u8, receive_seed: u8) {
    let (mut reader, mut writer) = tokio::io::split(channel);
    tokio::join!(
        send(&mut writer, send_seed),
        receive(&mut reader, receive_seed)
    );
}

async fn send(writer: &mut (impl AsyncWrite + Unpin), seed: u8) {
    for block in 0..BULK_BLOCKS {
        writer.write_all(&pattern(seed, block)).await.unwrap();
    }
    writer.shutdown().await.unwrap();
}

async fn receive(reader: &mut (impl AsyncRead + Unpin), seed: u8) {
    let mut heard = vec![0; BLOCK_LEN];
    for block in 0..BULK_BLOCKS {
        reader.read_exact(&mut heard).await.unwrap();
        assert!(
            heard == pattern(seed, block),
            "block {block} arrived changed"
        );
    }
    assert_eq!(reader.read(&mut heard).await.unwrap(), 0);
}

/// Differs between blocks and directions, and its period does not divide any buffer size.
fn pattern(seed: u8, block: usize) -> Vec<u8> {
    let period: Vec<u8> = (0..251u8)
        .map(|value| value.wrapping_mul(seed).wrapping_add(block as u8))
        .collect();
    // Copied piece by piece: unoptimised, byte by byte takes longer than any carrier.
    let mut pattern = period.repeat(BLOCK_LEN.div_ceil(period.len()));
    pattern.truncate(BLOCK_LEN);
    pattern
}

/// What the channel takes at once, `None` if it takes nothing.
async fn write_now(channel: &mut Channel, data: &[u8]) -> Option<usize> {
    poll_fn(
        |context| match Pin::new(&mut *channel).poll_write(context, data) {
            Poll::Ready(written) => Poll::Ready(Some(written.unwrap())),
            Poll::Pending => Poll::Ready(None),
        },
    )
    .await
}

const BLOCK_LEN: usize = 1 << 18;
const BULK_BLOCKS: usize = 64;
const BUFFERED_MAX: usize = 128 << 20;
