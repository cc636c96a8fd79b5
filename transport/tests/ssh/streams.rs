//! What goes through.

use std::os::unix::fs::PermissionsExt as _;

use lmbench_transport::carry::Event;
use lmbench_transport::ssh::{Cipher, Connections, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::rig::{Both, live};

#[test]
fn a_channel_echoes_and_the_end_leaves_nothing() {
    live(async {
        let both = Both::new(Settings::default()).await;
        let path = both.folder.path().join("source");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let (mut near, mut far) = both.channel().await;
        near.write_all(b"ping").await.unwrap();
        let mut heard = [0; 4];
        far.read_exact(&mut heard).await.unwrap();
        far.write_all(&heard).await.unwrap();
        near.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"ping");
        drop((near, far));
        let private = std::fs::canonicalize(&path).unwrap();
        let private = private.parent().unwrap().to_owned();
        assert!(private.join("client").exists());
        both.end().await;
        assert!(!path.exists() && !private.exists());
    });
}

#[test]
fn settings_reach_openssh_and_the_details_tell_what_was_agreed_on() {
    live(async {
        let settings = Settings {
            cipher: Some(Cipher::Aes128Gcm),
            compression: true,
            ..Settings::default()
        };
        let both = Both::new(settings).await;
        for part in [
            "OpenSSH_",
            "cipher aes128-gcm@openssh.com",
            "compression zlib",
            "ms in ssh",
        ] {
            assert!(both.details.contains(part), "{}", both.details);
        }
        both.end().await;
    });
}

/// The first channel takes the ssh that was held ready, the others wait for theirs; the bytes of one that was closed at once
/// arrive all the same.
#[test]
fn each_channel_can_have_a_connection_of_its_own() {
    live(async {
        let settings = Settings {
            connections: Connections::PerChannel,
            ..Settings::default()
        };
        let mut both = Both::new(settings).await;
        let bytes = vec![3; 3_000_000];
        for number in 0..3 {
            let path = both.folder.path().join("source");
            let mut near = tokio::net::UnixStream::connect(path).await.unwrap();
            let (mut far, _) = both.destination.accept().await.unwrap();
            let send = async {
                near.write_all(&bytes).await.unwrap();
                drop(near);
            };
            let mut heard = Vec::new();
            let ((), read) = tokio::join!(send, far.read_to_end(&mut heard));
            assert!(read.is_ok() && heard == bytes);
            drop(far);
            match both.source.next().await {
                Event::ChannelOpen {
                    number: told,
                    open_ms,
                } => {
                    assert_eq!((told, open_ms.is_some()), (number, number > 0));
                }
                other => panic!("{other:?}"),
            }
            match both.source.next().await {
                Event::ChannelClosed {
                    sent_bytes, error, ..
                } => {
                    assert_eq!((sent_bytes, error), (3_000_000, None));
                }
                other => panic!("{other:?}"),
            }
        }
        both.end().await;
    });
}

/// Both directions at once, each ended by a half-close that the other one outlives.
#[test]
fn bulk_goes_both_ways_and_half_closes_pass() {
    live(async {
        let both = Both::new(Settings::default()).await;
        let (near, far) = both.channel().await;
        let bytes: Vec<u8> = (0..BULK).map(|index| (index / 7) as u8).collect();
        let (mut from_far, mut to_far) = near.into_split();
        let (mut from_near, mut to_near) = far.into_split();
        let there = async {
            to_far.write_all(&bytes).await.unwrap();
            drop(to_far);
        };
        let arrives = async {
            let mut heard = Vec::new();
            from_near.read_to_end(&mut heard).await.unwrap();
            assert!(heard == bytes);
            // The way back is still open after the end of the way there.
            to_near.write_all(&bytes).await.unwrap();
            drop(to_near);
        };
        let back = async {
            let mut heard = Vec::new();
            from_far.read_to_end(&mut heard).await.unwrap();
            assert!(heard == bytes);
        };
        tokio::join!(there, arrives, back);
        both.end().await;
    });
}

#[test]
fn many_channels_come_at_once_and_none_is_mistaken_for_another() {
    live(async {
        let both = Both::new(Settings::default()).await;
        let mut pairs = Vec::new();
        for number in 0..CHANNELS {
            let (mut near, far) = both.channel().await;
            near.write_u32(number).await.unwrap();
            pairs.push((near, far));
        }
        for (number, (near, far)) in (0..).zip(&mut pairs) {
            assert_eq!(far.read_u32().await.unwrap(), number);
            far.write_u32(!number).await.unwrap();
            assert_eq!(near.read_u32().await.unwrap(), !number);
        }
        drop(pairs);
        both.end().await;
    });
}

/// More than every buffer on the way holds does not get through to a reader that does not read, and all of it to one that does.
#[test]
fn a_reader_that_stops_stops_the_writer() {
    live(async {
        let both = Both::new(Settings::default()).await;
        let (mut near, mut far) = both.channel().await;
        let writer = tokio::spawn(async move {
            near.write_all(&vec![7; BUFFERS_MAX]).await.unwrap();
        });
        // While another channel goes on, the slow one stands: nobody waits for it.
        let (mut other, mut there) = both.channel().await;
        for _ in 0..100 {
            other.write_u8(1).await.unwrap();
            there.read_u8().await.unwrap();
        }
        assert!(!writer.is_finished());
        let mut heard = 0;
        let mut buffer = vec![0; 1 << 20];
        loop {
            match far.read(&mut buffer).await.unwrap() {
                0 => break,
                read => heard += read,
            }
        }
        assert_eq!(heard, BUFFERS_MAX);
        writer.await.unwrap();
        drop((other, there, far));
        both.end().await;
    });
}

const BULK: usize = 8 << 20;
const CHANNELS: u32 = 64;
/// The window of a channel is 2 MiB, and sockets hold a few more.
const BUFFERS_MAX: usize = 32 << 20;
