//! Ways to the end, each with what it is expected to cost, and the choice between them.

use std::fmt;

use super::dirty::Forecast;
use crate::spec::{Goal, PilotSpec};

/// Where the migration stands and what is known, in bytes and seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outlook {
    /// Since `migrate`.
    pub(super) now: f64,
    /// Since the pass began.
    pub(super) in_pass: f64,
    /// Left to send, as far as the hypervisor knows.
    pub(super) remaining: f64,
    /// Per second.
    pub(super) bandwidth: f64,
    /// What may be left at the switch-over.
    pub(super) room: f64,
    /// A switch-over at the end of a pass, with nothing left.
    pub(super) switch: f64,
    /// Of a stop now, for what is in buffers.
    pub(super) drain: f64,
    /// The blackout of a switch to post-copy.
    pub(super) post_copy_switch: f64,
    /// Of the guest's vCPUs, where 1 is undisturbed: the forecast holds for this.
    pub(super) speed: f64,
}

/// What ends the migration, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lever {
    /// The hypervisor switches over as soon as the rest fits.
    Wait,
    /// The guest's vCPUs lose this percentage.
    Throttle(u32),
    /// The guest moves before its memory.
    PostCopy,
    /// The guest stops until all is sent.
    Pause,
}

/// A lever and what it is expected to cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Route {
    pub(super) lever: Lever,
    /// Seconds from `migrate` to the end.
    pub(super) total: f64,
    /// Seconds.
    pub(super) blackout: f64,
    /// Share of its work that the guest loses.
    pub(super) slowdown: f64,
}

/// How plain passes go on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Passes {
    /// Seconds until the rest fits; `None` if it never does.
    pub(super) fits_in: Option<f64>,
    /// Least that is left at the end of a pass.
    pub(super) least: f64,
    /// Seconds until then.
    pub(super) least_in: f64,
}

impl Outlook {
    /// Bytes that the destination would lack if the guest moved now.
    pub(super) fn missing(&self, forecast: &dyn Forecast) -> f64 {
        self.remaining + forecast.dirtied(self.in_pass)
    }

    /// What passes lead to while the guest runs at `speed` of its own.
    pub(super) fn passes(&self, forecast: &dyn Forecast, speed: f64) -> Passes {
        let (mut left, mut began) = (self.remaining, self.in_pass);
        let mut passes = Passes {
            fits_in: None,
            least: f64::INFINITY,
            least_in: 0.0,
        };
        let mut elapsed = 0.0;
        // A throttle comes with the next pass.
        let mut slowed = 1.0;
        for _ in 0..PASSES_MAX {
            let seconds = left / self.bandwidth;
            elapsed += seconds;
            left = forecast.dirtied(began + seconds * slowed);
            began = 0.0;
            slowed = speed / self.speed;
            let gained = left < passes.least * PROGRESS;
            if left < passes.least {
                (passes.least, passes.least_in) = (left, elapsed);
            }
            if left <= self.room {
                passes.fits_in = Some(elapsed);
                return passes;
            }
            if !gained {
                return passes;
            }
        }
        passes
    }

    /// Every way that is permitted, the mildest first; of the throttles `at_hand`, the mildest that is not much slower than the best.
    pub(super) fn routes(
        &self,
        forecast: &dyn Forecast,
        spec: &PilotSpec,
        at_hand: impl Fn(u32) -> bool,
    ) -> Vec<Route> {
        let mut routes: Vec<Route> = self.wait(forecast).into_iter().collect();
        if spec.throttle {
            let steps = THROTTLES.into_iter().filter(|percent| at_hand(*percent));
            let throttles: Vec<Route> = steps
                .filter_map(|percent| self.throttle(forecast, percent))
                .collect();
            let best = throttles.iter().map(|route| route.total);
            let best = best.fold(f64::INFINITY, f64::min);
            let limit = spec
                .max_total_time
                .map_or(f64::INFINITY, |time| time.as_secs_f64());
            let enough = (best * PATIENT).min(limit).max(best);
            routes.extend(throttles.into_iter().find(|route| route.total <= enough));
        }
        if spec.post_copy {
            routes.push(self.post_copy(forecast));
        }
        let pause = self.pause(forecast);
        if spec.pause || pause.blackout <= spec.max_blackout.as_secs_f64() {
            routes.push(pause);
        }
        routes
    }

