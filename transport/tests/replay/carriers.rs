//! The same captures over every carrier: what arrives is what was captured, in both directions.

use std::sync::Arc;

use lmbench_testing::Need;
use lmbench_transport::Scheme;
use lmbench_transport::capture::Recording;
use lmbench_transport::carry::{Event, Local, Pace, Replayed};

use crate::rig::{Script, play};

/// Bytes that are nowhere the same.
fn pages(len: usize, seed: u8) -> Vec<u8> {
    let page = |at: usize| (at / 251) as u8 ^ (at % 251) as u8 ^ seed;
    (0..len).map(page).collect()
}

/// Like QEMU's own: a main channel with answers, others with pages that begin alike, and one that never says a word.
fn several() -> Arc<Recording> {
    Script::new()
        .open(0)
        .sends(0, b"QEVM")
        .hears(0, b"open")
        .open(1)
        .open(2)
        .sends(1, &[b"same start", &pages(3_000_000, 1)[..]].concat())
        .sends(2, &[b"same start", &pages(2_000_000, 2)[..]].concat())
        .sends(0, &pages(1_000_000, 0))
        .open(3)
        .sends(1, &pages(700_000, 3))
        .hears(0, &pages(300_000, 9))
        .sends(0, b"end")
        .hears(0, b"shut")
        .done()
}

async fn discarded_and_verified(scheme: Scheme) {
    for (recording, channels) in [
        (
            Script::new()
                .open(0)
                .sends(0, &pages(5_000_000, 4))
                .hears(0, b"shut")
                .done(),
            1,
        ),
        (several(), 4),
    ] {
        let totals = recording.totals();
        for sink in [Local::Discard, Local::Verify(Arc::clone(&recording))] {
            let verifies = sink != Local::Discard;
            let ended = play(scheme, &recording, Pace::Full, sink).await;
            assert_eq!(ended.sink.0, Ok(()), "{:?}", ended.sink.1);
            assert_eq!(ended.source.0, Ok(()), "{:?}", ended.source.1);
            let back = if verifies { totals.to_source_bytes } else { 0 };
            let (what, sums) = replayed(&ended.source.1);
            assert_eq!(what, Replayed::Played);
            assert_eq!(sums, (channels, totals.to_destination_bytes, back));
            let (what, sums) = replayed(&ended.sink.1);
            let expected = if verifies {
                Replayed::Verified
            } else {
                Replayed::Discarded
            };
            assert_eq!(what, expected);
            assert_eq!((sums.1, sums.2), (back, totals.to_destination_bytes));
        }
    }
}

/// The last event but one, without its time.
fn replayed(events: &[Event]) -> (Replayed, (u32, u64, u64)) {
    match events {
        [
            ..,
            Event::Replayed {
                what,
                channels,
                sent_bytes,
                received_bytes,
                seconds,
                differs: None,
            },
            Event::Finished { .. },
        ] => {
            assert!(*seconds > 0.0);
            (*what, (*channels, *sent_bytes, *received_bytes))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tcp() {
    discarded_and_verified(Scheme::Tcp).await;
}

#[tokio::test]
async fn tls() {
    discarded_and_verified(Scheme::Tls).await;
}

#[tokio::test]
async fn quic() {
    discarded_and_verified(Scheme::Quic).await;
}

#[tokio::test]
async fn ssh() {
    let Some(_turn) = lmbench_testing::live(&[Need::Sshd]) else {
        return;
    };
    discarded_and_verified(Scheme::Ssh).await;
}
