//! A stream that does not arrive whole is an error of both halves, and nobody tells how fast it was.

use std::net::SocketAddr;
use std::time::Duration;

use lmbench_testing::Need;
use lmbench_transport::carry::{Event, Local, Pace, Replay};
use lmbench_transport::{Endpoint, Scheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::half::Half;
use crate::rig::{DEADLINE, PATIENT, Script, sink, source};

/// What somebody between the ends does to a connection.
#[derive(Clone, Copy, Debug)]
enum Cut {
    /// Ends both directions in order, as a proxy that stops.
    Fin,
    /// Ends only what goes to the sink in order, and swallows the rest.
    HalfFin,
    Reset,
}

/// Between the source and the sink of a session. The first connection is the session's own and passes; the second is channel 0, and
/// those that follow are its dialler's further tries.
struct Middle {
    to: SocketAddr,
    /// Bytes towards the sink, after which the cut comes.
    after: usize,
    cut: Cut,
    /// Cuts whatever has passed.
    now: CancellationToken,
}

impl Middle {
    async fn start(self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut passing = JoinSet::new();
            for index in 0.. {
                let (near, _) = listener.accept().await.unwrap();
                let far = TcpStream::connect(self.to).await.unwrap();
                let after = (index > 0).then_some(self.after);
                let now = self.now.clone();
                passing.spawn(pass(near, far, after, self.cut, now));
            }
        });
        address
    }
}

async fn pass(
    near: TcpStream,
    far: TcpStream,
    after: Option<usize>,
    cut: Cut,
    now: CancellationToken,
) {
    let ((mut from_near, mut to_near), (mut from_far, mut to_far)) =
        (near.into_split(), far.into_split());
    let there = async {
        forward(&mut from_near, &mut to_far, after).await;
        if after.is_none() {
            std::future::pending::<()>().await;
        }
    };
    let back = async {
        forward(&mut from_far, &mut to_near, None).await;
        std::future::pending::<()>().await;
    };
    let asked = async {
        now.cancelled().await;
        if after.is_none() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
        () = asked => {}
    }
    match cut {
        Cut::Fin => {
            let _ = (to_far.shutdown().await, to_near.shutdown().await);
            tokio::join!(swallow(from_near), swallow(from_far));
        }
        Cut::HalfFin => {
            let _ = to_far.shutdown().await;
            tokio::join!(swallow(from_near), async {
                forward(&mut from_far, &mut to_near, None).await;
            });
        }
        Cut::Reset => {
            for stream in [
                from_near.reunite(to_near).unwrap(),
                from_far.reunite(to_far).unwrap(),
            ] {
                rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
            }
        }
    }
}

/// Until the end, which is passed on, or as many bytes.
async fn forward(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, limit: Option<usize>) {
    let mut left = limit.unwrap_or(usize::MAX);
    let mut buffer = vec![0; 1 << 16];
    while left > 0 {
        let room = left.min(buffer.len());
        let Ok(len @ 1..) = from.read(&mut buffer[..room]).await else {
            break;
        };
        if to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
        left -= len;
    }
    if left > 0 {
        let _ = to.shutdown().await;
    }
}

async fn swallow(mut from: OwnedReadHalf) {
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
}

/// Both ends failed, and neither told a speed.
async fn lost(source: Half, sink: Half, what: &str) {
    let both = async { tokio::join!(source.ended(), sink.ended()) };
    let ended = tokio::time::timeout(DEADLINE, both).await;
    let (source, sink) = ended.unwrap_or_else(|_| panic!("{what}: both halves end in time"));
    for (name, (result, events)) in [("source", source), ("sink", sink)] {
        assert!(result.is_err(), "{what}: the {name} said {events:?}");
        let told = |event: &Event| matches!(event, Event::Replayed { .. });
        assert!(
            !events.iter().any(told),
            "{what}: the {name} said {events:?}"
        );
    }
}

/// A played capture, cut on its way at this many bytes of channel 0.
async fn cut_at(scheme: Scheme, after: usize, cut: Cut) {
    let recording = Script::new().open(0).sends(0, &vec![7; STREAM_LEN]).done();
    let (sink, endpoint, token) = sink(scheme, Local::Discard, PATIENT).await;
    let middle = Middle {
        to: endpoint
            .to_string()
            .split_once("://")
            .unwrap()
            .1
            .parse()
            .unwrap(),
        after,
        cut,
        now: CancellationToken::new(),
    };
    let endpoint = Endpoint::new(scheme, middle.start().await);
    let replay = Local::Replay(Replay {
        recording,
        pace: Pace::Full,
    });
    let source = source(scheme, endpoint, &token, replay, PATIENT);
    lost(source, sink, &format!("{scheme} {cut:?} after {after}")).await;
}

async fn cut_everywhere(scheme: Scheme, offsets: &[usize]) {
    let mut cases = JoinSet::new();
    for &after in offsets {
        for cut in [Cut::Fin, Cut::HalfFin, Cut::Reset] {
            cases.spawn(cut_at(scheme, after, cut));
        }
    }
    while let Some(case) = cases.join_next().await {
        case.unwrap();
    }
}

