//! The two halves together, with this test in the place of both QEMUs.

#[path = "carry/descriptors.rs"]
mod descriptors;
#[path = "shared/half.rs"]
mod half;
#[path = "shared/nobody.rs"]
mod nobody;
#[path = "carry/peers.rs"]
mod peers;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use half::Half;
use lmbench_transport::carry::{CarryError, Event, Local, Options, Sink, Source};
use lmbench_transport::{Endpoint, Token, tcp};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};

/// Both halves, ready for a migration.
struct Both {
    folder: TempDir,
    source: Half,
    sink: Half,
}

impl Half {
    async fn next(&mut self) -> Event {
        self.events.recv().await.expect("the half tells more")
    }

    async fn closed(&mut self) -> (u64, u64, Option<String>) {
        loop {
            if let Event::ChannelClosed {
                sent_bytes,
                received_bytes,
                error,
                ..
            } = self.next().await
            {
                return (sent_bytes, received_bytes, error);
            }
        }
    }

    /// Ends well, and the last thing it tells is that it finished.
    async fn finished(self) -> (u32, u64, u64) {
        let (result, events) = self.ended().await;
        result.unwrap();
        let Some(Event::Finished {
            channels,
            sent_bytes,
            received_bytes,
            ..
        }) = events.last()
        else {
            panic!("{events:?}")
        };
        (
            channels.unwrap(),
            sent_bytes.unwrap(),
            received_bytes.unwrap(),
        )
    }
}

impl Both {
    async fn new(local: fn(PathBuf) -> Local) -> Self {
        Self::with_drain(local, PATIENT).await
    }

