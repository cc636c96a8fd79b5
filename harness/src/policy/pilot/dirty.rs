//! How much memory the guest dirties within a time: the seam behind which a better model can stand.

use std::collections::VecDeque;

/// A model of the guest's writes.
pub(super) trait Forecast {
    /// Bytes of different pages that it dirties within so many seconds.
    fn dirtied(&self, seconds: f64) -> f64;
}

/// A hot set that is soon dirty as a whole, and a background that never ends: `U(t) = H (1 - exp(-r t)) + b t`, fitted to whole passes.
///
/// One pass does not tell the two apart. Until there is another, what it left is taken as a hot set that its time has nearly saturated:
/// between the straight line, the least that such a guest can dirty in a shorter time, and all of it at once, the most.
#[derive(Debug)]
pub(super) struct HotSet {
    hot: f64,
    rate: f64,
    background: f64,
    total: f64,
    passes: VecDeque<Pass>,
}

/// What one pass told.
#[derive(Debug, Clone, Copy)]
struct Pass {
    seconds: f64,
    bytes: f64,
}

impl HotSet {
    /// Of a guest with so much memory.
    pub(super) fn new(total: f64) -> Self {
        HotSet {
            hot: 0.0,
            rate: 0.0,
            background: 0.0,
            total,
            passes: VecDeque::new(),
        }
    }

    /// Whether a pass was seen.
    pub(super) fn is_known(&self) -> bool {
        !self.passes.is_empty()
    }

    /// A pass took so long and left so much dirty.
    pub(super) fn learn(&mut self, seconds: f64, bytes: f64) {
        if seconds < SHORTEST || !bytes.is_finite() || bytes < 0.0 {
            return;
        }
        if self.passes.len() == KEPT {
            self.passes.pop_back();
        }
        self.passes.push_front(Pass { seconds, bytes });
        self.fit();
    }

    /// The guest's memory.
    pub(super) fn total(&self) -> f64 {
        self.total
    }

    fn fit(&mut self) {
        let mut best = f64::INFINITY;
        if let (1, Some(pass)) = (self.passes.len(), self.passes.front()) {
            self.rate = FIRST / pass.seconds;
            self.hot = pass.bytes / saturated(FIRST, 1.0);
            self.background = 0.0;
            return;
        }
        let rates = (0..RATES).map(|step| RATE_MIN * RATE_STEP.powi(step));
        // The straight line first: a curve has to be better to be believed.
        for rate in std::iter::once(0.0).chain(rates) {
            let (hot, background) = self.least_squares(rate);
            let error = self.error(hot, rate, background);
            if error < best * BETTER {
                best = error;
                (self.hot, self.rate, self.background) = (hot, rate, background);
            }
        }
    }

    /// The hot set and the background that fit best at a rate, neither below 0. Errors count relatively, and old passes less.
    fn least_squares(&self, rate: f64) -> (f64, f64) {
        let (mut aa, mut ab, mut bb, mut ay, mut by) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (weight, pass) in self.weighted() {
            let a = saturated(rate, pass.seconds);
            let b = pass.seconds;
            aa += weight * a * a;
            ab += weight * a * b;
            bb += weight * b * b;
            ay += weight * a * pass.bytes;
            by += weight * b * pass.bytes;
        }
        let line = (0.0, by / bb);
        if aa <= f64::EPSILON * bb {
            return line;
        }
        let determinant = aa * bb - ab * ab;
        if determinant > 1e-9 * aa * bb {
            let hot = (ay * bb - by * ab) / determinant;
            let background = (by * aa - ay * ab) / determinant;
            if hot >= 0.0 && background >= 0.0 {
                return (hot, background);
            }
        }
        let flat = (ay / aa, 0.0);
        if self.error(flat.0, rate, 0.0) < self.error(0.0, rate, line.1) {
            flat
        } else {
            line
        }
    }

    fn error(&self, hot: f64, rate: f64, background: f64) -> f64 {
        let errors = self.weighted().map(|(weight, pass)| {
            let made = hot * saturated(rate, pass.seconds) + background * pass.seconds;
            weight * (made - pass.bytes).powi(2)
        });
        errors.sum()
    }

    fn weighted(&self) -> impl Iterator<Item = (f64, &Pass)> {
        let ages = (0..).map(|age| FORGETS.powi(age));
        let weight = |pass: &Pass| pass.bytes.max(1.0).powi(-2);
        ages.zip(&self.passes)
            .map(move |(age, pass)| (age * weight(pass), pass))
    }
}

impl Forecast for HotSet {
    fn dirtied(&self, seconds: f64) -> f64 {
        let seconds = seconds.max(0.0);
        (self.hot * saturated(self.rate, seconds) + self.background * seconds).min(self.total)
    }
}

fn saturated(rate: f64, seconds: f64) -> f64 {
    -(-rate * seconds).exp_m1()
}

/// A pass shorter than this many seconds is no measurement.
const SHORTEST: f64 = 1e-3;
/// Passes that are remembered.
const KEPT: usize = 8;
/// What a pass counts beside the next one.
const FORGETS: f64 = 0.6;
/// Time constants of the hot set in the only pass.
const FIRST: f64 = 2.0;
/// Rates that are tried: 0.1 to about 160 per second.
const RATE_MIN: f64 = 0.1;
const RATE_STEP: f64 = 1.4;
const RATES: i32 = 23;
/// Share of the error that a more curved line must get below.
const BETTER: f64 = 0.9;

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(passes: &[(f64, f64)]) -> HotSet {
        let mut model = HotSet::new(1e9);
        for (seconds, bytes) in passes {
            model.learn(*seconds, *bytes);
        }
        model
    }

    #[test]
    fn one_pass_is_between_a_line_and_a_hot_set() {
        let model = learned(&[(2.0, 100e6)]);
        assert!((60e6..90e6).contains(&model.dirtied(1.0)));
        assert!((model.dirtied(2.0) - 100e6).abs() < 1.0);
        assert!(model.dirtied(1e9) <= 1e9);
    }

    // 40 MB at 5/s and 10 MB/s: what was learned from long passes foretells the short ones within a fifth.
    #[test]
    fn a_hot_set_is_found() {
        let truth = |seconds: f64| 40e6 * -(-5.0 * seconds).exp_m1() + 10e6 * seconds;
        let passes: Vec<_> = [4.0, 1.6, 1.1, 0.8]
            .map(|seconds| (seconds, truth(seconds)))
            .to_vec();
        let model = learned(&passes);
        for seconds in [0.2, 0.5, 1.0, 3.0, 8.0] {
            let (made, wanted) = (model.dirtied(seconds), truth(seconds));
            assert!(
                (made / wanted - 1.0).abs() < 0.2,
                "{seconds} s: {made} instead of {wanted}"
            );
        }
    }

    #[test]
    fn nonsense_is_not_learned() {
        let model = learned(&[(0.0, 1e6), (-1.0, 1e6), (1.0, f64::NAN), (1.0, -5.0)]);
        assert!(!model.is_known());
        let model = learned(&[(1.0, 0.0), (2.0, 0.0)]);
        assert!(model.dirtied(5.0).abs() < f64::EPSILON);
    }
}
