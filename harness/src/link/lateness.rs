//! A histogram of how late deliveries were: buckets of a quarter of a power of two, so a figure is at most 25 % too high.

/// Counts per bucket, and the worst.
#[derive(Debug, Clone)]
pub(super) struct Lateness {
    buckets: [u64; BUCKETS],
    count: u64,
    max_ns: u64,
}

impl Lateness {
    pub(super) fn new() -> Lateness {
        Lateness {
            buckets: [0; BUCKETS],
            count: 0,
            max_ns: 0,
        }
    }

    pub(super) fn record(&mut self, late_ns: u64) {
        self.buckets[bucket(late_ns)] += 1;
        self.count += 1;
        self.max_ns = self.max_ns.max(late_ns);
    }

    /// Microseconds that this share of deliveries did not exceed; 0 without any.
    pub(super) fn quantile_us(&self, share: f64) -> f64 {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        let reached = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        let top_ns = reached.map_or(0, |bucket| top(bucket).min(self.max_ns));
        top_ns as f64 / 1e3
    }

    pub(super) fn max_us(&self) -> f64 {
        self.max_ns as f64 / 1e3
    }
}

fn bucket(ns: u64) -> usize {
    if ns < 4 {
        return ns as usize;
    }
    let power = ns.ilog2();
    (power as usize - 1) * 4 + (ns >> (power - 2)) as usize % 4
}

/// The largest value of a bucket.
fn top(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64;
    }
    let (power, quarter) = (bucket / 4 + 1, bucket % 4);
    let step = 1_u128 << (power - 2);
    ((4 + quarter as u128 + 1) * step - 1) as u64
}

/// For every `u64`.
const BUCKETS: usize = 252;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_gapless_and_a_quarter_wide() {
        for value in (0..2000).chain([1 << 20, (1 << 40) + 12_345, u64::MAX]) {
            let bucket = bucket(value);
            assert!(top(bucket) >= value, "{value}");
            assert!(bucket == 0 || top(bucket - 1) < value, "{value}");
            assert!(top(bucket) as f64 <= value as f64 * 1.25 + 1.0, "{value}");
        }
    }

    #[test]
    fn quantiles_bound_what_was_recorded() {
        let mut lateness = Lateness::new();
        assert!(lateness.quantile_us(0.99).abs() < f64::EPSILON);
        (0..99).for_each(|_| lateness.record(1_000));
        lateness.record(1_000_000);
        assert!((1.0..=1.25).contains(&lateness.quantile_us(0.99)));
        assert!((lateness.quantile_us(1.0) - 1_000.0).abs() < f64::EPSILON);
    }
}
