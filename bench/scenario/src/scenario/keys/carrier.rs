//! `carrier`: which one, or the tables with their settings.

use super::{Key, Kind, Table};

/// `carrier = "NAME"` or `[carrier.NAME]`.
pub(super) const CARRIER: Key = Key {
    name: "carrier",
    kind: Kind::Selection {
        options: &CARRIERS,
        planned: &["libvirt-native", "libvirt-tunnelled", "libvirt-tls"],
    },
    default: Some("native-tcp"),
    about: "What moves the migration stream: a name, or one table [carrier.NAME] with its settings, or an axis of the matrix.",
};

static CARRIERS: Table = Table {
    about: "The carriers.",
    keys: &[
        Key {
            name: "native-tcp",
            kind: Kind::Table(&NATIVE_TCP),
            default: None,
            about: NATIVE_TCP.about,
        },
        Key {
            name: "native-tls",
            kind: Kind::Table(&NATIVE_TLS),
            default: None,
            about: NATIVE_TLS.about,
        },
        Key {
            name: "native-unix",
            kind: Kind::Table(&NATIVE_UNIX),
            default: None,
            about: NATIVE_UNIX.about,
        },
        Key {
            name: "tcp",
            kind: Kind::Table(&TCP),
            default: None,
            about: TCP.about,
        },
        Key {
            name: "tls",
            kind: Kind::Table(&TLS),
            default: None,
            about: TLS.about,
        },
        Key {
            name: "quic",
            kind: Kind::Table(&QUIC),
            default: None,
            about: QUIC.about,
        },
        Key {
            name: "ssh",
            kind: Kind::Table(&SSH),
            default: None,
            about: SSH.about,
        },
    ],
};

static NATIVE_TCP: Table = Table {
    about: "QEMU's own TCP connection; the yardstick of all others. Nothing to set.",
    keys: &[],
};

static NATIVE_TLS: Table = Table {
    about: "QEMU's own TCP connection, encrypted by QEMU (GnuTLS): the reference for the carriers that encrypt. Credentials are made \
            for each repeat and thrown away.",
    keys: &[
        Key {
            name: "credentials",
            kind: Kind::Choice(&["x509", "psk"]),
            default: Some("x509"),
            about: "x509: certificates, both sides verified; psk: a pre-shared key.",
        },
        Key {
            name: "priority",
            kind: Kind::Text,
            default: None,
            about: "GnuTLS priority string, such as \"NORMAL:-CIPHER-ALL:+AES-128-GCM\". Without it QEMU's own default holds.",
        },
    ],
};

static NATIVE_UNIX: Table = Table {
    about: "QEMU's own unix socket between two hosts on the same machine: no network at all, the upper bound of every carrier. Nothing to set.",
    keys: &[],
};

static TCP: Table = Table {
    about: "lmbench's TCP carrier.",
    keys: &[
        Key {
            name: "path",
            kind: Kind::Choice(&["splice", "fd"]),
            default: Some("splice"),
            about: "splice: a process on each host relays between QEMU's unix socket and the connection; fd: the connected socket is handed \
                    to QEMU, no relay and no CPU of ours, but one channel only.",
        },
        Key {
            name: "sleep-per-mib",
            kind: Kind::Time,
            default: Some("0 ms"),
            about: "Slower by a known amount: the source's carrier sleeps so long for each MiB. For finding out whether a gate or a comparison \
                    would notice.",
        },
    ],
};

static TLS: Table = Table {
    about: "lmbench's TLS 1.3 carrier, both sides verified: a process on each host, a connection per channel.",
    keys: &[CIPHER],
};

static QUIC: Table = Table {
    about: "lmbench's QUIC carrier, both sides verified: a process on each host, UDP between them.",
    keys: &[
        CIPHER,
        Key {
            name: "connections",
            kind: Kind::Choice(&["shared", "per-channel"]),
            default: Some("per-channel"),
            about: "per-channel: a connection on a UDP socket of its own for each channel; shared: one connection with a stream per channel.",
        },
        Key {
            name: "congestion",
            kind: Kind::Choice(&["bdp", "cubic", "newreno", "bbr"]),
            default: Some("bdp"),
            about: "The congestion controller. bdp: lmbench's own, what the path holds and 4 ms of queue, whatever is lost by chance; cubic and \
                    newreno take every loss for congestion. quinn calls its BBR (version 1) experimental: it fills a queue until nearly half of \
                    what it sends is dropped, and a stream with more than 1024 gaps is broken off (seen at 1 Gbit/s, 20 ms).",
        },
        Key {
            name: "mtu",
            kind: Kind::Count {
                min: 1280,
                max: 65_535,
            },
            default: None,
            about: "The path's MTU in bytes, IP header included. Without it the route's own.",
        },
        Key {
            name: "mtu-discovery",
            kind: Kind::Flag,
            default: Some("true"),
            about: "Whether the path is probed up to the MTU, or the MTU taken for granted.",
        },
        Key {
            name: "stream-window",
            kind: Kind::Size,
            default: Some("32 MiB"),
            about: "What a channel may have received that nobody has read: bounds its rate to one window per round trip, and memory.",
        },
        Key {
            name: "connection-window",
            kind: Kind::Size,
            default: Some("64 MiB"),
            about: "The same for all channels of a connection together.",
        },
        Key {
            name: "send-window",
            kind: Kind::Size,
            default: Some("64 MiB"),
            about: "What may wait for its acknowledgement on the sending side.",
        },
        Key {
            name: "ack-eliciting-threshold",
            kind: Kind::Count { min: 0, max: 1_000 },
            default: Some("20"),
            about: "Datagrams that the receiver may take in before it acknowledges; 0 is QUIC's own rule, every other one.",
        },
        Key {
            name: "socket-buffer",
            kind: Kind::Size,
            default: Some("4 MiB"),
            about: "Buffers of the UDP sockets: what the receiver does not fetch in time beyond it is lost. net.core.rmem_max caps it.",
        },
        Key {
            name: "gso",
            kind: Kind::Flag,
            default: Some("true"),
            about: "Whether the kernel cuts large sends into datagrams. Off costs several times the CPU.",
        },
    ],
};

static SSH: Table = Table {
    about: "OpenSSH's own ssh and sshd between the two unix sockets: what a tunnelled migration costs.",
    keys: &[
        Key {
            name: "cipher",
            kind: Kind::Choice(&[
                "aes128-gcm",
                "aes256-gcm",
                "chacha20-poly1305",
                "aes128-ctr",
            ]),
            default: None,
            about: "OpenSSH's cipher. Without it the two agree on their default; the record says on which.",
        },
        Key {
            name: "compression",
            kind: Kind::Flag,
            default: Some("false"),
            about: "OpenSSH's compression (zlib): fewer bytes, and far slower on any fast network.",
        },
        Key {
            name: "connections",
            kind: Kind::Choice(&["shared", "per-channel"]),
            default: Some("shared"),
            about: "shared: one ssh for all channels, which is one core; per-channel: an ssh for each, behind a relay of lmbench's.",
        },
        Key {
            name: "network",
            kind: Kind::Choice(&["management", "migration"]),
            default: Some("management"),
            about: "The network it runs over. Tunnels usually share the management network.",
        },
    ],
};

const CIPHER: Key = Key {
    name: "cipher",
    kind: Kind::Choice(&["aes128-gcm", "aes256-gcm", "chacha20-poly1305"]),
    default: Some("aes128-gcm"),
    about: "What encrypts the stream. AES is faster where the processor has instructions for it, ChaCha20 where it has none.",
};
