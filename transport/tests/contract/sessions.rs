//! Sessions: how they begin, what they admit, how each end learns of the other one's end.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use lmbench_testing::Need;
use lmbench_transport::Token;
use lmbench_transport::carrier::{CarrierError, ChannelError, HandshakeError, Refusal, SessionEnd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::{self, Rig};

#[tokio::test]
async fn sixty_four_channels_are_told_apart() {
    for rig in rig::all() {
        let pair = rig.pair().await;
        let mut near = Vec::new();
        for _ in 0..CHANNELS {
            let mut channel = pair.dialled.open_channel().await.unwrap();
            channel
                .write_all(&channel.number().to_be_bytes())
                .await
                .unwrap();
            channel.flush().await.unwrap();
            near.push(channel);
        }
        let mut numbers = BTreeSet::new();
        for _ in 0..CHANNELS {
            let mut channel = pair.accepted.accept_channel().await.unwrap().unwrap();
            assert_eq!(
                channel.read_u32().await.unwrap(),
                channel.number(),
                "{}",
                rig.name
            );
            numbers.insert(channel.number());
        }
        assert_eq!(numbers, (0..CHANNELS).collect(), "{}", rig.name);
        // The limit in the rig is this very number.
        let error = pair.dialled.open_channel().await.unwrap_err();
        assert!(
            matches!(refusal(&error), Some(Refusal::ChannelLimit)),
            "{}: {error:?}",
            rig.name
        );
    }
}

#[tokio::test]
async fn each_side_does_its_own_part() {
    each_side_does_its_own_part_of(rig::all()).await;
}

async fn each_side_does_its_own_part_of(rigs: Vec<Rig>) {
    for rig in rigs {
        let pair = rig.pair().await;
        assert!(matches!(
            pair.accepted.open_channel().await,
            Err(ChannelError::WrongSide(_))
        ));
        assert!(matches!(
            pair.dialled.accept_channel().await,
            Err(ChannelError::WrongSide(_))
        ));
    }
}

/// Channels that were opened before the goodbye are delivered after it.
#[tokio::test]
async fn goodbye_loses_no_channel() {
    for rig in rig::all() {
        let pair = rig.pair().await;
        let _channels = (
            pair.dialled.open_channel().await.unwrap(),
            pair.dialled.open_channel().await.unwrap(),
        );
        pair.dialled.close().await;
        assert_eq!(
            pair.accepted.ended().await,
            SessionEnd::Goodbye,
            "{}",
            rig.name
        );
        assert!(pair.accepted.accept_channel().await.unwrap().is_some());
        assert!(pair.accepted.accept_channel().await.unwrap().is_some());
        assert!(pair.accepted.accept_channel().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn the_listening_side_says_goodbye_too() {
    the_listening_side_says_goodbye_too_of(rig::all()).await;
}

async fn the_listening_side_says_goodbye_too_of(rigs: Vec<Rig>) {
    for rig in rigs {
        let pair = rig.pair().await;
        pair.accepted.close().await;
        assert_eq!(
            pair.dialled.ended().await,
            SessionEnd::Goodbye,
            "{}",
            rig.name
        );
        assert!(matches!(
            pair.dialled.open_channel().await,
            Err(ChannelError::Ended(SessionEnd::Goodbye))
        ));
    }
}

/// Also to a half whose own part of it had ended in order.
#[tokio::test]
async fn a_channel_that_broke_is_told_to_the_other_end() {
    for rig in rig::all() {
        for by_dialler in [true, false] {
            let pair = rig.pair().await;
            let (near, far) = pair.channel().await;
            let (broken, other) = if by_dialler {
                (near, &pair.accepted)
            } else {
                (far, &pair.dialled)
            };
            assert_eq!(other.broken_channel(), None, "{}", rig.name);
            broken.abort();
            let told = async {
                while other.broken_channel() != Some(0) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let told = tokio::time::timeout(Duration::from_secs(30), told).await;
            assert!(told.is_ok(), "{} by {by_dialler}", rig.name);
        }
    }
}

#[tokio::test]
async fn a_peer_that_dies_is_missed() {
    for rig in rig::all() {
        let pair = rig.pair().await;
        let (_near, far) = pair.channel().await;
        drop((pair.accepted, far));
        assert_eq!(pair.dialled.ended().await, SessionEnd::Gone, "{}", rig.name);
        let pair = rig.pair().await;
        let (near, mut far) = pair.channel().await;
        drop((pair.dialled, near));
        assert!(
            matches!(
                pair.accepted.accept_channel().await,
                Err(ChannelError::Ended(SessionEnd::Gone))
            ),
            "{}",
            rig.name
        );
        // The kernel ends a dead process's connection in order; whatever ends a stream in its own way must not.
        match far.read(&mut [0; 1]).await {
            Ok(count) => assert_eq!((count, far.as_tcp().is_some()), (0, true), "{}", rig.name),
            Err(_) => assert!(far.as_tcp().is_none(), "{}", rig.name),
        }
    }
}

#[tokio::test]
async fn a_wrong_token_is_noticed_by_the_dialler() {
    a_wrong_token_is_noticed_by_the_dialler_of(rig::all()).await;
}

async fn a_wrong_token_is_noticed_by_the_dialler_of(rigs: Vec<Rig>) {
    for rig in rigs {
        let mut serving = rig.listen(&Token::generate().unwrap()).await;
        let error = rig
            .carrier(&Token::generate().unwrap())
            .dial(&serving.endpoint)
            .await
            .err()
            .unwrap();
        assert!(
            matches!(
                error,
                CarrierError::Handshake {
                    source: HandshakeError::Token,
                    ..
                }
            ),
            "{}: {error:?}",
            rig.name
        );
        // The dialler hangs up before it proves anything to the false listener, with or without a word about the reason.
        assert!(
            matches!(
                serving.refused.recv().await.unwrap(),
                HandshakeError::Closed | HandshakeError::Token
            ),
            "{}",
            rig.name
        );
    }
}

#[tokio::test]
async fn a_token_is_good_for_one_session() {
    a_token_is_good_for_one_session_of(rig::all()).await;
}

async fn a_token_is_good_for_one_session_of(rigs: Vec<Rig>) {
    for rig in rigs {
        let mut pair = rig.pair().await;
        let error = rig
            .carrier(&pair.token)
            .dial(&pair.serving.endpoint)
            .await
            .err()
            .unwrap();
        let taken = HandshakeError::Refused(Refusal::SessionTaken).to_string();
        assert!(
            matches!(&error, CarrierError::Handshake { source, .. } if source.to_string() == taken),
            "{}: {error:?}",
            rig.name
        );
        assert_eq!(
            pair.serving.refused.recv().await.unwrap().to_string(),
            taken
        );
        // Nor for another one after the first has ended.
        drop((pair.dialled, pair.accepted));
        assert!(
            rig.carrier(&pair.token)
                .dial(&pair.serving.endpoint)
                .await
                .is_err(),
            "{}",
            rig.name
        );
    }
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    a_taken_port_is_an_error_of(rig::all()).await;
}

async fn a_taken_port_is_an_error_of(rigs: Vec<Rig>) {
    for rig in rigs {
        let token = Token::generate().unwrap();
        let first = rig.carrier(&token).listen(&rig.endpoint()).await.unwrap();
        let error = rig
            .carrier(&token)
            .listen(first.endpoint())
            .await
            .err()
            .unwrap();
        let CarrierError::Listen { endpoint, source } = error else {
            panic!("{}: {error:?}", rig.name)
        };
        assert_eq!(&endpoint, first.endpoint());
        assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
    }
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    nobody_there_is_an_error_of(rig::all()).await;
}

async fn nobody_there_is_an_error_of(rigs: Vec<Rig>) {
    for rig in rigs {
        let token = Token::generate().unwrap();
        let listener = rig.carrier(&token).listen(&rig.endpoint()).await.unwrap();
        let endpoint = listener.endpoint().clone();
        drop(listener);
        let error = rig.carrier(&token).dial(&endpoint).await.err().unwrap();
        assert_eq!(error.to_string(), format!("cannot connect to {endpoint}"));
    }
}

/// As far as a session goes without channels: its channels never come out of it. Without OpenSSH this is skipped, loudly.
#[tokio::test]
async fn sessions_over_ssh_are_like_all_others() {
    let Some(_turn) = lmbench_testing::live(&[Need::Sshd]) else {
        return;
    };
    let ssh = || vec![rig::over_ssh()];
    each_side_does_its_own_part_of(ssh()).await;
    the_listening_side_says_goodbye_too_of(ssh()).await;
    a_wrong_token_is_noticed_by_the_dialler_of(ssh()).await;
    a_token_is_good_for_one_session_of(ssh()).await;
    a_taken_port_is_an_error_of(ssh()).await;
    nobody_there_is_an_error_of(ssh()).await;
}

fn refusal(error: &ChannelError) -> Option<Refusal> {
    match error {
        ChannelError::Open {
            source:
                CarrierError::Handshake {
                    source: HandshakeError::Refused(refusal),
                    ..
                },
            ..
        } => Some(*refusal),
        _ => None,
    }
}

const CHANNELS: u32 = 64;
