//! Where a carrier listens or dials, written as a URL: `tcp://198.18.1.2:7000`, `tcp://[::]:7000`, `tcp://host-b:7000`.
//!
//! Port 0 means "pick one" and makes sense for listening only. There is no path, no query and no user part: settings travel
//! elsewhere. Names are resolved when they are used, not when they are parsed.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address together with the carrier that speaks there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Endpoint {
    /// The carrier.
    pub scheme: Scheme,
    /// The address.
    pub address: Address,
}

/// Which carrier an endpoint belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// One plain TCP connection per channel.
    Tcp,
    /// One TLS 1.3 connection per channel.
    Tls,
    /// Encrypted, over UDP.
    Quic,
    /// OpenSSH between unix sockets.
    Ssh,
}

/// A socket address, or a name to be resolved into some.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A numeric address and port.
    Socket(SocketAddr),
    /// A host name and port.
    Name {
        /// The host name, as given.
        host: String,
        /// The port.
        port: u16,
    },
}

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseEndpointError {
    /// There is no `scheme://`.
    #[error("endpoint `{0}` has no scheme; write it like tcp://198.18.1.2:7000")]
    NoScheme(String),
    /// The scheme is not one of ours.
    #[error("unknown carrier `{found}` in endpoint; known: {}", Scheme::known())]
    UnknownScheme {
        /// What stood there.
        found: String,
    },
    /// There is no `:port`.
    #[error("endpoint address `{0}` has no port; append :7000, or :0 to have one picked")]
    NoPort(String),
    /// The port is not a number from 0 to 65535.
    #[error("port `{0}` is not a number from 0 to 65535")]
    BadPort(String),
    /// An IPv6 address stands without its brackets.
    #[error("IPv6 address `{0}` needs brackets, like tcp://[::1]:7000")]
    NoBrackets(String),
    /// The host is neither an address nor a host name.
    #[error("`{0}` is neither an IP address nor a host name")]
    BadHost(String),
    /// Something follows the port.
    #[error("endpoint takes no path, query or user part, but `{0}` has one")]
    Extra(String),
}

impl Endpoint {
    /// An endpoint of a carrier at a numeric address.
    pub fn new(scheme: Scheme, address: SocketAddr) -> Self {
        Self {
            scheme,
            address: Address::Socket(address),
        }
    }

    /// The port, 0 if one is to be picked.
    pub fn port(&self) -> u16 {
        match &self.address {
            Address::Socket(address) => address.port(),
            Address::Name { port, .. } => *port,
        }
    }

    /// The numeric addresses behind it, in the resolver's order.
    pub(crate) async fn resolve(&self) -> std::io::Result<Vec<SocketAddr>> {
        match &self.address {
            Address::Socket(address) => Ok(vec![*address]),
            Address::Name { host, port } => Ok(tokio::net::lookup_host((host.as_str(), *port))
                .await?
                .collect()),
        }
    }
}

impl Scheme {
    /// Every carrier, by the name it has in endpoints.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Tcp, "tcp"),
        (Self::Tls, "tls"),
        (Self::Quic, "quic"),
        (Self::Ssh, "ssh"),
    ];

    fn known() -> String {
        Self::ALL.map(|(_, name)| name).join(", ")
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => formatter.write_str("tcp"),
            Self::Tls => formatter.write_str("tls"),
            Self::Quic => formatter.write_str("quic"),
            Self::Ssh => formatter.write_str("ssh"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Socket(address) => write!(formatter, "{}://{address}", self.scheme),
            Address::Name { host, port } => write!(formatter, "{}://{host}:{port}", self.scheme),
        }
    }
}

