//! `carrier`: which one this cell uses, with its settings.

use std::time::Duration;

use lmbench_harness::spec::Network;

use lmbench_transport::identity::Cipher;
use lmbench_transport::{quic, ssh};

use super::chosen::{Chosen, chosen};
use crate::carrier::{CarrierSpec, NativeTls, TcpPath, TlsCredentials};
use crate::scenario::matrix::Document;
use crate::scenario::problem::{Problem, Problems};
use crate::scenario::section::Section;
use crate::scenario::units::{Size, Time};

/// The cell's carrier.
pub(super) fn carrier(
    document: &Document,
    root: &Section<'_>,
    problems: &mut Problems,
) -> Chosen<CarrierSpec> {
    let section = root.section("carrier");
    let (name, span, known) = chosen(document, &section, "carrier", problems);
    let spec = match name.as_deref() {
        Some("tcp") => tcp(&section.section("tcp"), problems),
        Some("tls") => CarrierSpec::Tls {
            cipher: cipher(&section.section("tls")),
        },
        Some("quic") => CarrierSpec::Quic(quic(&section.section("quic"))),
        Some("ssh") => ssh(&section.section("ssh")),
        Some("native-tls") => CarrierSpec::NativeTls(native_tls(&section.section("native-tls"))),
        Some("native-unix") => CarrierSpec::NativeUnix,
        _ => CarrierSpec::NativeTcp,
    };
    Chosen { spec, span, known }
}

fn tcp(section: &Section<'_>, problems: &mut Problems) -> CarrierSpec {
    let (path, slowness) = (
        section.get::<String>("path"),
        section.get::<Time>("sleep-per-mib"),
    );
    let sleep_per_mib = slowness.value.map_or(Duration::ZERO, Time::duration);
    let path_is_fd = path.value.as_deref() == Some("fd");
    if let (true, false, Some(span)) = (path_is_fd, sleep_per_mib.is_zero(), &slowness.span) {
        problems.push(
            Problem::at(span, "`carrier.tcp.sleep-per-mib` with `path = \"fd\"`")
                .label("no process of ours is there to sleep")
                .also(path.span.as_ref(), "hands the connection to QEMU")
                .hint("use path = \"splice\""),
        );
    }
    CarrierSpec::Tcp {
        path: if path_is_fd {
            TcpPath::Fd
        } else {
            TcpPath::Splice
        },
        sleep_per_mib,
    }
}

fn cipher(section: &Section<'_>) -> Cipher {
    match section.get::<String>("cipher").value.as_deref() {
        Some("aes256-gcm") => Cipher::Aes256Gcm,
        Some("chacha20-poly1305") => Cipher::Chacha20Poly1305,
        _ => Cipher::Aes128Gcm,
    }
}

fn quic(section: &Section<'_>) -> quic::Settings {
    let defaults = quic::Settings::default();
    let size = |name, default| {
        let size = section.get::<Size>(name).value;
        size.map_or(default, Size::bytes)
    };
    let flag = |name, default| section.get::<bool>(name).value.unwrap_or(default);
    let choice = |name| section.get::<String>(name).value;
    quic::Settings {
        cipher: cipher(section),
        connections: match choice("connections").as_deref() {
            Some("shared") => quic::Connections::Shared,
            _ => quic::Connections::PerChannel,
        },
        congestion: match choice("congestion").as_deref() {
            Some("newreno") => quic::Congestion::Newreno,
            Some("bbr") => quic::Congestion::Bbr,
            Some("cubic") => quic::Congestion::Cubic,
            _ => quic::Congestion::Bdp,
        },
        mtu: section
            .get::<u32>("mtu")
            .value
            .and_then(|mtu| mtu.try_into().ok()),
        mtu_discovery: flag("mtu-discovery", defaults.mtu_discovery),
        stream_window: size("stream-window", defaults.stream_window),
        connection_window: size("connection-window", defaults.connection_window),
        send_window: size("send-window", defaults.send_window),
        ack_eliciting_threshold: section
            .get::<u32>("ack-eliciting-threshold")
            .value
            .unwrap_or(defaults.ack_eliciting_threshold),
        socket_buffer: section
            .get::<Size>("socket-buffer")
            .value
            .and_then(|size| size.bytes().try_into().ok())
            .or(defaults.socket_buffer),
        gso: flag("gso", defaults.gso),
        ..defaults
    }
}

fn ssh(section: &Section<'_>) -> CarrierSpec {
    let choice = |name| section.get::<String>(name).value;
    CarrierSpec::Ssh {
        network: match choice("network").as_deref() {
            Some("migration") => Network::Migration,
            _ => Network::Management,
        },
        settings: ssh::Settings {
            cipher: match choice("cipher").as_deref() {
                Some("aes128-gcm") => Some(ssh::Cipher::Aes128Gcm),
                Some("aes256-gcm") => Some(ssh::Cipher::Aes256Gcm),
                Some("chacha20-poly1305") => Some(ssh::Cipher::Chacha20Poly1305),
                Some("aes128-ctr") => Some(ssh::Cipher::Aes128Ctr),
                _ => None,
            },
            compression: section.get("compression").value.unwrap_or_default(),
            connections: match choice("connections").as_deref() {
                Some("per-channel") => ssh::Connections::PerChannel,
                _ => ssh::Connections::Shared,
            },
        },
    }
}

fn native_tls(section: &Section<'_>) -> NativeTls {
    let credentials = section.get::<String>("credentials").value;
    NativeTls {
        credentials: match credentials.as_deref() {
            Some("psk") => TlsCredentials::Psk,
            _ => TlsCredentials::X509,
        },
        priority: section.get::<String>("priority").value,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lmbench_transport::quic;

    use crate::carrier::CarrierSpec;
    use crate::scenario::keys::{Kind, kind_at};

    /// A name in the key table without an arm here would quietly become the default.
    #[test]
    fn every_name_of_the_key_table_is_built() {
        let Some(Kind::Selection { options, .. }) = kind_at("carrier") else {
            panic!("carriers are chosen by name");
        };
        for name in options.names() {
            let text = format!(
                "name = \"x\"\nabout = \"x\"\n[workload.idle]\nmemory = \"64 MiB\"\n[matrix]\ncarrier = [\"{name}\"]\n"
            );
            let scenario = crate::scenario::parse(Path::new("test.toml"), &text)
                .unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(scenario.cells[0].setup.carrier.name(), name);
        }
    }

    /// The key table tells the user the defaults, the carrier has them.
    #[test]
    fn the_key_tables_defaults_are_the_carriers() {
        let defaults = |name: &str| -> Vec<String> {
            let path = format!("carrier.{name}");
            let Some(Kind::Table(table)) = kind_at(&path) else {
                panic!("{name} has no table");
            };
            let keys = table.keys.iter();
            keys.filter_map(|key| Some(format!("{}={}", key.name, key.default?)))
                .collect()
        };
        for name in ["tcp", "tls", "quic", "ssh"] {
            let (plain, told) = (
                crate::scenario::carrier(name, &[]).unwrap(),
                crate::scenario::carrier(name, &defaults(name)).unwrap(),
            );
            assert_eq!(plain, told);
        }
        let quic = crate::scenario::carrier("quic", &[]).unwrap();
        assert_eq!(quic, CarrierSpec::Quic(quic::Settings::default()));
    }
}
