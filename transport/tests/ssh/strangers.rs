//! Who does not get in: none of them reaches OpenSSH.

use std::time::Duration;

use lmbench_transport::Token;
use lmbench_transport::carry::Event;
use lmbench_transport::ssh::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixListener, UnixStream};

use crate::delay;
use crate::flood::Flood;
use crate::rig::{Both, live, sink, source};
use crate::rows;

#[test]
fn a_wrong_token_and_garbage_are_refused_and_the_right_one_still_gets_in() {
    live(async {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (mut sink, endpoint, token) = sink(path("destination"), Settings::default()).await;
        let wrong = Token::generate().unwrap();
        let half = source(&endpoint, &wrong, path("wrong"), Settings::default());
        let error = half.task.await.unwrap().unwrap_err().to_string();
        assert_eq!(error, format!("handshake with {endpoint} failed"));
        assert_eq!(
            refusal(&mut sink).await,
            "peer does not hold this session's token"
        );
        let address = endpoint.to_string().replace("ssh://", "");
        let long = vec![b'x'; 100_000];
        for garbage in [
            &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
            b"SSH-2.0-OpenSSH_10.0\r\n",
            &long,
        ] {
            let mut stranger = TcpStream::connect(&address).await.unwrap();
            // It may be cut while it still talks, and hears nothing in any case.
            let _ = stranger.write_all(garbage).await;
            assert_eq!(
                refusal(&mut sink).await,
                "peer does not speak lmbench's handshake"
            );
            let heard = stranger.read(&mut [0]).await;
            assert!(heard.map_or(true, |read| read == 0));
        }
        let mut half = source(&endpoint, &token, path("source"), Settings::default());
        assert!(matches!(half.next().await, Event::Ready { .. }));
        assert!(matches!(sink.next().await, Event::Ready { .. }));
        half.stop.cancel();
        assert_eq!(half.finished().await, (Ok(()), 0));
        assert_eq!(sink.finished().await, (Ok(()), 4));
    });
}

#[test]
fn a_token_is_good_for_one_session() {
    live(async {
        let mut both = Both::new(Settings::default()).await;
        let again = both.folder.path().join("again");
        let half = source(
            &both.endpoint,
            &both.token,
            again.clone(),
            Settings::default(),
        );
        let error = half.task.await.unwrap().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("handshake with {} failed", both.endpoint)
        );
        assert_eq!(
            refusal(&mut both.sink).await,
            "peer was refused: the token was already used for a session"
        );
        assert!(!again.exists());
        // The session that stands is not disturbed.
        let (mut near, mut far) = both.channel().await;
        near.write_u8(1).await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), 1);
        drop((near, far));
        both.source.stop.cancel();
        assert_eq!(both.source.finished().await, (Ok(()), 0));
        assert_eq!(both.sink.finished().await, (Ok(()), 1));
    });
}

/// And then 64 channels at once.
#[test]
fn a_session_comes_in_through_a_crowd() {
    live(async {
        for says in [&b""[..], b"LMBT\0\x02\0\0half"] {
            comes_in(says, 1000, Duration::ZERO).await;
        }
    });
}

/// The rows of `ssh` for the table of `contract/crowded.rs`.
#[test]
#[ignore = "takes minutes"]
fn every_rate_and_round_trip() {
    let times = rows::times();
    for rtt_ms in [0, 40] {
        let rtt = Duration::from_millis(rtt_ms);
        for rate in [0, 50, 1000, 4000] {
            if !rows::is_chosen("ssh", rate, rtt_ms) {
                continue;
            }
            let mut took = Vec::new();
            for round in 0..times {
                let begin = std::time::Instant::now();
                let says = [&b""[..], b"LMB", b"LMBT\0\x02\0\0half"][round % 3];
                live(async { comes_in(says, rate, rtt).await });
                took.push(begin.elapsed().as_millis());
            }
            took.sort_unstable();
            let (median, longest) = (took.get(times / 2), took.last());
            eprintln!(
                "ssh, {rate}/s, {rtt:?}: {times} of {times}, median {median:?} ms, longest {longest:?} ms"
            );
        }
    }
}

async fn comes_in(says: &'static [u8], per_second: u32, rtt: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let destination = UnixListener::bind(path("destination")).unwrap();
    let (sink, endpoint, token) = sink(path("destination"), Settings::default()).await;
    let address = endpoint.to_string().replace("ssh://", "");
    let target = address.parse().unwrap();
    let mut flood = Flood::over_tcp(target, says, per_second);
    flood.is_there().await;
    let seen = if rtt.is_zero() {
        endpoint
    } else {
        let seen = delay::over_tcp(target, rtt / 2).await;
        lmbench_transport::Endpoint::new(endpoint.scheme, seen)
    };
    let mut half = source(&seen, &token, path("source"), Settings::default());
    let ready = half.next().await;
    assert!(matches!(ready, Event::Ready { .. }), "{ready:?}");
    let mut channels = Vec::new();
    for _ in 0..64 {
        let mut near = UnixStream::connect(path("source")).await.unwrap();
        near.write_u8(1).await.unwrap();
        channels.push(near);
    }
    for _ in 0..64 {
        let (mut far, _) = destination.accept().await.unwrap();
        assert_eq!(far.read_u8().await.unwrap(), 1);
    }
    drop((flood, channels));
    half.stop.cancel();
    assert_eq!(half.finished().await.0, Ok(()));
    assert_eq!(sink.finished().await.0, Ok(()));
}

async fn refusal(sink: &mut crate::half::Half) -> String {
    match sink.next().await {
        Event::Refused { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}
