//! What the acknowledgements of a connection say about its path: rounds, rate, and the shortest round trip.

use std::time::{Duration, Instant};

/// From a moment on until something that was sent after it is acknowledged.
#[derive(Clone, Debug, Default)]
pub(super) struct Round {
    started: Option<Instant>,
    delivered: u64,
    pub(super) lost: u64,
    /// By a router, as a sign of congestion.
    pub(super) is_marked: bool,
    /// The application had nothing to send for a part of it.
    pub(super) is_limited: bool,
    rtt: Option<Duration>,
    /// The shortest round trip of what was acknowledged at once.
    latest: Option<Duration>,
    is_over: bool,
}

/// What a round has shown.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    /// Bytes per second.
    pub(super) rate: f64,
    /// The shortest round trip.
    pub(super) rtt: Duration,
    pub(super) is_limited: bool,
    delivered: u64,
    lost: u64,
    is_marked: bool,
}

impl Round {
    pub(super) fn sent(&mut self, now: Instant) {
        self.started.get_or_insert(now);
    }

    pub(super) fn acked(&mut self, now: Instant, sent: Instant, bytes: u64, rtt: Duration) {
        let shorter = |than: Option<Duration>| Some(than.map_or(rtt, |than| than.min(rtt)));
        self.delivered = self.delivered.saturating_add(bytes);
        self.rtt = shorter(self.rtt);
        self.latest = shorter(self.latest);
        let lasted = |started| now.saturating_duration_since(started) >= ROUND_MIN;
        self.is_over |= self
            .started
            .is_some_and(|started| sent >= started && lasted(started));
    }

    pub(super) fn take_latest(&mut self) -> Option<Duration> {
        self.latest.take()
    }

    /// What the round has shown, if it is over; the next one begins.
    pub(super) fn end(&mut self, now: Instant) -> Option<Ended> {
        let (true, Some(started), Some(rtt)) = (self.is_over, self.started, self.rtt) else {
            return None;
        };
        let ended = Ended {
            rate: self.delivered as f64 / now.saturating_duration_since(started).as_secs_f64(),
            rtt,
            is_limited: self.is_limited,
            delivered: self.delivered,
            lost: self.lost,
            is_marked: self.is_marked,
        };
        self.restart(now);
        Some(ended)
    }

    /// Forgets this round and begins another one.
    pub(super) fn restart(&mut self, now: Instant) {
        *self = Self {
            started: Some(now),
            ..Self::default()
        };
    }

    /// Whether so many were lost that chance is no explanation, of a window that was not known to be too large.
    pub(super) fn is_overflowing(&self, window: u64, mtu: u64) -> bool {
        self.lost >= mtu * LOST_DATAGRAMS && self.lost as f64 > window as f64 * OVERFLOW_LOSS
    }
}

impl Ended {
    /// What was sent a round trip before, delivered or not, in bytes per second.
    pub(super) fn sent_rate(&self) -> f64 {
        self.rate * (1.0 + self.lost as f64 / self.delivered.max(1) as f64)
    }

    /// Whether more was lost than by chance.
    pub(super) fn is_congested(&self, mtu: u64) -> bool {
        let sent = self.delivered.saturating_add(self.lost) as f64;
        let is_lost = self.lost >= mtu * LOST_DATAGRAMS && self.lost as f64 > sent * LOSS_THRESH;
        is_lost || self.is_marked
    }
}

/// What was acknowledged at once beyond what the path delivers in that time: it had waited for a processor, at either end, or for
/// a link that collects what it sends. `BBRUpdateACKAggregation()`.
#[derive(Clone, Debug, Default)]
pub(super) struct Bursts {
    since: Option<Instant>,
    acked: u64,
    /// Of this round.
    largest: f64,
    of_late: Highest,
}

impl Bursts {
    /// On a path of this rate.
    pub(super) fn acked(&mut self, now: Instant, bytes: u64, rate: f64) {
        let since = *self.since.get_or_insert(now);
        let mut expected = rate * now.saturating_duration_since(since).as_secs_f64();
        let is_over = self.acked as f64 <= expected;
        if is_over {
            (self.since, self.acked, expected) = (Some(now), 0, 0.0);
        }
        self.acked = self.acked.saturating_add(bytes);
        self.largest = self.largest.max(self.acked as f64 - expected);
    }

    pub(super) fn round_ended(&mut self, now: Instant, is_held_back: bool) {
        self.of_late.add(now, self.largest, is_held_back);
        self.largest = 0.0;
    }

    /// What came in since the last round says nothing of the path.
    pub(super) fn forget_round(&mut self) {
        (self.since, self.acked, self.largest) = (None, 0, 0.0);
    }

    /// The largest one of late, in bytes.
    pub(super) fn get(&self) -> u64 {
        self.of_late.get() as u64
    }
}

/// The highest value of late, of rounds: of this period and the one before.
#[derive(Clone, Debug, Default)]
pub(super) struct Highest {
    current: f64,
    previous: f64,
    rounds: u32,
    since: Option<Instant>,
}

impl Highest {
    /// A round that was held back says only that the path can do no less.
    pub(super) fn add(&mut self, now: Instant, value: f64, is_held_back: bool) {
        if !value.is_finite() {
            return;
        }
        if is_held_back {
            if value > self.get() {
                self.current = value;
            }
            return;
        }
        let since = *self.since.get_or_insert(now);
        if self.rounds >= PERIOD_ROUNDS && now.saturating_duration_since(since) >= PERIOD_MIN {
            (self.previous, self.current, self.rounds) = (self.current, 0.0, 0);
            self.since = Some(now);
        }
        self.rounds += 1;
        self.current = self.current.max(value);
    }

    pub(super) fn get(&self) -> f64 {
        self.current.max(self.previous)
    }
}

/// The shortest round trip, and how long ago it was seen.
#[derive(Clone, Debug, Default)]
pub(super) struct ShortestRtt(Option<(Duration, Instant)>);

impl ShortestRtt {
    pub(super) fn see(&mut self, now: Instant, rtt: Duration) {
        match &mut self.0 {
            Some((shortest, seen)) => {
                // As short but for the noise confirms it.
                if rtt <= *shortest + *shortest / NOISE_SHARE {
                    *seen = now;
                }
                *shortest = rtt.min(*shortest);
            }
            None => self.0 = Some((rtt, now)),
        }
    }

    pub(super) fn replace(&mut self, now: Instant, rtt: Duration) {
        self.0 = Some((rtt, now));
    }

    pub(super) fn get(&self) -> Option<Duration> {
        self.0.map(|(shortest, _)| shortest)
    }

    pub(super) fn is_stale(&self, now: Instant) -> bool {
        self.0
            .is_some_and(|(_, seen)| now.saturating_duration_since(seen) > PROBE_RTT_INTERVAL)
    }
}

/// Shorter rounds measure the scheduler.
const ROUND_MIN: Duration = Duration::from_millis(10);
/// `BBR.LossThresh`.
const LOSS_THRESH: f64 = 0.02;
/// While the window grows, so few may be chance on a path with much of it.
const OVERFLOW_LOSS: f64 = 0.05;
/// `BBRStartupFullLossCnt`.
const LOST_DATAGRAMS: u64 = 6;
/// Two periods are the ten rounds of BBR's first version.
const PERIOD_ROUNDS: u32 = 5;
const PERIOD_MIN: Duration = Duration::from_millis(100);
const NOISE_SHARE: u32 = 64;
/// `BBR.ProbeRTTInterval`.
const PROBE_RTT_INTERVAL: Duration = Duration::from_secs(5);
