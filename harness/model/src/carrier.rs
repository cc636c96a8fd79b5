//! What moves the stream between the hosts, as costs and limits.
//!
//! CPU-s/GiB and handshakes are medians of run 20261201-130217-transports-80b0 (4 GiB guest, one channel, 2 cores
//! for both hosts, n = 8). The table of results/published/part2.md (2026-11-21) is the same measurement on a
//! quieter day: 0.68 CPU-s/GiB for native-tcp where this has 0.81.

use std::time::Duration;

/// A carrier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Carrier {
    /// CPU-s/GiB that QEMU uses on the source; its sending thread uses them, so that this is also a limit of one
    /// channel.
    pub qemu_source_s_per_gib: f64,
    /// The same on the destination.
    pub qemu_destination_s_per_gib: f64,
    /// CPU-s/GiB of the carrier's own process on the source, one thread a channel.
    pub source_s_per_gib: f64,
    /// The same on the destination.
    pub destination_s_per_gib: f64,
    /// Time of a handshake without a way in between.
    pub handshake: Duration,
    /// Round trips of a handshake.
    pub handshake_round_trips: f64,
    /// Bytes of one channel that may be on their way unacknowledged; none where TCP's own buffers grow with the way.
    pub window_bytes: Option<f64>,
    /// Share (0 to 1) of the carrier's CPU that goes into packets rather than bytes, at MTU 1500.
    pub per_packet: f64,
    /// Sleep for each MiB (the knob that makes a carrier slow on purpose).
    pub sleep_per_mib: Duration,
}

impl Carrier {
    /// QEMU's own unix socket.
    pub const NATIVE_UNIX: Self = Self::native(0.330, 0.297);
    /// QEMU's own TCP.
    pub const NATIVE_TCP: Self = Self::native(0.451, 0.354);
    /// QEMU's own TLS on its main channel. Its cost varies more than any other's: 2.66 CPU-s/GiB in part2.md, 8.85
    /// here.
    pub const NATIVE_TLS: Self = Self::native(6.309, 2.544);
    /// QEMU's own TLS on multifd channels, which write 512 KiB at once: run 20261201-132618-transports-aca7.
    pub const NATIVE_TLS_MULTIFD: Self = Self::native(0.859, 0.889);
    /// A socket that the carrier handed over: QEMU's own TCP from there on.
    pub const TCP_FD: Self = Self {
        handshake: Duration::from_micros(1013),
        handshake_round_trips: 6.0,
        ..Self::NATIVE_TCP
    };
    /// The spliced relay.
    pub const TCP: Self = Self::ours([0.304, 0.354, 0.425, 0.206], 1013, 6.0);
    /// rustls with aes128-gcm.
    pub const TLS: Self = Self::ours([0.278, 0.290, 0.550, 0.310], 2432, 8.0);
    /// quinn with aes128-gcm. At MTU 9000 it costs 0.452 + 0.448 where 1500 takes 0.913 + 0.901 (part2.md, without
    /// guests): 61 % goes by the packet.
    pub const QUIC: Self = Self {
        per_packet: 0.61,
        ..Self::ours([0.356, 0.401, 0.855, 0.861], 5336, 6.0)
    };
    /// OpenSSH with aes128-gcm. Of its channel's 2 MiB (`CHAN_SES_WINDOW_DEFAULT`) it keeps 1.18 MB on the way: 473
    /// Mbit/s at 20 ms, calibrated on run 20261201-033907-wan-9402.
    pub const SSH: Self = Self {
        window_bytes: Some(1.18e6),
        ..Self::ours([0.313, 0.374, 0.539, 0.577], 37_800, 19.0)
    };

    /// Time from dialling to a session over a way with this round trip. Round trips: handshakes of run
    /// 20261201-033907-wan-9402 (20 ms) in whole ones.
    pub fn handshake_time(&self, rtt: Duration) -> Duration {
        self.handshake + rtt.mul_f64(self.handshake_round_trips)
    }

    /// CPU-s/GiB of QEMU on the source, on the destination, of the carrier on the source, on the destination, in
    /// packets of this size.
    pub fn cpu_s_per_gib(&self, mtu: u32) -> [f64; 4] {
        let packets = 1.0 - self.per_packet + self.per_packet * 1500.0 / f64::from(mtu.max(576));
        [
            self.qemu_source_s_per_gib,
            self.qemu_destination_s_per_gib,
            self.source_s_per_gib * packets,
            self.destination_s_per_gib * packets,
        ]
    }

    const fn native(qemu_source: f64, qemu_destination: f64) -> Self {
        Self::ours([qemu_source, qemu_destination, 0.0, 0.0], 0, 0.0)
    }

    const fn ours(cpu: [f64; 4], handshake_us: u64, round_trips: f64) -> Self {
        Self {
            qemu_source_s_per_gib: cpu[0],
            qemu_destination_s_per_gib: cpu[1],
            source_s_per_gib: cpu[2],
            destination_s_per_gib: cpu[3],
            handshake: Duration::from_micros(handshake_us),
            handshake_round_trips: round_trips,
            window_bytes: None,
            per_packet: 0.0,
            sleep_per_mib: Duration::ZERO,
        }
    }
}