    /// With another time for channels to end by themselves after a stop.
    async fn with_drain(local: fn(PathBuf) -> Local, drain: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [near, far] = ["source", "destination"].map(|name| local(folder.path().join(name)));
        let (sink, endpoint, token) = sink(far, drain).await;
        let mut source = source(&endpoint, &token, near, drain);
        assert!(matches!(source.next().await, Event::Ready { .. }));
        let mut both = Self {
            folder,
            source,
            sink,
        };
        assert!(matches!(both.sink.next().await, Event::Ready { .. }));
        both
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

#[tokio::test]
async fn channels_of_a_migration_come_and_go_and_the_stop_ends_both() {
    let both = Both::new(Local::Unix).await;
    let mode = std::fs::metadata(both.path("source"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let destination = UnixListener::bind(both.path("destination")).unwrap();
    // The first channel comes and goes before the second one opens: closed channels are no end.
    for size in [1000, 3_000_000] {
        let mut from = UnixStream::connect(both.path("source")).await.unwrap();
        let bytes = vec![9; size];
        let send = async {
            from.write_all(&bytes).await.unwrap();
            from.shutdown().await.unwrap();
            let mut answer = String::new();
            from.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let receive = async {
            let (mut to, _) = destination.accept().await.unwrap();
            let mut heard = Vec::new();
            to.read_to_end(&mut heard).await.unwrap();
            to.write_all(b"shut").await.unwrap();
            heard
        };
        let (answer, heard) = tokio::join!(send, receive);
        assert_eq!(answer, "shut");
        assert!(heard == bytes);
    }
    let (path, Both { source, sink, .. }) = (both.path("source"), both);
    source.stop.cancel();
    assert_eq!(source.finished().await, (2, 3_001_000, 8));
    assert_eq!(sink.finished().await, (2, 8, 3_001_000));
    assert!(!path.exists());
}

/// A connection without a byte on it would block the destination's QEMU, and the held channel 0 is one.
#[tokio::test]
async fn qemu_is_connected_with_the_first_byte_and_may_come_late() {
    let mut both = Both::new(Local::Unix).await;
    let mut from = UnixStream::connect(both.path("source")).await.unwrap();
    assert!(matches!(
        both.source.next().await,
        Event::ChannelOpen {
            number: 0,
            open_ms: None
        }
    ));
    from.write_all(b"x").await.unwrap();
    // Nobody listens at the destination so far: the sink has to go on trying.
    let destination = UnixListener::bind(both.path("destination")).unwrap();
    let (mut to, _) = destination.accept().await.unwrap();
    assert_eq!(to.read_u8().await.unwrap(), b'x');
    assert!(matches!(
        both.sink.next().await,
        Event::ChannelOpen { number: 0, .. }
    ));
}

/// QEMU's channel for urgent pages (post-copy preempt) stays silent until a page is asked for, and its destination waits for it.
#[tokio::test]
async fn a_silent_further_channel_follows_the_first() {
    let mut both = Both::new(Local::Unix).await;
    let destination = UnixListener::bind(both.path("destination")).unwrap();
    let mut main = UnixStream::connect(both.path("source")).await.unwrap();
    let _silent = UnixStream::connect(both.path("source")).await.unwrap();
    for _ in 0..2 {
        assert!(matches!(
            both.source.next().await,
            Event::ChannelOpen { .. }
        ));
    }
    // Until QEMU has the main channel, the silent one must not be taken for it.
    main.write_all(b"x").await.unwrap();
    let (mut first, _) = destination.accept().await.unwrap();
    assert_eq!(first.read_u8().await.unwrap(), b'x');
    let _second = destination.accept().await.unwrap();
}

/// Whichever of them is faster. Paused time jumps over the wait as soon as nothing can come any more.
#[tokio::test(start_paused = true)]
async fn a_further_channel_that_speaks_first_follows_the_first() {
    let mut both = Both::new(Local::Unix).await;
    let destination = UnixListener::bind(both.path("destination")).unwrap();
    let mut main = UnixStream::connect(both.path("source")).await.unwrap();
    assert!(matches!(
        both.source.next().await,
        Event::ChannelOpen { number: 0, .. }
    ));
    let mut further = UnixStream::connect(both.path("source")).await.unwrap();
    assert!(matches!(
        both.source.next().await,
        Event::ChannelOpen { number: 1, .. }
    ));
    further.write_all(b"y").await.unwrap();
    let early = tokio::time::timeout(Duration::from_secs(1), destination.accept()).await;
    assert!(
        early.is_err(),
        "QEMU has another channel before the main one"
    );
    main.write_all(b"x").await.unwrap();
    for byte in *b"xy" {
        let (mut channel, _) = destination.accept().await.unwrap();
        assert_eq!(channel.read_u8().await.unwrap(), byte);
    }
}

/// Paused time jumps over the wait. The source learns that its channel is broken.
#[tokio::test(start_paused = true)]
async fn a_destination_that_never_listens_breaks_the_channel() {
    let mut both = Both::new(Local::Unix).await;
    let mut from = UnixStream::connect(both.path("source")).await.unwrap();
    from.write_all(b"x").await.unwrap();
    let (_, _, error) = both.sink.closed().await;
    assert!(error.unwrap().starts_with("nobody listened on "));
    let (sent_bytes, _, error) = both.source.closed().await;
    assert_eq!(sent_bytes, 1);
    assert!(error.is_some());
}

/// A channel that is still open at the stop gets its time to end, and is then cut with an error on both sides.
#[tokio::test]
async fn a_stop_cuts_what_does_not_end_by_itself() {
    let mut both = Both::with_drain(Local::Unix, Duration::from_millis(200)).await;
    let destination = UnixListener::bind(both.path("destination")).unwrap();
    let mut from = UnixStream::connect(both.path("source")).await.unwrap();
    from.write_all(b"x").await.unwrap();
    let (mut to, _) = destination.accept().await.unwrap();
    to.read_u8().await.unwrap();
    both.source.stop.cancel();
    let (sent_bytes, _, error) = both.source.closed().await;
    assert_eq!((sent_bytes, error.is_some()), (1, true));
    let (_, received_bytes, error) = both.sink.closed().await;
    assert_eq!((received_bytes, error.is_some()), (1, true));
    for half in [both.source, both.sink] {
        let error = half.task.await.unwrap().unwrap_err();
        assert!(matches!(error, CarryError::Broke { .. }), "{error:?}");
    }
}

/// A channel that was never used has nothing to end. Paused time would jump over the wait.
#[tokio::test(start_paused = true)]
async fn a_stop_of_the_sink_waits_for_no_channel_that_never_spoke() {
    let mut both = Both::with_drain(Local::Unix, PATIENT).await;
    let _silent = UnixStream::connect(both.path("source")).await.unwrap();
    assert!(matches!(
        both.source.next().await,
        Event::ChannelOpen { number: 0, .. }
    ));
    let begin = tokio::time::Instant::now();
    both.sink.stop.cancel();
    both.sink.finished().await;
    assert!(begin.elapsed() < PATIENT);
}

#[tokio::test]
async fn a_source_that_dies_is_an_error_of_the_sink_and_the_other_way_round() {
    let mut both = Both::new(Local::Unix).await;
    both.source.task.abort();
    assert!(matches!(
        both.sink.task.await.unwrap(),
        Err(CarryError::PeerLost(_))
    ));
    assert!(matches!(
        both.sink.events.recv().await,
        Some(
            Event::ChannelClosed {
                received_bytes: 0,
                ..
            } | Event::Finished { .. }
        )
    ));

    let both = Both::new(Local::Unix).await;
    both.sink.task.abort();
    let error = both.source.task.await.unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "session lost: the peer went away without ending the session"
    );
}

#[tokio::test]
async fn strangers_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let local = Local::Unix(folder.path().join("destination"));
    let (mut sink, endpoint, _) = sink(local, PATIENT).await;
    let mut stranger = TcpStream::connect(endpoint.to_string().trim_start_matches("tcp://"))
        .await
        .unwrap();
    stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let Event::Refused { peer, reason } = sink.next().await else {
        panic!("refused comes next")
    };
    assert_eq!(peer, stranger.local_addr().unwrap().to_string());
    assert_eq!(reason, "peer does not speak lmbench's handshake");
    sink.stop.cancel();
    assert_eq!(sink.finished().await, (0, 0, 0));
}

#[tokio::test]
async fn paths_are_checked_before_anything_else() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = "tcp://127.0.0.1:1".parse().unwrap();
    let token = Token::generate().unwrap();
    let error = async |local| {
        source(&endpoint, &token, local, PATIENT)
            .task
            .await
            .unwrap()
            .unwrap_err()
            .to_string()
    };
    let occupied = folder.path().join("taken");
    std::fs::write(&occupied, "").unwrap();
    let expected = format!(
        "socket path {} is already taken\nhint: remove it if no process listens there any more, or choose another path",
        occupied.display()
    );
    assert_eq!(error(Local::Unix(occupied.clone())).await, expected);
    assert!(occupied.exists());
    let long = PathBuf::from(format!("/tmp/{}", "x".repeat(103)));
    let expected = format!(
        "socket path {} has 108 bytes, the kernel takes at most 107",
        long.display()
    );
    assert_eq!(error(Local::Unix(long)).await, expected);
    let free = folder.path().join("free");
    assert_eq!(
        error(Local::Unix(free.clone())).await,
        "cannot connect to tcp://127.0.0.1:1"
    );
    assert!(!free.exists());
}

#[test]
fn events_keep_their_json_form() {
    let json = |event: &Event| serde_json::to_string(event).unwrap();
    let token: Token = "00".repeat(32).parse().unwrap();
    let listening = Event::Listening {
        endpoint: "tcp://198.18.1.2:7000".parse().unwrap(),
        token: token.clone(),
    };
    let expected = format!(
        r#"{{"event":"listening","endpoint":"tcp://198.18.1.2:7000","token":"{}"}}"#,
        token.reveal()
    );
    assert_eq!(json(&listening), expected);
    assert_eq!(serde_json::from_str::<Event>(&expected).unwrap(), listening);
    let ready = |details| Event::Ready {
        peer: "198.18.1.1:9".to_owned(),
        handshake_ms: 1.5,
        details,
    };
    assert_eq!(
        json(&ready(None)),
        r#"{"event":"ready","peer":"198.18.1.1:9","handshake_ms":1.5}"#
    );
    assert_eq!(
        json(&ready(Some("TLSv1.3".to_owned()))),
        r#"{"event":"ready","peer":"198.18.1.1:9","handshake_ms":1.5,"details":"TLSv1.3"}"#
    );
    assert_eq!(
        json(&Event::ChannelOpen {
            number: 1,
            open_ms: Some(0.5)
        }),
        r#"{"event":"channel-open","number":1,"open_ms":0.5}"#
    );
    assert_eq!(
        json(&Event::ChannelClosed {
            number: Some(0),
            sent_bytes: 1,
            received_bytes: 2,
            last_taken_ns: Some(3),
            last_given_ns: None,
            error: None
        }),
        r#"{"event":"channel-closed","number":0,"sent_bytes":1,"received_bytes":2,"last_taken_ns":3}"#
    );
    assert_eq!(
        json(&Event::Finished {
            channels: Some(1),
            sent_bytes: Some(1),
            received_bytes: Some(2),
            refused: 0,
            statistics: None,
        }),
        r#"{"event":"finished","channels":1,"sent_bytes":1,"received_bytes":2,"refused":0}"#
    );
}

async fn sink(local: Local, drain: Duration) -> (Half, Endpoint, Token) {
    sink_with(local, options(drain)).await
}

async fn sink_with(local: Local, options: Options) -> (Half, Endpoint, Token) {
    let token = Token::generate().unwrap();
    let carrier = Box::new(tcp::Tcp::new(token.clone(), tcp::Settings::default()));
    let endpoint = "tcp://127.0.0.1:0".parse().unwrap();
    let half = Sink {
        carrier,
        token,
        endpoint,
        local,
        options,
    };
    let mut half = Half::start(|events, stop| tokio::spawn(half.run(events, stop)));
    let Event::Listening { endpoint, token } = half.next().await else {
        panic!("listening comes first")
    };
    (half, endpoint, token)
}

fn source(endpoint: &Endpoint, token: &Token, local: Local, drain: Duration) -> Half {
    source_with(endpoint, token, local, options(drain))
}

fn source_with(endpoint: &Endpoint, token: &Token, local: Local, options: Options) -> Half {
    let carrier = Box::new(tcp::Tcp::new(token.clone(), tcp::Settings::default()));
    let half = Source {
        carrier,
        endpoint: endpoint.clone(),
        local,
        options,
    };
    Half::start(|events, stop| tokio::spawn(half.run(events, stop)))
}

fn options(drain_deadline: Duration) -> Options {
    Options {
        drain_deadline,
        ..Options::default()
    }
}

/// Channels that end by themselves are not cut by it, even where the machine stalls.
const PATIENT: Duration = Duration::from_secs(10);
