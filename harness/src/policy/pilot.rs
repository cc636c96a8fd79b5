//! `pilot`: lmbench's own closed loop. It is given goals instead of knobs, forecasts what each lever would lead to, and pulls the mildest
//! that serves the goals.
//!
//! `link` learns what the stream carries, `dirty` what the guest writes, `route` reckons with both; here it is decided when. It knows of
//! the guest's memory only what whole passes tell, so it acts first when the first pass ends, unless the total time forbids to wait.

use std::time::Duration;

use super::{Action, Decision, Needs, Policy, Setting, Throttle};
use crate::progress::Progress;
use crate::spec::PilotSpec;
use dirty::{Forecast, HotSet};
use ease::{Change, Ease};
use link::Link;
use route::{Lever, Outlook, Route, choose};

mod dirty;
mod ease;
mod link;
mod route;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;
mod words;

/// Steers one migration.
pub(super) struct Pilot {
    spec: PilotSpec,
    link: Link,
    ease: Ease,
    dirty: HotSet,
    pass: Option<Pass>,
    /// What the hypervisor was told last: bandwidth in bytes per second, limit in milliseconds, and when.
    told: Option<Told>,
    /// Percent that the guest's vCPUs lose, as far as that has had its effect.
    throttle: u32,
    /// A throttle that was asked for, and the pass in which it acts.
    throttling: Option<u32>,
    /// Whether the guest was moved or stopped.
    done: bool,
    /// The blackout that the switch to post-copy was expected to take, and when it was first seen.
    switch: f64,
    held_since: Option<f64>,
    let_go: bool,
    /// The smallest rest at the end of a pass, when that was, and how many passes since have come no nearer.
    least: f64,
    least_at: f64,
    in_vain: u32,
    /// Whether it was said that nothing helps.
    helpless: bool,
}

/// The pass that goes on.
#[derive(Debug, Clone, Copy)]
struct Pass {
    number: u64,
    began: f64,
    /// What was left at the last reading.
    left: f64,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    at: f64,
    bandwidth: f64,
    limit_ms: u64,
}

impl Pilot {
    pub(super) fn new(spec: PilotSpec, memory_bytes: u64) -> Self {
        Pilot {
            spec,
            link: Link::default(),
            ease: Ease::default(),
            dirty: HotSet::new(memory_bytes as f64),
            pass: None,
            told: None,
            throttle: 0,
            throttling: None,
            done: false,
            switch: 0.0,
            held_since: None,
            let_go: false,
            least: f64::INFINITY,
            least_at: 0.0,
            in_vain: 0,
            helpless: false,
        }
    }

    fn may_throttle(&self) -> bool {
        self.spec.throttle && self.spec.max_slowdown.is_none_or(|share| share > 0.0)
    }

    fn goal(&self) -> f64 {
        self.spec.max_blackout.as_secs_f64()
    }

    /// Learns from a reading.
    fn see(&mut self, now: f64, progress: &Progress) {
        if self.ease.is_on() {
            self.link.forget_window();
        } else {
            self.link.see(now, progress);
        }
        let left = progress.remaining_bytes as f64;
        let Some(pass) = &mut self.pass else {
            self.pass = Some(Pass {
                number: progress.pass,
                began: now,
                left,
            });
            return;
        };
        if progress.pass <= pass.number {
            pass.left = left;
            return;
        }
        let ended = *pass;
        *pass = Pass {
            number: progress.pass,
            began: now,
            left,
        };
        // Two passes between two readings share what was dirtied.
        let passes = (progress.pass - ended.number) as f64;
        let seconds = (now - ended.began) / passes;
        // The hypervisor ends a pass early when what is left might fit: that much was not dirtied in it.
        let told = self
            .told
            .map_or(0.0, |told| told.bandwidth * told.limit_ms as f64 / 1e3);
        let leftover = ended.left.min(told).min(left);
        if left < self.least * NEARER {
            (self.least, self.least_at, self.in_vain) = (left, now, 0);
        } else {
            self.in_vain += 1;
        }
        if ended.number > 0 {
            self.dirty.learn(seconds, left - leftover);
        }
        self.settle_throttle(progress);
    }

    /// What was learned at another throttle does not hold any more.
    fn settle_throttle(&mut self, progress: &Progress) {
        let reached = progress.throttle_percent.unwrap_or(0).min(99);
        if let Some(wanted) = self.throttling
            && reached >= wanted
        {
            self.throttling = None;
            self.throttle = reached;
            self.dirty = HotSet::new(self.dirty.total());
            (self.least, self.in_vain) = (f64::INFINITY, 0);
        }
    }

