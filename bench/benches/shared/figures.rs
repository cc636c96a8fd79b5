//! The arithmetic of the bars: medians, the ratio of two medians, and a bootstrap interval of it.
//!
//! The interval resamples whole rounds, so that a slow minute of the machine, which hits every variant of its rounds alike, widens it no
//! more than it must. Percentile bootstrap with a fixed seed: the same figures give the same interval.

use rand_core::{Rng as _, SeedableRng as _};

/// The middle value, or the mean of the two middle ones.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
    match sorted.get(low).zip(sorted.get(high)) {
        Some((low, high)) => f64::midpoint(*low, *high),
        None => f64::NAN,
    }
}

/// `median(over) / median(under)` and its 95 % interval. Both lists are in the order of the rounds.
pub(crate) fn ratio_of_medians(over: &[f64], under: &[f64]) -> (f64, [f64; 2]) {
    let rounds = over.len().min(under.len());
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(SEED);
    let mut ratios: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn: Vec<usize> = (0..rounds)
                .map(|_| (random.next_u64() % rounds.max(1) as u64) as usize)
                .collect();
            let of = |values: &[f64]| {
                median(&drawn.iter().map(|round| values[*round]).collect::<Vec<_>>())
            };
            of(over) / of(under)
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let at = |share: f64| ratios[((RESAMPLES - 1) as f64 * share) as usize];
    (median(over) / median(under), [at(0.025), at(0.975)])
}

/// The machine's load averages, which say how far absolute values can be trusted.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_else(|_| "unknown".to_owned());
    let averages: Vec<&str> = text.split_whitespace().take(3).collect();
    averages.join(" ")
}

/// What was typed, for whoever wants to repeat it.
pub(crate) fn command() -> String {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    arguments.join(" ")
}

const SEED: u64 = 1;
const RESAMPLES: usize = 10_000;
