//! The carriers under test, and two ends of a session.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use lmbench_transport::carrier::{Admitted, Carrier, HandshakeError, Listener, Session};
use lmbench_transport::endpoint::{Address, Scheme};
use lmbench_transport::{Channel, Endpoint, Token, quic, ssh, tcp, tls};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// One carrier and how to make it.
pub(crate) struct Rig {
    pub(crate) name: &'static str,
    pub(crate) endpoint: &'static str,
    make: fn(Token, Limits) -> Box<dyn Carrier>,
}

/// The limits that every carrier has.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) handshake_deadline: Duration,
    pub(crate) channels_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        // Far longer than any test may take, so that a test which only passes by waiting for it fails.
        Self {
            handshake_deadline: Duration::from_mins(1),
            channels_max: 64,
        }
    }
}

pub(crate) fn all() -> Vec<Rig> {
    let mut rigs = over_tcp();
    rigs.extend(over_udp());
    rigs
}

/// Those whose listeners a stranger reaches over TCP.
pub(crate) fn over_tcp() -> Vec<Rig> {
    let tcp = |name, endpoint| Rig {
        name,
        endpoint,
        make: |token, limits| Box::new(tcp::Tcp::new(token, limits.into())),
    };
    let tls = |name, endpoint| Rig {
        name,
        endpoint,
        make: |token, limits| {
            let connections = limits.into();
            let settings = tls::Settings {
                connections,
                ..tls::Settings::default()
            };
            Box::new(tls::Tls::new(token, settings))
        },
    };
    vec![
        tcp("tcp", "tcp://127.0.0.1:0"),
        tcp("tcp over IPv6", "tcp://[::1]:0"),
        tls("tls", "tls://127.0.0.1:0"),
        tls("tls over IPv6", "tls://[::1]:0"),
    ]
}

pub(crate) fn over_udp() -> Vec<Rig> {
    let shared = |name, endpoint| Rig {
        name,
        endpoint,
        make: |token, limits| quic(token, limits, quic::Connections::Shared),
    };
    let per_channel = |name, endpoint| Rig {
        make: |token, limits| quic(token, limits, quic::Connections::PerChannel),
        ..shared(name, endpoint)
    };
    vec![
        shared("quic", "quic://127.0.0.1:0"),
        shared("quic over IPv6", "quic://[::1]:0"),
        per_channel("quic per channel", "quic://127.0.0.1:0"),
        per_channel("quic per channel over IPv6", "quic://[::1]:0"),
    ]
}

/// A session whose channels nobody opens: they would be brought to a socket that nobody listens on.
pub(crate) fn over_ssh() -> Rig {
    Rig {
        name: "ssh",
        endpoint: "ssh://127.0.0.1:0",
        make: |token, _| {
            let mut carrier = ssh::Ssh::new(token, ssh::Settings::default());
            assert!(carrier.forward_to(Path::new("/run/nobody"), None).unwrap());
            Box::new(carrier)
        },
    }
}

fn quic(token: Token, limits: Limits, connections: quic::Connections) -> Box<dyn Carrier> {
    let settings = quic::Settings {
        connections,
        connect_deadline: limits.handshake_deadline,
        handshake_deadline: limits.handshake_deadline,
        channels_max: limits.channels_max,
        ..quic::Settings::default()
    };
    Box::new(quic::Quic::new(token, settings))
}

/// Those whose handshake a stranger sees as it is, and not inside of encryption.
pub(crate) fn bare() -> impl Iterator<Item = Rig> {
    all()
        .into_iter()
        .filter(|rig| rig.endpoint().scheme == Scheme::Tcp)
}

impl From<Limits> for tcp::Settings {
    fn from(limits: Limits) -> Self {
        let Limits {
            handshake_deadline,
            channels_max,
        } = limits;
        Self {
            handshake_deadline,
            channels_max,
            ..Self::default()
        }
    }
}

impl Rig {
    pub(crate) fn carrier(&self, token: &Token) -> Box<dyn Carrier> {
        self.carrier_with(token, Limits::default())
    }

    pub(crate) fn carrier_with(&self, token: &Token, limits: Limits) -> Box<dyn Carrier> {
        (self.make)(token.clone(), limits)
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.parse().unwrap()
    }

    pub(crate) async fn listen(&self, token: &Token) -> Serving {
        Serving::new(self.carrier(token).listen(&self.endpoint()).await.unwrap())
    }

    /// Both ends of a fresh session.
    pub(crate) async fn pair(&self) -> Pair {
        let token = Token::generate().unwrap();
        let mut serving = self.listen(&token).await;
        let dialled = self.carrier(&token).dial(&serving.endpoint).await.unwrap();
        let accepted = serving.sessions.recv().await.unwrap();
        Pair {
            token,
            serving,
            dialled,
            accepted,
        }
    }
}

pub(crate) struct Pair {
    pub(crate) token: Token,
    pub(crate) serving: Serving,
    pub(crate) dialled: Box<dyn Session>,
    pub(crate) accepted: Box<dyn Session>,
}

impl Pair {
    /// Both ends of the next channel.
    pub(crate) async fn channel(&self) -> (Channel, Channel) {
        let (near, far) = tokio::join!(self.dialled.open_channel(), self.accepted.accept_channel());
        let (near, far) = (near.unwrap(), far.unwrap().unwrap());
        assert_eq!(near.number(), far.number());
        (near, far)
    }
}

/// A listener that somebody looks after: every peer gets a task of its own, as in the sink.
pub(crate) struct Serving {
    pub(crate) endpoint: Endpoint,
    pub(crate) sessions: mpsc::UnboundedReceiver<Box<dyn Session>>,
    pub(crate) refused: mpsc::UnboundedReceiver<HandshakeError>,
    task: AbortHandle,
}

impl Serving {
    pub(crate) fn new(mut listener: Box<dyn Listener>) -> Self {
        let endpoint = listener.endpoint().clone();
        let (session_sender, sessions) = mpsc::unbounded_channel();
        let (refusal_sender, refused) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            loop {
                let pending = listener.accept().await.unwrap();
                let (session_sender, refusal_sender) =
                    (session_sender.clone(), refusal_sender.clone());
                tokio::spawn(async move {
                    match pending.handshake().await {
                        Ok(Admitted::Session(session)) => drop(session_sender.send(session)),
                        Ok(Admitted::Joined { .. }) => {}
                        Err(error) => drop(refusal_sender.send(error)),
                    }
                });
            }
        });
        Self {
            endpoint,
            sessions,
            refused,
            task: task.abort_handle(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self.endpoint.address {
            Address::Socket(address) => address,
            Address::Name { .. } => unreachable!("listeners know their address"),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}