    /// Bytes that are in buffers now, and what of them will be there at the end of a pass.
    fn in_flight(&self, now: f64) -> (f64, f64) {
        let (all, bandwidth) = (self.link.in_flight(), self.link.bandwidth().unwrap_or(1.0));
        (
            self.ease.left(now, all, bandwidth),
            Ease::at_the_end(all, bandwidth, self.goal()),
        )
    }

    /// Seconds of the blackout for memory, and the bytes that fit into them.
    fn room(&self, in_flight: f64) -> Option<(f64, f64)> {
        let floor = self.link.floor()?;
        let fixed = SWITCH + in_flight / floor;
        let seconds = (self.goal() * (1.0 - MARGIN) - fixed).max(LEAST.min(self.goal()));
        Some((seconds, seconds * floor))
    }

    /// Tells the hypervisor what fits, when that has changed.
    fn tune(&mut self, now: f64) -> Vec<Decision> {
        let (in_flight, _) = self.in_flight(now);
        let Some(((seconds, _), floor)) = self.room(in_flight).zip(self.link.floor()) else {
            return Vec::new();
        };
        let limit_ms = ((seconds * 1e3) as u64).max(1);
        if let Some(told) = self.told {
            let drifted = |one: f64, other: f64| (one / other - 1.0).abs() > DRIFT;
            let same =
                !drifted(floor, told.bandwidth) && !drifted(limit_ms as f64, told.limit_ms as f64);
            if same || (now - told.at < PATIENCE && !self.ease.is_on()) {
                return Vec::new();
            }
        }
        self.told = Some(Told {
            at: now,
            bandwidth: floor,
            limit_ms,
        });
        let reason = words::tuned(self.goal(), SWITCH, in_flight, floor, limit_ms);
        let set = |setting| Decision {
            action: Action::Set(setting),
            reason: reason.clone(),
        };
        vec![
            set(Setting::AvailSwitchoverBandwidth {
                bytes_per_second: Some(floor as u64),
            }),
            set(Setting::DowntimeLimit { ms: limit_ms }),
        ]
    }

    /// Lets the buffers run empty towards the end of a pass, where they would cost too much of the blackout.
    fn ease(&mut self, now: f64) -> Option<Decision> {
        let bandwidth = self.link.bandwidth()?;
        let (left, in_flight) = (self.pass?.left, self.link.in_flight());
        let goal = self.goal();
        let change = self.ease.change(now, left, in_flight, bandwidth, goal)?;
        let rate = match change {
            Change::Ease(rate) => rate,
            Change::Lift => return Some(self.lift(words::lifted(left, bandwidth))),
        };
        let allowed = self.spec.bandwidth.unwrap_or(u64::MAX);
        let bytes_per_second = Some((rate as u64).min(allowed));
        Some(Decision {
            action: Action::Set(Setting::MaxBandwidth { bytes_per_second }),
            reason: words::eased(in_flight, bandwidth, rate),
        })
    }

    fn lift(&self, reason: String) -> Decision {
        let bytes_per_second = self.spec.bandwidth;
        Decision {
            action: Action::Set(Setting::MaxBandwidth { bytes_per_second }),
            reason,
        }
    }

    fn outlook(&self, now: f64) -> Option<Outlook> {
        let pass = self.pass?;
        let bandwidth = self.link.bandwidth()?;
        let (in_flight, at_the_end) = self.in_flight(now);
        let (_, room) = self.room(at_the_end)?;
        let drain = in_flight / bandwidth;
        Some(Outlook {
            now,
            in_pass: now - pass.began,
            remaining: pass.left,
            bandwidth: self.ease.rate(bandwidth),
            room,
            switch: SWITCH + at_the_end / bandwidth,
            drain,
            post_copy_switch: POST_COPY_SWITCH + POST_COPY_FETCHED / bandwidth + drain,
            speed: 1.0 - f64::from(self.throttle) / 100.0,
        })
    }

