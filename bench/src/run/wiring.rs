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
use crate::carrier::{CarrierSpec, NativeTls, TcpPath};

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
        CarrierSpec::Tcp { path } => relayed(hosts, network, *path).await,
    }
}

/// Nothing but the two QEMUs.
async fn native(hosts: &Hosts, stream: Stream) -> Result<Wired, AgentError> {
    let stream = hosts.destination.call(Request::Incoming { stream }).await?;
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
async fn relayed(hosts: &Hosts, network: Network, path: TcpPath) -> Result<Wired, AgentError> {
    let local = |role| hosts.directory(role).join("stream");
    let scheme = match path {
        TcpPath::Splice => "unix",
        TcpPath::Fd => "fd",
    };
    let stream = |role| match path {
        TcpPath::Splice => Stream::Unix(local(role)),
        TcpPath::Fd => Stream::Handover(local(role)),
    };
    let end = |role| format!("{scheme}:{}", local(role).display());
    if path == TcpPath::Fd {
        for role in Role::BOTH {
            hosts
                .host(role)
                .call::<()>(Request::ExpectDescriptor { path: local(role) })
                .await?;
        }
    } else {
        hosts
            .destination
            .call::<Value>(Request::Incoming {
                stream: stream(Role::Destination),
            })
            .await?;
    }
    let listen = SocketAddr::new(hosts.address(Role::Destination, network), 0);
    let sink = [
        "carry",
        "sink",
        "--format",
        "json",
        "--owner-on-stdin",
        "--listen",
        &format!("tcp://{listen}"),
        "--to",
        &end(Role::Destination),
    ];
    let listening = start(hosts, Role::Destination, &sink, Vec::new()).await?;
    let (endpoint, token) = (text(&listening, "/endpoint"), text(&listening, "/token"));
    let source = [
        "carry",
        "source",
        "--format",
        "json",
        "--owner-on-stdin",
        "--dial",
        &endpoint,
        "--from",
        &end(Role::Source),
    ];
    let ready = start(
        hosts,
        Role::Source,
        &source,
        vec![("LMBENCH_TOKEN".to_owned(), token)],
    )
    .await?;
    if path == TcpPath::Fd {
        hosts
            .destination
            .call::<Value>(Request::Incoming {
                stream: stream(Role::Destination),
            })
            .await?;
    }
    Ok(Wired {
        stream: stream(Role::Source),
        handshake_ms: ready.pointer("/handshake_ms").and_then(Value::as_f64),
    })
}

async fn start(
    hosts: &Hosts,
    role: Role,
    arguments: &[&str],
    environment: Vec<(String, String)>,
) -> Result<Value, AgentError> {
    let arguments = arguments.iter().map(ToString::to_string).collect();
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
