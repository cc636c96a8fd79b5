//! What is special to the carrier `tls`: whom it trusts, what a stranger can do to it, and the relay that encrypts in place.
//! What it has in common with every carrier is in `contract.rs`.

#[path = "tls/authority.rs"]
mod authority;
#[path = "tls/crowd.rs"]
mod crowd;

use std::collections::VecDeque;
use std::time::Duration;

use lmbench_transport::carrier::{
    Admitted, Carrier, CarrierError, CertificateFault, HandshakeError, Listener, Session,
};
use lmbench_transport::identity::Cipher;
use lmbench_transport::relay::{Counters, Path as RelayPath, relay};
use lmbench_transport::tcp::{self, Tcp};
use lmbench_transport::tls::{Settings, Tls};
use lmbench_transport::{Channel, Endpoint, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use authority::Authority;

#[tokio::test]
async fn what_was_negotiated_is_told() {
    for (cipher, expected) in [
        (Cipher::Aes128Gcm, "TLSv1.3 TLS13_AES_128_GCM_SHA256"),
        (Cipher::Aes256Gcm, "TLSv1.3 TLS13_AES_256_GCM_SHA384"),
        (
            Cipher::Chacha20Poly1305,
            "TLSv1.3 TLS13_CHACHA20_POLY1305_SHA256",
        ),
    ] {
        let (dialled, accepted) = session(Settings {
            cipher,
            ..Settings::default()
        })
        .await;
        assert_eq!(dialled.details().as_deref(), Some(expected));
        assert_eq!(accepted.details().as_deref(), Some(expected));
    }
}

#[test]
fn settings_are_read_with_defaults_and_without_guesses() {
    let read = |text| serde_json::from_str::<Settings>(text).map_err(|error| error.to_string());
    assert_eq!(read("{}"), Ok(Settings::default()));
    let expected = Settings {
        cipher: Cipher::Chacha20Poly1305,
        connections: tcp::Settings {
            channels_max: 7,
            ..tcp::Settings::default()
        },
    };
    let text = r#"{"cipher":"chacha20-poly1305","connections":{"channels-max":7}}"#;
    assert_eq!(read(text), Ok(expected));
    assert_eq!(
        serde_json::to_value(Settings::default()).unwrap()["cipher"],
        "aes128-gcm"
    );
    assert!(
        read(r#"{"ciper":"aes128-gcm"}"#)
            .unwrap_err()
            .contains("unknown field `ciper`")
    );
    assert!(
        read(r#"{"cipher":"aes-128-gcm"}"#)
            .unwrap_err()
            .contains("unknown variant")
    );
}

#[tokio::test]
async fn whom_a_host_does_not_trust_it_names() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let good = ours.identity("localhost", DAY);
    let endpoint: Endpoint = "tls://localhost:0".parse().unwrap();
    let cases = [
        (good.clone(), good.clone(), None),
        (
            theirs.identity("localhost", DAY),
            good.clone(),
            Some(CertificateFault::Issuer),
        ),
        (
            ours.identity("localhost", -DAY),
            good.clone(),
            Some(CertificateFault::Expired),
        ),
        (
            ours.identity("elsewhere.example", DAY),
            good.clone(),
            Some(CertificateFault::Name {
                expected: "localhost".to_owned(),
            }),
        ),
    ];
    for (listener, dialler, expected) in cases {
        let token = Token::generate().unwrap();
        let (dialled, accepted) = meet(
            &Tls::with_identity(token.clone(), Settings::default(), listener),
            &Tls::with_identity(token, Settings::default(), dialler),
            &endpoint,
        )
        .await;
        match (expected, dialled, accepted) {
            (None, Ok(_), Ok(_)) => {}
            (
                Some(expected),
                Err(HandshakeError::Certificate(fault)),
                Err(HandshakeError::Alert(_)),
            ) => assert_eq!(fault, expected),
            (expected, dialled, accepted) => {
                panic!("{expected:?}: {:?}, {:?}", dialled.err(), accepted.err())
            }
        }
    }
}

/// The dialler believes the listener, but not the other way round: the dialler learns it from an alert.
#[tokio::test]
async fn a_dialler_that_is_not_trusted_is_told_so() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for (dialler, expected) in [
        (
            theirs.identity_that_trusts(&ours, "localhost", DAY),
            CertificateFault::Issuer,
        ),
        (ours.identity("localhost", -DAY), CertificateFault::Expired),
    ] {
        let token = Token::generate().unwrap();
        let (dialled, accepted) = meet(
            &Tls::with_identity(
                token.clone(),
                Settings::default(),
                ours.identity("localhost", DAY),
            ),
            &Tls::with_identity(token, Settings::default(), dialler),
            &"tls://localhost:0".parse().unwrap(),
        )
        .await;
        let (dialled, accepted) = (dialled.err().unwrap(), accepted.err().unwrap());
        assert!(
            matches!(&accepted, HandshakeError::Certificate(fault) if *fault == expected),
            "{accepted:?}"
        );
        assert!(matches!(dialled, HandshakeError::Alert(_)), "{dialled:?}");
    }
}

/// The user's authority says who somebody is, the token which session is meant; one does not replace the other.
#[tokio::test]
async fn a_trusted_host_still_needs_the_token() {
    let authority = Authority::new();
    let tls =
        |identity| Tls::with_identity(Token::generate().unwrap(), Settings::default(), identity);
    let (dialled, _) = meet(
        &tls(authority.identity("localhost", DAY)),
        &tls(authority.identity("localhost", DAY)),
        &"tls://localhost:0".parse().unwrap(),
    )
    .await;
    let error = dialled.err().unwrap();
    assert!(matches!(error, HandshakeError::Token), "{error:?}");
}

#[tokio::test]
async fn ends_with_different_settings_say_so() {
    let token = Token::generate().unwrap();
    let tls = |cipher| {
        let settings = Settings {
            cipher,
            ..Settings::default()
        };
        Tls::new(token.clone(), settings)
    };
    let at = "tls://127.0.0.1:0".parse().unwrap();
    let (dialled, accepted) = meet(&tls(Cipher::Aes256Gcm), &tls(Cipher::Aes128Gcm), &at).await;
    for error in [dialled.err().unwrap(), accepted.err().unwrap()] {
        assert!(
            matches!(error, HandshakeError::Incompatible(_)),
            "{error:?}"
        );
    }
    // A dialler of the plain carrier is a stranger to TLS.
    let settings = tcp::Settings {
        handshake_deadline: Duration::from_millis(200),
        ..tcp::Settings::default()
    };
    let plain = Tcp::new(token.clone(), settings);
    let (dialled, accepted) = meet(&tls(Cipher::Aes128Gcm), &plain, &at).await;
    let (dialled, accepted) = (dialled.err().unwrap(), accepted.err().unwrap());
    // It tries again, and nobody accepts it any more.
    assert!(
        matches!(
            dialled,
            HandshakeError::Closed | HandshakeError::TimedOut { .. }
        ),
        "{dialled:?}"
    );
    assert!(matches!(accepted, HandshakeError::Stranger), "{accepted:?}");
}

/// Everything that a dialler sent is played again, to the same listener and to a fresh one with the same token.
#[tokio::test]
async fn a_replayed_handshake_is_refused() {
    let token = Token::generate().unwrap();
    let tls = Tls::new(token, Settings::default());
    let mut first = tls
        .listen(&"tls://127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    let target = address(first.endpoint());
    let between = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through: Endpoint = format!("tls://{}", between.local_addr().unwrap())
        .parse()
        .unwrap();
    let record = async {
        let (mut client, _) = between.accept().await.unwrap();
        let mut server = TcpStream::connect(target).await.unwrap();
        let (mut sent, mut bytes) = (Vec::new(), [0; 4096]);
        let mut answer = [0; 4096];
        loop {
            tokio::select! {
                read = client.read(&mut bytes) => match read.unwrap_or(0) {
                    0 => return sent,
                    len => {
                        sent.extend_from_slice(&bytes[..len]);
                        server.write_all(&bytes[..len]).await.unwrap();
                    }
                },
                read = server.read(&mut answer) => {
                    let len = read.unwrap();
                    client.write_all(&answer[..len]).await.unwrap();
                }
            }
        }
    };
    let dial = async { tls.dial(&through).await.unwrap().close().await };
    let accept = async { first.accept().await.unwrap().handshake().await };
    let (recording, (), accepted) = tokio::join!(record, dial, accept);
    let _session = accepted.unwrap();
    let mut again = tls
        .listen(&"tls://127.0.0.1:0".parse().unwrap())
        .await
        .unwrap();
    // The first one has heard this knock already.
    for (listener, is_known) in [(&mut first, true), (&mut again, false)] {
        let mut stranger = TcpStream::connect(address(listener.endpoint()))
            .await
            .unwrap();
        stranger.write_all(&recording).await.unwrap();
        let error = listener.accept().await.unwrap().handshake().await.err();
        let expected = match error {
            Some(HandshakeError::Token) => is_known,
            Some(HandshakeError::Protocol(_)) => !is_known,
            _ => false,
        };
        assert!(expected, "{error:?}");
    }
}

/// A destination that stops reading stops the source, after no more than what all buffers on the way hold: two unix sockets,
/// two batches of 256 KiB, and the connection's own.
#[tokio::test(start_paused = true)]
async fn a_destination_that_stops_reading_stops_the_source() {
    let settings = Settings {
        connections: tcp::Settings {
            socket_buffer_bytes: Some(128 << 10),
            ..tcp::Settings::default()
        },
        ..Settings::default()
    };
    let mut relayed = Relayed::new(settings).await;
    let block = vec![5; 64 << 10];
    let mut taken = 0;
    // Time is paused: the limit passes as soon as nothing can move any more.
    while let Ok(written) = timeout(Duration::from_secs(1), relayed.source.write(&block)).await {
        taken += written.unwrap();
        assert!(
            taken < IN_FLIGHT_MAX,
            "{taken} bytes taken and nobody reads"
        );
    }
    relayed.source.shutdown().await.unwrap();
    let mut heard = Vec::new();
    relayed.destination.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard.len(), taken);
}

/// In odd sizes, both ways at once, through the path that encrypts in place and through the one for any stream.
#[tokio::test]
async fn relays_pass_every_byte_and_each_end() {
    for path in [RelayPath::Auto, RelayPath::Copy] {
        let Relayed {
            source,
            destination,
            halves,
            sessions: _held,
        } = Relayed::with_path(Settings::default(), path).await;
        let (there, back) = (pattern(3_000_001), pattern(700_003));
        tokio::join!(
            exchange(source, &there, &back),
            exchange(destination, &back, &there)
        );
        let expected = (there.len() as u64, back.len() as u64);
        for (half, turned) in halves.into_iter().zip([false, true]) {
            let (result, counters) = half.await.unwrap();
            result.unwrap();
            let counted = (counters.sent_bytes(), counters.received_bytes());
            let counted = if turned {
                (counted.1, counted.0)
            } else {
                counted
            };
            assert_eq!(counted, expected, "{path:?}");
        }
    }
}

/// The local stream breaks in the middle: the far relay must not pass that on as an orderly end.
#[tokio::test]
async fn a_cut_is_an_error_at_the_far_relay() {
    let Relayed {
        mut source,
        mut destination,
        halves: [near, far],
        sessions: _held,
    } = Relayed::new(Settings::default()).await;
    source.write_all(b"the first half").await.unwrap();
    destination.read_exact(&mut [0; 14]).await.unwrap();
    near.abort();
    let (result, _) = far.await.unwrap();
    assert!(result.is_err());
}

/// Two local streams, joined by two relays and a channel.
struct Relayed {
    source: UnixStream,
    destination: UnixStream,
    halves: [Half; 2],
    /// Over which the relays tell each other how the channel ends.
    sessions: [Box<dyn Session>; 2],
}

type Half = tokio::task::JoinHandle<(Result<(), lmbench_transport::relay::RelayError>, Counters)>;

impl Relayed {
    async fn new(settings: Settings) -> Self {
        Self::with_path(settings, RelayPath::Auto).await
    }

    async fn with_path(settings: Settings, path: RelayPath) -> Self {
        let tls = Tls::new(Token::generate().unwrap(), settings);
        let at = "tls://127.0.0.1:0".parse().unwrap();
        let (dialled, accepted, mut listener) = meet_and_stay(&tls, &tls, &at).await;
        let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap());
        let (near, joined, far) = tokio::join!(
            dialled.open_channel(),
            async { listener.accept().await.unwrap().handshake().await },
            accepted.accept_channel()
        );
        assert!(matches!(joined, Ok(Admitted::Joined { channel: 0 })));
        let half = |channel: Channel| {
            let (outer, inner) = UnixStream::pair().unwrap();
            let task = tokio::spawn(async move {
                let counters = Counters::default();
                (relay(inner, channel, path, &counters).await, counters)
            });
            (outer, task)
        };
        let (source, near) = half(near.unwrap());
        let (destination, far) = half(far.unwrap().unwrap());
        Self {
            source,
            destination,
            halves: [near, far],
            sessions: [dialled, accepted],
        }
    }
}

