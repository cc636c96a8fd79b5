//! A congestion controller that keeps the path full and its queue short, whatever is lost at random.
//!
//! Like BBR it models the path, as the rate at which it delivers and its shortest round trip, and takes a loss for a sign of
//! congestion only if it is one of many. Other than BBR it does not pace: quinn does, and its pacer knows one figure only, the
//! window, of which it sends 1.25 per smoothed round trip, in bursts of 2 ms. So the window is the whole control:
//!
//! ```text
//! window = rate * shortest round trip + max(rate * STANDING, largest burst) + SPARE
//! ```
//! A window above the path's product of rate and round trip stands in the queue, here never for longer than [`STANDING`]. A
//! path that has become faster shows it within a round trip, since the standing part then flows and is delivered; a slower one
//! shows it by round trips that are longer. Connections that share a queue share the standing part too, since each has it in
//! proportion to its rate, and the spare datagrams, the same number for everybody, move them towards equal rates.
//!
//! A round trip is long, too, if an end has no processor for a while. Then acknowledgements come in bursts, which no queue of the
//! path's makes, and the window covers the largest of late, as BBR's `extra_acked` does: a smaller one would deliver less, be taken for
//! a slower path, and shrink to nothing.
//!
//! Constants that carry the name of one of BBR's have its value (draft-ietf-ccwg-bbr); the start follows `HyStart++` (RFC 9406). With
//! quinn, a stream with more than 1024 gaps is lost, so the window never grows by more than [`GROWTH_MAX`] datagrams in a round trip:
//! these can be too many, and every second one that is sent meanwhile, which makes them as many gaps.
//!
//! Not in here: a share of a queue that others fill. Beside a connection that goes on until the queue overflows, this one keeps
//! what it has with [`STANDING`] of queue, which is less than half if the queue is longer.

mod path;

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn::congestion::{Controller, ControllerFactory};

use path::{Bursts, Highest, Round, ShortestRtt};

/// Makes controllers that begin with this window, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct BdpConfig {
    pub(super) initial_window: u64,
}

/// The controller of one connection. All sizes are in bytes.
#[derive(Clone, Debug)]
pub(super) struct Bdp {
    initial_window: u64,
    mtu: u64,
    phase: Phase,
    window: u64,
    /// What many losses have left of the window; it grows again.
    ceiling: u64,
    round: Round,
    /// How much the window may still grow in this round.
    growth_left: u64,
    /// What the path delivers, in bytes per second.
    rate: Highest,
    bursts: Bursts,
    rtt: ShortestRtt,
    /// Rounds in a row without a queue to speak of.
    rounds_idle: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Grows with every acknowledgement.
    Startup {
        /// The best rate so far in bytes per second, and the rounds in a row that were hardly better.
        rate: f64,
        stalled: u32,
        /// Acknowledgements in a row that came late.
        late: u32,
    },
    /// Full: waits for a round whose rate is the path's.
    Settling,
    Steady,
    /// Lets the queue run empty to see the shortest round trip.
    Probing {
        /// When no more than the probe's window was in flight.
        drained: Option<Instant>,
        /// The shortest one since.
        rtt: Option<Duration>,
    },
}

impl ControllerFactory for BdpConfig {
    fn build(self: Arc<Self>, _: Instant, mtu: u16) -> Box<dyn Controller> {
        Box::new(Bdp::new(self.initial_window, mtu))
    }
}

impl Bdp {
    pub(super) fn new(initial_window: u64, mtu: u16) -> Self {
        let mtu = u64::from(mtu).max(1);
        Self {
            initial_window: initial_window.max(mtu * MIN_PIPE_DATAGRAMS),
            mtu,
            phase: STARTUP,
            window: initial_window.max(mtu * MIN_PIPE_DATAGRAMS),
            ceiling: u64::MAX,
            round: Round::default(),
            growth_left: mtu * GROWTH_MAX,
            rate: Highest::default(),
            bursts: Bursts::default(),
            rtt: ShortestRtt::default(),
            rounds_idle: 0,
        }
    }

    fn acked(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool) {
        let rtt = now.saturating_duration_since(sent);
        self.rtt.see(now, rtt);
        self.round.acked(now, sent, bytes, rtt);
        self.bursts.acked(now, bytes, self.rate.get());
        match &mut self.phase {
            Phase::Startup { .. } if !app_limited => {
                let growth = bytes.min(self.growth_left);
                self.growth_left -= growth;
                self.window = self.window.saturating_add(growth);
            }
            Phase::Probing {
                drained: Some(drained),
                rtt: shortest,
            } if sent >= *drained => {
                *shortest = Some(shortest.map_or(rtt, |shortest| shortest.min(rtt)));
            }
            _ => {}
        }
    }

