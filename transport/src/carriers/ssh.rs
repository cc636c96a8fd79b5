//! The carrier that tunnels the stream through OpenSSH: its own `ssh` and `sshd`, between two unix sockets.
//!
//! ```text
//! source QEMU -> unix socket -> ssh ==== TCP ==== sshd -> unix socket -> destination QEMU
//! ```
//! It exists to measure what OpenSSH costs, so no byte of the stream passes through this process
//! (except with [`Connections::PerChannel`]): `ssh` listens on the socket that the source's QEMU connects to, and `sshd` connects
//! to the destination's. That is why it is a pair of halves and no [`crate::carrier::Carrier`]: there are no channels to
//! hand to a relay, and neither their number nor their bytes can be told.
//!
//! # What is ours and what is OpenSSH's
//! The session is that of [`crate::carriers::tcp`]: a control connection, by which each end learns how the other one ends, and one more TCP
//! connection per `ssh`, each begun with the proof of the token. Only then is the connection given to `ssh -o ProxyCommand=-` and
//! `sshd -i`. So a stranger never reaches OpenSSH and costs no process, a replayed token is refused, and the sink can tell the
//! source, under the token, which user and which socket to ask for. Encryption and trust in it are OpenSSH's alone: the server's
//! and the client's key derive from the token (`keys.rs`), each end accepts no other one.
//!
//! Whoever holds the token can do what the stream needs and nothing more: `PermitOpen` limits forwards, of TCP and to unix sockets alike,
//! to the destination's socket, and there is no shell.
//!
//! # What the end tells
//! With [`Connections::PerChannel`] the source sees each channel, so a break is an error of both halves as with every carrier. With one
//! `ssh` for all no half sees a byte, but `ssh` tells (from OpenSSH 8.5 on) when a channel was closed with something on its way, and `sshd`
//! when the destination's QEMU left something unread. That, a lost
//! connection, a channel that could not be opened, and one that had to be cut at the end are errors of both halves.
//!
//! # What the figures mean
//! `handshake_ms` of the source runs from dialling to the socket that QEMU may use, as for every carrier; the share of `ssh` itself
//! stands in the details. A channel's window in OpenSSH is 2 MiB, so one channel gets at most 2 MiB per round trip, and
//! chacha20-poly1305 renews its keys every GiB; both are OpenSSH as it is. Unlike the other sinks this one connects to the destination's QEMU as soon as
//! the source's QEMU opens a channel, and tries once: the destination has to listen by then.

mod child;
mod client;
mod introduction;
mod keys;
mod log;
mod per_channel;
mod program;
mod server;
mod sink;
mod sockets;
mod source;
mod tunnel;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use sink::Sink;
pub use source::Source;

use crate::carrier::CarrierError;
use crate::carrier::endpoint::{Endpoint, Scheme};
use crate::carriers::tcp;
use crate::folder::FolderError;

/// What can be set, each by its consequence. Both ends take the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Settings {
    /// The cipher, which decides most of the cost. `None` leaves the choice to the two OpenSSH, and the details tell it.
    pub cipher: Option<Cipher>,
    /// Whether OpenSSH compresses (zlib): fewer bytes, at a cost in CPU that slows every fast network down.
    pub compression: bool,
    /// One connection for all channels, or one for each.
    pub connections: Connections,
}

/// The ciphers worth comparing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cipher {
    /// AES-128 in GCM: the fastest where the CPU has AES instructions.
    #[serde(alias = "aes128-gcm@openssh.com")]
    Aes128Gcm,
    /// AES-256 in GCM.
    #[serde(alias = "aes256-gcm@openssh.com")]
    Aes256Gcm,
    /// OpenSSH's own default.
    #[serde(rename = "chacha20-poly1305", alias = "chacha20-poly1305@openssh.com")]
    Chacha20Poly1305,
    /// AES-128 in counter mode with a separate MAC.
    Aes128Ctr,
}

/// How channels share connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connections {
    /// One `ssh` for all channels: one TCP connection and one core on each host.
    #[default]
    Shared,
    /// One `ssh` for each channel: as many cores as channels, at the price of one more relay in the source's process, since
    /// QEMU knows one socket only, and of a whole handshake for every channel after the first.
    PerChannel,
}

