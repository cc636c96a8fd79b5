//! What the stream carries, smoothed.

/// An exponentially weighted mean of samples, seeded with the first.
pub(super) struct Bandwidth {
    alpha: f64,
    /// Bytes per second.
    mean: Option<f64>,
}

impl Bandwidth {
    /// `alpha` is the weight of the latest sample.
    pub(super) fn new(alpha: f64) -> Self {
        Bandwidth { alpha, mean: None }
    }

    pub(super) fn sample(&mut self, throughput_bps: f64) {
        let sample = throughput_bps / 8.0;
        // QEMU has measured nothing in the first moments.
        if !sample.is_finite() || sample <= 0.0 {
            return;
        }
        let smoothed = |mean: f64| self.alpha * sample + (1.0 - self.alpha) * mean;
        self.mean = Some(self.mean.map_or(sample, smoothed));
    }

    pub(super) fn is_known(&self) -> bool {
        self.mean.is_some()
    }

    /// How long `bytes` take, seconds; infinite before the first sample.
    pub(super) fn seconds_for(&self, bytes: u64) -> f64 {
        self.mean.map_or(f64::INFINITY, |mean| bytes as f64 / mean)
    }
}