    /// After all that one datagram acknowledged.
    fn acked_all(&mut self, now: Instant, in_flight: u64, app_limited: bool) {
        self.round.is_limited |= app_limited;
        let latest = self.round.take_latest();
        if let Phase::Startup { late, .. } = &mut self.phase
            && let (Some(latest), Some(shortest)) = (latest, self.rtt.get())
        {
            *late = if latest > shortest + LATE {
                *late + 1
            } else {
                0
            };
            if *late >= LATE_ACKS {
                self.phase = Phase::Settling;
                self.round.restart(now);
            }
        }
        self.probe(now, in_flight);
        if let Some(round) = self.round.end(now) {
            self.round_ended(now, &round);
        }
    }

    fn round_ended(&mut self, now: Instant, round: &path::Ended) {
        self.growth_left = self.mtu * GROWTH_MAX;
        let is_probing = matches!(self.phase, Phase::Probing { .. });
        let is_held_back = round.is_limited || is_probing;
        self.rate.add(now, round.rate, is_held_back);
        if !is_probing {
            self.bursts.round_ended(now, is_held_back);
        }
        let is_growing = matches!(self.phase, Phase::Startup { .. });
        if round.is_congested(self.mtu) && !is_growing {
            self.shrink(round.sent_rate());
        } else {
            self.ceiling = self.ceiling.saturating_add(self.ceiling / CEILING_GROWTH);
        }
        match &mut self.phase {
            Phase::Startup { rate, stalled, .. } => {
                if round.rate >= *rate * STARTUP_GROWTH {
                    (*rate, *stalled) = (round.rate, 0);
                } else if !round.is_limited {
                    *stalled += 1;
                }
                if *stalled >= STARTUP_ROUNDS {
                    self.phase = Phase::Steady;
                }
            }
            Phase::Settling => {
                self.rate = Highest::default();
                self.rate.add(now, round.rate, false);
                self.phase = Phase::Steady;
                self.window = self.target(STANDING);
            }
            Phase::Steady => self.follow(round),
            Phase::Probing { .. } => {}
        }
        if self.phase == Phase::Steady && self.rtt.is_stale(now) {
            self.phase = Phase::Probing {
                drained: None,
                rtt: None,
            };
        }
    }

    /// Moves the window to what the model says.
    fn follow(&mut self, round: &path::Ended) {
        let Some(shortest) = self.rtt.get() else {
            return;
        };
        let queued = round.rtt.saturating_sub(shortest);
        self.rounds_idle = if queued < STANDING / 4 && !round.is_limited {
            self.rounds_idle + 1
        } else {
            0
        };
        let standing = if self.rounds_idle >= IDLE_ROUNDS {
            STANDING.max(shortest / PROBE_UP_SHARE)
        } else {
            STANDING
        };
        let target = self.target(standing);
        if target > self.window {
            let growth = self.mtu * GROWTH_MAX;
            let most = (self.window / 4).min(growth).max(self.mtu);
            self.window = target.min(self.window.saturating_add(most));
        } else if queued > STANDING {
            // Without a queue a lower rate is somebody else's doing: of the application, or of a processor that was busy.
            self.window = target;
        }
    }

    /// What the path holds, and this much time of its rate on top, or a burst if one is more. Never less than the floor.
    fn target(&self, standing: Duration) -> u64 {
        let bytes = |time: Duration| (self.rate.get() * time.as_secs_f64()) as u64;
        let on_top = bytes(standing).max(self.bursts.get().min(self.window));
        bytes(self.rtt.get().unwrap_or_default())
            .saturating_add(on_top)
            .saturating_add(self.mtu * SPARE_DATAGRAMS)
            .max(self.floor())
    }

    /// Many were lost, or marked: takes a part of the window back, but leaves what was just sent in a round trip without a queue, or
    /// a path that loses so much by chance would be left with nothing.
    fn shrink(&mut self, rate: f64) {
        let sent = rate * self.rtt.get().unwrap_or_default().as_secs_f64();
        let left = (self.window() as f64 * BETA).max(sent) as u64;
        self.ceiling = left.max(self.floor());
        self.window = self.window.min(self.ceiling);
    }

