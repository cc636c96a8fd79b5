//! What the receiving end holds of channels that nobody reads: bounded for the whole session, however many there are.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lmbench_transport::Channel;
use lmbench_transport::endpoint::Scheme;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::rig;

#[tokio::test]
async fn unread_channels_hold_a_bounded_sum_and_nobody_up() {
    let rigs = rig::all().into_iter();
    for rig in rigs.filter(|rig| !rig.name.ends_with("IPv6")) {
        for count in [15, 63] {
            let pair = rig.pair().await;
            let read = pair.channel().await;
            let (mut opened, mut writing) = (Vec::new(), JoinSet::new());
            for _ in 0..count {
                opened.push(pair.channel().await);
            }
            let written = Arc::new(AtomicU64::new(0));
            let mut unread = Vec::new();
            for (mut near, far) in opened {
                unread.push(far);
                let written = Arc::clone(&written);
                writing.spawn(async move {
                    let block = vec![7; 1 << 16];
                    while let Ok(len @ 1..) = near.write(&block).await {
                        written.fetch_add(len as u64, Ordering::Relaxed);
                    }
                });
            }
            // A machine that stands still for so long makes this test miss a fault, and report none.
            let mut before = u64::MAX;
            while before != written.load(Ordering::Relaxed) {
                before = written.load(Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            let held = match rig.endpoint().scheme {
                // The kernel's: what this process reads ahead for each channel is bounded by a batch.
                Scheme::Tcp | Scheme::Tls => queued(pair.serving.address()) + count * BATCH,
                // What the sender may send is what the receiver must keep.
                Scheme::Quic => before,
                Scheme::Ssh => unreachable!("its channels never come out of it"),
            };
            assert!(before > count * (1 << 14), "{}: {before} bytes", rig.name);
            assert!(
                held <= SESSION_MAX,
                "{}: {held} bytes held of {count} channels",
                rig.name
            );
            carry_on(read).await;
            if count < 63 {
                carry_on(pair.channel().await).await;
            }
        }
    }
}

/// More than any window, in both directions.
async fn carry_on((near, far): (Channel, Channel)) {
    let exchange = async |channel: Channel| {
        let (mut reading, mut writing) = tokio::io::split(channel);
        let read = async {
            let mut block = vec![0; 1 << 16];
            let mut left = CARRIED;
            while left > 0 {
                let len = block.len().min(left);
                left -= reading.read(&mut block[..len]).await.unwrap();
            }
        };
        let write = async {
            writing.write_all(&vec![7; CARRIED]).await.unwrap();
            writing.flush().await.unwrap();
        };
        tokio::join!(read, write);
        // Dropped before the other end has read it all, it would be cut.
        (reading, writing)
    };
    let both = async { tokio::join!(exchange(near), exchange(far)) };
    let both = tokio::time::timeout(Duration::from_mins(1), both).await;
    both.expect("others are not read, but this one is");
}

/// Bytes in the receive queues of a port's connections (`/proc/net/tcp`, the second half of the fifth column).
fn queued(local: SocketAddr) -> u64 {
    let table = if local.is_ipv4() { "tcp" } else { "tcp6" };
    let table = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap();
    let port = format!(":{:04X}", local.port());
    let queues = table.lines().filter_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let is_ours = columns.next()?.ends_with(&port);
        let queue = columns.nth(2)?.split_once(':')?.1;
        is_ours.then(|| u64::from_str_radix(queue, 16).unwrap())
    });
    queues.sum()
}

const CARRIED: usize = 4 << 20;
const BATCH: u64 = 300 << 10;
const SESSION_MAX: u64 = 128 << 20;
