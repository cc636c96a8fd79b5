//! Joins a carrier to both QEMUs: who listens where, in which order. A carrier with a scheme needs nothing here; a way of QEMU's own has
//! its arm in [`connect`] or [`wire`].

use std::net::SocketAddr;
use std::time::Duration;

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::calls;
use lmbench_harness::agent::protocol::Failure;
use lmbench_harness::hypervisor::Stream;
use lmbench_harness::role::Role;
use lmbench_harness::spec::Network;
use lmbench_transport::{Scheme, Token};
use serde_json::Value;

use super::credentials;
use super::hosts::Hosts;
use crate::carrier::{CarrierSpec, NativeTls};

/// A carrier that is ready for the stream.
pub(super) struct Wired {
    /// Where the source's QEMU migrates to.
    pub(super) stream: Stream,
    /// Dial to first usable channel; QEMU's own sockets connect only when the migration starts.
    pub(super) handshake_ms: Option<f64>,
}

/// Which connection of a migration it is: the first, or one in place of another that broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    First,
    /// The number of the attempt, from 1.
    Again(u32),
}

impl Turn {
    /// The local sockets' name. A new connection has new ones: the old may still be there.
    fn socket(self) -> String {
        match self {
            Turn::First => "stream".to_owned(),
            Turn::Again(attempt) => format!("stream-{attempt}"),
        }
    }
}

/// Prepares both ends; the destination's QEMU listens afterwards. An `impostor` of a source shows credentials of its own making.
pub(super) async fn connect(
    hosts: &Hosts,
    carrier: &CarrierSpec,
    network: Network,
    impostor: bool,
) -> Result<Wired, AgentError> {
    let network = carrier.network(network).unwrap_or(network);
    if let CarrierSpec::NativeTls(settings) = carrier {
        secure(hosts, settings, network, impostor).await?;
    }
    wire(hosts, carrier, network, Turn::First, impostor).await
}

/// Prepares both ends anew for a post-copy that lost its connection: other sockets, and another session of the carrier. The carriers of
/// the old one must have ended.
pub(super) async fn reconnect(
    hosts: &Hosts,
    carrier: &CarrierSpec,
    network: Network,
    attempt: u32,
) -> Result<Wired, AgentError> {
    let network = carrier.network(network).unwrap_or(network);
    if matches!(carrier, CarrierSpec::NativeTcp | CarrierSpec::NativeTls(_)) {
        probe(hosts, network).await?;
    }
    wire(hosts, carrier, network, Turn::Again(attempt), false).await
}

/// QEMU goes on trying to connect for minutes and can't be stopped meanwhile, so it is asked to only where there is a way.
async fn probe(hosts: &Hosts, network: Network) -> Result<(), AgentError> {
    let address = hosts.address(Role::Destination, network);
    let expect = calls::ExpectProbe { address };
    let to = hosts.destination.call(expect).await?;
    let within = CARRIER_READY_WITHIN;
    let probe = calls::ProbeWay { to, within };
    hosts.source.call(probe).await
}

async fn wire(
    hosts: &Hosts,
    carrier: &CarrierSpec,
    network: Network,
    turn: Turn,
    impostor: bool,
) -> Result<Wired, AgentError> {
    if let Some(scheme) = carrier.scheme() {
        return carried(hosts, (carrier, scheme), network, turn, impostor).await;
    }
    let stream = match carrier.network(network) {
        Some(network) => tcp(hosts, network),
        None => Stream::Unix(hosts.directory(Role::Destination).join(turn.socket())),
    };
    native(hosts, stream, turn).await
}

/// Nothing but the two QEMUs.
async fn native(hosts: &Hosts, stream: Stream, turn: Turn) -> Result<Wired, AgentError> {
    let stream = incoming(hosts, stream, turn).await?;
    Ok(Wired {
        stream,
        handshake_ms: None,
    })
}