    fn probe(&mut self, now: Instant, in_flight: u64) {
        let window = self.window();
        let Phase::Probing { drained, rtt } = &mut self.phase else {
            return;
        };
        match (*drained, *rtt) {
            (None, _) if in_flight <= window => *drained = Some(now),
            (Some(drained), Some(rtt)) if now >= drained + PROBE_RTT => {
                self.rtt.replace(now, rtt);
                self.phase = Phase::Steady;
                self.round.restart(now);
                // The window opens at once, which is no burst of the path's.
                self.bursts.forget_round();
            }
            _ => {}
        }
    }

    fn floor(&self) -> u64 {
        self.mtu * MIN_PIPE_DATAGRAMS
    }

    fn lost(&mut self, now: Instant, is_persistent: bool, bytes: u64) {
        if is_persistent {
            // Nothing at all came through for a long time, so nothing that is known holds.
            *self = Self::new(self.initial_window, self.mtu as u16);
            self.round.restart(now);
        } else if bytes == 0 {
            self.round.is_marked = true;
        } else {
            self.round.lost = self.round.lost.saturating_add(bytes);
            let in_startup = matches!(self.phase, Phase::Startup { .. });
            if in_startup && self.round.is_overflowing(self.window, self.mtu) {
                self.phase = Phase::Settling;
                self.round.restart(now);
            }
        }
    }
}

impl Controller for Bdp {
    fn on_sent(&mut self, now: Instant, _: u64, _: u64) {
        self.round.sent(now);
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        _: &quinn_proto::RttEstimator,
    ) {
        self.acked(now, sent, bytes, app_limited);
    }

    fn on_end_acks(&mut self, now: Instant, in_flight: u64, app_limited: bool, _: Option<u64>) {
        self.acked_all(now, in_flight, app_limited);
    }

    fn on_congestion_event(&mut self, now: Instant, _: Instant, is_persistent: bool, bytes: u64) {
        self.lost(now, is_persistent, bytes);
    }

    fn on_mtu_update(&mut self, mtu: u16) {
        self.mtu = u64::from(mtu).max(1);
        self.window = self.window.max(self.floor());
    }

    fn window(&self) -> u64 {
        let window = match self.phase {
            Phase::Probing { .. } => {
                let rtt = self.rtt.get().unwrap_or_default();
                let kept = rtt.saturating_sub(STANDING / 2).max(rtt / 4 * 3);
                self.window
                    .min((self.rate.get() * kept.as_secs_f64()) as u64)
            }
            _ => self.window,
        };
        window.min(self.ceiling).max(self.floor())
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        self.initial_window
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

const STARTUP: Phase = Phase::Startup {
    rate: 0.0,
    stalled: 0,
    late: 0,
};
/// How much time of the path's rate stands in its queue. Switches that are built for TCP hold 10 ms and more; quinn's bursts take 2.
const STANDING: Duration = Duration::from_millis(4);
/// BBR's offload budget knows of two sends of the kernel; this is as much at the usual MTU.
const SPARE_DATAGRAMS: u64 = 8;
/// `BBR.MinPipeCwnd`.
const MIN_PIPE_DATAGRAMS: u64 = 4;
/// `BBR.Beta`.
const BETA: f64 = 0.7;
/// The ceiling comes back by a sixteenth per round, twice the window within half a dozen of BBR's probes.
const CEILING_GROWTH: u64 = 16;
/// Growth of the rate per round below which it has stalled, and for how many rounds: BBR's full pipe.
const STARTUP_GROWTH: f64 = 1.25;
const STARTUP_ROUNDS: u32 = 3;
/// A round trip that is this much longer stood in a queue, and how many acknowledgements in a row have to show it: half of
/// `MIN_RTT_THRESH` and all of `N_RTT_SAMPLE` of RFC 9406.
const LATE: Duration = Duration::from_millis(2);
const LATE_ACKS: u32 = 8;
/// Datagrams by which the window grows per round at most; three quarters of the gaps that quinn allows.
const GROWTH_MAX: u64 = 768;
/// After so many rounds without a queue the path may be far larger than it was: an eighth more is tried.
const IDLE_ROUNDS: u32 = 3;
const PROBE_UP_SHARE: u32 = 8;
/// How long the shortest round trip is looked for, with half of [`STANDING`] less than the path holds, or a quarter if that is not as much.
/// `BBR.ProbeRTTDuration` is 200 ms at half of it; so near to full, a quarter of the time does, and leaves no gap that fills in a burst.
const PROBE_RTT: Duration = Duration::from_millis(50);

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
