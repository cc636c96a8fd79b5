//! Zipf's law by bands: ranks from each power of two to the next count as equally likely.
//!
//! Within a band the most likely page is written at most `2^exponent` times as often as the least likely one, so
//! that the band's unique pages are near those of its mean rate.

/// Ranks that are taken together.
pub(super) struct Band {
    /// Pages of these ranks.
    pub pages: f64,
    /// Share (0 to 1) of all writes that goes to them.
    pub share: f64,
}

/// The bands of `pages` ranks.
pub(super) fn bands(pages: f64, exponent: f64) -> Vec<Band> {
    let mut bands = Vec::new();
    let mut first = 1.0;
    while first <= pages {
        let next = (first * 2.0).min(pages + 1.0);
        bands.push(Band {
            pages: next - first,
            share: mass(first, next, exponent),
        });
        first = next;
    }
    let total: f64 = bands.iter().map(|band| band.share).sum();
    for band in &mut bands {
        band.share /= total;
    }
    bands
}

/// The sum of `k^-exponent` for ranks from `first` to below `next`: exactly for the first few, else by the integral
/// between the half ranks.
fn mass(first: f64, next: f64, exponent: f64) -> f64 {
    if next - first <= 8.0 {
        let mut sum = 0.0;
        let mut rank = first;
        while rank < next {
            sum += rank.powf(-exponent);
            rank += 1.0;
        }
        return sum;
    }
    integral(next - 0.5, exponent) - integral(first - 0.5, exponent)
}

/// The integral of `x^-exponent` from 1 to `x`.
fn integral(x: f64, exponent: f64) -> f64 {
    let power = 1.0 - exponent;
    if power.abs() < 1e-9 {
        x.ln()
    } else {
        (power * x.ln()).exp_m1() / power
    }
}
