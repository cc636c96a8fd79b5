//! The few distributions that the rest needs: binomial, normal, Student's t. No more exact than their users need, about 1e-9.

use std::f64::consts::{FRAC_PI_2, PI};

/// The chance that at least `least` of `n` independent trials succeed, each with chance `p`.
pub(super) fn binomial_at_least(n: usize, least: usize, p: f64) -> f64 {
    if least == 0 || p >= 1.0 {
        return 1.0;
    }
    if p <= 0.0 || least > n {
        return 0.0;
    }
    // In logarithms: (1/2)^n is zero as a double for n > 1074.
    let odds = (p / (1.0 - p)).ln();
    let mut log = n as f64 * (1.0 - p).ln();
    let mut sum = 0.0;
    for successes in 0..=n {
        if successes >= least {
            sum += log.exp();
        }
        log += ((n - successes) as f64 / (successes + 1) as f64).ln() + odds;
    }
    sum.min(1.0)
}

/// The chance of a standard normal value above `z`.
pub(super) fn normal_above(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - normal_above(-z);
    }
    let density = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
    if z < SERIES_BELOW {
        // Abramowitz and Stegun 26.2.11: z + z³/3 + z⁵/15 + …
        let (mut term, mut sum) = (z, z);
        for odd in (3..100).step_by(2) {
            term *= z * z / f64::from(odd);
            sum += term;
        }
        return 0.5 - density * sum;
    }
    // Laplace's continued fraction, Abramowitz and Stegun 26.2.14, from its far end.
    let tail = (1..=FRACTION_TERMS)
        .rev()
        .fold(0.0, |tail, k| f64::from(k) / (z + tail));
    density / (z + tail)
}

/// The value that a standard normal one exceeds with the chance `above`, which is below one half.
pub(super) fn normal_quantile(above: f64) -> f64 {
    student_t(FREEDOM_NORMAL + 1, above)
}

/// The chance of Student's t with `freedom` degrees as far from zero as `t`, to either side.
pub(super) fn student_p(freedom: usize, t: f64) -> f64 {
    if t.is_nan() {
        return 1.0;
    }
    (2.0 * student_t_above(freedom.max(1), t.abs())).min(1.0)
}

/// The value that Student's t with `freedom` degrees exceeds with the chance `above`, which is below one half.
pub(super) fn student_t(freedom: usize, above: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while student_t_above(freedom, high) > above && high < T_MAX {
        high *= 2.0;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if student_t_above(freedom, middle) > above {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The chance of Student's t above `t`, at least 0: the finite sums of Abramowitz and Stegun 26.7.3 and 26.7.4.
fn student_t_above(freedom: usize, t: f64) -> f64 {
    if freedom > FREEDOM_NORMAL {
        return normal_above(t);
    }
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sine, cosine) = angle.sin_cos();
    let is_odd = freedom % 2 == 1;
    let (mut term, mut sum) = if is_odd { (cosine, 0.0) } else { (1.0, 0.0) };
    // Factors 2/3, 4/5, … for odd degrees, 1/2, 3/4, … for even ones.
    let mut denominator = if is_odd { 3 } else { 2 };
    while denominator <= freedom + 1 {
        sum += term;
        term *= cosine * cosine * (denominator - 1) as f64 / denominator as f64;
        denominator += 2;
    }
    let within = if is_odd {
        let sum = if freedom == 1 { 0.0 } else { sum };
        (angle + sine * sum) / FRAC_PI_2
    } else {
        sine * sum
    };
    ((1.0 - within) / 2.0).max(0.0)
}

/// Where the series and the continued fraction are both good.
const SERIES_BELOW: f64 = 2.0;
const FRACTION_TERMS: u32 = 120;
/// Beyond, t and the normal distribution differ by less than a resample more or less does.
const FREEDOM_NORMAL: usize = 500;
const T_MAX: f64 = 1e12;
const HALVINGS: u32 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_agree() {
        for (z, chance) in [
            (0.0, 0.5),
            (1.0, 0.158_655_253_9),
            (1.96, 0.024_997_895_1),
            (2.0, 0.022_750_131_9),
            (3.0, 0.001_349_898),
            (-1.0, 0.841_344_746_1),
        ] {
            assert!((normal_above(z) - chance).abs() < 1e-9, "z = {z}");
        }
        for (freedom, t) in [
            (1, 12.706_2),
            (2, 4.302_65),
            (3, 3.182_45),
            (4, 2.776_45),
            (5, 2.570_58),
            (9, 2.262_16),
            (30, 2.042_27),
            (10_000, 1.959_96),
        ] {
            assert!(
                (student_t(freedom, 0.025) - t).abs() < 1e-4,
                "{freedom}: {}",
                student_t(freedom, 0.025)
            );
        }
        assert!((normal_quantile(0.025) - 1.959_963_985).abs() < 1e-8);
        assert!((student_p(9, -2.262_16) - 0.05).abs() < 1e-5);
        assert!(student_p(7, f64::INFINITY) < 1e-12);
        assert!((binomial_at_least(5, 3, 0.2) - 0.057_92).abs() < 1e-9);
        assert!((binomial_at_least(10_000, 5_000, 0.5) - 0.503_989).abs() < 1e-5);
    }
}
