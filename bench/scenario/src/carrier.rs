//! Which carrier a cell uses, with its settings.

use std::time::Duration;

use lmbench_harness::spec::Network;
use lmbench_transport::identity::{Cipher, Identity};
use lmbench_transport::quic::{self, Quic};
use lmbench_transport::relay;
use lmbench_transport::ssh::{self, Ssh};
use lmbench_transport::tcp::{self, Tcp};
use lmbench_transport::tls::{self, Tls};
use lmbench_transport::{Carrier, Scheme, Token};
use serde::{Deserialize, Serialize};

/// What moves the migration stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CarrierSpec {
    /// QEMU's own socket on the chosen network.
    NativeTcp,
    /// QEMU's own socket, encrypted by QEMU.
    NativeTls(NativeTls),
    /// QEMU's own unix socket, without any network: both hosts are this machine.
    NativeUnix,
    /// lmbench's TCP carrier.
    Tcp {
        /// How the stream reaches QEMU.
        path: TcpPath,
        /// What the source's carrier sleeps for each MiB.
        sleep_per_mib: Duration,
    },
    /// lmbench's TLS carrier.
    Tls {
        /// What encrypts.
        cipher: Cipher,
    },
    /// lmbench's QUIC carrier.
    Quic(quic::Settings),
    /// OpenSSH between the two QEMUs' unix sockets.
    Ssh {
        /// The network it runs over, whatever the scenario chose for the others.
        network: Network,
        /// OpenSSH's.
        settings: ssh::Settings,
    },
}

/// How QEMU encrypts by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeTls {
    /// What the two sides prove themselves with.
    pub credentials: TlsCredentials,
    /// `GnuTLS` priority string; `None` leaves QEMU's default.
    pub priority: Option<String>,
}

/// What two QEMUs prove themselves with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsCredentials {
    /// Certificates of a throw-away authority, both sides verified.
    X509,
    /// A throw-away pre-shared key.
    Psk,
}

/// How the `tcp` carrier's connection reaches QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TcpPath {
    /// The connected socket is handed to QEMU (`fd:`); single-channel migration only.
    Fd,
    /// A carrier process on each host relays between QEMU's unix socket and the connection with splice(2).
    Splice,
}

impl CarrierSpec {
    /// The name in scenarios and records.
    pub fn name(&self) -> &'static str {
        match self {
            CarrierSpec::NativeTcp => "native-tcp",
            CarrierSpec::NativeTls(_) => "native-tls",
            CarrierSpec::NativeUnix => "native-unix",
            CarrierSpec::Tcp { .. } => "tcp",
            CarrierSpec::Tls { .. } => "tls",
            CarrierSpec::Quic(_) => "quic",
            CarrierSpec::Ssh { .. } => "ssh",
        }
    }

    /// The scheme of its endpoints, if it is lmbench's own.
    pub fn scheme(&self) -> Option<Scheme> {
        match self {
            CarrierSpec::NativeTcp | CarrierSpec::NativeTls(_) | CarrierSpec::NativeUnix => None,
            CarrierSpec::Tcp { .. } => Some(Scheme::Tcp),
            CarrierSpec::Tls { .. } => Some(Scheme::Tls),
            CarrierSpec::Quic(_) => Some(Scheme::Quic),
            CarrierSpec::Ssh { .. } => Some(Scheme::Ssh),
        }
    }

    /// Whether the connection itself is handed to QEMU, which takes one and no more.
    pub fn hands_over(&self) -> bool {
        matches!(
            self,
            CarrierSpec::Tcp {
                path: TcpPath::Fd,
                ..
            }
        )
    }

    /// The network that carries the stream, where the scenario chose `inbound`; `None` without a network.
    pub fn network(&self, inbound: Network) -> Option<Network> {
        match self {
            CarrierSpec::NativeUnix => None,
            CarrierSpec::Ssh { network, .. } => Some(*network),
            CarrierSpec::NativeTcp
            | CarrierSpec::NativeTls(_)
            | CarrierSpec::Tcp { .. }
            | CarrierSpec::Tls { .. }
            | CarrierSpec::Quic(_) => Some(inbound),
        }
    }

    /// Whether its ends show each other certificates.
    pub fn shows_certificates(&self) -> bool {
        match self {
            CarrierSpec::Tls { .. } | CarrierSpec::Quic(_) => true,
            CarrierSpec::NativeTcp
            | CarrierSpec::NativeTls(_)
            | CarrierSpec::NativeUnix
            | CarrierSpec::Tcp { .. }
            | CarrierSpec::Ssh { .. } => false,
        }
    }

    /// lmbench's own carrier for one session, or none where QEMU is the carrier. The identity is for those that show certificates.
    pub fn carrier(&self, token: Token, identity: Option<Identity>) -> Option<Box<dyn Carrier>> {
        Some(match self {
            CarrierSpec::NativeTcp | CarrierSpec::NativeTls(_) | CarrierSpec::NativeUnix => {
                return None;
            }
            CarrierSpec::Tcp { .. } => Box::new(Tcp::new(token, tcp::Settings::default())),
            CarrierSpec::Tls { cipher } => {
                let settings = tls::Settings {
                    cipher: *cipher,
                    ..tls::Settings::default()
                };
                Box::new(match identity {
                    Some(identity) => Tls::with_identity(token, settings, identity),
                    None => Tls::new(token, settings),
                })
            }
            CarrierSpec::Quic(settings) => Box::new(match identity {
                Some(identity) => Quic::with_identity(token, settings.clone(), identity),
                None => Quic::new(token, settings.clone()),
            }),
            CarrierSpec::Ssh { settings, .. } => Box::new(Ssh::new(token, settings.clone())),
        })
    }

    /// How the source's half moves the bytes.
    pub fn relay_path(&self) -> relay::Path {
        match self {
            CarrierSpec::Tcp { sleep_per_mib, .. } if !sleep_per_mib.is_zero() => {
                relay::Path::Slow {
                    sleep_per_mib: *sleep_per_mib,
                }
            }
            CarrierSpec::Tcp { .. }
            | CarrierSpec::Tls { .. }
            | CarrierSpec::Quic(_)
            | CarrierSpec::Ssh { .. }
            | CarrierSpec::NativeTcp
            | CarrierSpec::NativeTls(_)
            | CarrierSpec::NativeUnix => relay::Path::Auto,
        }
    }

    /// The programs that it needs on the source's host and on the destination's, each with the part of OpenSSH that holds it.
    pub fn programs(&self) -> Option<[(&'static str, &'static str); 2]> {
        match self {
            CarrierSpec::Ssh { .. } => Some([("ssh", "client"), ("sshd", "server")]),
            CarrierSpec::NativeTcp
            | CarrierSpec::NativeTls(_)
            | CarrierSpec::NativeUnix
            | CarrierSpec::Tcp { .. }
            | CarrierSpec::Tls { .. }
            | CarrierSpec::Quic(_) => None,
        }
    }
}