    /// Pulls a lever, if one is better than to wait, with what prepares it.
    fn steer(&mut self, now: f64) -> Vec<Decision> {
        let outlook = self.outlook(now);
        let Some(decision) = outlook.and_then(|outlook| self.decide(&outlook)) else {
            return Vec::new();
        };
        let prepared = match decision.action {
            // What the destination's devices touch must not queue behind memory that nobody waits for.
            Action::StartPostCopy => {
                self.switch = outlook.map_or(0.0, |outlook| outlook.post_copy_switch);
                self.hold()
            }
            // A guest that stands still waits for all of it.
            Action::Pause if self.ease.is_on() => Some(self.lift(words::stopped())),
            _ => None,
        };
        prepared.into_iter().chain([decision]).collect()
    }

    fn decide(&mut self, outlook: &Outlook) -> Option<Decision> {
        if !self.dirty.is_known() {
            return self.steer_blindly(outlook);
        }
        let spec = PilotSpec {
            throttle: self.may_throttle(),
            ..self.spec
        };
        // None back: the hypervisor takes it up only when it syncs, and what was asked for may still come.
        let at_hand = |percent| {
            self.throttling
                .map_or(percent > self.throttle, |wanted| percent >= wanted)
        };
        let mut routes = outlook.routes(&self.dirty, &spec, at_hand);
        routes.retain(|route| self.may_trust(route.lever, outlook.now));
        let Some(best) = choose(&routes, &spec) else {
            return self.give_in(outlook);
        };
        self.helpless = false;
        let action = match best.lever {
            Lever::Wait => return None,
            Lever::Throttle(percent) if self.throttling == Some(percent) => return None,
            Lever::Throttle(percent) => {
                self.throttling = Some(percent);
                Action::Set(Setting::Throttle(Throttle {
                    initial: percent,
                    increment: percent,
                    max: percent,
                }))
            }
            Lever::PostCopy => {
                self.done = true;
                Action::StartPostCopy
            }
            Lever::Pause => {
                // A better moment may be ahead: this one must be about as good as any.
                let least = outlook.passes(&self.dirty, outlook.speed).least;
                let good = outlook.missing(&self.dirty) <= least * ABOUT;
                if !good && self.in_vain < IN_VAIN && !self.is_late(outlook) {
                    return None;
                }
                self.done = true;
                Action::Pause
            }
        };
        let reason = self.explain(outlook, &best);
        Some(Decision { action, reason })
    }

    /// A forecast that passes in vain have proved wrong is not believed any more. A throttle gets as long again, for it comes late.
    fn may_trust(&self, lever: Lever, now: f64) -> bool {
        let patience = match lever {
            Lever::Wait => 1,
            Lever::Throttle(_) if self.throttling.is_some() => 2,
            Lever::Throttle(_) | Lever::PostCopy | Lever::Pause => return true,
        };
        let long = now - self.least_at > DOUBT * f64::from(patience);
        !(long && self.in_vain >= DOUBTS * patience)
    }

    /// In the first pass: the total time may not allow to wait for its end.
    fn steer_blindly(&mut self, outlook: &Outlook) -> Option<Decision> {
        let limit = self.spec.max_total_time?.as_secs_f64();
        let end = outlook.now + outlook.remaining / outlook.bandwidth;
        let permitted = self.spec.post_copy && outlook.post_copy_switch <= self.goal();
        if !permitted || end < limit * LATE {
            return None;
        }
        self.done = true;
        Some(Decision {
            action: Action::StartPostCopy,
            reason: words::blind(outlook, end, limit),
        })
    }

    /// Holds post-copy's background stream back until the guest runs.
    fn hold(&self) -> Option<Decision> {
        let trickle = self.postcopy_bandwidth(TRICKLE)?;
        Some(Decision {
            action: Action::Set(Setting::MaxPostcopyBandwidth {
                bytes_per_second: Some(trickle),
            }),
            reason: words::held(trickle),
        })
    }

    /// Lets it flow, but slower than the link, so that pages that the guest waits for find an empty queue.
    fn let_go(&mut self, now: f64) -> Option<Decision> {
        let since = *self.held_since.get_or_insert(now);
        let hold = (self.switch * HOLD).clamp(HOLD_MIN, HOLD_MAX);
        if self.let_go || now - since < hold {
            return None;
        }
        self.let_go = true;
        let bandwidth = self.postcopy_bandwidth(FLOW)?;
        Some(Decision {
            action: Action::Set(Setting::MaxPostcopyBandwidth {
                bytes_per_second: Some(bandwidth),
            }),
            reason: words::let_go(now - since, bandwidth),
        })
    }