/// Both ends of a fresh session.
async fn session(settings: Settings) -> (Box<dyn Session>, Box<dyn Session>) {
    let tls = Tls::new(Token::generate().unwrap(), settings);
    let (dialled, accepted) = meet(&tls, &tls, &"tls://127.0.0.1:0".parse().unwrap()).await;
    let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap());
    (dialled, accepted)
}

type Met = Result<Box<dyn Session>, HandshakeError>;

/// One dials the other, under the name that the endpoint gives it.
async fn meet(listening: &dyn Carrier, dialling: &dyn Carrier, endpoint: &Endpoint) -> (Met, Met) {
    let (dialled, accepted, _) = meet_and_stay(listening, dialling, endpoint).await;
    (dialled, accepted)
}

/// The same, and the listener stays for channels.
async fn meet_and_stay(
    listening: &dyn Carrier,
    dialling: &dyn Carrier,
    endpoint: &Endpoint,
) -> (Met, Met, Box<dyn Listener>) {
    let mut listener = listening.listen(endpoint).await.unwrap();
    let mut target = endpoint.to_string();
    target.truncate(target.len() - ":0".len());
    let target = target.replace("tls://", &format!("{}://", dialling.scheme()));
    let target: Endpoint = format!("{target}:{}", listener.endpoint().port())
        .parse()
        .unwrap();
    let (dialled, accepted) = tokio::join!(
        async {
            match dialling.dial(&target).await {
                Ok(session) => Ok(session),
                Err(CarrierError::Handshake { source, .. }) => Err(source),
                Err(error) => panic!("{error:?}"),
            }
        },
        async {
            match listener.accept().await.unwrap().handshake().await {
                Ok(Admitted::Session(session)) => Ok(session),
                Ok(Admitted::Joined { .. }) => unreachable!("the first connection is the session"),
                Err(error) => Err(error),
            }
        }
    );
    (dialled, accepted, listener)
}

async fn exchange(mut stream: UnixStream, sent: &[u8], expected: &[u8]) {
    let (mut reader, mut writer) = stream.split();
    let speak = async {
        for chunk in sent.chunks(77_777) {
            writer.write_all(chunk).await.unwrap();
        }
        writer.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let ((), read) = tokio::join!(speak, reader.read_to_end(&mut heard));
    read.unwrap();
    assert!(heard == expected);
}

fn pattern(len: usize) -> Vec<u8> {
    (0..251u8).cycle().take(len).collect()
}

fn address(endpoint: &Endpoint) -> String {
    endpoint.to_string().replace("tls://", "")
}

const DAY: i64 = 24 * 60 * 60;
const IN_FLIGHT_MAX: usize = 2 << 20;