    fn wait(&self, forecast: &dyn Forecast) -> Option<Route> {
        let passes = self.passes(forecast, self.speed);
        let fits_in = passes.fits_in?;
        Some(self.route(
            Lever::Wait,
            fits_in,
            self.switch + passes.least / self.bandwidth,
            fits_in * (1.0 - self.speed),
        ))
    }

    fn throttle(&self, forecast: &dyn Forecast, percent: u32) -> Option<Route> {
        let taken = f64::from(percent) / 100.0;
        let passes = self.passes(forecast, 1.0 - taken);
        let fits_in = passes.fits_in?;
        let blackout = self.switch + passes.least / self.bandwidth;
        Some(self.route(Lever::Throttle(percent), fits_in, blackout, fits_in * taken))
    }

    /// Half of the guest's work is taken as lost while it fetches its memory.
    pub(super) fn post_copy(&self, forecast: &dyn Forecast) -> Route {
        let fetched = self.missing(forecast) / self.bandwidth;
        let lost = fetched * STALLED;
        let mut route = self.route(Lever::PostCopy, 0.0, self.post_copy_switch, lost);
        route.total += fetched;
        route.slowdown = (self.post_copy_switch + lost) / route.total.max(SHORT);
        route
    }

    fn pause(&self, forecast: &dyn Forecast) -> Route {
        let stopped = self.switch + self.drain + self.missing(forecast) / self.bandwidth;
        self.route(Lever::Pause, 0.0, stopped, 0.0)
    }

    /// `before` seconds until the guest stops, and seconds of work lost until then.
    fn route(&self, lever: Lever, before: f64, blackout: f64, lost: f64) -> Route {
        let total = self.now + before + blackout;
        Route {
            lever,
            total,
            blackout,
            slowdown: (lost + blackout) / total.max(SHORT),
        }
    }
}

/// The mildest of the routes that serve the goals best, in the order of their priority.
pub(super) fn choose(routes: &[Route], spec: &PilotSpec) -> Option<Route> {
    let mut left = routes.to_vec();
    // Never knowingly above the goal: only a permitted pause may be, and only if nothing else ends it.
    let within = |route: &Route| route.blackout <= spec.max_blackout.as_secs_f64();
    if left.iter().any(within) {
        left.retain(within);
    } else {
        left.retain(|route| route.lever == Lever::Pause && spec.pause);
    }
    for goal in spec.priorities {
        narrow(&mut left, goal, spec);
    }
    left.first().copied()
}

/// Keeps what meets the goal; without a limit, or if nothing meets it, what is about as good as the best.
fn narrow(routes: &mut Vec<Route>, goal: Goal, spec: &PilotSpec) {
    let (value, limit): (fn(&Route) -> f64, Option<f64>) = match goal {
        Goal::Blackout => (
            |route| route.blackout,
            Some(spec.max_blackout.as_secs_f64()),
        ),
        Goal::TotalTime => (
            |route| route.total,
            spec.max_total_time.map(|time| time.as_secs_f64()),
        ),
        Goal::Slowdown => (|route| route.slowdown, spec.max_slowdown),
    };
    let best = routes.iter().map(value).fold(f64::INFINITY, f64::min);
    let bound = limit
        .filter(|limit| best <= *limit)
        .unwrap_or(best * ABOUT + SHORT);
    routes.retain(|route| value(route) <= bound);
}

impl fmt::Display for Lever {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lever::Wait => text.write_str("plain passes"),
            Lever::Throttle(percent) => write!(text, "a throttle of {percent} %"),
            Lever::PostCopy => text.write_str("post-copy"),
            Lever::Pause => text.write_str("a pause"),
        }
    }
}

/// Passes that are looked ahead.
const PASSES_MAX: usize = 64;
/// A pass that leaves more than this share of the least before it gains nothing.
const PROGRESS: f64 = 0.97;
/// Throttles that are considered, percent.
const THROTTLES: [u32; 6] = [20, 40, 60, 80, 90, 99];
/// Share of the guest's work that is taken as lost in post-copy.
const STALLED: f64 = 0.5;
/// How much longer a milder throttle may take than the fastest.
const PATIENT: f64 = 1.5;
/// How much worse than the best is as good.
const ABOUT: f64 = 1.15;
/// Seconds, and a share, that do not matter.
const SHORT: f64 = 0.01;

#[cfg(test)]
mod tests;