/// OpenSSH could not do its part.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// OpenSSH is not installed.
    #[error(
        "no program `{program}` in PATH or the usual places for daemons\nhint: install OpenSSH, server and client"
    )]
    Missing {
        /// Its name.
        program: &'static str,
    },
    /// A program could not be started.
    #[error("cannot start {}", program.display())]
    Start {
        /// Its path.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `sshd` does not like its configuration or its surroundings.
    #[error("sshd refuses to work here: {said}")]
    Server {
        /// Its last words.
        said: String,
    },
    /// The directory that `sshd` locks itself in is missing.
    #[error("cannot make sshd's directory {}\nhint: as root, mkdir -m 755 {}", path.display(), path.display())]
    PrivilegeSeparation {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No user to log in as.
    #[error("no user for sshd to let in: {0}\nhint: run as a user that has a name here")]
    User(String),
    /// Somebody else could put a socket in the place of QEMU's.
    #[error("others can change what is in {}: {why}\nhint: sshd connects to whoever listens there, so use a folder that only you can write to, such as one of mode 700", folder.display())]
    Exposed {
        /// The folder of the local socket.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The keys or sockets have no place.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The key does not fit OpenSSH's format.
    #[error("cannot write a key")]
    Key(#[from] ssh_key::Error),
    /// The sink did not say whom and what to ask for.
    #[error("sink did not introduce its sshd")]
    Introduction(#[source] io::Error),
    /// `ssh` did not get through.
    #[error("ssh did not get through: {said}")]
    Refused {
        /// Its last words.
        said: String,
    },
    /// `ssh` was too slow.
    #[error("ssh was not ready within {after:?}, last words: {said}")]
    TimedOut {
        /// The deadline.
        after: Duration,
        /// Its last words.
        said: String,
    },
    /// The process that carried everything has ended while it was needed.
    #[error("{program} ended too early: {said}")]
    Ended {
        /// Which.
        program: &'static str,
        /// Its last words.
        said: String,
    },
}

impl Cipher {
    /// OpenSSH's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128Gcm => "aes128-gcm@openssh.com",
            Self::Aes256Gcm => "aes256-gcm@openssh.com",
            Self::Chacha20Poly1305 => "chacha20-poly1305@openssh.com",
            Self::Aes128Ctr => "aes128-ctr",
        }
    }
}

impl Settings {
    /// The connections under the tunnels.
    fn tcp(&self) -> tcp::Settings {
        let channels_max = match self.connections {
            Connections::Shared => 1,
            Connections::PerChannel => TUNNELS_MAX,
        };
        tcp::Settings {
            channels_max,
            ..tcp::Settings::default()
        }
    }
}

/// The same address for the carrier underneath.
fn beneath(endpoint: &Endpoint) -> Result<Endpoint, CarrierError> {
    if endpoint.scheme == Scheme::Ssh {
        Ok(with_scheme(endpoint, Scheme::Tcp))
    } else {
        Err(CarrierError::Scheme {
            endpoint: endpoint.clone(),
            carrier: Scheme::Ssh,
        })
    }
}

fn with_scheme(endpoint: &Endpoint, scheme: Scheme) -> Endpoint {
    Endpoint {
        scheme,
        ..endpoint.clone()
    }
}

/// An error of the carrier underneath, with the endpoint as the user wrote it.
fn above(error: CarrierError) -> CarrierError {
    let up = |endpoint: &Endpoint| with_scheme(endpoint, Scheme::Ssh);
    match error {
        CarrierError::Resolve { endpoint, source } => CarrierError::Resolve {
            endpoint: up(&endpoint),
            source,
        },
        CarrierError::Listen { endpoint, source } => CarrierError::Listen {
            endpoint: up(&endpoint),
            source,
        },
        CarrierError::Connect { endpoint, source } => CarrierError::Connect {
            endpoint: up(&endpoint),
            source,
        },
        CarrierError::Handshake { endpoint, source } => CarrierError::Handshake {
            endpoint: up(&endpoint),
            source,
        },
        other @ (CarrierError::Scheme { .. } | CarrierError::Identity(_)) => other,
    }
}

/// How long `sshd` lets a client take to log in, and `ssh` may take to be ready.
const LOGIN_DEADLINE: Duration = Duration::from_secs(10);
/// How long a process that was told to end may take before it is killed.
const END_DEADLINE: Duration = Duration::from_secs(2);
/// How long the control connection gets to explain why OpenSSH ended.
const EXPLANATION_DEADLINE: Duration = Duration::from_millis(500);
/// Two processes or three on the sink for each.
const TUNNELS_MAX: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_take_short_and_whole_names_and_nothing_unknown() {
        let parse = |text: &str| serde_json::from_str::<Settings>(text);
        assert_eq!(parse("{}").unwrap(), Settings::default());
        for cipher in [
            Cipher::Aes128Gcm,
            Cipher::Aes256Gcm,
            Cipher::Chacha20Poly1305,
            Cipher::Aes128Ctr,
        ] {
            let short = cipher.name().trim_end_matches("@openssh.com");
            for name in [cipher.name(), short] {
                let settings = parse(&format!(r#"{{"cipher":"{name}"}}"#)).unwrap();
                assert_eq!(settings.cipher, Some(cipher), "{name}");
            }
        }
        let settings = parse(r#"{"compression":true,"connections":"per-channel"}"#).unwrap();
        assert_eq!(
            (settings.compression, settings.connections),
            (true, Connections::PerChannel)
        );
        assert!(parse(r#"{"cypher":"aes128-gcm"}"#).is_err());
        assert!(parse(r#"{"cipher":"none"}"#).is_err());
    }

    #[test]
    fn other_carriers_endpoints_are_refused() {
        let error = beneath(&"tcp://127.0.0.1:1".parse().unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "endpoint tcp://127.0.0.1:1 is not for carrier ssh"
        );
    }
}