    /// A share of the bandwidth, within what the scenario allows.
    fn postcopy_bandwidth(&self, share: f64) -> Option<u64> {
        let wanted = ((self.link.bandwidth()? * share).round() as u64).max(POST_COPY_LEAST);
        let allowed = self.spec.post_copy_bandwidth.unwrap_or(u64::MAX);
        Some(wanted.min(allowed))
    }

    fn is_late(&self, outlook: &Outlook) -> bool {
        let limit = self.spec.max_total_time.map(|time| time.as_secs_f64());
        let end = outlook.now + outlook.missing(&self.dirty) / outlook.bandwidth;
        limit.is_some_and(|limit| end >= limit * LATE)
    }

    /// Nothing that is permitted leads to the goal: say so once, and leave the chance that the guest calms down.
    fn give_in(&mut self, outlook: &Outlook) -> Option<Decision> {
        if self.throttling.is_some() || std::mem::replace(&mut self.helpless, true) {
            return None;
        }
        let limit_ms = self.told?.limit_ms;
        let least = outlook.passes(&self.dirty, outlook.speed).least;
        Some(Decision {
            action: Action::Set(Setting::DowntimeLimit { ms: limit_ms }),
            reason: words::helpless(outlook, least, self.goal()),
        })
    }

    fn explain(&self, outlook: &Outlook, best: &Route) -> String {
        let passes = outlook.passes(&self.dirty, outlook.speed);
        let dirtied = self.dirty.dirtied(1.0);
        words::pulled(outlook, &passes, dirtied, self.goal(), best)
    }
}

impl Policy for Pilot {
    fn name(&self) -> &'static str {
        "pilot"
    }

    fn needs(&self) -> Needs {
        // Held at one percent, the hypervisor's throttle does nothing until it is wanted.
        let held = Throttle {
            initial: 1,
            increment: 1,
            max: 1,
        };
        // Before anything is known of the link, half of the blackout is for what is not memory.
        let ms = u64::try_from(self.spec.max_blackout.as_millis() / 2).unwrap_or(u64::MAX);
        Needs {
            post_copy: self.spec.post_copy,
            preempt: self.spec.post_copy,
            throttle: self.may_throttle().then_some(held),
            settings: vec![Setting::DowntimeLimit { ms: ms.max(1) }],
            ..Needs::default()
        }
    }

    fn on_progress(&mut self, now: Duration, progress: &Progress) -> Vec<Decision> {
        let now = now.as_secs_f64();
        if progress.in_post_copy() {
            return self.let_go(now).into_iter().collect();
        }
        if !progress.is_active() || self.done {
            return Vec::new();
        }
        self.see(now, progress);
        let mut decisions = self.tune(now);
        decisions.extend(self.steer(now));
        if !self.done {
            decisions.extend(self.ease(now));
        }
        decisions
    }
}

/// Seconds that a switch-over takes with nothing left to send: device state, its loading, the two hypervisors' words.
const SWITCH: f64 = 0.03;
/// The same for a switch to post-copy, in which the destination fetches what its devices touch.
const POST_COPY_SWITCH: f64 = 0.05;
/// Bytes of that, with what comes along.
const POST_COPY_FETCHED: f64 = 5e5;
/// Shares of the bandwidth for post-copy's background stream until the guest runs on the destination, and then.
const TRICKLE: f64 = 0.03;
const FLOW: f64 = 0.9;
/// Bytes per second that it gets at least.
const POST_COPY_LEAST: u64 = 500_000;
/// How many times the expected blackout it is held, within these seconds.
const HOLD: f64 = 1.5;
const HOLD_MIN: f64 = 0.12;
const HOLD_MAX: f64 = 1.0;
/// Share of the blackout that is kept for surprises.
const MARGIN: f64 = 0.1;
/// Least seconds that the hypervisor is allowed.
const LEAST: f64 = 0.002;
/// Share by which an estimate must change before the hypervisor is told again.
const DRIFT: f64 = 0.1;
/// Seconds between two such words.
const PATIENCE: f64 = 1.0;
/// Share of the total time at which it is late.
const LATE: f64 = 0.9;
/// A pass that leaves less than this share of the least before it has come nearer.
const NEARER: f64 = 0.9;
/// Passes in vain after which no better moment is waited for.
const IN_VAIN: u32 = 2;
/// Passes, and seconds, in vain after which a forecast is not believed.
const DOUBTS: u32 = 4;
const DOUBT: f64 = 2.0;
/// How much worse than the best moment is as good.
const ABOUT: f64 = 1.1;
