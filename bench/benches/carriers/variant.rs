//! What can be measured: a carrier with its settings, or a reference.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use lmbench_transport::{Endpoint, Scheme};

/// One way for bytes to get from one host to the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Variant {
    /// One unix socket, no network.
    RawUnix,
    /// One TCP connection.
    RawTcp,
    /// The program of that name.
    Iperf3,
    /// Two halves of `lmbench carry`.
    Carrier {
        scheme: Scheme,
        /// What `--set` is given.
        set: Vec<String>,
    },
}

impl Variant {
    /// All that are measured if nothing was chosen; settings of carriers are those of `scenarios/transports.toml`.
    pub(crate) fn all() -> Vec<Self> {
        ALL.iter().filter_map(|text| text.parse().ok()).collect()
    }

    /// The first word of its name.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::RawUnix => "raw-unix".to_owned(),
            Self::RawTcp => "raw-tcp".to_owned(),
            Self::Iperf3 => "iperf3".to_owned(),
            Self::Carrier { scheme, .. } => scheme.to_string(),
        }
    }

    /// Whether it needs the veth pair, whose MTU then matters.
    pub(crate) fn has_network(&self) -> bool {
        *self != Self::RawUnix
    }

    /// The program that it needs and this machine lacks.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        let programs: &[&str] = match self {
            Self::Iperf3 => &["iperf3"],
            Self::Carrier {
                scheme: Scheme::Ssh,
                ..
            } => &["ssh", "sshd"],
            _ => &[],
        };
        programs
            .iter()
            .copied()
            .find(|program| !has(Path::new(program)))
    }
}

impl FromStr for Variant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split(',');
        let kind = words.next().unwrap_or_default();
        let set: Vec<String> = words.map(str::to_owned).collect();
        match (kind, set.is_empty()) {
            ("raw-unix", true) => Ok(Self::RawUnix),
            ("raw-tcp", true) => Ok(Self::RawTcp),
            ("iperf3", true) => Ok(Self::Iperf3),
            (scheme, _) => Ok(Self::Carrier {
                scheme: scheme_of(scheme)?,
                set,
            }),
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.kind())?;
        match self {
            Self::Carrier { set, .. } => set.iter().try_for_each(|set| write!(formatter, ",{set}")),
            _ => Ok(()),
        }
    }
}

fn scheme_of(name: &str) -> Result<Scheme, String> {
    let endpoint: Result<Endpoint, _> = format!("{name}://192.0.2.1:1").parse();
    endpoint.map(|endpoint| endpoint.scheme).map_err(|_| {
        "write tcp, tls, quic or ssh, with settings as in quic,gso=false; or raw-unix, raw-tcp, iperf3"
            .to_owned()
    })
}

/// In `PATH`, or where daemons are that an ordinary user's `PATH` leaves out.
pub(crate) fn has(program: &Path) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(Into::into))
        .any(|folder: std::path::PathBuf| folder.join(program).is_file())
}

const ALL: [&str; 7] = [
    "raw-unix",
    "raw-tcp",
    "iperf3",
    "tcp",
    "tls",
    "quic",
    "ssh,cipher=aes128-gcm",
];
