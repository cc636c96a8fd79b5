//! Both halves with a deadline over everything, so that a hang is a failure with a name.

use std::path::PathBuf;
use std::time::Duration;

use lmbench_testing::Need;
use lmbench_transport::carry::{Event, Local, Options, Sink, Source};
use lmbench_transport::ssh::{Settings, Ssh};
use lmbench_transport::{Endpoint, Token};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};

use crate::half::Half;

/// Both halves, ready for a migration, and where its stream arrives.
pub(crate) struct Both {
    pub(crate) folder: TempDir,
    pub(crate) destination: UnixListener,
    pub(crate) endpoint: Endpoint,
    pub(crate) token: Token,
    pub(crate) source: Half,
    pub(crate) sink: Half,
    pub(crate) details: String,
}

impl Half {
    pub(crate) async fn next(&mut self) -> Event {
        self.events.recv().await.expect("the half tells more")
    }

    /// How it ended, and how many peers it turned away.
    pub(crate) async fn finished(self) -> (Result<(), String>, u64) {
        let (result, events) = self.ended().await;
        match events.last() {
            Some(Event::Finished { refused, .. }) => (result, *refused),
            other => panic!("{other:?} after {result:?}"),
        }
    }
}

impl Both {
    pub(crate) async fn new(settings: Settings) -> Self {
        Self::with_drain(settings, PATIENT).await
    }

    /// With another time for channels to end by themselves after a stop.
    pub(crate) async fn with_drain(settings: Settings, drain: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let destination = UnixListener::bind(folder.path().join("destination")).unwrap();
        let (mut sink, endpoint, token) =
            start_sink(folder.path().join("destination"), settings.clone(), drain).await;
        let path = folder.path().join("source");
        let mut source = start_source(&endpoint, &token, path, settings, drain);
        let Some(Event::Ready { details, .. }) = source.events.recv().await else {
            panic!("{:?} / {:?}", source.task.await, sink.events.recv().await)
        };
        let ready = sink.next().await;
        assert!(matches!(ready, Event::Ready { .. }), "{ready:?}");
        Self {
            folder,
            destination,
            endpoint,
            token,
            source,
            sink,
            details: details.unwrap(),
        }
    }

    /// A channel from end to end.
    pub(crate) async fn channel(&self) -> (UnixStream, UnixStream) {
        let near = UnixStream::connect(self.folder.path().join("source")).await;
        let (far, _) = self.destination.accept().await.unwrap();
        (near.unwrap(), far)
    }

    /// An orderly end from the source.
    pub(crate) async fn end(self) {
        self.source.stop.cancel();
        assert_eq!(self.source.finished().await, (Ok(()), 0));
        assert_eq!(self.sink.finished().await, (Ok(()), 0));
    }
}

/// Runs the test if there is an OpenSSH.
pub(crate) fn live(test: impl Future<Output = ()>) {
    let Some(_turn) = lmbench_testing::live(&[Need::Sshd]) else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let result = runtime.block_on(async { tokio::time::timeout(DEADLINE, test).await });
    result.expect("the test ends in time");
}

pub(crate) async fn sink(to: PathBuf, settings: Settings) -> (Half, Endpoint, Token) {
    start_sink(to, settings, PATIENT).await
}

/// A sink with a token that others hold too.
pub(crate) async fn sink_with(token: Token, to: PathBuf, settings: Settings) -> (Half, Endpoint) {
    let (half, endpoint, _) = listening(token, to, settings, PATIENT).await;
    (half, endpoint)
}

async fn start_sink(to: PathBuf, settings: Settings, drain: Duration) -> (Half, Endpoint, Token) {
    listening(Token::generate().unwrap(), to, settings, drain).await
}

async fn listening(
    token: Token,
    to: PathBuf,
    settings: Settings,
    drain: Duration,
) -> (Half, Endpoint, Token) {
    let half = Sink {
        carrier: Box::new(Ssh::new(token.clone(), settings)),
        token,
        endpoint: "ssh://127.0.0.1:0".parse().unwrap(),
        local: Local::Unix(to),
        options: options(drain),
    };
    let mut half = Half::start(|events, stop| tokio::spawn(half.run(events, stop)));
    let Some(Event::Listening { endpoint, token }) = half.events.recv().await else {
        panic!("{:?}", half.task.await)
    };
    (half, endpoint, token)
}

pub(crate) fn source(
    endpoint: &Endpoint,
    token: &Token,
    from: PathBuf,
    settings: Settings,
) -> Half {
    start_source(endpoint, token, from, settings, PATIENT)
}

fn start_source(
    endpoint: &Endpoint,
    token: &Token,
    from: PathBuf,
    settings: Settings,
    drain: Duration,
) -> Half {
    let half = Source {
        carrier: Box::new(Ssh::new(token.clone(), settings)),
        endpoint: endpoint.clone(),
        local: Local::Unix(from),
        options: options(drain),
    };
    Half::start(|events, stop| tokio::spawn(half.run(events, stop)))
}

fn options(drain_deadline: Duration) -> Options {
    Options {
        drain_deadline,
        ..Options::default()
    }
}

const DEADLINE: Duration = Duration::from_secs(30);
/// Channels that end by themselves are not cut by it, even where the machine stalls.
const PATIENT: Duration = Duration::from_secs(10);
