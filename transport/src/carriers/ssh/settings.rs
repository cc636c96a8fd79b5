//! What the carrier can be told.

use serde::{Deserialize, Serialize};

use crate::carriers::tcp;

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
    pub(super) fn tcp(&self) -> tcp::Settings {
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
}
