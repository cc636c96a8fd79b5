//! The way between two hosts and how fast a stream gets along it.
//!
//! Bytes per second are the least of: what the link leaves (after headers, beside other traffic), what loss and
//! round trip leave, the carrier's window over the round trip, each thread's own limit, and what the hosts' cores
//! manage together: `cores in use / sum of CPU-s per byte` ("speed times CPU per GiB is nearly the same for all
//! carriers", part2.md).

use std::time::Duration;

use crate::carrier::Carrier;

/// The cores that a migration may use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cores {
    /// Cores that both hosts have together: in the lab those of one machine.
    pub count: f64,
    /// Share (0 to 1) of them that a migration at full speed keeps busy.
    pub used: f64,
    /// Cores that the guest's own work takes meanwhile.
    pub guest: f64,
}

impl Cores {
    /// A lab on two cores with a guest that sends heartbeats and does little else. Throughput times CPU-s/GiB of the
    /// seven carriers of run 20261201-130217-transports-80b0 is 11.2 to 13.6 Gbit/s, in the median 12.6: 1.47 cores. The
    /// guest took 0.21 beside it (`cpu_qemu_source` less `cpu_migration_qemu_source`).
    pub const LAB: Self = Self {
        count: 2.0,
        used: 0.84,
        guest: 0.21,
    };
}

/// How the sender takes loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Congestion {
    /// Sends at the rate that it measured, whatever is lost (BBR, the lab's default; lmbench's `bdp`).
    RateBased,
    /// Halves its window (Mathis et al., "The Macroscopic Behavior of the TCP Congestion Avoidance Algorithm", 1997):
    /// `1.22 MSS / (RTT sqrt(p))`. A lower bound for Cubic.
    LossBased,
}

/// The way.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Bits per second of the link, frames counted; none where it has no limit.
    pub link_bps: Option<f64>,
    /// Its MTU.
    pub mtu: u32,
    /// Its round trip.
    pub rtt: Duration,
    /// Share (0 to 1) of packets that it loses.
    pub loss: f64,
    /// What the sender does about that.
    pub congestion: Congestion,
    /// Bits per second that others send on it. They keep theirs up to half of it, as two TCP streams share.
    pub other_traffic_bps: f64,
    /// Bytes that the link's own queue holds: what a request on a connection of its own waits behind.
    pub queue_bytes: f64,
    /// Bytes between QEMU's `write` and the link: socket buffers and queue. They have to get there before the guest
    /// can go on.
    pub buffer_bytes: f64,
    /// The carrier.
    pub carrier: Carrier,
    /// Connections that the stream is spread over.
    pub channels: u32,
    /// The hosts' processors.
    pub cores: Cores,
    /// Spread of the rate (0 to 1) from one window of 100 ms to the next, to both sides, by the seed.
    pub noise: f64,
}

impl Path {
    /// A lab's way without a limit, at rest.
    pub fn new(carrier: Carrier) -> Self {
        Self {
            link_bps: None,
            mtu: 1500,
            rtt: Duration::from_micros(50),
            loss: 0.0,
            congestion: Congestion::RateBased,
            other_traffic_bps: 0.0,
            queue_bytes: LINK_QUEUE_BYTES,
            buffer_bytes: BUFFER_BYTES,
            carrier,
            channels: 1,
            cores: Cores::LAB,
            noise: 0.0,
        }
    }

    /// Bytes of stream per second while the guest runs.
    pub fn rate(&self) -> f64 {
        self.rate_beside(self.cores.guest)
    }

    /// Bytes of stream per second while the guest stands still, and leaves its cores to the stream.
    pub fn rate_alone(&self) -> f64 {
        self.rate_beside(0.0)
    }

    fn rate_beside(&self, guest_cores: f64) -> f64 {
        self.link_rate()
            .min(self.loss_rate())
            .min(self.window_rate())
            .min(self.cpu_rate(guest_cores))
    }

    /// Bytes per second at which QEMU fills the buffers while they have room.
    pub fn source_rate(&self) -> f64 {
        (GIB * f64::from(self.channels) / self.carrier.qemu_source_s_per_gib).max(self.rate_alone())
    }

    /// CPU-s for `bytes`: QEMU on the source, on the destination, the carrier on the source, on the destination.
    pub fn cpu_s(&self, bytes: f64) -> [f64; 4] {
        self.carrier
            .cpu_s_per_gib(self.mtu)
            .map(|s_per_gib| s_per_gib * bytes / GIB)
    }

    /// The payload of full frames, IPv4 with time stamps in Ethernet: 956 of 1000 Mbit/s at MTU 1500.
    fn link_rate(&self) -> f64 {
        let Some(link_bps) = self.link_bps else {
            return f64::INFINITY;
        };
        let mtu = f64::from(self.mtu);
        let left_bps = (link_bps - self.other_traffic_bps).max(link_bps / 2.0);
        left_bps / 8.0 * (mtu - IP_TCP_HEADERS) / (mtu + ETHERNET_HEADER)
    }

    fn loss_rate(&self) -> f64 {
        match self.congestion {
            Congestion::RateBased => self.link_rate() * (1.0 - self.loss),
            Congestion::LossBased if self.loss > 0.0 && !self.rtt.is_zero() => {
                let segment = f64::from(self.mtu) - IP_TCP_HEADERS;
                f64::from(self.channels) * MATHIS * segment
                    / (self.rtt.as_secs_f64() * self.loss.sqrt())
            }
            Congestion::LossBased => f64::INFINITY,
        }
    }

    fn window_rate(&self) -> f64 {
        match self.carrier.window_bytes {
            Some(bytes) if !self.rtt.is_zero() => {
                f64::from(self.channels) * bytes / self.rtt.as_secs_f64()
            }
            _ => f64::INFINITY,
        }
    }

    fn cpu_rate(&self, guest_cores: f64) -> f64 {
        let cores = (self.cores.count * self.cores.used - guest_cores).max(LEAST_CORES);
        let mut s_per_gib = self.carrier.cpu_s_per_gib(self.mtu);
        let shared = cores / s_per_gib.iter().sum::<f64>();
        // The dearest thread of a channel, with the sleeps that the carrier makes.
        if !self.carrier.sleep_per_mib.is_zero() {
            s_per_gib[2] += (self.carrier.sleep_per_mib.as_secs_f64() + OVERSLEEP_S) * 1024.0;
        }
        let thread_s_per_gib = s_per_gib.into_iter().fold(0.0, f64::max);
        let own = f64::from(self.channels) / thread_s_per_gib;
        GIB * shared.min(own)
    }
}

const GIB: f64 = (1_u64 << 30) as f64;
/// IPv4 20, TCP 20, time stamps 12.
const IP_TCP_HEADERS: f64 = 52.0;
/// What a shaper counts beside the packet.
const ETHERNET_HEADER: f64 = 14.0;
/// The constant of Mathis's formula, periodic loss.
const MATHIS: f64 = 1.22;
/// What a sleep takes longer than it was asked to: 6.1 ms per MiB with 5 ms of sleep in run 20261201-134809-slower-c2d0.
const OVERSLEEP_S: f64 = 0.7e-3;
/// A migration is never starved altogether.
const LEAST_CORES: f64 = 0.1;
/// 1.7 ms at 1 Gbit/s: the mean wait of a request with preempt behind an unbounded background stream (part3.md).
const LINK_QUEUE_BYTES: f64 = 200e3;
/// 16 ms at 1 Gbit/s: the same without preempt (part3.md). 51 ms at 200 Mbit/s, 1.2 MB, in run 20261201-081052-ci-1a53.
const BUFFER_BYTES: f64 = 1.9e6;
