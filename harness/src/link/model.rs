//! When a frame arrives, or that it never does. Pure: no I/O and no clock of its own, so the same frames at the same times with the same
//! seed have the same fate.
//!
//! **Order.** A frame comes to the queue, is sent at the link's rate, and is then lost, delayed, or neither. What is lost was sent.
//!
//! **Rate and queue.** As the kernel's TBF does it (`crate::lab`): a drop-tail FIFO of bounded bytes (10 ms at the rate, at least 256 KiB)
//! in front of the link. The rate counts Ethernet frames. A link that was idle sends up to a millisecond's worth at once, because this
//! process, too, may look a millisecond late. Frames of a GSO packet that find the queue full are dropped one by one.
//!
//! **Delay and jitter.** Half the round trip each way; jitter is normally distributed and drawn once per run of frames. Frames never
//! overtake each other by jitter: one with a short delay waits for its predecessor, so on a busy link the mean delay grows by up to about
//! two deviations.
//!
//! **Reordering.** A chosen frame is not delayed at all and so overtakes what is on the way, as with netem's `reorder`.

mod chance;

use std::ops::Range;

use rand_core::SeedableRng as _;
use rand_pcg::Pcg64Mcg;

use crate::spec::LinkSpec;
use chance::{Rare, normal};

/// A link's settings in the model's units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shape {
    pub(super) rate_bps: Option<u64>,
    pub(super) queue_bytes: u64,
    pub(super) delay_ns: u64,
    pub(super) jitter_ns: u64,
    pub(super) loss: f64,
    pub(super) reorder: f64,
}

impl Shape {
    pub(super) fn of(link: &LinkSpec) -> Shape {
        let ns = |time: std::time::Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4);
        // Half a round trip of more than a minute is a slip of the pen, and sums must not overflow.
        let ns = |time: Option<std::time::Duration>| ns(time.unwrap_or_default()).min(DELAY_MAX_NS);
        Shape {
            rate_bps: link.rate_bps.filter(|rate| *rate > 0),
            queue_bytes: link.rate_bps.map_or(u64::MAX, crate::lab::queue_bytes),
            delay_ns: ns(link.rtt) / 2,
            jitter_ns: ns(link.jitter),
            loss: link.loss.unwrap_or(0.0),
            reorder: link.reorder.unwrap_or(0.0),
        }
    }
}

/// What a packet is on the wire: frames of equal payload (the last may be shorter) under copies of one header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet {
    /// Bytes of the header of each frame.
    pub(super) header: u32,
    /// Bytes of all payload.
    pub(super) payload: u32,
    /// Bytes of payload in each frame.
    pub(super) segment: u32,
}

impl Packet {
    /// A packet that is one frame.
    pub(super) fn single(bytes: u32) -> Packet {
        Packet {
            header: bytes,
            payload: 0,
            segment: 1,
        }
    }

    pub(super) fn frames(self) -> u32 {
        self.payload.div_ceil(self.segment).max(1)
    }

    fn frame_bytes(self, index: u32) -> u64 {
        let before = index.saturating_mul(self.segment);
        u64::from(self.header) + u64::from(self.segment.min(self.payload.saturating_sub(before)))
    }
}

/// Frames of one packet that arrive together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) frames: Range<u32>,
    pub(super) arrives_ns: u64,
    /// Whether it overtakes others.
    pub(super) early: bool,
}

/// What came and what became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) packets: u64,
    pub(super) frames: u64,
    pub(super) bytes: u64,
    pub(super) lost: u64,
    pub(super) queue_dropped: u64,
    pub(super) cut: u64,
    pub(super) cut_at_ns: Option<u64>,
    pub(super) early: u64,
    pub(super) queue_bytes_max: u64,
}

/// One direction of a link.
#[derive(Debug)]
pub(super) struct Model {
    shape: Shape,
    loss: Rare,
    reorder: Rare,
    jitter: Pcg64Mcg,
    /// When the link will have sent all that it has taken.
    free_at_ns: u64,
    /// What is left over of a nanosecond at `free_at_ns`, in units of 1 / rate.
    free_at_rest: u128,
    last_arrival_ns: u64,
    cut: Option<Cut>,
    down_until_ns: u64,
    counts: Counts,
}

/// A cut to come.
#[derive(Debug)]
struct Cut {
    bytes_left: u64,
    down_ns: Option<u64>,
}

impl Model {
    /// Each kind of chance has its own sequence, so that losses depend on the number of the frame and on nothing else.
    pub(super) fn new(shape: Shape, seed: u64) -> Model {
        Model {
            shape,
            loss: Rare::new(shape.loss, seed),
            reorder: Rare::new(shape.reorder, seed ^ 0x7265_6f72_6465_7200),
            jitter: Pcg64Mcg::seed_from_u64(seed ^ 0x6a69_7474_6572_0000),
            free_at_ns: 0,
            free_at_rest: 0,
            last_arrival_ns: 0,
            cut: None,
            down_until_ns: 0,
            counts: Counts::default(),
        }
    }

