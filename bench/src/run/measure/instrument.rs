//! What lmbench's own sampling costs and how close it is.

use super::Values;
use super::time_line::TimeLine;
use crate::record::summary;

pub(super) fn measure(values: &mut Values, line: &TimeLine<'_>) {
    let median_us = |nanoseconds: Vec<f64>| Some(summary(nanoseconds)?.median / 1e3);
    let answers = line
        .answers()
        .map(|(_, sample)| sample.cost.answer_ns as f64);
    values.put("sample_answer_us_p50", median_us(answers.collect()));
    let reads = line.answers().map(|(_, sample)| sample.cost.read_ns as f64);
    values.put("sample_read_us_p50", median_us(reads.collect()));
    // From `migrate` to the first, from each to the next; the last one is taken after the end.
    let times: Vec<f64> = std::iter::once(0.0)
        .chain(line.answers().map(|(at_ms, _)| at_ms))
        .collect();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    values.put("sample_gap_ms_max", gaps.max_by(f64::total_cmp));
}