/// Before the preamble, in it, before the first byte of the stream, after it, in the middle, and before the last byte.
#[tokio::test]
async fn over_tcp() {
    let preamble = 28 + 44 + 32;
    let offsets = [
        0,
        20,
        preamble,
        preamble + 1,
        preamble + STREAM_LEN / 2,
        preamble + STREAM_LEN - 1,
    ];
    cut_everywhere(Scheme::Tcp, &offsets).await;
}

/// Before the handshake, in it, and somewhere in the stream.
#[tokio::test]
async fn over_tls() {
    cut_everywhere(Scheme::Tls, &[0, 100, STREAM_LEN / 2, STREAM_LEN]).await;
}

/// The connection under `ssh`.
#[tokio::test]
async fn over_ssh() {
    let Some(_turn) = lmbench_testing::live(&[Need::Sshd]) else {
        return;
    };
    cut_everywhere(Scheme::Ssh, &[0, 1000, STREAM_LEN / 2]).await;
}

/// Both halves between two QEMUs that the test plays, with somebody in between who can cut channel 0.
struct Between {
    folder: tempfile::TempDir,
    destination: UnixListener,
    source: Half,
    sink: Half,
    now: CancellationToken,
}

impl Between {
    async fn new(scheme: Scheme, cut: Cut) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let destination = UnixListener::bind(path("destination")).unwrap();
        let (sink, mut endpoint, token) =
            sink(scheme, Local::Unix(path("destination")), PATIENT).await;
        let now = CancellationToken::new();
        if scheme != Scheme::Quic {
            let middle = Middle {
                to: endpoint
                    .to_string()
                    .split_once("://")
                    .unwrap()
                    .1
                    .parse()
                    .unwrap(),
                after: usize::MAX,
                cut,
                now: now.clone(),
            };
            endpoint = Endpoint::new(scheme, middle.start().await);
        }
        let mut source = source(
            scheme,
            endpoint,
            &token,
            Local::Unix(path("source")),
            PATIENT,
        );
        let ready = source.events.recv().await;
        assert!(matches!(ready, Some(Event::Ready { .. })), "{ready:?}");
        Self {
            folder,
            destination,
            source,
            sink,
            now,
        }
    }

    async fn channel(&self) -> (UnixStream, UnixStream) {
        let mut near = UnixStream::connect(self.folder.path().join("source"))
            .await
            .unwrap();
        near.write_all(b"x").await.unwrap();
        let (mut far, _) = self.destination.accept().await.unwrap();
        far.read_u8().await.unwrap();
        (near, far)
    }

    /// Waits until the source has told the end of a channel, unless it is of those that `ssh` has, and ends both.
    async fn lost(self, scheme: Scheme, what: &str) {
        let Self {
            mut source, sink, ..
        } = self;
        while scheme != Scheme::Ssh
            && !matches!(
                source.events.recv().await,
                Some(Event::ChannelClosed { .. })
            )
        {}
        source.stop.cancel();
        lost(source, sink, what).await;
    }
}

/// What the destination still has to answer is lost with the connection, although the way there has ended in order.
#[tokio::test]
async fn after_the_end_of_one_direction() {
    for scheme in [Scheme::Tcp, Scheme::Tls] {
        for cut in [Cut::Fin, Cut::Reset] {
            let between = Between::new(scheme, cut).await;
            let (mut near, mut far) = between.channel().await;
            near.write_all(b"all").await.unwrap();
            near.shutdown().await.unwrap();
            let mut heard = String::new();
            far.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, "all");
            between.now.cancel();
            between.lost(scheme, &format!("{scheme} {cut:?}")).await;
        }
    }
}

/// The destination's QEMU goes away in the middle: its kernel ends its connection in order, with bytes unread.
#[tokio::test]
async fn a_destination_that_goes_away() {
    let turn = lmbench_testing::live(&[Need::Sshd]);
    let ssh = turn.is_some().then_some(Scheme::Ssh);
    for scheme in [Scheme::Tcp, Scheme::Tls, Scheme::Quic]
        .into_iter()
        .chain(ssh)
    {
        let between = Between::new(scheme, Cut::Fin).await;
        let (mut near, far) = between.channel().await;
        let writing = async { while near.write_all(&[7; 1 << 13]).await.is_ok() {} };
        let going = async {
            far.readable().await.unwrap();
            drop(far);
        };
        tokio::join!(writing, going);
        between.lost(scheme, &scheme.to_string()).await;
    }
}

/// It takes the last bytes with it: the source has sent everything and seen the other direction's end before.
#[tokio::test]
async fn a_destination_that_takes_the_last_bytes_with_it() {
    for scheme in [Scheme::Tcp, Scheme::Tls, Scheme::Quic] {
        let between = Between::new(scheme, Cut::Fin).await;
        let (mut near, mut far) = between.channel().await;
        far.shutdown().await.unwrap();
        assert_eq!(near.read(&mut [0]).await.unwrap(), 0);
        // More than the local socket takes, less than all that is between the two.
        near.write_all(&vec![7; 700_000]).await.unwrap();
        near.shutdown().await.unwrap();
        drop(near);
        far.readable().await.unwrap();
        drop(far);
        between.lost(scheme, &scheme.to_string()).await;
    }
}

const STREAM_LEN: usize = 1_000_000;
