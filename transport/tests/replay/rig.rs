//! Both halves around captures that the test makes up.

use std::sync::Arc;
use std::time::Duration;

use lmbench_transport::capture::{Direction, Entry, Recording, What, Writer};
use lmbench_transport::carry::{Event, Local, Options, Pace, Replay, Sink, Source};
use lmbench_transport::{Carrier, Endpoint, Scheme, Token, quic, ssh, tcp, tls};

use crate::half::Half;

/// How both ended, and what each told at last.
pub(crate) struct Ended {
    pub(crate) source: (Result<(), String>, Vec<Event>),
    pub(crate) sink: (Result<(), String>, Vec<Event>),
}

/// What a script of a capture is made of.
pub(crate) struct Script(Writer<Vec<u8>>, u64);

impl Script {
    pub(crate) fn new() -> Self {
        Self(Writer::new(Vec::new()).unwrap(), 0)
    }

    pub(crate) fn open(self, channel: u32) -> Self {
        self.add(channel, What::Open)
    }

    pub(crate) fn sends(self, channel: u32, bytes: &[u8]) -> Self {
        let direction = Direction::ToDestination;
        self.add(channel, What::Bytes { direction, bytes })
    }

    pub(crate) fn hears(self, channel: u32, bytes: &[u8]) -> Self {
        let direction = Direction::ToSource;
        self.add(channel, What::Bytes { direction, bytes })
    }

    pub(crate) fn after(mut self, pause: Duration) -> Self {
        self.1 += pause.as_nanos() as u64;
        self
    }

    pub(crate) fn done(self) -> Arc<Recording> {
        let (file, _) = self.0.finish().unwrap();
        Arc::new(Recording::read(&file[..], u64::MAX).unwrap().unwrap())
    }

    fn add(mut self, channel: u32, what: What<'_>) -> Self {
        let at_ns = self.1;
        let entry = Entry {
            at_ns,
            channel,
            what,
        };
        self.0.write(&entry).unwrap();
        self
    }
}

/// Plays a capture to a sink's local end.
pub(crate) async fn play(
    scheme: Scheme,
    recording: &Arc<Recording>,
    pace: Pace,
    sink_end: Local,
) -> Ended {
    let both = async {
        let (sink, endpoint, token) = sink(scheme, sink_end, PATIENT).await;
        let recording = Arc::clone(recording);
        let replay = Local::Replay(Replay { recording, pace });
        let source = source(scheme, endpoint, &token, replay, PATIENT);
        let (source, sink) = tokio::join!(source.ended(), sink.ended());
        Ended { source, sink }
    };
    tokio::time::timeout(DEADLINE, both)
        .await
        .expect("both halves end in time")
}

pub(crate) async fn sink(scheme: Scheme, local: Local, drain: Duration) -> (Half, Endpoint, Token) {
    let token = Token::generate().unwrap();
    let endpoint: Endpoint = format!("{scheme}://127.0.0.1:0").parse().unwrap();
    let options = options(drain);
    let half = Sink {
        carrier: carrier(scheme, &token),
        token,
        endpoint,
        local,
        options,
    };
    let mut half = Half::start(|events, stop| tokio::spawn(half.run(events, stop)));
    match half.events.recv().await {
        Some(Event::Listening { endpoint, token }) => (half, endpoint, token),
        other => panic!("{other:?} {:?}", half.task.await),
    }
}

pub(crate) fn source(
    scheme: Scheme,
    endpoint: Endpoint,
    token: &Token,
    local: Local,
    drain: Duration,
) -> Half {
    let options = options(drain);
    let half = Source {
        carrier: carrier(scheme, token),
        endpoint,
        local,
        options,
    };
    Half::start(|events, stop| tokio::spawn(half.run(events, stop)))
}

fn carrier(scheme: Scheme, token: &Token) -> Box<dyn Carrier> {
    let token = token.clone();
    match scheme {
        Scheme::Tls => Box::new(tls::Tls::new(token, tls::Settings::default())),
        Scheme::Quic => Box::new(quic::Quic::new(token, quic::Settings::default())),
        Scheme::Tcp => Box::new(tcp::Tcp::new(token, tcp::Settings::default())),
        Scheme::Ssh => Box::new(ssh::Ssh::new(token, ssh::Settings::default())),
    }
}

fn options(drain_deadline: Duration) -> Options {
    Options {
        drain_deadline,
        ..Options::default()
    }
}

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// A drain deadline for channels that end by themselves, even where the machine stalls.
pub(crate) const PATIENT: Duration = Duration::from_secs(10);
/// One that tests can afford to run into.
pub(crate) const HASTY: Duration = Duration::from_millis(500);