    /// New settings for what comes from now on.
    pub(super) fn set(&mut self, shape: Shape) {
        self.loss.set(shape.loss);
        self.reorder.set(shape.reorder);
        self.shape = shape;
        self.free_at_rest = 0;
    }

    /// Drops everything after this many bytes, for a time or for good.
    pub(super) fn cut(&mut self, after_bytes: u64, down_ns: Option<u64>) {
        self.cut = Some(Cut {
            bytes_left: after_bytes,
            down_ns,
        });
    }

    /// Ends a cut, and one that has not come yet.
    pub(super) fn restore(&mut self) {
        self.cut = None;
        self.down_until_ns = 0;
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn forget_counts(&mut self) {
        self.counts = Counts::default();
    }

    /// Decides over a packet that comes now: fills `runs` with what arrives, in the order of frames.
    pub(super) fn admit(&mut self, now_ns: u64, packet: Packet, runs: &mut Vec<Run>) {
        runs.clear();
        self.counts.packets += 1;
        for frame in 0..packet.frames() {
            let Some((sent_ns, early)) = self.send(now_ns, packet.frame_bytes(frame)) else {
                continue;
            };
            match runs.last_mut() {
                Some(run) if run.frames.end == frame && run.early == early => {
                    run.frames.end += 1;
                    run.arrives_ns = sent_ns;
                }
                _ => runs.push(Run {
                    frames: frame..frame + 1,
                    arrives_ns: sent_ns,
                    early,
                }),
            }
        }
        for run in runs.iter_mut().filter(|run| !run.early) {
            run.arrives_ns = (run.arrives_ns + self.delay_ns()).max(self.last_arrival_ns);
            self.last_arrival_ns = run.arrives_ns;
        }
    }

    /// When a frame has been sent and whether it overtakes, unless it is dropped or lost.
    fn send(&mut self, now_ns: u64, bytes: u64) -> Option<(u64, bool)> {
        self.counts.frames += 1;
        self.counts.bytes += bytes;
        if self.is_cut(now_ns, bytes) {
            self.counts.cut += 1;
            return None;
        }
        let Some(sent_ns) = self.queue(now_ns, bytes) else {
            self.counts.queue_dropped += 1;
            return None;
        };
        if self.loss.strikes() {
            self.counts.lost += 1;
            return None;
        }
        let early = self.reorder.strikes() && self.shape.delay_ns > 0;
        self.counts.early += u64::from(early);
        Some((sent_ns, early))
    }

    fn is_cut(&mut self, now_ns: u64, bytes: u64) -> bool {
        if now_ns < self.down_until_ns {
            return true;
        }
        let Some(cut) = &mut self.cut else {
            return false;
        };
        if cut.bytes_left >= bytes {
            cut.bytes_left -= bytes;
            return false;
        }
        let down_ns = cut.down_ns.unwrap_or(u64::MAX);
        self.down_until_ns = now_ns.saturating_add(down_ns);
        self.counts.cut_at_ns = Some(now_ns);
        self.cut = None;
        true
    }

    /// When the link will have sent a frame; `None` if the queue is full.
    fn queue(&mut self, now_ns: u64, bytes: u64) -> Option<u64> {
        let Some(rate_bps) = self.shape.rate_bps else {
            return Some(now_ns);
        };
        let waiting_ns = self.free_at_ns.saturating_sub(now_ns);
        let waiting = (u128::from(waiting_ns) * u128::from(rate_bps) / BITS_NS) as u64;
        if waiting + bytes > self.shape.queue_bytes {
            return None;
        }
        self.counts.queue_bytes_max = self.counts.queue_bytes_max.max(waiting + bytes);
        let idle_since = now_ns.saturating_sub(BURST_NS);
        if self.free_at_ns < idle_since {
            self.free_at_ns = idle_since;
            self.free_at_rest = 0;
        }
        let time = u128::from(bytes) * BITS_NS + self.free_at_rest;
        self.free_at_ns += (time / u128::from(rate_bps)) as u64;
        self.free_at_rest = time % u128::from(rate_bps);
        Some(self.free_at_ns.max(now_ns))
    }

    fn delay_ns(&mut self) -> u64 {
        if self.shape.jitter_ns == 0 {
            return self.shape.delay_ns;
        }
        let around = normal(&mut self.jitter) * self.shape.jitter_ns as f64;
        (self.shape.delay_ns as f64 + around).max(0.0) as u64
    }
}

/// Bits of a byte times nanoseconds of a second.
const BITS_NS: u128 = 8_000_000_000;
/// What an idle link may make up for.
const BURST_NS: u64 = 1_000_000;
const DELAY_MAX_NS: u64 = 60_000_000_000;

#[cfg(test)]
mod tests;
