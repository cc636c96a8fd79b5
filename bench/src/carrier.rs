//! Which carrier a cell uses, with its settings.

use serde::{Deserialize, Serialize};

/// What moves the migration stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CarrierSpec {
    /// QEMU's own socket on the chosen network.
    NativeTcp,
    /// lmbench's TCP carrier.
    Tcp {
        /// How the stream reaches QEMU.
        path: TcpPath,
    },
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
            CarrierSpec::Tcp { .. } => "tcp",
        }
    }
}
