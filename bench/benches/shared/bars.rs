//! Whether a bar is met.

/// Whether a value lies within `bar`: what the whole interval says, or that it holds values on both sides.
pub(crate) fn judge(interval: [f64; 2], bar: std::ops::RangeInclusive<f64>) -> &'static str {
    let [low, high] = interval;
    if bar.contains(&low) && bar.contains(&high) {
        "met"
    } else if high < *bar.start() || low > *bar.end() {
        "missed"
    } else {
        "not resolved"
    }
}
