//! Joins a carrier to both QEMUs: who listens where, in which order. To add a carrier, add its arm in [`connect`].

use std::net::SocketAddr;
use std::time::Duration;

use lmbench_harness::agent::AgentError;
use lmbench_harness::agent::protocol::{Failure, Request};
use lmbench_harness::guest::Stream;
use lmbench_harness::role::Role;
use lmbench_harness::spec::Network;
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

/// Prepares both ends; the destination's QEMU listens afterwards.
pub(super) async fn connect(
    hosts: &Hosts,
    carrier: &CarrierSpec,
    network: Network,
) -> Result<Wired, AgentError> {
    let network = carrier.network(network).unwrap_or(network);
    match carrier {
        CarrierSpec::NativeTcp => native(hosts, tcp(hosts, network)).await,
        CarrierSpec::NativeTls(settings) => {
            secure(hosts, settings, network).await?;
            native(hosts, tcp(hosts, network)).await
        }
        CarrierSpec::NativeUnix => {
            let path = hosts.directory(Role::Destination).join("stream");
            native(hosts, Stream::Unix(path)).await
        }
        CarrierSpec::Tcp { .. }
        | CarrierSpec::Tls { .. }
        | CarrierSpec::Quic(_)
        | CarrierSpec::Ssh { .. } => carried(hosts, carrier, network).await,
    }
}

/// Nothing but the two QEMUs.
async fn native(hosts: &Hosts, stream: Stream) -> Result<Wired, AgentError> {
    let stream = incoming(hosts, stream).await?;
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
async fn secure(hosts: &Hosts, settings: &NativeTls, network: Network) -> Result<(), AgentError> {
    let made = credentials::make(settings, hosts.address(Role::Destination, network));
    let made = made.map_err(|error| {
        AgentError::Failed(Failure {
            message: crate::error::chain(&error),
            environment: true,
        })
    })?;
    for (host, credentials) in [
        (&hosts.source, made.source),
        (&hosts.destination, made.destination),
    ] {
        host.call::<()>(Request::Secure { credentials }).await?;
    }
    Ok(())
}

/// A carrier process on each host.
async fn carried(
    hosts: &Hosts,
    carrier: &CarrierSpec,
    network: Network,
) -> Result<Wired, AgentError> {
    let hands_over = carrier.hands_over();
    let local = |role| hosts.directory(role).join("stream");
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
                .call::<()>(Request::ExpectDescriptor { path: local(role) })
                .await?;
        }
    } else {
        incoming(hosts, stream(Role::Destination)).await?;
    }
    let scheme = carrier.scheme().expect("native carriers have other arms");
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
    let token = ("LMBENCH_TOKEN".to_owned(), text(&listening, "/token"));
    let source = half("source", &text(&listening, "/endpoint"), Role::Source);
    let ready = start(hosts, Role::Source, source, vec![token]).await?;
    if hands_over {
        incoming(hosts, stream(Role::Destination)).await?;
    }
    Ok(Wired {
        stream: stream(Role::Source),
        handshake_ms: ready.pointer("/handshake_ms").and_then(Value::as_f64),
    })
}

async fn incoming(hosts: &Hosts, stream: Stream) -> Result<Stream, AgentError> {
    hosts.destination.call(Request::Incoming { stream }).await
}

async fn start(
    hosts: &Hosts,
    role: Role,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
) -> Result<Value, AgentError> {
    hosts
        .host(role)
        .call(Request::StartCarrier {
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
