//! Who does not get in: none of them reaches OpenSSH.

use lmbench_transport::Token;
use lmbench_transport::carry::Event;
use lmbench_transport::ssh::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{Both, live, sink, source};

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
        // The dialler leaves when the listener's proof does not hold.
        assert_eq!(
            refusal(&mut sink).await,
            "peer closed the connection during the handshake"
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

async fn refusal(sink: &mut crate::half::Half) -> String {
    match sink.next().await {
        Event::Refused { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}