impl FromStr for Endpoint {
    type Err = ParseEndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| ParseEndpointError::NoScheme(text.to_owned()))?;
        let known = Scheme::ALL.iter().find(|(_, name)| *name == scheme);
        let (scheme, _) = *known.ok_or_else(|| ParseEndpointError::UnknownScheme {
            found: scheme.to_owned(),
        })?;
        Ok(Self {
            scheme,
            address: parse_address(rest)?,
        })
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl TryFrom<String> for Endpoint {
    type Error = ParseEndpointError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

fn parse_address(text: &str) -> Result<Address, ParseEndpointError> {
    if text.contains(['/', '?', '#', '@']) {
        return Err(ParseEndpointError::Extra(text.to_owned()));
    }
    if text
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_ipv6())
    {
        return Err(ParseEndpointError::NoBrackets(text.to_owned()));
    }
    let no_port = || ParseEndpointError::NoPort(text.to_owned());
    let (host, port) = text.rsplit_once(':').ok_or_else(no_port)?;
    if host.starts_with('[') && !host.ends_with(']') {
        return Err(if text.ends_with(']') {
            no_port()
        } else {
            ParseEndpointError::BadHost(text.to_owned())
        });
    }
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port
        .parse()
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| ParseEndpointError::BadPort(port.to_owned()))?;
    if let Ok(mut address) = format!("{host}:0").parse::<SocketAddr>() {
        address.set_port(port);
        return Ok(Address::Socket(address));
    }
    if host.parse::<IpAddr>().is_ok() {
        return Err(ParseEndpointError::NoBrackets(host.to_owned()));
    }
    if is_host_name(host) {
        Ok(Address::Name {
            host: host.to_owned(),
            port,
        })
    } else {
        Err(ParseEndpointError::BadHost(host.to_owned()))
    }
}

/// Letters, digits, hyphens and underscores between dots; a name that ends in digits only is a mistyped IPv4 address.
fn is_host_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=LABEL_LEN_MAX).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let numeric_end = host
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    host.len() <= HOST_LEN_MAX && !numeric_end && host.split('.').all(label)
}

/// Limits of the domain name system.
const HOST_LEN_MAX: usize = 253;
const LABEL_LEN_MAX: usize = 63;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_what_the_documentation_shows() {
        for text in [
            "tcp://198.18.1.2:7000",
            "tcp://[::]:7000",
            "tcp://0.0.0.0:0",
            "tcp://[fe80::1%3]:7000",
            "tcp://host-b.example:7000",
            "ssh://host-b.example:7000",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn errors_say_what_to_write_instead() {
        let error = |text: &str| text.parse::<Endpoint>().unwrap_err().to_string();
        assert_eq!(
            error("198.18.1.2:7000"),
            "endpoint `198.18.1.2:7000` has no scheme; write it like tcp://198.18.1.2:7000"
        );
        assert_eq!(
            error("rdma://h:1"),
            "unknown carrier `rdma` in endpoint; known: tcp, tls, quic, ssh"
        );
        assert_eq!(
            error("tcp://198.18.1.2"),
            "endpoint address `198.18.1.2` has no port; append :7000, or :0 to have one picked"
        );
        assert_eq!(
            error("tcp://[::1]"),
            "endpoint address `[::1]` has no port; append :7000, or :0 to have one picked"
        );
        assert_eq!(
            error("tcp://h:65536"),
            "port `65536` is not a number from 0 to 65535"
        );
        assert_eq!(
            error("tcp://h:+7"),
            "port `+7` is not a number from 0 to 65535"
        );
        assert_eq!(error("tcp://h:"), "port `` is not a number from 0 to 65535");
        assert_eq!(
            error("tcp://::1"),
            "IPv6 address `::1` needs brackets, like tcp://[::1]:7000"
        );
        assert_eq!(
            error("tcp://999.1.1.1:7000"),
            "`999.1.1.1` is neither an IP address nor a host name"
        );
        assert_eq!(
            error("tcp://:7000"),
            "`` is neither an IP address nor a host name"
        );
        assert_eq!(
            error("tcp://a@b:1/x"),
            "endpoint takes no path, query or user part, but `a@b:1/x` has one"
        );
    }

    proptest! {
        #[test]
        fn every_socket_address_survives_the_round_trip(address: SocketAddr) {
            // Flow information is the one part of an IPv6 socket address that has no text form.
            let address = match address {
                SocketAddr::V6(mut v6) => { v6.set_flowinfo(0); SocketAddr::V6(v6) }
                v4 @ SocketAddr::V4(_) => v4,
            };
            let endpoint = Endpoint::new(Scheme::Tcp, address);
            prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
        }

        #[test]
        fn whatever_parses_prints_to_something_equal(text in "(tcp://)?[\\[\\]a-f0-9.:%@/_-]{0,24}") {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint));
            }
        }
    }
}