fn tcp(hosts: &Hosts, network: Network) -> Stream {
    Stream::Tcp(SocketAddr::new(
        hosts.address(Role::Destination, network),
        0,
    ))
}

/// Gives both QEMUs credentials for their own TLS.
async fn secure(
    hosts: &Hosts,
    settings: &NativeTls,
    network: Network,
    impostor: bool,
) -> Result<(), AgentError> {
    let fresh = || {
        credentials::make(settings, hosts.address(Role::Destination, network))
            .map_err(|error| not_made(&error))
    };
    let made = fresh()?;
    let source = if impostor {
        fresh()?.source
    } else {
        made.source
    };
    for (host, credentials) in [
        (&hosts.source, source),
        (&hosts.destination, made.destination),
    ] {
        host.call(calls::Secure { credentials }).await?;
    }
    Ok(())
}

fn not_made(error: &dyn std::error::Error) -> AgentError {
    AgentError::Failed(Failure {
        message: crate::error::chain(error),
        environment: true,
    })
}

/// A carrier process on each host.
async fn carried(
    hosts: &Hosts,
    (carrier, scheme): (&CarrierSpec, Scheme),
    network: Network,
    turn: Turn,
    impostor: bool,
) -> Result<Wired, AgentError> {
    let hands_over = carrier.hands_over();
    let local = |role| hosts.directory(role).join(turn.socket());
    let stream = |role| {
        if hands_over {
            Stream::Handover(local(role))
        } else {
            Stream::Unix(local(role))
        }
    };
    if hands_over {
        for role in Role::BOTH {
            hosts
                .host(role)
                .call(calls::ExpectDescriptor { path: local(role) })
                .await?;
        }
    } else {
        incoming(hosts, stream(Role::Destination), turn).await?;
    }
    let listen = SocketAddr::new(hosts.address(Role::Destination, network), 0);
    let kind = if hands_over { "fd" } else { "unix" };
    let end = |role| format!("{kind}:{}", local(role).display());
    let settings = serde_json::to_string(carrier).expect("settings are plain data");
    let half = |half: &str, endpoint: &str, role| {
        let (at, of) = match role {
            Role::Source => ("--dial", "--from"),
            Role::Destination => ("--listen", "--to"),
        };
        [
            "carry",
            half,
            at,
            endpoint,
            of,
            &end(role),
            "--settings",
            &settings,
        ]
        .into_iter()
        .chain(["--format", "json", "--owner-on-stdin"])
        .map(str::to_owned)
        .collect()
    };
    let sink = half("sink", &format!("{scheme}://{listen}"), Role::Destination);
    let listening = start(hosts, Role::Destination, sink, Vec::new()).await?;
    let token = if impostor {
        let other = Token::generate().map_err(|error| not_made(&error))?;
        other.reveal()
    } else {
        text(&listening, "/token")
    };
    let token = ("LMBENCH_TOKEN".to_owned(), token);
    let source = half("source", &text(&listening, "/endpoint"), Role::Source);
    let ready = start(hosts, Role::Source, source, vec![token]).await?;
    if hands_over {
        incoming(hosts, stream(Role::Destination), turn).await?;
    }
    Ok(Wired {
        stream: stream(Role::Source),
        handshake_ms: ready.pointer("/handshake_ms").and_then(Value::as_f64),
    })
}

async fn incoming(hosts: &Hosts, stream: Stream, turn: Turn) -> Result<Stream, AgentError> {
    match turn {
        Turn::First => hosts.destination.call(calls::Listen { stream }).await,
        Turn::Again(_) => hosts.destination.call(calls::Recover { stream }).await,
    }
}

async fn start(
    hosts: &Hosts,
    role: Role,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
) -> Result<Value, AgentError> {
    hosts
        .host(role)
        .call(calls::StartCarrier {
            arguments,
            environment,
            within: CARRIER_READY_WITHIN,
        })
        .await
}

fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

const CARRIER_READY_WITHIN: Duration = Duration::from_secs(10);
